//! The decisions of a node's privacy ledger: what may still be spent, and what was.
//!
//! A ledger is an append-only, hash-chained list of [`LedgerEntry`]. This module replays a stored list, refuses
//! one that was altered or is out of order, decides whether a charge fits the caps, and returns the next entry
//! to be stored; it stores nothing. An entry counts once it is durable: store first, then [`Ledger::append`].
//!
//! A round moves through
//!
//! ```text
//! reserved ──→ charged ──→ unmasked ──→ released
//!    │            ├─────────────────────→ released
//!    │            ├──→ returned
//!    └→ tombstoned└──→ abandoned ──→ returned or released
//! ```
//!
//! A tombstone promises never to go on with the round. It frees a reservation; after the charge it frees
//! nothing (the masked vector may have left), and only [`ReturnEvidence`] does, never after
//! Unmask was sent. A round id is used once, whatever became of it.
//!
//! Accounting is by data, not by calendar of work: privacy losses of one person add up over every round that
//! counts the same days (basic composition of pure ε, Dwork and Roth, *The Algorithmic Foundations of
//! Differential Privacy*, 2014, section 3.5), whichever programme or data source asked.
//!
//! Left out: a ledger cut short at its end is a valid shorter ledger. A node notices by its
//! [anchor](crate::secagg::node::Anchor), kept elsewhere; [`Ledger::recovery`] then brings back what was charged.

mod budget;
mod charge;
mod entry;
mod ledger;
mod recovery;
mod window;

pub use budget::{BudgetError, Caps, Permit, PromisedSpan, Shortfall};
pub use charge::{Charge, ChargeError, ChargeTerms, MAX_CHARGED_TABLES, MAX_LEDGER_TEXT_BYTES};
pub use entry::{
    Approval, Decision, EncodingError, Governance, GovernanceAct, LedgerEntry, LedgerEvent,
    Resolution, ReturnEvidence, ReturnGround, TombstoneReason,
};
pub use ledger::{Ledger, LedgerError, Outcome};
pub use recovery::Remembered;
pub use window::{DataWindow, WindowError};
