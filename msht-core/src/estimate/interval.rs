//! The exact law of the noise in a published cell, and the intervals that follow from it.
//!
//! The noise of a cell is a sum of shares NB(r, p) − NB(r, p) with p = e^−a; over N survivors its shape is
//! S = N·r, which need not be a whole number. For S = 1 it is the discrete Laplace law of Ghosh, Roughgarden
//! and Sundararajan, *Universally Utility-Maximizing Privacy Mechanisms* (2012).
//!
//! The probabilities c_k are the coefficients of ((1−p)²/((1−pz)(1−p/z)))^S. Its logarithmic derivative gives
//! (1+p²)·k·c_k = p·(k−1+S)·c_{k−1} + p·(k+1−S)·c_{k+1}, of which the probabilities are the solution that
//! decays. Run from far out towards zero (Miller's algorithm, Gautschi, *SIAM Review* 9, 1967) the recurrence
//! is stable and needs no special function; the sum of all probabilities fixes the scale.
//!
//! Left out: uncertainty other than noise. A count that is exact but for its noise is still a count of what
//! partners recorded, not of what happened.

use crate::rational::Rational;

/// Most cells of the table of probabilities, a limit on memory (64 MB): reached only by a below 1/10 000 with
/// hundreds of shares.
const MAX_TABLE: usize = 1 << 22;

/// Minus the logarithm of the probability left beyond the table: e^−110 ≈ 10^−48.
const TABLE_LOG_TAIL: f64 = 110.0;

/// Smallest probability of an error that quantiles are computed for, far above what is beyond the table.
pub const LEAST_COMPLEMENT: f64 = 1e-30;

/// Most products of a sum of two laws: a fifth of a second.
const MAX_PRODUCTS: usize = 1 << 27;

/// Trial values of the exponent in the bound that sizes the table.
const BOUND_STEPS: u32 = 200;

/// Why a law or an interval cannot be computed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum IntervalError {
    /// a or the shape is zero.
    #[error("the noise needs a privacy loss per unit and a shape above zero")]
    NoNoise,
    /// The table of probabilities would have more than four million entries.
    #[error(
        "the noise is too wide to tabulate; a = {a} with shape {shape} is not a useful release"
    )]
    TooWide {
        /// Privacy loss per unit.
        a: Rational,
        /// Shape of the sum.
        shape: Rational,
    },
    /// The sum of two laws would take too many products.
    #[error("the noise of this sum is too wide to tabulate; sum fewer or less noisy numbers")]
    SumTooWide,
    /// The probability of an error is not between [`LEAST_COMPLEMENT`] and 1.
    #[error("the probability of an error must be between {LEAST_COMPLEMENT:e} and 1, not {0:e}")]
    Complement(f64),
}

/// The law of the sum of all noise shares in a cell; symmetric about zero.
#[derive(Debug, Clone)]
pub struct NoiseLaw {
    variance: f64,
    /// κ₄: the fourth central moment less three times the variance squared.
    fourth_cumulant: f64,
    /// P(X = k) for k ≥ 0.
    mass: Vec<f64>,
    /// P(X > k) for k ≥ 0, summed from the far end so that small values keep their digits.
    beyond: Vec<f64>,
}

impl NoiseLaw {
    /// The law for privacy loss `a` per unit and total shape `shape` of the sum.
    ///
    /// # Errors
    /// [`IntervalError::NoNoise`] where either is zero, [`IntervalError::TooWide`] beyond the table.
    pub fn new(a: &Rational, shape: &Rational) -> Result<Self, IntervalError> {
        let (rate, total) = (a.to_f64_lossy(), shape.to_f64_lossy());
        if rate <= 0.0 || total <= 0.0 {
            return Err(IntervalError::NoNoise);
        }
        let last = table_end(rate, total).ok_or_else(|| IntervalError::TooWide {
            a: a.clone(),
            shape: shape.clone(),
        })?;
        let mass = probabilities(rate, total, last);
        let (p, q) = ((-rate).exp(), -(-rate).exp_m1());
        Ok(Self {
            variance: 2.0 * total * p / q.powi(2),
            fourth_cumulant: 2.0 * total * p * (1.0 + 4.0 * p + p * p) / q.powi(4),
            beyond: sums_beyond(&mass),
            mass,
        })
    }

    /// The law of the sum of two independent draws, one of each law; of one a, a larger shape says the same exactly.
    ///
    /// # Errors
    /// [`IntervalError::SumTooWide`] above `MAX_PRODUCTS`.
    pub fn plus(&self, other: &Self) -> Result<Self, IntervalError> {
        let (long, short) = if self.mass.len() >= other.mass.len() {
            (self, other)
        } else {
            (other, self)
        };
        if long.mass.len().saturating_mul(short.mass.len()) > MAX_PRODUCTS {
            return Err(IntervalError::SumTooWide);
        }
        let mut mass = vec![0.0; long.mass.len() + short.mass.len()];
        for (shift, weight) in short.mass.iter().enumerate() {
            for (k, sum) in mass.iter_mut().enumerate() {
                let far = at(&long.mass, (k + shift) as u64);
                let near = at(&long.mass, k.abs_diff(shift) as u64);
                *sum += weight * if shift == 0 { near } else { near + far };
            }
        }
        Ok(Self {
            variance: self.variance + other.variance,
            fourth_cumulant: self.fourth_cumulant + other.fourth_cumulant,
            beyond: sums_beyond(&mass),
            mass,
        })
    }

    /// P(X = `value`).
    #[must_use]
    pub fn probability(&self, value: i64) -> f64 {
        at(&self.mass, value.unsigned_abs())
    }

    /// P(X > `value`), with small probabilities to full relative precision.
    #[must_use]
    pub fn upper_tail(&self, value: i64) -> f64 {
        if value >= 0 {
            at(&self.beyond, value.unsigned_abs())
        } else {
            // P(X > −j) = 1 − P(X ≥ j) = 1 − P(X > j − 1).
            1.0 - at(&self.beyond, value.unsigned_abs() - 1)
        }
    }

    /// P(X ≤ `value`).
    #[must_use]
    pub fn cumulative(&self, value: i64) -> f64 {
        if value >= 0 {
            1.0 - self.upper_tail(value)
        } else {
            at(&self.beyond, value.unsigned_abs() - 1)
        }
    }

    /// P(|X| > `half_width`).
    #[must_use]
    pub fn outside(&self, half_width: u64) -> f64 {
        2.0 * at(&self.beyond, half_width)
    }

    /// Smallest k with P(|X| > k) ≤ `complement`: a noisy value ± k holds the true sum with probability at
    /// least 1 − `complement`.
    ///
    /// # Errors
    /// [`IntervalError::Complement`] below [`LEAST_COMPLEMENT`] or above 1.
    pub fn half_width(&self, complement: f64) -> Result<u64, IntervalError> {
        if !(LEAST_COMPLEMENT..=1.0).contains(&complement) {
            return Err(IntervalError::Complement(complement));
        }
        Ok(self
            .beyond
            .partition_point(|beyond| 2.0 * beyond > complement) as u64)
    }

    /// Half-width that all of `cells` cells keep to at once with probability at least 1 − `complement`
    /// (union bound).
    ///
    /// # Errors
    /// As for [`NoiseLaw::half_width`], of the share of `complement` that falls to one cell.
    pub fn half_width_over_cells(&self, complement: f64, cells: u32) -> Result<u64, IntervalError> {
        self.half_width(complement / f64::from(cells.max(1)))
    }

    /// Largest k with P(X = k) worth its place in a sum: beyond it less than `negligible` is left.
    #[must_use]
    pub(super) fn reach(&self, negligible: f64) -> i64 {
        let reach = self.beyond.partition_point(|beyond| *beyond > negligible);
        i64::try_from(reach).unwrap_or(i64::MAX)
    }

    /// Σ_{k ≥ `from`} P(X > k) for `from` ≥ 0, the mean of what lies above `from`.
    #[must_use]
    pub(super) fn mean_above(&self, from: u32) -> f64 {
        self.beyond.iter().skip(from as usize).rev().sum()
    }

    /// Variance 2·S·p/(1−p)², of a sum the sum of its parts'.
    #[must_use]
    pub fn variance(&self) -> f64 {
        self.variance
    }

    /// Fourth central moment, for the sampling error of a variance: the fourth cumulant
    /// 2·S·p·(1+4p+p²)/(1−p)⁴ and three times the variance squared.
    #[must_use]
    pub fn fourth_moment(&self) -> f64 {
        self.fourth_cumulant + 3.0 * self.variance.powi(2)
    }
}

fn at(table: &[f64], index: u64) -> f64 {
    usize::try_from(index)
        .ok()
        .and_then(|index| table.get(index))
        .copied()
        .unwrap_or(0.0)
}

/// Index beyond which less than e^−[`TABLE_LOG_TAIL`] is left, or `None` above [`MAX_TABLE`].
///
/// Chernoff: P(X ≥ k) ≤ E[e^{θX}]·e^{−θk} for 0 < θ < a; the best of a grid of θ is close to the best of all.
fn table_end(a: f64, shape: f64) -> Option<usize> {
    let log_one_minus = |x: f64| (-(-x).exp_m1()).ln();
    let bound = |step: u32| {
        let theta = a * f64::from(step) / f64::from(BOUND_STEPS);
        let log_moment =
            shape * (2.0 * log_one_minus(a) - log_one_minus(a - theta) - log_one_minus(a + theta));
        (log_moment + TABLE_LOG_TAIL) / theta
    };
    let end = (1..BOUND_STEPS).map(bound).fold(f64::INFINITY, f64::min);
    (end < MAX_TABLE as f64).then(|| index_above(end))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the caller checked that the value is between 0 and MAX_TABLE"
)]
fn index_above(end: f64) -> usize {
    end.ceil() as usize + 2
}

/// P(X = 0), …, P(X = `last`) by the recurrence of the module's head, from `last` down to 1.
fn probabilities(a: f64, shape: f64, last: usize) -> Vec<f64> {
    let p = (-a).exp();
    let (mut next, mut current) = (0.0, f64::MIN_POSITIVE.sqrt());
    let mut downwards = vec![current];
    for k in (1..=last).rev() {
        let k = k as f64;
        let previous =
            ((1.0 + p * p) * k * current - p * (k + 1.0 - shape) * next) / (p * (k - 1.0 + shape));
        downwards.push(previous);
        (next, current) = (current, previous);
    }
    // Smallest first: the sum loses nothing.
    let total = downwards.iter().fold(0.0, |sum, mass| sum + 2.0 * mass) - current;
    downwards.iter().rev().map(|mass| mass / total).collect()
}

fn sums_beyond(mass: &[f64]) -> Vec<f64> {
    let mut beyond: Vec<f64> = mass
        .iter()
        .rev()
        .scan(0.0, |sum, mass| {
            let before = *sum;
            *sum += mass;
            Some(before)
        })
        .collect();
    beyond.reverse();
    beyond
}

#[cfg(test)]
mod tests {
    use opendp::accuracy::discrete_laplacian_scale_to_accuracy;

    use super::*;

    fn law(a: &str, shape: &str) -> NoiseLaw {
        NoiseLaw::new(&a.parse().unwrap(), &shape.parse().unwrap()).unwrap()
    }

    fn close(left: f64, right: f64, relative: f64) -> bool {
        (left - right).abs() <= relative * right.abs()
    }

    #[test]
    fn half_widths_at_95_percent_are_those_of_the_privacy_statement() {
        for (a, one, more) in [("1", 3, 3), ("0.5", 6, 7), ("0.2", 15, 18)] {
            assert_eq!(law(a, "1").half_width(0.05).unwrap(), one, "a = {a}");
            assert_eq!(law(a, "22/15").half_width(0.05).unwrap(), more, "a = {a}");
        }
    }

    #[test]
    fn shape_one_is_discrete_laplace() {
        for a in ["0.005", "0.05", "0.2", "1", "5"] {
            let law = law(a, "1");
            let rate: f64 = a.parse().unwrap();
            let p = (-rate).exp();
            for k in [0_i64, 1, 2, 5, 20, 100, 1000] {
                let exact = (1.0 - p) / (1.0 + p) * (-rate * k as f64).exp();
                if exact > 1e-25 {
                    assert!(close(law.probability(k), exact, 1e-9), "a = {a}, k = {k}");
                    assert!(close(law.upper_tail(k), exact * p / (1.0 - p), 1e-9));
                }
            }
            for complement in [0.5, 0.05, 1e-3, 1e-9] {
                let exact = ((complement * (1.0 + p) / 2.0).ln() / p.ln()).ceil() - 1.0;
                let half_width = law.half_width(complement).unwrap();
                assert_eq!(half_width as f64, exact.max(0.0), "a = {a}, {complement}");
            }
        }
    }

    #[test]
    fn half_width_is_the_accuracy_of_opendp_rounded_up_less_one() {
        for a in ["0.05", "0.1", "0.2", "0.5", "1", "2"] {
            let scale = 1.0 / a.parse::<f64>().unwrap();
            for complement in [0.1, 0.05, 0.01, 1e-6] {
                let accuracy = discrete_laplacian_scale_to_accuracy(scale, complement).unwrap();
                let half_width = law(a, "1").half_width(complement).unwrap();
                assert_eq!(half_width as f64, accuracy.ceil() - 1.0, "a = {a}");
            }
        }
    }

    #[test]
    fn laws_match_a_direct_convolution() {
        for (a, shape) in [
            ("0.7", "22/15"),
            ("0.3", "1/22"),
            ("2", "7"),
            ("0.4", "0.5"),
        ] {
            let law = law(a, shape);
            let p = (-a.parse::<f64>().unwrap()).exp();
            let r = shape.parse::<Rational>().unwrap().to_f64_lossy();
            let half: Vec<f64> = (0..2000)
                .scan((1.0 - p).powf(r), |mass, k| {
                    let before = *mass;
                    *mass *= p * (f64::from(k) + r) / f64::from(k + 1);
                    Some(before)
                })
                .collect();
            for k in [0, 1, 2, 3, 10, 25] {
                let direct: f64 = half.iter().zip(&half[k..]).map(|(x, y)| x * y).sum();
                let tabulated = law.probability(i64::try_from(k).unwrap());
                assert!(
                    close(tabulated, direct, 1e-10),
                    "a = {a}, shape {shape}, {k}"
                );
            }
        }
    }

    #[test]
    fn extreme_laws_add_up_and_have_their_moments() {
        for a in ["0.005", "0.1", "1", "5"] {
            for shape in ["1/255", "1", "22/15", "3.5", "64", "255"] {
                let law = law(a, shape);
                let moment = |power: i32| {
                    let term = |(k, mass): (usize, &f64)| 2.0 * mass * (k as f64).powi(power);
                    law.mass.iter().enumerate().map(term).sum::<f64>()
                };
                let label = format!("a = {a}, shape {shape}");
                assert!(law.mass.iter().all(|mass| *mass > 0.0), "{label}");
                assert!(close(moment(0) - law.probability(0), 1.0, 1e-12), "{label}");
                assert!(close(moment(2), law.variance(), 1e-8), "{label}");
                assert!(close(moment(4), law.fourth_moment(), 1e-8), "{label}");
            }
        }
    }

    #[test]
    fn tails_and_quantiles_agree_and_are_symmetric() {
        let law = law("0.3", "22/15");
        for k in [-40, -3, -1, 0, 1, 2, 17, 60] {
            assert!(close(law.cumulative(k) + law.upper_tail(k), 1.0, 1e-12));
            assert!(close(law.upper_tail(k), law.cumulative(-k - 1), 1e-12));
        }
        for complement in [0.9, 0.05, 1e-9, 1e-20] {
            let k = law.half_width(complement).unwrap();
            assert!(law.outside(k) <= complement);
            assert!(k == 0 || law.outside(k - 1) > complement);
        }
        assert_eq!(
            law.half_width_over_cells(1e-9, 1000).unwrap(),
            law.half_width(1e-12).unwrap()
        );
        assert_eq!(law.half_width(1.0).unwrap(), 0);
    }

    #[test]
    fn laws_without_noise_and_impossible_quantiles_are_refused() {
        let (zero, one) = (Rational::zero(), Rational::one());
        assert!(NoiseLaw::new(&zero, &one).is_err());
        assert!(NoiseLaw::new(&one, &zero).is_err());
        let narrow = "0.000001".parse().unwrap();
        assert!(matches!(
            NoiseLaw::new(&narrow, &Rational::from_integer(255)),
            Err(IntervalError::TooWide { .. })
        ));
        for complement in [0.0, -1.0, 1.5, 1e-40, f64::NAN] {
            assert!(law("1", "1").half_width(complement).is_err());
        }
    }
}
