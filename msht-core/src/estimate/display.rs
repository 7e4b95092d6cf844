//! A non-negative copy of noisy numbers, to be looked at and never added up.
//!
//! Cutting off at zero takes the negative half of the noise away. A true zero is then shown as E[max(0, X)] on
//! average, X the noise: p/(1−p²) for shape 1 (0.43 for a = 1, 2.5 for a = 0.2), more for larger shapes; n cells that
//! are all zero would add up to n times as much. That is why [`Shown`] has no arithmetic.

use std::fmt;

use super::interval::NoiseLaw;

/// A number for people to look at. It cannot be added up: sum the raw numbers instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown(u64);

impl Shown {
    /// The raw number, or zero where it is negative.
    #[must_use]
    pub fn of(raw: i64) -> Self {
        Self(u64::try_from(raw).unwrap_or(0))
    }

    /// A derived number rounded to a whole one, or zero where it is negative or not a number.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the conversion saturates, and what is negative or not a number becomes zero"
    )]
    pub fn of_derived(value: f64) -> Self {
        Self(value.round() as u64)
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How much a cell whose true count is `truth` is shown too large on average: E[max(0, truth + X)] − truth
/// = Σ_{k > truth} (k − truth)·P(X = k).
#[must_use]
pub fn bias(law: &NoiseLaw, truth: u32) -> f64 {
    // Σ_{k > truth} (k − truth)·P(X = k) = Σ_{k ≥ truth} P(X > k).
    law.mean_above(truth)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rational::Rational;

    #[test]
    fn the_bias_of_a_true_zero_is_that_of_the_privacy_statement() {
        for (a, stated) in [("1", 0.43), ("0.2", 2.5)] {
            let law = NoiseLaw::new(&a.parse().unwrap(), &Rational::one()).unwrap();
            let p = (-a.parse::<f64>().unwrap()).exp();
            assert!((bias(&law, 0) - p / (1.0 - p * p)).abs() < 1e-9);
            assert!((bias(&law, 0) - stated).abs() < 0.05);
            assert!(bias(&law, 20) < bias(&law, 0));
        }
    }

    #[test]
    fn nothing_negative_is_shown() {
        for (raw, shown) in [(-3, "0"), (0, "0"), (7, "7"), (i64::MIN, "0")] {
            assert_eq!(Shown::of(raw).to_string(), shown);
        }
        for (value, shown) in [(-0.7, "0"), (0.4, "0"), (2.6, "3"), (f64::NAN, "0")] {
            assert_eq!(Shown::of_derived(value).to_string(), shown);
        }
    }
}
