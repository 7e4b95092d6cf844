//! Differential privacy: exact noise shares, what their sum promises, how large they must be, and what was spent.
//!
//! Every number that a privacy promise rests on is an exact [`Rational`](crate::rational::Rational); floating
//! point is for estimates only.

pub mod accountant;
pub mod calibration;
pub mod contribution;
pub mod mechanism;
pub mod pool;
pub mod sampler;
