//! The law of a difference where nothing has changed: exact noise and ordinary variation, X + V.
//!
//! V is a mixture over what is known of κ: normal of variance 2(μ + κμ²), rounded to whole numbers.

use statrs::function::erf::erfc;

use super::interval::NoiseLaw;
use super::variation::Variation;

/// Noise less likely than this on either side is not looked at, and counts against calling.
const NEGLIGIBLE: f64 = 1e-13;

/// Halvings of the search for the smallest difference that is called.
const SEARCH_STEPS: u32 = 40;

/// Most tails of V that are kept, a limit on memory (1 MB); others are computed each time.
const MAX_TAILS: usize = 1 << 17;

/// The law of X + V.
pub(super) struct Ordinary<'a> {
    noise: &'a NoiseLaw,
    reach: i64,
    /// Standard deviations of the parts of V and their weights.
    spreads: Vec<(f64, f64)>,
    /// P(V > i − ½) for i = 0, 1, …, as far as it was asked for.
    tails: Vec<f64>,
}

impl<'a> Ordinary<'a> {
    /// For the difference of two counts of level `mean`, `noise` being the law of the noise of the difference.
    pub(super) fn new(noise: &'a NoiseLaw, variation: &Variation, mean: f64) -> Self {
        Self {
            noise,
            reach: noise.reach(NEGLIGIBLE),
            spreads: variation
                .dispersions()
                .map(|(kappa, weight)| ((2.0 * (mean + kappa * mean * mean)).sqrt(), weight))
                .collect(),
            tails: Vec::new(),
        }
    }

    /// P(|X + V| ≥ `size`).
    pub(super) fn outside(&mut self, size: u64) -> f64 {
        if size == 0 {
            return 1.0;
        }
        let size = i64::try_from(size).unwrap_or(i64::MAX);
        let mut sum = NEGLIGIBLE;
        for x in -self.reach..=self.reach {
            let tail = self.tail(size.saturating_sub(x));
            sum += self.noise.probability(x) * tail;
        }
        (2.0 * sum).min(1.0)
    }

    /// P(V > `from` − ½).
    fn tail(&mut self, from: i64) -> f64 {
        if from <= 0 {
            // P(V > −j − ½) = 1 − P(V ≥ j + ½), V symmetric and without atoms.
            return 1.0 - self.upper_tail(from.unsigned_abs() + 1);
        }
        self.upper_tail(from.unsigned_abs())
    }

    fn upper_tail(&mut self, from: u64) -> f64 {
        let place = usize::try_from(from).unwrap_or(usize::MAX);
        if place >= MAX_TAILS {
            return self.direct(from);
        }
        while self.tails.len() <= place {
            let next = self.direct(self.tails.len() as u64);
            self.tails.push(next);
        }
        self.tails.get(place).copied().unwrap_or(1.0)
    }

    fn direct(&self, from: u64) -> f64 {
        let edge = from as f64 - 0.5;
        let parts = self.spreads.iter();
        parts
            .map(|(spread, weight)| weight * normal_tail(edge, *spread))
            .sum()
    }

    /// Smallest size with P(|X + V| ≥ size) ≤ `level`.
    pub(super) fn smallest_called(&mut self, level: f64) -> u64 {
        let (mut low, mut high) = (0_u64, 1_u64);
        for _ in 0..SEARCH_STEPS {
            if self.outside(high) <= level {
                break;
            }
            (low, high) = (high, high * 2);
        }
        while high - low > 1 {
            let middle = low.midpoint(high);
            if self.outside(middle) <= level {
                high = middle;
            } else {
                low = middle;
            }
        }
        high
    }
}

/// P(spread·Z > edge), Z standard normal.
fn normal_tail(edge: f64, spread: f64) -> f64 {
    if spread > 0.0 {
        0.5 * erfc(edge / spread / std::f64::consts::SQRT_2)
    } else if edge < 0.0 {
        1.0
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise() -> NoiseLaw {
        NoiseLaw::new(&"0.2".parse().unwrap(), &"11/2".parse().unwrap()).unwrap()
    }

    #[test]
    fn normal_tails_are_those_of_printed_tables() {
        for (edge, spread, tail) in [
            (1.959_964, 1.0, 0.025),
            (-3.919_928, 2.0, 0.975),
            (0.5, 0.0, 0.0),
            (-0.5, 0.0, 1.0),
        ] {
            let found = normal_tail(edge, spread);
            assert!((found - tail).abs() < 1e-6, "{edge} {spread}: {found}");
        }
    }

    #[test]
    fn without_counts_only_the_noise_is_left() {
        let noise = noise();
        let mut ordinary = Ordinary::new(&noise, &Variation::prior(), 0.0);
        for size in [1, 2, 10, 40] {
            let exact = noise.outside(size - 1);
            assert!((ordinary.outside(size) - exact).abs() < 1e-12, "{size}");
        }
        let called = ordinary.smallest_called(0.05);
        assert_eq!(called, noise.half_width(0.05).unwrap() + 1);
    }

    #[test]
    fn the_law_has_more_spread_than_either_part_and_falls() {
        let noise = noise();
        let mut ordinary = Ordinary::new(&noise, &Variation::prior(), 45.0);
        let mut before = 1.0;
        for size in 1..200 {
            let outside = ordinary.outside(size);
            assert!(outside < before && outside > noise.outside(size - 1));
            before = outside;
        }
    }
}
