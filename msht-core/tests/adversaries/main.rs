//! A malicious coordinator and malicious partners that hold real keys: the attacks of the protocol by name, every
//! field of every message changed, every pair of survivor sets of small cohorts, and what is proven afterwards.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod attacks;
mod evidence;
mod framing;
mod mutations;
mod partitions;

use msht_core::testkit::cohort::CohortOptions;

fn options(partners: u8) -> CohortOptions {
    CohortOptions {
        partners,
        ..CohortOptions::default()
    }
}
