//! Which cells of a table can be told apart, and what can be said of their order.
//!
//! Two cells differ in noise by the sum of two independent laws: the same a with twice the shape. Over the
//! m(m−1)/2 pairs the probability of an error is shared evenly (union bound), so that with probability at least
//! 1 − `complement` every pair said to differ does, in the direction said, and every true rank lies in its range.

use super::error::EstimateError;
use super::interval::NoiseLaw;
use super::table::NoisyTable;
use crate::rational::Rational;

/// The places a cell may take in the order of the true counts; 1 is the largest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RankRange {
    /// Best place: one more than the cells that are larger beyond doubt.
    pub best: usize,
    /// Worst place: all cells less those that are smaller beyond doubt.
    pub worst: usize,
}

/// Half-width of the interval of the difference of two cells of one table, for one pair among `pairs`.
///
/// # Errors
/// [`EstimateError::Interval`].
pub fn difference_half_width(
    table: &NoisyTable<'_>,
    complement: f64,
    pairs: usize,
) -> Result<u64, EstimateError> {
    let twice = table.shape.times(&Rational::from_integer(2));
    let law = NoiseLaw::new(table.a, &twice)?;
    Ok(law.half_width(complement / pairs.max(1) as f64)?)
}

/// The rank range of each of `cells` of the table, in their order.
///
/// # Errors
/// [`EstimateError::NoSuchCell`], [`EstimateError::Interval`].
pub fn rank_ranges(
    table: &NoisyTable<'_>,
    cells: &[usize],
    complement: f64,
) -> Result<Vec<RankRange>, EstimateError> {
    let count = cells.len();
    let values = cells.iter().map(|cell| table.cell(*cell));
    let values = values.collect::<Result<Vec<_>, _>>()?;
    let pairs = count * count.saturating_sub(1) / 2;
    let apart = difference_half_width(table, complement, pairs)?;
    let larger = |one: i64, two: i64| one > two && one.abs_diff(two) > apart;
    let range = |value: &i64| RankRange {
        best: 1 + values
            .iter()
            .filter(|other| larger(**other, *value))
            .count(),
        worst: count
            - values
                .iter()
                .filter(|other| larger(*value, **other))
                .count(),
    };
    Ok(values.iter().map(range).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table<'a>(raw: &'a [i64], a: &'a Rational, shape: &'a Rational) -> NoisyTable<'a> {
        NoisyTable {
            period: "2026-Q1",
            survivors: &[],
            name: "borough",
            dimensions: &[],
            raw,
            a,
            shape,
            counts_records: true,
        }
    }

    #[test]
    fn cells_that_cannot_be_told_apart_share_their_places() {
        let (a, shape) = ("1".parse().unwrap(), Rational::one());
        let raw = [100, 3, 101, 50, 2];
        let table = table(&raw, &a, &shape);
        let ranges = rank_ranges(&table, &[0, 1, 2, 3, 4], 0.05).unwrap();
        let found: Vec<_> = ranges.iter().map(|r| (r.best, r.worst)).collect();
        assert_eq!(found, [(1, 2), (4, 5), (1, 2), (3, 3), (4, 5)]);
        assert!(rank_ranges(&table, &[5], 0.05).is_err());
        assert!(rank_ranges(&table, &[], 0.05).unwrap().is_empty());
    }

    #[test]
    fn a_single_pair_needs_less_than_one_of_many() {
        let (a, shape) = ("0.2".parse().unwrap(), "11/4".parse().unwrap());
        let table = table(&[], &a, &shape);
        let single = difference_half_width(&table, 0.05, 1).unwrap();
        assert!(single < difference_half_width(&table, 0.05, 595).unwrap());
        assert!(single > NoiseLaw::new(&a, &shape).unwrap().half_width(0.05).unwrap());
    }
}
