//! Ordinary variation: how much counts go up and down when nothing has changed, learnt from past releases.
//!
//! A cell's count has variance μ + κ·μ² around its mean μ; one κ holds for all cells of a table. For each cell and
//! each run of L releases with the same partners, half the mean square s² of successive differences (von Neumann,
//! *Annals of Mathematical Statistics* 12, 1941) estimates the variance of a published number, which is that of the noise,
//! known, and μ + κ·μ²; it is hardly moved by a slow trend. It counts as a variance of 2(L−1)²/(3L−4) degrees of freedom,
//! fewer where the noise has heavy tails.
//!
//! What is known of κ is its posterior on a grid. The prior is log-normal around [`PRIOR_DISPERSION`]; the likelihood takes
//! the s² of all cells as independent and chi-square. With few releases the prior speaks, with many the data. What is
//! uncertain about κ stays in what is predicted: the variation of a count is the mixture of normal laws over the grid.

use super::error::EstimateError;
use super::table::NoisyTable;

/// κ expected before anything is seen, its median: 10 % from one period to the next. Cells of the published NRM
/// statistics, 2022 Q2 to 2023 Q3, have between 0.002 and 0.05.
pub const PRIOR_DISPERSION: f64 = 0.01;

/// Standard deviation of ln κ before anything is seen: κ lies between 0.001 and 0.1 with 95 %.
pub const PRIOR_SPREAD: f64 = 1.2;

/// Values of κ that are weighed.
const GRID: usize = 48;

/// Smallest of them; the largest is about 1.
const LEAST_DISPERSION: f64 = 1e-5;

/// Step of ln κ from one to the next.
const GRID_STEP: f64 = 0.245;

/// Weights below this are taken to be zero.
const NEGLIGIBLE_WEIGHT: f64 = 1e-7;

/// The variation of the counts of a table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Variation {
    /// Posterior probabilities of the values of the grid.
    weights: [f64; GRID],
    differences: usize,
}

/// What one cell in one run of releases says of κ.
struct Evidence {
    /// Variance of the published number that noise and chance explain.
    explained: f64,
    /// μ², from which the noise in the mean is taken away.
    square: f64,
    /// s².
    found: f64,
    /// Degrees of freedom of s².
    degrees: f64,
}

impl Evidence {
    /// Logarithm of the likelihood of κ = `dispersion`, up to a constant.
    fn log_likelihood(&self, dispersion: f64) -> f64 {
        let variance = self.explained + dispersion * self.square;
        -self.degrees / 2.0 * (variance.ln() + self.found / variance)
    }
}

impl Variation {
    /// What is assumed where there are no past releases.
    #[must_use]
    pub fn prior() -> Self {
        Self::from_evidence(&[], 0)
    }

    /// The variation of a table over its past releases, in their order. Only releases next to each other with the same
    /// partners are compared.
    ///
    /// # Errors
    /// [`EstimateError::OtherLayout`], [`EstimateError::NotCounts`], [`EstimateError::Interval`].
    pub fn over(past: &[NoisyTable<'_>]) -> Result<Self, EstimateError> {
        let mut evidence = Vec::new();
        let mut differences = 0;
        for run in past.chunk_by(|one, two| one.survivors == two.survivors) {
            differences += run.len() - 1;
            if run.len() > 1 {
                collect(run, &mut evidence)?;
            }
        }
        Ok(Self::from_evidence(&evidence, differences))
    }

    fn from_evidence(evidence: &[Evidence], differences: usize) -> Self {
        let logs = grid().map(|dispersion| {
            let score = (dispersion / PRIOR_DISPERSION).ln() / PRIOR_SPREAD;
            let terms = evidence.iter().map(|e| e.log_likelihood(dispersion));
            terms.sum::<f64>() - score * score / 2.0
        });
        let top = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let weights = logs.map(|log| (log - top).exp());
        let kept = weights.map(|weight| {
            if weight < NEGLIGIBLE_WEIGHT {
                0.0
            } else {
                weight
            }
        });
        let total: f64 = kept.iter().sum();
        Self {
            weights: kept.map(|weight| weight / total),
            differences,
        }
    }

    /// Values of κ that are possible and their probabilities.
    pub(super) fn dispersions(&self) -> impl Iterator<Item = (f64, f64)> {
        let pairs = grid().into_iter().zip(self.weights);
        pairs.filter(|(_, weight)| *weight > 0.0)
    }

    /// Mean of what is known of κ.
    #[must_use]
    pub fn dispersion(&self) -> f64 {
        self.dispersions()
            .map(|(value, weight)| value * weight)
            .sum()
    }

    /// Differences of successive releases with the same partners that κ rests on; 0 where it is the prior alone.
    #[must_use]
    pub fn differences(&self) -> usize {
        self.differences
    }

    /// Variance μ + κ·μ² of a count of mean `mean`, κ at its mean.
    #[must_use]
    pub fn variance(&self, mean: f64) -> f64 {
        mean + self.dispersion() * mean * mean
    }
}

fn grid() -> [f64; GRID] {
    let mut step = 0.0;
    [(); GRID].map(|()| {
        let value = LEAST_DISPERSION * f64::exp(step);
        step += GRID_STEP;
        value
    })
}

fn collect(run: &[NoisyTable<'_>], evidence: &mut Vec<Evidence>) -> Result<(), EstimateError> {
    let (Some(first), length) = (run.first(), run.len() as f64) else {
        return Ok(());
    };
    let (mut noise, mut heaviness) = (0.0, 0.0);
    for table in run {
        check_comparable(first, table)?;
        let law = table.law()?;
        noise += law.variance() / length;
        let excess = law.fourth_moment() - 3.0 * law.variance().powi(2);
        // A squared difference of two draws: its variance exceeds that of normal draws by half their fourth cumulant.
        heaviness += excess / (4.0 * length);
    }
    let steps = length - 1.0;
    for cell in 0..first.raw.len() {
        let values = run.iter().map(|table| table.cell(cell));
        let values = values.collect::<Result<Vec<_>, _>>()?;
        let mean = values.iter().map(|value| *value as f64).sum::<f64>() / length;
        let squares = values.iter().zip(values.iter().skip(1));
        let squares = squares.map(|(one, two)| (*two as f64 - *one as f64).powi(2));
        let explained = noise + mean.max(0.0);
        let square = (mean * mean - explained / length).max(0.0);
        let expected = explained + PRIOR_DISPERSION * square;
        let normal = 2.0 * steps * steps / (3.0 * length - 4.0);
        evidence.push(Evidence {
            explained,
            square,
            found: squares.sum::<f64>() / (2.0 * steps),
            degrees: normal / (1.0 + heaviness / expected.powi(2)),
        });
    }
    Ok(())
}

/// Both tables count records, in the same layout.
pub(super) fn check_comparable(
    one: &NoisyTable<'_>,
    two: &NoisyTable<'_>,
) -> Result<(), EstimateError> {
    if !one.has_layout_of(two) || one.raw.len() != two.raw.len() {
        return Err(EstimateError::OtherLayout(two.name.to_owned()));
    }
    if one.counts_records && two.counts_records {
        return Ok(());
    }
    Err(EstimateError::NotCounts(two.name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prior_is_what_its_constants_say() {
        let prior = Variation::prior();
        assert_eq!(prior.differences(), 0);
        let below = |limit: f64| -> f64 {
            let values = prior.dispersions().filter(|(value, _)| *value < limit);
            values.map(|(_, weight)| weight).sum()
        };
        assert!((below(PRIOR_DISPERSION) - 0.5).abs() < 0.06);
        assert!((below(PRIOR_DISPERSION * (1.96 * PRIOR_SPREAD).exp()) - 0.975).abs() < 0.015);
        let mean = PRIOR_DISPERSION * (PRIOR_SPREAD * PRIOR_SPREAD / 2.0).exp();
        assert!((prior.dispersion() / mean - 1.0).abs() < 0.02);
        assert!(grid().last().is_some_and(|last| (0.9..1.2).contains(last)));
    }
}
