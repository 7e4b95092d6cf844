//! One cell of one table over the periods of a programme.

use msht_core::estimate::interval::NoiseLaw;
use msht_core::release::{Release, ReleaseTable};

use super::catalogue::Published;
use super::cells::cells;
use super::numbers::Estimate;

/// Between the codes of a cell in the value of a form.
const CODE_SEPARATOR: &str = ".";
/// Between the labels of a cell.
const LABEL_SEPARATOR: &str = " × ";
/// Probabilities that the inner intervals miss the count: those of 80 % and of 50 %.
const INNER_COMPLEMENTS: [f64; 2] = [0.2, 0.5];

/// The code of a cell, from its categories: empty for a total.
pub(super) fn cell_code(categories: &[(&str, &str)]) -> String {
    let codes: Vec<&str> = categories.iter().map(|(code, _)| *code).collect();
    codes.join(CODE_SEPARATOR)
}

/// The label of a cell, from its categories.
pub(super) fn cell_label(categories: &[(&str, &str)]) -> String {
    if categories.is_empty() {
        return "All records".to_owned();
    }
    let labels: Vec<&str> = categories.iter().map(|(_, label)| *label).collect();
    labels.join(LABEL_SEPARATOR)
}

/// The cell in one release.
#[derive(Debug)]
pub(super) struct Point<'a> {
    pub(super) release: &'a Release,
    pub(super) position: usize,
    pub(super) estimate: Estimate,
    /// The intervals of 80 % and of 50 %.
    pub(super) inner: [Estimate; 2],
}

/// The cell with `code` of the table `name` in each of these releases that has it.
pub(super) fn series<'a>(releases: &[&'a Published], name: &str, code: &str) -> Vec<Point<'a>> {
    releases
        .iter()
        .filter_map(|published| {
            let release = published.release();
            let table = release.tables.iter().find(|table| table.name == name)?;
            let (position, cell) = cells(table)
                .enumerate()
                .find(|(_, cell)| cell_code(&cell.categories) == code)?;
            Some(Point {
                release,
                position,
                estimate: cell.estimate,
                inner: inner(release, table, cell.estimate),
            })
        })
        .collect()
}

/// The inner intervals from the exact law of the noise; the outer one again where the law cannot be computed.
fn inner(release: &Release, table: &ReleaseTable, estimate: Estimate) -> [Estimate; 2] {
    let mechanism = &release.mechanism;
    let law = mechanism
        .a
        .get(&table.name)
        .and_then(|a| NoiseLaw::new(a, &mechanism.shape).ok());
    INNER_COMPLEMENTS.map(|complement| {
        let half_width = law.as_ref().and_then(|law| law.half_width(complement).ok());
        half_width.map_or(estimate, |half_width| {
            Estimate::new(estimate.raw, half_width)
        })
    })
}

/// Whether other partners are behind `after` than behind `before`.
pub(super) fn partners_differ(before: &Release, after: &Release) -> bool {
    let sorted = |release: &Release| {
        let mut ids = release.survivors.clone();
        ids.sort_unstable();
        ids
    };
    sorted(before) != sorted(after)
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;

    #[test]
    fn a_series_follows_a_cell_by_its_code_through_the_releases() {
        let catalogue = fixture::quarters();
        let releases: Vec<&Published> = catalogue
            .programme("example")
            .unwrap()
            .releases()
            .iter()
            .map(AsRef::as_ref)
            .collect();
        let series = series(&releases, "sex-by-age", "male.under-18");
        assert_eq!(series.len(), releases.len());
        for point in &series {
            assert_eq!(point.position, 4);
            assert_eq!(point.estimate.raw, point.release.tables[2].raw[4]);
            let [of_80, of_50] = point.inner;
            assert!(point.estimate.low <= of_80.low && of_80.low <= of_50.low);
            assert!(of_50.low <= point.estimate.raw);
        }
    }

    #[test]
    fn partners_differ_by_who_they_are_and_not_by_their_order() {
        let release = fixture::release().release().clone();
        let mut other = release.clone();
        other.survivors.reverse();
        assert!(!partners_differ(&release, &other));
        other.survivors.pop();
        assert!(partners_differ(&release, &other));
    }
}
