//! A partner's node: keeps raw records on the partner's premises and contributes protected counts.
//!
//! A thin asynchronous shell around `msht-core`: it reads, stores and sends; the core decides.

#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod addresses;
pub mod agent;
mod anchor;
pub mod backup;
pub mod cli;
pub mod config;
pub mod count;
pub mod enrolment;
pub mod error;
pub mod freeze;
pub mod governance;
mod head;
pub mod mapping;
pub mod node;
pub mod preview;
pub mod quarantine;
pub mod review;
pub mod source;
pub mod surroundings;
pub mod transport;
pub mod vault;
