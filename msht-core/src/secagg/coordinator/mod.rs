//! The coordinator's side of a round: it collects, passes on, sums and unmasks, and can open nothing but the sum.
//!
//! One type a phase, each consumed by closing it. Messages are collected through `&mut self`; a bad one leaves
//! the phase as it was. A phase closes when all expected messages are in, or when its time has come with at
//! least as many as the rules ask for.

mod collect;
mod confirming;
mod joining;
mod masking;
mod opening;
mod session;
mod sharing;
mod unmasking;

pub use opening::Opened;
pub use session::{CoordinatorRecord, CoordinatorSession, Progress, Receipt};
