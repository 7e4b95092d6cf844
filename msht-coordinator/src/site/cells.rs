//! The cells of a table, one after the other, with their categories.

use msht_core::release::{ReleaseDimension, ReleaseTable};

use super::numbers::Estimate;

/// One cell: its category in each dimension and its number.
#[derive(Debug, Clone)]
pub(super) struct Cell<'a> {
    /// Code and label in each dimension, in the order of the dimensions.
    pub(super) categories: Vec<(&'a str, &'a str)>,
    pub(super) estimate: Estimate,
}

/// The cells of `table` in the order of `raw`: row-major, the first dimension slowest.
pub(super) fn cells(table: &ReleaseTable) -> impl Iterator<Item = Cell<'_>> {
    table
        .raw
        .iter()
        .enumerate()
        .map(move |(position, &raw)| Cell {
            categories: categories_at(&table.dimensions, position),
            estimate: Estimate::new(raw, table.interval95),
        })
}

fn categories_at(dimensions: &[ReleaseDimension], position: usize) -> Vec<(&str, &str)> {
    let mut rest = position;
    let mut categories: Vec<(&str, &str)> = dimensions
        .iter()
        .rev()
        .filter_map(|dimension| {
            let size = dimension.categories.len();
            let index = rest.checked_rem(size)?;
            rest /= size;
            let code = dimension.categories.get(index)?;
            let label = dimension.labels.get(index)?;
            Some((code.as_str(), label.as_str()))
        })
        .collect();
    categories.reverse();
    categories
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;

    #[test]
    fn the_first_dimension_is_the_slowest() {
        let table = fixture::table("sex-by-age", &[("sex", 2), ("age", 3)], 1);
        let codes: Vec<String> = cells(&table)
            .map(|cell| {
                let codes: Vec<&str> = cell.categories.iter().map(|(code, _)| *code).collect();
                codes.join("/")
            })
            .collect();
        assert_eq!(
            codes,
            [
                "sex-0/age-0",
                "sex-0/age-1",
                "sex-0/age-2",
                "sex-1/age-0",
                "sex-1/age-1",
                "sex-1/age-2"
            ]
        );
    }

    #[test]
    fn a_total_is_one_cell_without_categories() {
        let table = fixture::table("total", &[], 1);
        let all: Vec<Cell<'_>> = cells(&table).collect();
        assert_eq!(all.len(), 1);
        assert!(all[0].categories.is_empty());
    }
}
