//! What a table can be drawn as: a list, a matrix, or pairs of one dimension.

use std::collections::BTreeMap;

use msht_core::programme::pair_codes;
use msht_core::release::{Release, ReleaseDimension, ReleaseTable};

use super::cells::cells;
use super::charts::matrix::Matrix;
use super::numbers::Estimate;

/// End of the name of a dimension of pairs.
const PAIRS_SUFFIX: &str = "-pairs";
/// What stands between the words of a pair.
const PAIR_AND: &str = " and ";

/// The form of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// One number.
    Total,
    /// Categories of one dimension.
    List,
    /// Pairs of categories of one dimension that occur together.
    Pairs,
    /// Two dimensions.
    Matrix,
    /// More than that, or pairs crossed with something.
    Other,
}

/// The form of `table`.
pub(super) fn shape(table: &ReleaseTable) -> Shape {
    match table.dimensions.as_slice() {
        [] => Shape::Total,
        [one] if is_pairs(one) => Shape::Pairs,
        [_] => Shape::List,
        [one, two] if !is_pairs(one) && !is_pairs(two) => Shape::Matrix,
        _ => Shape::Other,
    }
}

fn is_pairs(dimension: &ReleaseDimension) -> bool {
    let mut codes = dimension.categories.iter();
    !dimension.categories.is_empty() && codes.all(|code| pair_codes(code).is_some())
}

/// The table of two dimensions as a matrix whose longer dimension stands down the side.
pub(super) fn matrix_of(table: &ReleaseTable) -> Option<Matrix> {
    let [first, second] = table.dimensions.as_slice() else {
        return None;
    };
    let width = second.labels.len();
    let estimates = |raw: &[i64]| -> Vec<Option<Estimate>> {
        raw.iter()
            .map(|raw| Some(Estimate::new(*raw, table.interval95)))
            .collect()
    };
    let lines: Vec<Vec<Option<Estimate>>> = table.raw.chunks(width.max(1)).map(estimates).collect();
    if first.labels.len() >= width {
        return Some(Matrix {
            down: first.title.clone(),
            across: second.title.clone(),
            rows: first.labels.clone(),
            columns: second.labels.clone(),
            cells: lines,
        });
    }
    let column = |at: usize| -> Vec<Option<Estimate>> {
        let cells = lines.iter().map(|line| line.get(at).copied().flatten());
        cells.collect()
    };
    Some(Matrix {
        down: second.title.clone(),
        across: first.title.clone(),
        rows: second.labels.clone(),
        columns: first.labels.clone(),
        cells: (0..width).map(column).collect(),
    })
}

/// The pairs of `table` as a half matrix: each pair once, above the diagonal.
pub(super) fn pair_matrix_of(release: &Release, table: &ReleaseTable) -> Option<Matrix> {
    let [dimension] = table.dimensions.as_slice() else {
        return None;
    };
    let mut codes: Vec<&str> = Vec::new();
    let mut pairs: BTreeMap<(&str, &str), Estimate> = BTreeMap::new();
    for (code, raw) in dimension.categories.iter().zip(&table.raw) {
        let (one, two) = pair_codes(code)?;
        for each in [one, two] {
            if !codes.contains(&each) {
                codes.push(each);
            }
        }
        pairs.insert((one, two), Estimate::new(*raw, table.interval95));
    }
    let labels: Vec<String> = codes
        .iter()
        .map(|code| label_of(release, dimension, code))
        .collect();
    // The first category has no pair below the diagonal, the last none above it: one line fewer each way.
    let (_, columns) = codes.split_first()?;
    let (_, rows) = codes.split_last()?;
    let line = |one: &&str| -> Vec<Option<Estimate>> {
        let cells = columns.iter().map(|two| pairs.get(&(*one, *two)).copied());
        cells.collect()
    };
    Some(Matrix {
        down: dimension.title.clone(),
        across: dimension.title.clone(),
        rows: labels.get(..rows.len())?.to_vec(),
        columns: labels.get(1..)?.to_vec(),
        cells: rows.iter().map(line).collect(),
    })
}

/// The words for `code` of the pairs of `dimension`: from another table of the release, or from the words of the pairs
/// themselves; the code where neither has them.
fn label_of(release: &Release, dimension: &ReleaseDimension, code: &str) -> String {
    let label = |known: &ReleaseDimension| {
        let at = known.categories.iter().position(|known| known == code)?;
        known.labels.get(at).cloned()
    };
    let of_same = dimension.name.strip_suffix(PAIRS_SUFFIX);
    let mut all = release.tables.iter().flat_map(|table| &table.dimensions);
    all.find_map(|known| (Some(known.name.as_str()) == of_same).then(|| label(known))?)
        .or_else(|| label_in_pairs(dimension, code))
        .unwrap_or_else(|| code.to_owned())
}

/// The words that every pair with `code` has on that side of an “and”; the longest where “and” stands in the words.
fn label_in_pairs(dimension: &ReleaseDimension, code: &str) -> Option<String> {
    let mut possible: Option<Vec<&str>> = None;
    for (pair, label) in dimension.categories.iter().zip(&dimension.labels) {
        let Some((one, two)) = pair_codes(pair) else {
            continue;
        };
        if code != one && code != two {
            continue;
        }
        let sides = label.match_indices(PAIR_AND).filter_map(|(at, and)| {
            if code == one {
                label.get(..at)
            } else {
                label.get(at + and.len()..)
            }
        });
        let sides: Vec<&str> = sides.collect();
        possible = Some(match possible {
            None => sides,
            Some(known) => known
                .into_iter()
                .filter(|each| sides.contains(each))
                .collect(),
        });
    }
    let longest = possible?.into_iter().max_by_key(|words| words.len())?;
    Some(longest.to_owned())
}

/// Label and number of every cell: the labels of its categories with `between` between them.
pub(super) fn labelled(table: &ReleaseTable, between: &str) -> Vec<(String, Estimate)> {
    cells(table)
        .map(|cell| {
            let labels: Vec<&str> = cell.categories.iter().map(|(_, label)| *label).collect();
            (labels.join(between), cell.estimate)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;

    fn pairs() -> ReleaseTable {
        let mut table = fixture::table("pairs", &[("kind-pairs", 3)], 2);
        table.dimensions[0].categories = ["a.b", "a.c", "b.c"].map(str::to_owned).to_vec();
        let labels = [
            "Food and drink and Care",
            "Food and drink and Sea",
            "Care and Sea",
        ];
        table.dimensions[0].labels = labels.map(str::to_owned).to_vec();
        table.raw = vec![10, 20, 30];
        table
    }

    #[test]
    fn forms_are_told_from_dimensions_and_codes() {
        let of = |dimensions: &[(&str, usize)]| shape(&fixture::table("t", dimensions, 1));
        assert_eq!(of(&[]), Shape::Total);
        assert_eq!(of(&[("a", 2)]), Shape::List);
        assert_eq!(of(&[("a", 2), ("b", 2)]), Shape::Matrix);
        assert_eq!(of(&[("a", 2), ("b", 2), ("c", 2)]), Shape::Other);
        assert_eq!(shape(&pairs()), Shape::Pairs);
        let mut crossed = pairs();
        crossed.dimensions.push(crossed.dimensions[0].clone());
        assert_eq!(shape(&crossed), Shape::Other);
    }

    #[test]
    fn a_matrix_keeps_every_number_in_its_place() {
        let table = fixture::table("two", &[("down", 2), ("across", 5)], 2);
        let matrix = matrix_of(&table).unwrap();
        assert_eq!((matrix.rows.len(), matrix.columns.len()), (5, 2));
        assert_eq!(matrix.rows[3], "across 3");
        assert_eq!(matrix.cells[3][1].unwrap().raw, table.raw[8]);
        let tall = fixture::table("two", &[("down", 5), ("across", 2)], 2);
        let matrix = matrix_of(&tall).unwrap();
        assert_eq!(matrix.cells[3][1].unwrap().raw, tall.raw[7]);
    }

    #[test]
    fn pairs_stand_above_the_diagonal_under_the_words_of_another_table() {
        let mut release = fixture::release().release().clone();
        let mut words = fixture::table("words", &[("kind", 3)], 2);
        words.dimensions[0].categories = ["a", "b", "c"].map(str::to_owned).to_vec();
        words.dimensions[0].labels = ["First", "Second", "Third"].map(str::to_owned).to_vec();
        release.tables = vec![pairs(), words];
        let matrix = pair_matrix_of(&release, &pairs()).unwrap();
        assert_eq!(matrix.rows, ["First", "Second"]);
        assert_eq!(matrix.columns, ["Second", "Third"]);
        let raw = |row: usize, column: usize| matrix.cells[row][column].map(|e| e.raw);
        assert_eq!(raw(0, 0), Some(10));
        assert_eq!(raw(0, 1), Some(20));
        assert_eq!(raw(1, 1), Some(30));
        assert_eq!(raw(1, 0), None);
        release.tables.pop();
        let matrix = pair_matrix_of(&release, &pairs()).unwrap();
        assert_eq!(matrix.rows, ["Food and drink", "Care"]);
        assert_eq!(matrix.columns, ["Care", "Sea"]);
    }
}
