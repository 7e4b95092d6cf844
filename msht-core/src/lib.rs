//! Secure aggregation with differential privacy for counts of modern slavery and human trafficking.
//!
//! The library does no I/O: it is handed the time and a random generator, and it returns what must be made
//! durable and what may then be sent.

pub mod crypto;
pub mod dp;
pub mod estimate;
pub mod governance;
pub mod programme;
pub mod rational;
pub mod release;
pub mod secagg;
pub mod tally;
pub mod wire;

#[cfg(any(test, feature = "testkit"))]
pub mod testkit;
