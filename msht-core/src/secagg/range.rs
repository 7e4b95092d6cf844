//! How far a sum can lie from the counts: the range check on the sum and the choice of word size.
//!
//! The tail bound is Chernoff's at half the rate. For X ~ NB(S, p), p = e^−a, the moment generating function at
//! a/2 is ((1−p)/(1−√p))^S = (1+√p)^S ≤ 2^S, so P(X ≥ k) ≤ 2^S·e^(−ak/2). The noise X − Y lies within ±k unless
//! X or Y reaches k.

use super::announcement::{AnnouncedTable, Announcement};
use super::checks::{Check, Fault, Violation};
use super::params::Params;
use crate::programme::WordSize;

/// Probability that any cell of a correct round lies outside the accepted range.
pub const RANGE_TAIL: f64 = 1e-9;

/// Largest bound returned; beyond it no word size would do.
const LARGEST_TAIL: f64 = 4e18;

/// k such that `cells` draws of noise of total shape `shape` all lie within ±k but with probability
/// [`RANGE_TAIL`] at most.
#[must_use]
#[expect(
    clippy::cast_possible_truncation,
    reason = "clamped to a range that i64 holds exactly enough"
)]
pub fn noise_tail_bound(table: &AnnouncedTable, shape: f64, cells: usize) -> i64 {
    let rate = table.rate.to_f64_lossy();
    let draws = 2.0 * f64::from(u32::try_from(cells.max(1)).unwrap_or(u32::MAX));
    let exponent = shape * std::f64::consts::LN_2 + (draws / RANGE_TAIL).ln();
    (2.0 * exponent / rate).ceil().clamp(0.0, LARGEST_TAIL) as i64
}

/// N2: n · (cell bound) + noise tail < 2^(w−1) for every table.
///
/// # Errors
/// A [`Fault`] of the coordinator.
pub(super) fn check_word_size(
    announcement: &Announcement,
    params: &Params,
    word_size: WordSize,
) -> Result<(), Fault> {
    for table in &announcement.tables {
        let range = table_range(table, announcement, params, usize::from(params.invited()));
        if range.is_none_or(|(_, highest)| highest >= word_size.largest()) {
            return Err(Fault::coordinator(Check::N2, Violation::Params));
        }
    }
    Ok(())
}

/// The lowest and highest value a cell of `table` can have with `contributors` honest vectors in the sum, or
/// `None` where that is beyond 64 bits.
#[must_use]
pub fn table_range(
    table: &AnnouncedTable,
    announcement: &Announcement,
    params: &Params,
    contributors: usize,
) -> Option<(i64, i64)> {
    let contributors = u32::try_from(contributors).ok()?;
    let shape = f64::from(contributors) / f64::from(params.least_honest());
    let tail = noise_tail_bound(table, shape, announcement.total_cells());
    let bound = i64::try_from(table.cell_bound).ok()?;
    let highest = bound
        .checked_mul(i64::from(contributors))?
        .checked_add(tail)?;
    Some((-tail, highest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::programme::limits::{MAX_INVERSE_NOISE_RATE, MAX_UNITS_PER_CELL};
    use crate::rational::Rational;
    use crate::testkit::cohort::{Cohort, CohortOptions};

    /// The widest sums a programme may ask for, in the largest cohort.
    fn widest() -> (Announcement, Params) {
        let cohort = Cohort::new(&CohortOptions::default(), 1);
        let mut announcement = (**cohort.context.announcement()).clone();
        announcement.tables[0].cell_bound = MAX_UNITS_PER_CELL;
        announcement.tables[0].rate = Rational::new(1, MAX_INVERSE_NOISE_RATE).unwrap();
        let defaults = Params::defaults(255).unwrap().thresholds();
        (announcement, Params::new(255, defaults).unwrap())
    }

    #[test]
    fn the_widest_sums_of_the_largest_cohort_fit_words_of_64_bits_and_no_others() {
        let (announcement, params) = widest();
        let table = &announcement.tables[0];
        let (lowest, highest) = table_range(table, &announcement, &params, 255).unwrap();
        assert!(lowest < 0 && highest > 255 << 48);
        assert!(check_word_size(&announcement, &params, WordSize::Bits64).is_ok());
        assert!(check_word_size(&announcement, &params, WordSize::Bits32).is_err());
    }

    #[test]
    fn a_bound_beyond_64_bits_is_refused_and_not_wrapped() {
        let (mut announcement, params) = widest();
        for bound in [u64::MAX, 1 << 63, (1 << 63) / 255 + 1] {
            announcement.tables[0].cell_bound = bound;
            assert!(table_range(&announcement.tables[0], &announcement, &params, 255).is_none());
            assert!(check_word_size(&announcement, &params, WordSize::Bits64).is_err());
        }
    }

    #[test]
    fn every_table_has_the_range_of_its_own_bound() {
        let (mut announcement, params) = widest();
        let counts = AnnouncedTable {
            name: "counts".to_owned(),
            cell_bound: 10,
            ..announcement.tables[0].clone()
        };
        announcement.tables.push(counts);
        let highest = |place: usize| {
            let table = &announcement.tables[place];
            table_range(table, &announcement, &params, 255).unwrap().1
        };
        let tail = highest(1) - 2550;
        assert_eq!(highest(0) - tail, 255 << 48);
    }

    fn tail(rate: (u64, u64), shape: f64, cells: usize) -> i64 {
        let table = AnnouncedTable {
            name: "cells".to_owned(),
            cells: 8,
            sensitivity: 1,
            rate: Rational::new(rate.0, rate.1).unwrap(),
            cell_bound: 1,
        };
        noise_tail_bound(&table, shape, cells)
    }

    /// By hand: 2 · (S · ln 2 + ln(2 · cells · 10⁹)) / a, rounded up.
    #[test]
    fn the_tail_is_chernoffs_at_half_the_rate() {
        assert_eq!(tail((1, 1), 1.0, 8), 49, "48.38");
        assert_eq!(tail((1, 2), 1.0, 8), 97, "96.76");
        assert_eq!(tail((1, 1), 3.0, 8), 52, "51.15");
        assert_eq!(tail((1, 1), 1.0, 1_000), 59, "58.03");
        assert_eq!(tail((1, 1), 1.0, 0), tail((1, 1), 1.0, 1));
    }

    /// Five partners of which m − c = 3 make noise of shape 1; a cell is at most 1,000,000.
    #[test]
    fn c6_the_range_of_a_sum_follows_from_bound_contributors_and_tail() {
        let context = Cohort::new(&CohortOptions::default(), 1).context;
        let (announcement, params) = (context.announcement(), context.params());
        let range =
            |contributors| table_range(&announcement.tables[0], announcement, params, contributors);
        assert_eq!(range(3), Some((-49, 3_000_049)));
        assert_eq!(range(5), Some((-50, 5_000_050)));
    }

    #[test]
    fn n2_the_highest_sum_stays_below_the_largest_word() {
        let context = Cohort::new(&CohortOptions::default(), 1).context;
        let mut announcement = context.announcement().as_signed().content.clone();
        let params = context.params();
        let word = WordSize::from_bits(32).unwrap();
        let mut accepted = |bound: i64| {
            announcement.tables[0].cell_bound = u64::try_from(bound).unwrap();
            check_word_size(&announcement, params, word).is_ok()
        };
        let most = (word.largest() - 1 - 50) / 5;
        assert!(accepted(most));
        assert!(!accepted(most + 1));
    }
}
