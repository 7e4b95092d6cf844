//! The coordinator: collects masked contributions, publishes their noisy sum and shows it.
//!
//! It is trusted for availability and for publishing what it summed, never for confidentiality: everything it holds
//! of one partner is masked, and is erased when the round ends. [`Coordinator`] is the whole of it as a library;
//! [`cli`] is the program around it.

#![deny(clippy::print_stdout, clippy::print_stderr)]

mod backup;
pub mod baseline;
pub mod cli;
mod clock;
mod coordinator;
mod data_dir;
mod error;
mod governance;
mod heads;
mod operator;
mod publish;
mod random;
mod registry;
mod reminders;
mod rounds;
mod server;
pub mod site;
mod site_listener;
mod store;
#[cfg(test)]
mod tests;
mod transport;

pub use clock::{Clock, system_clock, time_text};
pub use coordinator::{Coordinator, Settings};
pub use error::{Error, ErrorKind};
pub use heads::Noticed;
pub use random::system_rng;
pub use registry::{Enrolled, NewInvite};
pub use reminders::{Awaited, InviteStatus, Reminder};
pub use rounds::{
    AbortStatements, KeptEvidence, PhaseSeconds, RoundEnd, RoundPlan, RoundRequest, RoundStage,
    RoundStatus,
};
pub use server::{Listen, Running};
pub use site_listener::{SiteSettings, TlsFiles};
pub use store::{DatabaseUrl, StoreError};
