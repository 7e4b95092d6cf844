//! Who may join, and whose key is whose: what changes between rosters, and who vouches for it.
//!
//! A node never takes a new key from the coordinator alone. A person accepts it, or the key it replaces signed for
//! it ([`KeyChange`]), or partners whose keys were accepted here before signed that they saw it ([`Endorsement`]).
//! The coordinator's own key is handed over by both of its keys ([`Handover`]).
//!
//! Everything here is checked by its signatures alone, so it does not matter who passed it on. Whoever passes it on
//! can leave statements out; what is left out does not vouch for anything.

mod change;
mod endorsement;
mod statement;
mod succession;

pub use change::{ChangeKind, KnownPartner, RosterChange, no_longer_invited, roster_changes};
pub use endorsement::{Endorsement, Unendorsed, check_endorsed, endorsers};
pub use statement::{
    GovernanceRecord, MAX_GOVERNANCE_BYTES, MAX_STATEMENT_BYTES, SignedEndorsement, Statement,
};
pub use succession::{
    Countersigned, Handover, KeyChange, MAX_SUCCESSIONS, Succession, linked, succeeds,
};
