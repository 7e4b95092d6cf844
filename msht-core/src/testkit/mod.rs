//! Support for tests: a ready-made cohort, rounds driven by hand, whole runs simulated under virtual time, adversaries,
//! statistics, and quarters of counts to publish.

pub mod adversary;
pub mod cohort;
pub mod documents;
pub mod forge;
pub mod mutate;
pub mod offences;
pub mod picture;
pub mod samples;
pub mod simulation;
pub mod statistics;
pub mod stepwise;
