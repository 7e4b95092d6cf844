//! Invented records with plausible marginals, drawn from a seed: nobody in them exists.

use msht_core::programme::{Dimension, Period, Programme};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

/// Share of records with a second value in a multi-valued dimension, in hundredths.
const SECOND_VALUE_PERCENT: u32 = 15;
/// Share of records with nothing known in a dimension, in hundredths.
const UNKNOWN_PERCENT: u32 = 6;
/// How much rarer each category is than the one before it, in hundredths, where no weights are given.
const DECAY_PERCENT: u32 = 88;
/// Hundredths of a weight that does not change.
const UNCHANGED: u32 = 100;
/// Largest weight of a category.
const TOP_WEIGHT: u32 = 100_000;

/// Weights of the categories of one dimension, by code; categories not named share what is left.
pub type Weights = (&'static str, &'static [(&'static str, u32)]);

/// How the weight of one category changes over the periods: dimension, code, and hundredths of its weight in the last
/// periods, the newest last. Before those it is as in the first of them.
pub type Change = (&'static str, &'static str, &'static [u32]);

/// Draws records for a programme.
pub struct Records<'a> {
    programme: &'a Programme,
    weights: &'a [Weights],
    changes: &'a [Change],
    /// How many periods before the newest one the records are drawn for.
    periods_ago: usize,
    rng: StdRng,
}

impl<'a> Records<'a> {
    /// Records whose every choice follows from `seed`.
    #[must_use]
    pub fn new(programme: &'a Programme, weights: &'a [Weights], seed: u64) -> Self {
        Self {
            programme,
            weights,
            changes: &[],
            periods_ago: 0,
            rng: StdRng::seed_from_u64(seed),
        }
    }

    /// The same with weights that change over the periods.
    #[must_use]
    pub fn changing(self, changes: &'a [Change]) -> Self {
        Self { changes, ..self }
    }

    /// `count` records of one partner in `period`, as CSV with one column a dimension.
    pub fn csv(&mut self, partner: &str, period: Period, count: usize) -> String {
        self.csv_over(partner, &[(period, count)])
    }

    /// Records of one partner in each of these periods, of which the last is the newest: as many as it says there.
    pub fn csv_over(&mut self, partner: &str, periods: &[(Period, usize)]) -> String {
        let mut text = String::from("date,person");
        let dimensions = self.programme.codebook().dimensions();
        for dimension in dimensions {
            text.push(',');
            text.push_str(dimension.id());
        }
        text.push('\n');
        for (ago, (period, count)) in (0..periods.len()).rev().zip(periods) {
            self.periods_ago = ago;
            for number in 1..=*count {
                let date = self.date(*period);
                text.push_str(&format!("{date},{partner}-{number:05}"));
                for dimension in dimensions {
                    text.push(',');
                    text.push_str(&self.cell(dimension));
                }
                text.push('\n');
            }
        }
        text
    }

    fn date(&mut self, period: Period) -> time::Date {
        let days = (period.last_day() - period.first_day()).whole_days();
        period.first_day() + time::Duration::days(self.rng.random_range(0..=days))
    }

    fn cell(&mut self, dimension: &Dimension) -> String {
        if self.rng.random_range(0..100) < UNKNOWN_PERCENT {
            return String::new();
        }
        let first = self.category(dimension);
        let second =
            dimension.is_multi_valued() && self.rng.random_range(0..100) < SECOND_VALUE_PERCENT;
        if second {
            let other = self.category(dimension);
            if other != first {
                return format!("{first}; {other}");
            }
        }
        first
    }

    fn category(&mut self, dimension: &Dimension) -> String {
        let named = self.weights.iter().find(|(id, _)| *id == dimension.id());
        let named = named.map_or([].as_slice(), |(_, weights)| weights);
        let mut decaying = TOP_WEIGHT;
        let mut weighted: Vec<(&str, u32)> = Vec::new();
        for (index, category) in dimension.categories().iter().enumerate() {
            if index == dimension.unknown() {
                continue;
            }
            let given = named.iter().find(|(code, _)| *code == category.code());
            let weight = match given {
                Some((_, weight)) => *weight,
                None if named.is_empty() => decaying,
                None => 1,
            };
            let changed = self.changed(dimension.id(), category.code(), weight);
            weighted.push((category.code(), changed));
            decaying = decaying * DECAY_PERCENT / 100;
        }
        let chosen = weighted.choose_weighted(&mut self.rng, |(_, weight)| *weight);
        chosen.map_or_else(|_| String::new(), |(code, _)| (*code).to_owned())
    }

    /// `weight` as it was in the period that is drawn, in hundredths.
    fn changed(&self, dimension: &str, code: &str, weight: u32) -> u32 {
        let change = self
            .changes
            .iter()
            .find(|(d, c, _)| (*d, *c) == (dimension, code));
        let hundredths = change.and_then(|(_, _, hundredths)| {
            let now = hundredths.iter().rev().nth(self.periods_ago);
            now.or(hundredths.first()).copied()
        });
        weight * hundredths.unwrap_or(UNCHANGED)
    }
}
