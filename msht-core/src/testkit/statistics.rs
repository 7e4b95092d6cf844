//! Whether integer samples follow a law: chi-square, Kolmogorov–Smirnov and moments.
//!
//! Sources: Pearson's chi-square with pooled tails (expected counts of at least [`LEAST_EXPECTED`], Cochran,
//! *Biometrics* 10, 1954); the Kolmogorov–Smirnov p-value is the asymptotic one with Stephens' correction
//! (*JASA* 69, 1974) and is conservative for laws on the integers. Laws are taken to be unimodal.

use std::collections::BTreeMap;

use statrs::function::gamma::gamma_ur;

/// Least expected number of samples in a class; thinner neighbours are pooled.
pub const LEAST_EXPECTED: f64 = 10.0;

/// Classes are laid out until a value is expected less often than this.
const NEGLIGIBLE_EXPECTED: f64 = 1e-6;

/// Terms of the Kolmogorov series; the hundredth is below 10^−80 where it is used.
const KOLMOGOROV_TERMS: u32 = 100;

/// Result of a goodness-of-fit test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fit {
    /// The test statistic.
    pub statistic: f64,
    /// Classes less one; zero for tests without classes.
    pub degrees: usize,
    /// Probability of a statistic at least as large if the samples follow the law.
    pub p_value: f64,
}

/// Chi-square of `samples` against `mass`, the probability of each integer.
///
/// A sample where the law has no mass counts in the class next to it. A law of which all mass falls into one
/// class gives a p-value of one.
#[must_use]
pub fn chi_square(samples: &[i64], mass: impl Fn(i64) -> f64) -> Fit {
    let size = samples.len() as f64;
    let counts = tally(samples);
    let (mut statistic, mut classes) = (0.0, 0_usize);
    let (mut observed, mut expected) = (0.0, 0.0);
    let mut pooled: Option<(f64, f64)> = None;
    for value in spanned(&counts, |value| size * mass(value)) {
        observed += counts.get(&value).copied().unwrap_or(0) as f64;
        expected += size * mass(value);
        if expected >= LEAST_EXPECTED {
            if let Some(class) = pooled.replace((observed, expected)) {
                statistic += term(class);
                classes += 1;
            }
            (observed, expected) = (0.0, 0.0);
        }
    }
    // What is left of the upper tail joins the last class.
    let (last_observed, last_expected) = pooled.unwrap_or((0.0, 0.0));
    statistic += term((last_observed + observed, last_expected + expected));
    Fit {
        statistic,
        degrees: classes,
        p_value: chi_square_tail(statistic, classes),
    }
}

/// P(χ² > `statistic`) with `degrees` degrees of freedom.
#[must_use]
pub fn chi_square_tail(statistic: f64, degrees: usize) -> f64 {
    if degrees == 0 || statistic <= 0.0 {
        return 1.0;
    }
    if statistic.is_infinite() {
        return 0.0;
    }
    gamma_ur(degrees as f64 / 2.0, statistic / 2.0)
}

/// Kolmogorov–Smirnov of `samples` against `cumulative`, the probability of each integer or less.
#[must_use]
pub fn kolmogorov_smirnov(samples: &[i64], cumulative: impl Fn(i64) -> f64) -> Fit {
    let size = samples.len() as f64;
    let mut seen = 0_u64;
    let mut distance = 0.0_f64;
    for (value, count) in tally(samples) {
        // Between two seen values the gap is widest just below the second.
        distance = distance.max((cumulative(value - 1) - seen as f64 / size).abs());
        seen += count;
        distance = distance.max((cumulative(value) - seen as f64 / size).abs());
    }
    let scaled = distance * (size.sqrt() + 0.12 + 0.11 / size.sqrt());
    Fit {
        statistic: distance,
        degrees: 0,
        p_value: kolmogorov_tail(scaled),
    }
}

/// Mean and variance of samples of a law of mean zero, in standard deviations from what the law says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moments {
    /// Deviation of the mean.
    pub mean: f64,
    /// Deviation of the mean square.
    pub variance: f64,
}

/// Compares the mean and mean square of `samples` with a law of mean zero, the given `variance` and
/// `fourth_moment`; with many samples both deviations are standard normal.
#[must_use]
pub fn moments(samples: &[i64], variance: f64, fourth_moment: f64) -> Moments {
    let size = samples.len() as f64;
    let mean_of = |power: i32| {
        let terms = samples.iter().map(|sample| (*sample as f64).powi(power));
        terms.sum::<f64>() / size
    };
    Moments {
        mean: mean_of(1) / (variance / size).sqrt(),
        variance: (mean_of(2) - variance) / ((fourth_moment - variance * variance) / size).sqrt(),
    }
}

fn tally(samples: &[i64]) -> BTreeMap<i64, u64> {
    let mut counts = BTreeMap::new();
    for sample in samples {
        *counts.entry(*sample).or_insert(0) += 1;
    }
    counts
}

/// All values from the lowest to the highest that was seen or is expected often enough to matter.
fn spanned(
    counts: &BTreeMap<i64, u64>,
    expected: impl Fn(i64) -> f64,
) -> std::ops::RangeInclusive<i64> {
    let mut low = counts.keys().next().copied().unwrap_or(0);
    let mut high = counts.keys().next_back().copied().unwrap_or(0);
    while expected(low - 1) > NEGLIGIBLE_EXPECTED {
        low -= 1;
    }
    while expected(high + 1) > NEGLIGIBLE_EXPECTED {
        high += 1;
    }
    low..=high
}

fn term((observed, expected): (f64, f64)) -> f64 {
    if observed == 0.0 && expected == 0.0 {
        return 0.0;
    }
    (observed - expected).powi(2) / expected
}

/// 2·Σ (−1)^(i−1)·e^(−2i²x²).
fn kolmogorov_tail(x: f64) -> f64 {
    if x < 0.2 {
        return 1.0;
    }
    let series: f64 = (1..=KOLMOGOROV_TERMS)
        .map(|i| {
            let size = (-2.0 * (f64::from(i) * x).powi(2)).exp();
            if i % 2 == 1 { size } else { -size }
        })
        .sum();
    (2.0 * series).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;
    use crate::dp::sampler::uniform_below;

    fn dice(sides: u64, size: usize, seed: u64) -> Vec<i64> {
        let mut rng = StdRng::seed_from_u64(seed);
        (0..size)
            .map(|_| i64::try_from(uniform_below(sides, &mut rng)).unwrap())
            .collect()
    }

    fn fair(sides: i64) -> impl Fn(i64) -> f64 {
        move |value| {
            if (0..sides).contains(&value) {
                1.0 / sides as f64
            } else {
                0.0
            }
        }
    }

    #[test]
    fn chi_square_tails_are_those_of_printed_tables() {
        for (statistic, degrees, p_value) in [
            (3.841_458_820_694, 1, 0.05),
            (18.307_038_053_275, 10, 0.05),
            (149.449_252_8, 100, 0.001),
            (0.004, 2, 0.998_002),
        ] {
            let computed = chi_square_tail(statistic, degrees);
            assert!((computed - p_value).abs() < 1e-6, "{statistic} {degrees}");
        }
        assert_eq!(chi_square_tail(f64::INFINITY, 3), 0.0);
    }

    #[test]
    fn p_values_under_the_law_are_spread_evenly() {
        let p_values: Vec<f64> = (0..400)
            .map(|seed| chi_square(&dice(6, 600, seed), fair(6)).p_value)
            .collect();
        for level in [0.1, 0.5, 0.9] {
            let below = p_values.iter().filter(|p| **p < level).count() as f64 / 400.0;
            assert!(
                (below - level).abs() < 0.1,
                "{below} of p-values below {level}"
            );
        }
    }

    #[test]
    fn a_loaded_die_is_rejected() {
        let samples = dice(6, 20_000, 7);
        assert!(chi_square(&samples, fair(6)).p_value > 1e-3);
        assert!(chi_square(&samples, fair(7)).p_value < 1e-9);
        assert!(chi_square(&samples, fair(5)).p_value < 1e-9);
        let cumulative =
            |sides: f64| move |value: i64| ((value + 1) as f64 / sides).clamp(0.0, 1.0);
        assert!(kolmogorov_smirnov(&samples, cumulative(6.0)).p_value > 1e-3);
        assert!(kolmogorov_smirnov(&samples, cumulative(6.2)).p_value < 1e-9);
    }

    #[test]
    fn kolmogorov_tail_is_that_of_printed_tables() {
        assert!((kolmogorov_tail(1.358_1) - 0.05).abs() < 1e-4);
        assert!((kolmogorov_tail(1.949_5) - 0.001).abs() < 1e-5);
    }
}
