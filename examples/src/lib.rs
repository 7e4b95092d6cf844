//! What the examples share: a whole cohort on one machine, with real QUIC on loopback and a vault for each partner.

pub mod changes;
pub mod demonstration;
pub mod food;
pub mod synthetic;
pub mod truth;
