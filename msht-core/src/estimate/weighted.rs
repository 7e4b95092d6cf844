//! The law of a weighted sum of noise, such as the noise of a derived number.
//!
//! The characteristic function of one draw with p = e^−a and shape S is (1 + 4p·sin²(t/2)/(1−p)²)^−S, real and positive;
//! that of Σ wᵢXᵢ is the product at wᵢt. The law is inverted after Gil-Pelaez (*Biometrika* 38, 1951):
//! P(|Y| ≤ h) = (2/π)·∫₀^∞ sin(ht)/t·φ(t) dt.
//!
//! The weighted sum has atoms, so φ need not decay. A normal variable τZ of a two-hundredth of the standard deviation is
//! added, which cuts the integral off, and the half-width is widened by 3τ: since
//! P(|Y + τZ| > h) ≥ P(|Y| > h + 3τ)·P(|Z| ≤ 3), the interval misses no more often than stated. It is 1.5 % of a standard
//! deviation wider for it.

use std::f64::consts::PI;

use super::interval::IntervalError;
use crate::rational::Rational;

/// Standard deviations in one τ.
const SMOOTHING: f64 = 1.0 / 200.0;

/// How many τ an interval is widened by.
const WIDENING: f64 = 3.0;

/// P(|Z| ≤ 3), Z standard normal.
const WITHIN_WIDENING: f64 = 0.997_300_203_936_74;

/// Period of the discrete inversion in standard deviations: what lies half of it away is below 10^−10.
const PERIOD: f64 = 40.0;

/// Where e^(−τ²t²/2) ends the integral, in units of 1/τ.
const LAST: f64 = 6.0;

/// Smallest probability of an error that is computed: the inversion is good to about 10^−9.
pub const LEAST_INVERTED: f64 = 1e-6;

/// Halvings of the interval in which a half-width is searched: 20 standard deviations to one part in 10⁹.
const SEARCH_STEPS: u32 = 30;

/// Several independent draws of noise with one weight.
#[derive(Debug, Clone, PartialEq)]
pub struct Term {
    /// What each draw is multiplied by.
    pub weight: f64,
    /// How many draws.
    pub count: f64,
    /// Privacy loss per unit of each.
    pub a: Rational,
    /// Shape of each.
    pub shape: Rational,
}

/// The law of a weighted sum of independent noise; symmetric about zero.
#[derive(Debug, Clone)]
pub struct WeightedNoise {
    deviation: f64,
    /// (t, φ(t)·e^(−τ²t²/2)) at the midpoints of the steps of the integral, those that matter.
    transform: Vec<(f64, f64)>,
    step: f64,
}

impl WeightedNoise {
    /// The law of the sum over all draws of all terms.
    ///
    /// # Errors
    /// [`IntervalError::NoNoise`] where nothing is left of the noise, or an a or a shape is zero.
    pub fn new(terms: &[Term]) -> Result<Self, IntervalError> {
        let mut draws = Vec::with_capacity(terms.len());
        let mut variance = 0.0;
        for term in terms {
            let (a, shape) = (term.a.to_f64_lossy(), term.shape.to_f64_lossy());
            if a <= 0.0 || shape <= 0.0 {
                return Err(IntervalError::NoNoise);
            }
            let ratio = 4.0 * (-a).exp() / (-a).exp_m1().powi(2);
            // Var = S·ratio/2, as 2p/(1−p)² is the variance at shape 1.
            variance += term.count * term.weight.powi(2) * shape * ratio / 2.0;
            draws.push((term.weight / 2.0, term.count * shape, ratio));
        }
        let deviation = variance.sqrt();
        if !(deviation > 0.0 && deviation.is_finite()) {
            return Err(IntervalError::NoNoise);
        }
        let smooth = SMOOTHING * deviation;
        let step = 2.0 * PI / (PERIOD * deviation);
        let log_transform = |t: f64| {
            let of_draw = |(half_weight, exponent, ratio): &(f64, f64, f64)| {
                exponent * (ratio * (half_weight * t).sin().powi(2)).ln_1p()
            };
            -draws.iter().map(of_draw).sum::<f64>() - (smooth * t).powi(2) / 2.0
        };
        let last = LAST / smooth;
        let points = (0_u32..)
            .map(|j| (f64::from(j) + 0.5) * step)
            .take_while(|t| *t < last);
        let transform = points
            .map(|t| (t, log_transform(t)))
            .filter(|(_, log)| *log > -45.0)
            .map(|(t, log)| (t, log.exp()))
            .collect();
        Ok(Self {
            deviation,
            transform,
            step,
        })
    }

    /// Standard deviation.
    #[must_use]
    pub fn deviation(&self) -> f64 {
        self.deviation
    }

    /// P(|Y + τZ| > `half_width`), for half-widths below half of `PERIOD`.
    #[must_use]
    pub fn outside(&self, half_width: f64) -> f64 {
        let terms = self.transform.iter();
        let sum: f64 = terms
            .map(|(t, transform)| (half_width * t).sin() / t * transform)
            .sum();
        (1.0 - 2.0 / PI * self.step * sum).clamp(0.0, 1.0)
    }

    /// h with P(|Y| > h) ≤ `complement`.
    ///
    /// # Errors
    /// [`IntervalError::Complement`] below [`LEAST_INVERTED`] or above 1.
    pub fn half_width(&self, complement: f64) -> Result<f64, IntervalError> {
        if !(LEAST_INVERTED..=1.0).contains(&complement) {
            return Err(IntervalError::Complement(complement));
        }
        let (mut low, mut high) = (0.0, PERIOD / 2.0 * self.deviation);
        for _ in 0..SEARCH_STEPS {
            let middle = (low + high) / 2.0;
            if self.outside(middle) > complement * WITHIN_WIDENING {
                low = middle;
            } else {
                high = middle;
            }
        }
        Ok(high + WIDENING * SMOOTHING * self.deviation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::estimate::interval::NoiseLaw;

    fn term(weight: f64, count: f64, a: &str, shape: &str) -> Term {
        Term {
            weight,
            count,
            a: a.parse().unwrap(),
            shape: shape.parse().unwrap(),
        }
    }

    #[test]
    fn whole_weights_agree_with_the_exact_law_of_integers() {
        let (one, two) = (
            NoiseLaw::new(&"0.3".parse().unwrap(), &"11/4".parse().unwrap()).unwrap(),
            NoiseLaw::new(&"0.2".parse().unwrap(), &"2".parse().unwrap()).unwrap(),
        );
        let law = WeightedNoise::new(&[term(1.0, 1.0, "0.3", "11/4"), term(-2.0, 1.0, "0.2", "2")]);
        let law = law.unwrap();
        assert!((law.deviation().powi(2) - one.variance() - 4.0 * two.variance()).abs() < 1e-9);
        let exact = |half_width: i64| -> f64 {
            (-400..=400_i64)
                .map(|x| {
                    let above = one.upper_tail(half_width - 2 * x);
                    two.probability(x) * (above + one.cumulative(-half_width - 1 - 2 * x))
                })
                .sum()
        };
        for complement in [0.5, 0.05, 0.01, 1e-4] {
            let half_width = law.half_width(complement).unwrap();
            let below = |k: &i64| (*k as f64) <= half_width;
            let floor = (0..1_000_i64).rev().find(below).unwrap();
            assert!(exact(floor) <= complement, "{complement}: {half_width}");
            assert!(exact(floor - 2) > complement, "{complement}: {half_width}");
        }
    }

    #[test]
    fn a_mean_of_many_draws_is_nearly_normal() {
        let law = WeightedNoise::new(&[term(0.01, 10_000.0, "0.2", "11/4")]).unwrap();
        let half_width = law.half_width(0.05).unwrap() / law.deviation();
        assert!(
            (half_width - 1.96 - WIDENING * SMOOTHING).abs() < 0.003,
            "{half_width}"
        );
    }

    #[test]
    fn nothing_to_add_up_is_refused() {
        assert!(WeightedNoise::new(&[]).is_err());
        assert!(WeightedNoise::new(&[term(0.0, 3.0, "0.2", "1")]).is_err());
        assert!(WeightedNoise::new(&[term(1.0, 1.0, "0", "1")]).is_err());
        let law = WeightedNoise::new(&[term(1.0, 1.0, "1", "1")]).unwrap();
        for complement in [0.0, 1e-9, 1.1, f64::NAN] {
            assert!(law.half_width(complement).is_err());
        }
    }
}
