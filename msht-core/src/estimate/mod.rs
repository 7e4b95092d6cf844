//! What the published noisy numbers can and cannot tell.
//!
//! Every function here is pure: releases in, statements out, each with its uncertainty. Floating point is used here
//! and nowhere else: estimates describe a release, they never decide a draw or a charge. `docs/estimates.md` has the
//! method, its assumptions and what simulation found of it.
//!
//! Two kinds of uncertainty are kept apart. *Noise* is what the mechanism added: its law is known exactly, and it
//! stands between a published number and what partners recorded. *Ordinary variation* is how much the records
//! themselves go up and down when nothing has changed: it is estimated from past releases.

pub mod consistent;
pub mod count_law;
pub mod display;
mod error;
pub mod hotspot;
pub mod interval;
pub mod multiple;
pub mod number;
mod ordinary;
pub mod planned;
pub mod rank;
pub mod sum;
pub mod table;
pub mod trend;
pub mod variation;
pub mod weighted;

pub use error::EstimateError;
pub use number::{Interval, Standing};
pub use table::NoisyTable;

/// The probability that an interval or a call of this module errs, unless a caller asks for another.
pub const COMPLEMENT: f64 = 0.05;

/// The power at which a change is said to be detectable.
pub const POWER: f64 = 0.8;
