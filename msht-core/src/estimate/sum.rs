//! Sums of published numbers, over cells and over periods, with the exact law of their noise.
//!
//! Noise of one a adds up by its shapes. Noise of different a, as when quarters were planned differently, is
//! convolved from the tables of probabilities. A year is the sum of its quarters, in person-quarters: somebody
//! recorded in three quarters is in it three times.

use std::collections::BTreeMap;

use super::error::EstimateError;
use super::interval::{IntervalError, NoiseLaw};
use super::number::{Interval, Standing};
use super::table::NoisyTable;
use crate::rational::Rational;

/// A sum of noisy numbers.
#[derive(Debug, Clone)]
pub struct NoisySum {
    /// The sum of the raw numbers.
    pub raw: i64,
    /// The law of its noise.
    pub law: NoiseLaw,
}

impl NoisySum {
    /// The sum of `cells` of each table; a cell named twice counts twice in error, so each must be named once.
    ///
    /// # Errors
    /// [`EstimateError::NoSuchCell`], [`EstimateError::TooFew`] for no cell, [`EstimateError::Interval`].
    pub fn of(parts: &[(NoisyTable<'_>, &[usize])]) -> Result<Self, EstimateError> {
        let mut raw = 0_i64;
        let mut noise = Vec::with_capacity(parts.len());
        for (table, cells) in parts {
            for cell in *cells {
                raw = raw.saturating_add(table.cell(*cell)?);
            }
            if !cells.is_empty() {
                let count = Rational::from_integer(cells.len() as u64);
                noise.push((table.a.clone(), table.shape.times(&count)));
            }
        }
        if noise.is_empty() {
            return Err(EstimateError::TooFew(1));
        }
        let law = law_of_sum(&noise)?;
        Ok(Self { raw, law })
    }

    /// The interval that misses the true sum with at most probability `complement`.
    ///
    /// # Errors
    /// [`IntervalError::Complement`].
    pub fn interval(&self, complement: f64) -> Result<Interval, IntervalError> {
        Interval::of_count(self.raw, &self.law, complement)
    }

    /// Where the sum stands to zero.
    ///
    /// # Errors
    /// [`IntervalError::Complement`].
    pub fn standing(&self, complement: f64) -> Result<Standing, IntervalError> {
        Ok(self.interval(complement)?.standing())
    }
}

/// The law of the sum, or of any signed sum, of independent noise with these a and shapes.
///
/// # Errors
/// [`IntervalError`].
pub fn law_of_sum(noise: &[(Rational, Rational)]) -> Result<NoiseLaw, IntervalError> {
    let mut shapes: BTreeMap<&Rational, Rational> = BTreeMap::new();
    for (a, shape) in noise {
        let total = shapes.entry(a).or_insert_with(Rational::zero);
        *total = total.plus(shape);
    }
    let mut sum: Option<NoiseLaw> = None;
    for (a, shape) in shapes {
        let law = NoiseLaw::new(a, &shape)?;
        sum = Some(match sum {
            None => law,
            Some(sum) => sum.plus(&law)?,
        });
    }
    sum.ok_or(IntervalError::NoNoise)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rational(text: &str) -> Rational {
        text.parse().unwrap()
    }

    #[test]
    fn noise_of_one_rate_adds_up_by_its_shapes() {
        let noise = [
            (rational("0.3"), rational("11/4")),
            (rational("0.3"), rational("2")),
        ];
        let sum = law_of_sum(&noise).unwrap();
        let direct = NoiseLaw::new(&rational("0.3"), &rational("19/4")).unwrap();
        let convolved = NoiseLaw::new(&noise[0].0, &noise[0].1)
            .unwrap()
            .plus(&NoiseLaw::new(&noise[1].0, &noise[1].1).unwrap())
            .unwrap();
        for k in [0, 1, 7, 30, -12] {
            assert_eq!(sum.probability(k), direct.probability(k));
            let (found, right) = (convolved.probability(k), direct.probability(k));
            assert!((found - right).abs() <= 1e-10 * right, "{k}");
            let (found, right) = (convolved.upper_tail(k), direct.upper_tail(k));
            assert!((found - right).abs() <= 1e-10, "{k}");
        }
    }

    #[test]
    fn noise_of_different_rates_has_the_moments_of_the_sum() {
        let noise = [
            (rational("0.2"), rational("11/4")),
            (rational("0.5"), rational("7")),
        ];
        let laws = noise
            .clone()
            .map(|(a, shape)| NoiseLaw::new(&a, &shape).unwrap());
        let sum = law_of_sum(&noise).unwrap();
        assert!((sum.variance() - laws[0].variance() - laws[1].variance()).abs() < 1e-9);
        let second: f64 = (-3000..=3000)
            .map(|k| sum.probability(k) * (k * k) as f64)
            .sum();
        assert!((second - sum.variance()).abs() < 1e-6 * second);
        let fourth: f64 = (-3000..=3000)
            .map(|k| sum.probability(k) * (k as f64).powi(4))
            .sum();
        assert!((fourth - sum.fourth_moment()).abs() < 1e-6 * fourth);
        assert!(law_of_sum(&[]).is_err());
    }
}
