//! Changes between two releases: what noise cannot explain, and what ordinary variation cannot explain either.
//!
//! For a cell with published numbers y₁ and y₂ and difference d = y₂ − y₁, two questions are asked.
//!
//! 1. *Did the recorded number change?* The noise of d is the sum of two independent laws, known exactly. The p-value is
//!    P(|X| ≥ |d|).
//! 2. *Is it more than it ordinarily varies?* Around an unchanged level μ counts differ with variance 2(μ + κμ²), κ from
//!    past releases (`variation`). μ is the mean of both numbers and of up to [`LEVEL_RELEASES`] other past ones with the
//!    partners of the earlier; equal weights keep it uncorrelated with d. The p-value is P(|X + V| ≥ |d|), V the mixture of
//!    normal laws of that variance over what is known of κ, X the exact noise.
//!
//! Each question has one family: the cells of the table. Benjamini–Hochberg at the level asked for decides.

use super::error::EstimateError;
use super::interval::NoiseLaw;
use super::multiple::{Procedure, q_values};
use super::number::Interval;
use super::ordinary::Ordinary;
use super::sum::law_of_sum;
use super::table::NoisyTable;
use super::variation::{Variation, check_comparable};
use super::{COMPLEMENT, POWER};

/// Past releases, besides the two compared, that the level of a cell is taken from: with them it is about a year's.
pub const LEVEL_RELEASES: usize = 3;

/// Rounds of the search for the smallest change of level: the threshold depends on the change itself, weakly.
const DETECTABLE_ROUNDS: u32 = 3;

/// z with P(Z ≤ z) = [`POWER`], Z standard normal.
const POWER_QUANTILE: f64 = 0.841_621_233_572_914;

/// Up or down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// More than before.
    Rise,
    /// Fewer than before.
    Fall,
}

/// What may be said of one cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// Noise explains the difference: nothing may be said.
    NoneShown,
    /// The recorded number moved, by no more than it ordinarily varies.
    Ordinary(Direction),
    /// A change: neither noise nor ordinary variation explains it.
    Change(Direction),
    /// The recorded number moved, and so did the partners behind it: that alone may be why.
    OtherPartners(Direction),
}

/// The partners behind two releases.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Partners {
    /// In the earlier sum only.
    pub left: Vec<String>,
    /// In the later sum only.
    pub joined: Vec<String>,
}

impl Partners {
    /// Who left and who joined between two releases.
    #[must_use]
    pub fn between(earlier: &NoisyTable<'_>, later: &NoisyTable<'_>) -> Self {
        let only = |one: &[String], two: &[String]| {
            let missing = one.iter().filter(|id| !two.contains(id));
            missing.cloned().collect()
        };
        Self {
            left: only(earlier.survivors, later.survivors),
            joined: only(later.survivors, earlier.survivors),
        }
    }

    /// Whether they are the same.
    #[must_use]
    pub fn same(&self) -> bool {
        self.left.is_empty() && self.joined.is_empty()
    }
}

/// The smallest changes found with a probability of at least [`POWER`], whatever the other cells of the table do.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Detectable {
    /// Smallest change of the recorded number that noise does not hide.
    pub recorded: f64,
    /// Smallest change of the level behind the numbers that is called a change.
    pub level: f64,
}

/// One cell of two releases.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Change {
    /// The earlier published number.
    pub earlier: i64,
    /// The later published number.
    pub later: i64,
    /// Interval of the change of the recorded number, for noise alone.
    pub interval: Interval,
    /// How likely noise alone makes such a difference.
    pub p_noise: f64,
    /// `p_noise` adjusted for the cells of the table.
    pub q_noise: f64,
    /// How likely noise and ordinary variation make such a difference.
    pub p_ordinary: f64,
    /// `p_ordinary` adjusted for the cells of the table.
    pub q_ordinary: f64,
    /// What may be said.
    pub call: Call,
    /// What would have been found.
    pub detectable: Detectable,
}

impl Change {
    /// Later less earlier.
    #[must_use]
    pub fn difference(&self) -> i64 {
        self.later.saturating_sub(self.earlier)
    }
}

/// All cells of a table in two releases.
#[derive(Debug, Clone, PartialEq)]
pub struct TableChanges {
    /// Period of the earlier release.
    pub earlier: String,
    /// Period of the later release.
    pub later: String,
    /// Who left and joined in between.
    pub partners: Partners,
    /// The ordinary variation that was allowed for.
    pub variation: Variation,
    /// False discovery rate of each of the two questions.
    pub level: f64,
    /// One for each cell, in the table's order.
    pub changes: Vec<Change>,
}

/// Compares the last of `series`, the releases of one table in their order, with the one before it.
///
/// # Errors
/// As for [`changes_between`].
pub fn latest_changes(
    series: &[NoisyTable<'_>],
    level: f64,
) -> Result<TableChanges, EstimateError> {
    let (later, past) = series.split_last().ok_or(EstimateError::TooFew(2))?;
    let earlier = past.last().ok_or(EstimateError::TooFew(2))?;
    changes_between(earlier, later, past, level)
}

/// Compares two releases of one table; `past`, in its order, is what ordinary variation is learnt from and should not
/// contain `later`. For the same quarter of the year before, give that as `earlier`.
///
/// # Errors
/// [`EstimateError::OtherLayout`], [`EstimateError::NotCounts`], [`EstimateError::Level`],
/// [`EstimateError::Interval`].
pub fn changes_between(
    earlier: &NoisyTable<'_>,
    later: &NoisyTable<'_>,
    past: &[NoisyTable<'_>],
    level: f64,
) -> Result<TableChanges, EstimateError> {
    if !(level > 0.0 && level < 1.0) {
        return Err(EstimateError::Level(level));
    }
    check_comparable(earlier, later)?;
    for table in past {
        check_comparable(later, table)?;
    }
    let variation = Variation::over(past)?;
    let noise = law_of_sum(&[
        (earlier.a.clone(), earlier.shape.clone()),
        (later.a.clone(), later.shape.clone()),
    ])?;
    let partners = Partners::between(earlier, later);
    let comparison = Comparison {
        half_width: noise.half_width(COMPLEMENT)? as f64,
        single_level: level / later.raw.len().max(1) as f64,
        recorded: smallest_recorded(&noise, level / later.raw.len().max(1) as f64)?,
        noise,
        variation,
    };
    let recent: Vec<&NoisyTable<'_>> = past
        .iter()
        .rev()
        .filter(|table| table.survivors == earlier.survivors && table.period != earlier.period)
        .take(LEVEL_RELEASES)
        .collect();
    let pairs = earlier.raw.iter().zip(later.raw).enumerate();
    let change = |(cell, (one, two)): (usize, (&i64, &i64))| {
        let others = recent.iter().map(|table| table.cell(cell));
        let others = others.collect::<Result<Vec<_>, _>>()?;
        Ok(comparison.change(*one, *two, &others))
    };
    let mut changes: Vec<Change> = pairs.map(change).collect::<Result<_, EstimateError>>()?;
    call(&mut changes, level, partners.same());
    Ok(TableChanges {
        earlier: earlier.period.to_owned(),
        later: later.period.to_owned(),
        partners,
        variation,
        level,
        changes,
    })
}

/// Smallest change of the recorded number for which P(|X + change| is called) ≥ [`POWER`].
fn smallest_recorded(noise: &NoiseLaw, level: f64) -> Result<f64, EstimateError> {
    let called = noise.half_width(level)? + 1;
    // P(X ≤ k) ≥ POWER where P(|X| > k) ≤ 2·(1 − POWER): X is symmetric.
    let shortfall = noise.half_width(2.0 * (1.0 - POWER))?;
    Ok((called + shortfall) as f64)
}

fn call(changes: &mut [Change], level: f64, same_partners: bool) {
    let p_noise: Vec<f64> = changes.iter().map(|change| change.p_noise).collect();
    let p_ordinary: Vec<f64> = changes.iter().map(|change| change.p_ordinary).collect();
    let q_noise = q_values(&p_noise, Procedure::BenjaminiHochberg);
    let q_ordinary = q_values(&p_ordinary, Procedure::BenjaminiHochberg);
    for (change, (q_noise, q_ordinary)) in
        changes.iter_mut().zip(q_noise.into_iter().zip(q_ordinary))
    {
        let direction = if change.later > change.earlier {
            Direction::Rise
        } else {
            Direction::Fall
        };
        change.q_noise = q_noise;
        change.q_ordinary = q_ordinary;
        change.call = match (q_noise <= level, q_ordinary <= level, same_partners) {
            (false, false, _) => Call::NoneShown,
            (_, _, false) => Call::OtherPartners(direction),
            (_, true, true) => Call::Change(direction),
            (true, false, true) => Call::Ordinary(direction),
        };
    }
}

/// What all cells of two releases share.
struct Comparison {
    noise: NoiseLaw,
    variation: Variation,
    half_width: f64,
    /// The level of one cell: a difference at it is called whatever the other cells do.
    single_level: f64,
    recorded: f64,
}

impl Comparison {
    fn change(&self, earlier: i64, later: i64, others: &[i64]) -> Change {
        let difference = later.saturating_sub(earlier);
        let size = difference.unsigned_abs();
        let releases = others.len() as f64 + 2.0;
        let sum = others.iter().chain([&earlier, &later]);
        let mean = (sum.map(|value| *value as f64).sum::<f64>() / releases).max(0.0);
        let mut ordinary = Ordinary::new(&self.noise, &self.variation, mean);
        let p_noise = match size {
            0 => 1.0,
            size => self.noise.outside(size - 1),
        };
        Change {
            earlier,
            later,
            interval: Interval::around(difference as f64, self.half_width),
            p_noise,
            q_noise: 1.0,
            p_ordinary: ordinary.outside(size),
            q_ordinary: 1.0,
            call: Call::NoneShown,
            detectable: Detectable {
                recorded: self.recorded,
                level: self.level_detectable(ordinary, mean, releases),
            },
        }
    }

    /// δ with δ = c(μ + δ/releases) + z·(Var X + V(μ) + V(μ + δ))^½: c is what is called at the level of one cell, V the
    /// variance of a count, and z the quantile of [`POWER`]. The law of the difference has heavier tails than the
    /// normal, whose quantile at this power is the larger one.
    fn level_detectable(&self, ordinary: Ordinary<'_>, mean: f64, releases: f64) -> f64 {
        let variance = |rise: f64| {
            let counts = self.variation.variance(mean) + self.variation.variance(mean + rise);
            self.noise.variance() + counts
        };
        let mut ordinary = ordinary;
        let mut detectable = 0.0;
        for _ in 0..DETECTABLE_ROUNDS {
            let called = ordinary.smallest_called(self.single_level) as f64;
            detectable = called + POWER_QUANTILE * variance(detectable).sqrt();
            let raised = mean + detectable / releases;
            ordinary = Ordinary::new(&self.noise, &self.variation, raised);
        }
        detectable
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rational::Rational;

    struct Series {
        survivors: Vec<Vec<String>>,
        raw: Vec<Vec<i64>>,
        a: Rational,
        shape: Rational,
    }

    impl Series {
        fn of(raw: &[&[i64]]) -> Self {
            let partners: Vec<String> = ["met", "council"].map(str::to_owned).to_vec();
            Self {
                survivors: vec![partners; raw.len()],
                raw: raw.iter().map(|raw| raw.to_vec()).collect(),
                a: "0.2".parse().unwrap(),
                shape: "11/4".parse().unwrap(),
            }
        }

        fn views(&self) -> Vec<NoisyTable<'_>> {
            let releases = self.survivors.iter().zip(&self.raw);
            releases
                .zip(PERIODS)
                .map(|((survivors, raw), period)| NoisyTable {
                    period,
                    survivors,
                    name: "borough",
                    dimensions: &[],
                    raw,
                    a: &self.a,
                    shape: &self.shape,
                    counts_records: true,
                })
                .collect()
        }
    }

    const PERIODS: [&str; 6] = ["1", "2", "3", "4", "5", "6"];

    const STEADY: [&[i64]; 5] = [
        &[1000, 60, 4],
        &[1020, 70, -3],
        &[985, 52, 9],
        &[1010, 66, 0],
        &[1000, 58, -8],
    ];

    fn with_latest(latest: &[i64]) -> Series {
        let mut raw = STEADY.to_vec();
        raw.push(latest);
        Series::of(&raw)
    }

    #[test]
    fn noise_ordinary_variation_and_change_are_told_apart() {
        let series = with_latest(&[1100, 65, 150]);
        let found = latest_changes(&series.views(), 0.05).unwrap();
        assert!(found.partners.same());
        assert_eq!(found.variation.differences(), 4);
        let calls: Vec<Call> = found.changes.iter().map(|change| change.call).collect();
        assert_eq!(
            calls,
            [
                Call::Ordinary(Direction::Rise),
                Call::NoneShown,
                Call::Change(Direction::Rise)
            ]
        );
        for change in &found.changes {
            assert!(change.p_noise <= change.q_noise && change.p_ordinary <= change.q_ordinary);
            assert!(change.p_noise <= change.p_ordinary);
            assert!(change.detectable.recorded <= change.detectable.level);
            assert!(change.interval.holds(change.difference() as f64));
        }
    }

    #[test]
    fn a_move_beside_other_partners_is_never_called_a_change() {
        let mut series = with_latest(&[600, 65, 150]);
        series.survivors[5] = vec!["council".to_owned(), "charity".to_owned()];
        let found = latest_changes(&series.views(), 0.05).unwrap();
        assert_eq!(found.partners.left, ["met"]);
        assert_eq!(found.partners.joined, ["charity"]);
        assert_eq!(found.changes[0].call, Call::OtherPartners(Direction::Fall));
        assert_eq!(found.changes[1].call, Call::NoneShown);
        assert_eq!(found.changes[2].call, Call::OtherPartners(Direction::Rise));
    }

    #[test]
    fn variation_is_not_learnt_across_other_partners() {
        let mut series = with_latest(&[1000, 60, 0]);
        for release in 1..6 {
            series.survivors[release] = vec![format!("partner-{release}")];
        }
        let variation = Variation::over(&series.views()).unwrap();
        assert_eq!(variation, Variation::prior());
    }

    #[test]
    fn what_cannot_be_compared_is_refused() {
        let series = with_latest(&[1000, 60, 0]);
        let views = series.views();
        assert!(matches!(
            latest_changes(&views[..1], 0.05),
            Err(EstimateError::TooFew(2))
        ));
        assert!(matches!(
            latest_changes(&views, 0.0),
            Err(EstimateError::Level(_))
        ));
        let shorter = with_latest(&[1000, 60]);
        assert!(matches!(
            latest_changes(&shorter.views(), 0.05),
            Err(EstimateError::OtherLayout(_))
        ));
        let mut amounts = series.views();
        amounts[5].counts_records = false;
        assert!(matches!(
            latest_changes(&amounts, 0.05),
            Err(EstimateError::NotCounts(_))
        ));
    }
}
