//! Counts that vary more than chance alone, and the exact tail of such a count with noise.
//!
//! A count N of mean μ and dispersion κ has variance μ + κ·μ²: Poisson for κ = 0, negative binomial (a Poisson whose
//! mean is itself gamma distributed with coefficient of variation √κ) above. With the noise X of a published
//! number, P(N + X ≥ y) = Σₙ P(N = n)·P(X ≥ y − n).

use statrs::function::gamma::ln_gamma;

use super::error::EstimateError;
use super::interval::NoiseLaw;

/// κ below which a count is taken to be Poisson: variances differ by less than one part in 10⁶ for any mean below 10⁴.
const POISSON_DISPERSION: f64 = 1e-10;

/// A probability, beside the largest one, below which a count is left out on the side of small counts and counted
/// as if it reached the tail on the side of large ones.
const NEGLIGIBLE: f64 = 1e-14;

/// Most terms on each side of the most likely count, a limit on time.
const MAX_TERMS: u32 = 1 << 20;

/// Largest mean of a count.
const MAX_MEAN: f64 = 1e12;

/// The law of a count.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CountLaw {
    mean: f64,
    dispersion: f64,
}

impl CountLaw {
    /// A count of this mean (0 to 10¹²) and dispersion (0 or more).
    ///
    /// # Errors
    /// [`EstimateError::Expectation`] where either is out of its range.
    pub fn new(mean: f64, dispersion: f64) -> Result<Self, EstimateError> {
        if (0.0..=MAX_MEAN).contains(&mean) && dispersion >= 0.0 && dispersion.is_finite() {
            return Ok(Self { mean, dispersion });
        }
        Err(EstimateError::Expectation)
    }

    /// The mean.
    #[must_use]
    pub fn mean(&self) -> f64 {
        self.mean
    }

    /// The variance μ + κ·μ².
    #[must_use]
    pub fn variance(&self) -> f64 {
        self.mean + self.dispersion * self.mean * self.mean
    }

    /// P(N = `count`).
    #[must_use]
    pub fn probability(&self, count: u32) -> f64 {
        let n = f64::from(count);
        if self.mean <= 0.0 {
            return if count == 0 { 1.0 } else { 0.0 };
        }
        if self.dispersion < POISSON_DISPERSION {
            return (n * self.mean.ln() - self.mean - ln_gamma(n + 1.0)).exp();
        }
        let r = 1.0 / self.dispersion;
        // p = μ/(r + μ) and 1 − p = r/(r + μ), each without cancellation.
        let log_fail = -(self.mean / r).ln_1p();
        let log_hit = -(r / self.mean).ln_1p();
        let log_ways = ln_gamma(n + r) - ln_gamma(r) - ln_gamma(n + 1.0);
        (log_ways + r * log_fail + n * log_hit).exp()
    }

    /// P(N + X ≥ `observed`), X a draw of `noise`; at most `NEGLIGIBLE` times the number of terms too large.
    #[must_use]
    pub fn upper_tail(&self, observed: i64, noise: &NoiseLaw) -> f64 {
        let reaches = |n: u32| noise.upper_tail(observed.saturating_sub(i64::from(n) + 1));
        let mode = mode_of(self.mean);
        let top = self.probability(mode);
        let (mut sum, mut mass) = (0.0, 0.0);
        let mut add = |n: u32| {
            let probability = self.probability(n);
            sum += probability * reaches(n);
            mass += probability;
            probability > top * NEGLIGIBLE
        };
        for n in mode..mode.saturating_add(MAX_TERMS) {
            if !add(n) {
                break;
            }
        }
        for n in (mode.saturating_sub(MAX_TERMS)..mode).rev() {
            if !add(n) {
                break;
            }
        }
        // What was left out counts as if it reached the tail, against calling anything.
        (sum + (1.0 - mass).max(0.0)).min(1.0)
    }
}

/// A count near the most likely one; where the law has its mode at zero, zero is reached by walking down.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the conversion saturates"
)]
fn mode_of(mean: f64) -> u32 {
    mean.floor() as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rational::Rational;

    #[test]
    fn probabilities_add_up_and_have_their_moments() {
        for (mean, dispersion) in [
            (0.5, 0.0),
            (7.0, 0.3),
            (45.0, 0.01),
            (300.0, 0.05),
            (3.0, 2.0),
        ] {
            let law = CountLaw::new(mean, dispersion).unwrap();
            let moment = |power: i32| -> f64 {
                (0..4000)
                    .map(|n| law.probability(n) * (f64::from(n) - mean).powi(power))
                    .sum()
            };
            assert!((moment(0) - 1.0).abs() < 1e-9, "{mean} {dispersion}");
            assert!(moment(1).abs() < 1e-6, "{mean} {dispersion}");
            assert!(
                (moment(2) / law.variance() - 1.0).abs() < 1e-6,
                "{mean} {dispersion}"
            );
        }
        assert_eq!(CountLaw::new(0.0, 0.1).unwrap().probability(0), 1.0);
        assert!(CountLaw::new(-1.0, 0.0).is_err() && CountLaw::new(1.0, f64::NAN).is_err());
    }

    #[test]
    fn a_small_dispersion_is_close_to_poisson() {
        let poisson = CountLaw::new(20.0, 0.0).unwrap();
        let nearly = CountLaw::new(20.0, 1e-7).unwrap();
        for n in [0, 10, 20, 45] {
            let (one, two) = (poisson.probability(n), nearly.probability(n));
            assert!((one - two).abs() < 1e-4 * one, "{n}");
        }
    }

    #[test]
    fn the_tail_is_that_of_a_direct_double_sum() {
        let noise = NoiseLaw::new(
            &"0.3".parse().unwrap(),
            &"11/4".parse::<Rational>().unwrap(),
        );
        let noise = noise.unwrap();
        for (mean, dispersion) in [(0.0, 0.0), (3.0, 0.0), (45.0, 0.02), (12.0, 1.5)] {
            let law = CountLaw::new(mean, dispersion).unwrap();
            for observed in [-20_i64, 0, 5, 45, 80] {
                let mut direct = 0.0;
                for n in 0..1500_u32 {
                    for x in -300..=300_i64 {
                        if i64::from(n) + x >= observed {
                            direct += law.probability(n) * noise.probability(x);
                        }
                    }
                }
                let tail = law.upper_tail(observed, &noise);
                assert!(
                    (tail - direct).abs() < 1e-9,
                    "{mean} {dispersion} {observed}"
                );
            }
        }
    }
}
