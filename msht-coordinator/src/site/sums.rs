//! Sums over the cells of a table, with the interval of their noise; `estimate` of the library has the method.

use msht_core::estimate::sum::{NoisySum, law_of_sum};
use msht_core::estimate::{COMPLEMENT, EstimateError, NoisyTable};
use msht_core::rational::Rational;
use msht_core::release::{Release, ReleaseMeasure, ReleaseTable};

use super::cells::cells;
use super::numbers::Estimate;
use super::shape::{Shape, shape};

/// A sum of published numbers of one release.
#[derive(Debug, Clone)]
pub(super) struct Summed {
    pub(super) estimate: Estimate,
    /// a and shape of each part of its noise.
    noise: Vec<(Rational, Rational)>,
}

/// The sum of the cells of `table` at these positions.
///
/// # Errors
/// [`EstimateError`] where a position is not in the table, there is none, or the noise is too wide to tabulate.
pub(super) fn sum_of(
    release: &Release,
    table: &ReleaseTable,
    positions: &[usize],
) -> Result<Summed, EstimateError> {
    let noisy = NoisyTable::of(release, &table.name)?;
    let sum = NoisySum::of(&[(noisy, positions)])?;
    let count = u64::try_from(positions.len()).unwrap_or(u64::MAX);
    let shape = noisy.shape.times(&Rational::from_integer(count));
    Ok(Summed {
        estimate: Estimate::new(sum.raw, sum.law.half_width(COMPLEMENT)?),
        noise: vec![(noisy.a.clone(), shape)],
    })
}

/// `one` less `other`, which are of different tables or releases, with the interval of the difference.
///
/// # Errors
/// [`EstimateError`] where the noise of both together is too wide to tabulate.
pub(super) fn difference(one: &Summed, other: &Summed) -> Result<Estimate, EstimateError> {
    let noise: Vec<(Rational, Rational)> = one.noise.iter().chain(&other.noise).cloned().collect();
    let half_width = law_of_sum(&noise)?.half_width(COMPLEMENT)?;
    let raw = one.estimate.raw.saturating_sub(other.estimate.raw);
    Ok(Estimate::new(raw, half_width))
}

/// The total of a release, where it has one that counts records.
///
/// # Errors
/// As for [`sum_of`].
pub(super) fn total(release: &Release) -> Result<Option<Summed>, EstimateError> {
    let mut tables = release.tables.iter();
    let table = tables.find(|table| counts(table) && shape(table) == Shape::Total);
    table.map(|table| sum_of(release, table, &[0])).transpose()
}

/// What is counted in category `code` of `dimension`, from the table that says it most precisely.
///
/// # Errors
/// As for [`sum_of`].
pub(super) fn category(
    release: &Release,
    dimension: &str,
    code: &str,
) -> Result<Option<Summed>, EstimateError> {
    categories(release, dimension, &[code])
}

/// What is counted in any of these categories of `dimension`, from the table that says it most precisely.
///
/// # Errors
/// As for [`sum_of`].
pub(super) fn categories(
    release: &Release,
    dimension: &str,
    codes: &[&str],
) -> Result<Option<Summed>, EstimateError> {
    let mut best: Option<Summed> = None;
    for table in release.tables.iter().filter(|table| counts(table)) {
        let Some(at) = axis(table, dimension) else {
            continue;
        };
        let is_in = |codes_of: &[(&str, &str)]| {
            codes_of
                .get(at)
                .is_some_and(|(code, _)| codes.contains(code))
        };
        let positions: Vec<usize> = (0..)
            .zip(cells(table))
            .filter_map(|(position, cell)| is_in(&cell.categories).then_some(position))
            .collect();
        if positions.is_empty() {
            continue;
        }
        let summed = sum_of(release, table, &positions)?;
        let is_better = best
            .as_ref()
            .is_none_or(|best| summed.estimate.width() < best.estimate.width());
        if is_better {
            best = Some(summed);
        }
    }
    Ok(best)
}

/// Place of `dimension` in a table whose other dimensions add up to records.
fn axis(table: &ReleaseTable, dimension: &str) -> Option<usize> {
    let at = table
        .dimensions
        .iter()
        .position(|known| known.name == dimension)?;
    let mut others = table.dimensions.iter().enumerate();
    let adds_up = others.all(|(other, known)| other == at || known.max_values == 1);
    let is_drawn = matches!(shape(table), Shape::List | Shape::Matrix);
    (adds_up && is_drawn).then_some(at)
}

fn counts(table: &ReleaseTable) -> bool {
    table.measure == ReleaseMeasure::Count
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;

    #[test]
    fn a_margin_is_the_sum_of_its_cells_with_a_wider_interval() {
        let release = fixture::release().release().clone();
        let table = &release.tables[2];
        let summed = category(&release, "sex", "male").unwrap().unwrap();
        assert_eq!(summed.estimate.raw, table.raw[4..8].iter().sum::<i64>());
        let one = sum_of(&release, table, &[4]).unwrap();
        assert!(summed.estimate.width() > one.estimate.width());
        assert!(summed.estimate.width() < 4 * one.estimate.width());
        assert!(category(&release, "sex", "other").unwrap().is_none());
        assert!(category(&release, "colour", "male").unwrap().is_none());
    }

    #[test]
    fn the_table_with_the_least_noise_speaks() {
        let release = fixture::release().release().clone();
        let of_kind = category(&release, "exploitation", "domestic-servitude");
        // The list of kinds, not the sum over boroughs.
        assert_eq!(of_kind.unwrap().unwrap().estimate.raw, 88);
    }

    #[test]
    fn a_difference_is_less_sure_than_either_side() {
        let release = fixture::release().release().clone();
        let total = total(&release).unwrap().unwrap();
        let male = category(&release, "sex", "male").unwrap().unwrap();
        let gap = difference(&total, &male).unwrap();
        assert_eq!(gap.raw, total.estimate.raw - male.estimate.raw);
        assert!(gap.width() > total.estimate.width().max(male.estimate.width()));
        assert!(gap.width() < total.estimate.width() + male.estimate.width());
    }
}
