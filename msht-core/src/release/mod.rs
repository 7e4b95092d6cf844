//! The published result of a round and its offline verification.

mod build;
mod document;
mod json;
mod left_out;
mod statement;
mod verify;

#[cfg(feature = "testkit")]
pub(crate) use build::dimensions;
pub use build::{BuildError, INTERVAL_COMPLEMENT, interval95};
pub use document::{
    ConfirmSignature, MECHANISM_NAME, Mechanism, PrivacyUnit, Proof, RELEASE_FORMAT, Release,
    ReleaseDimension, ReleaseMeasure, ReleaseTable, SumOfAmounts,
};
pub use json::{MAX_RELEASE_JSON_BYTES, ReleaseJsonError, from_json, to_json};
pub use left_out::{NotLeftOut, left_out};
pub use statement::{PARTNERS_IN_COMMON, privacy_statement};
pub use verify::{Expectations, ReleaseFault};
