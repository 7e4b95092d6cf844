//! Tables as pages show them: lists, and grids for two dimensions.

use msht_core::release::{Release, ReleaseMeasure, ReleaseTable};

use super::address;
use super::cells::cells;
use super::finding::unit_words;
use super::numbers::Estimate;

/// Tables with more cells than this start closed.
const LARGE_TABLE_CELLS: usize = 48;
/// A grid with more columns than this stands on its side where that makes it narrower.
const WIDE_GRID_COLUMNS: usize = 8;

/// One table with its words.
#[derive(Debug)]
pub(super) struct TableView {
    /// Id of its heading in the page.
    pub(super) anchor: String,
    pub(super) title: String,
    pub(super) csv: String,
    pub(super) half_width: u64,
    /// What the numbers are, such as `units of GBP 100`.
    pub(super) unit: String,
    /// What is added up, for captions.
    pub(super) numbers: String,
    pub(super) cells: usize,
    pub(super) is_large: bool,
    /// One sentence for each dimension of which a record can have several categories.
    pub(super) notes: Vec<String>,
    pub(super) content: TableContent,
}

/// The numbers of a table.
#[derive(Debug)]
pub(super) enum TableContent {
    /// One row a cell.
    List {
        /// Titles of the dimensions.
        headers: Vec<String>,
        /// Labels and number of each cell.
        rows: Vec<(Vec<String>, Estimate)>,
    },
    /// One dimension down, the other across.
    Grid {
        /// Titles of both.
        corner: String,
        /// Labels across.
        columns: Vec<String>,
        /// Label and numbers of each row.
        rows: Vec<(String, Vec<Estimate>)>,
    },
}

/// Every table of a release, in its order.
pub(super) fn table_views(release: &Release) -> Vec<TableView> {
    (1..)
        .zip(&release.tables)
        .map(|(number, table)| table_view(release, number, table))
        .collect()
}

fn table_view(release: &Release, number: usize, table: &ReleaseTable) -> TableView {
    TableView {
        anchor: format!("table-{number}"),
        title: table.title.clone(),
        csv: address::table_csv(&release.round, &table.name),
        half_width: table.interval95,
        unit: unit_words(table),
        numbers: numbers(table),
        cells: table.raw.len(),
        is_large: table.raw.len() > LARGE_TABLE_CELLS,
        notes: notes(table),
        content: grid(table).unwrap_or_else(|| list(table)),
    }
}

/// What the numbers of a table are, for captions.
pub(super) fn numbers(table: &ReleaseTable) -> String {
    match &table.measure {
        ReleaseMeasure::Count => "number of records".to_owned(),
        ReleaseMeasure::Sum(sum) => format!("sum of “{}” in {}", sum.title, unit_words(table)),
    }
}

/// What a reader must know before adding up or comparing.
fn notes(table: &ReleaseTable) -> Vec<String> {
    let clip = match &table.measure {
        ReleaseMeasure::Count => None,
        ReleaseMeasure::Sum(sum) => Some(format!(
            "Each record adds its “{}” in {}, at most {} of them: what is above that is not in the sum.",
            sum.title,
            unit_words(table),
            sum.clip
        )),
    };
    clip.into_iter().chain(multi_valued(table)).collect()
}

fn multi_valued(table: &ReleaseTable) -> impl Iterator<Item = String> {
    table
        .dimensions
        .iter()
        .filter(|dimension| dimension.max_values > 1)
        .map(|dimension| {
            format!(
                "“{}” does not add up to people: one record can be counted under up to {} of its groups.",
                dimension.title, dimension.max_values
            )
        })
}

fn list(table: &ReleaseTable) -> TableContent {
    let mut headers: Vec<String> = table.dimensions.iter().map(|d| d.title.clone()).collect();
    let rows = cells(table)
        .map(|cell| {
            let labels = cell.categories.iter().map(|(_, label)| (*label).to_owned());
            (labels.collect(), cell.estimate)
        })
        .map(|(labels, estimate): (Vec<String>, Estimate)| {
            let total = || vec!["All records".to_owned()];
            (if labels.is_empty() { total() } else { labels }, estimate)
        })
        .collect();
    if headers.is_empty() {
        headers.push("Counted".to_owned());
    }
    TableContent::List { headers, rows }
}

fn grid(table: &ReleaseTable) -> Option<TableContent> {
    let [down, across] = table.dimensions.as_slice() else {
        return None;
    };
    let width = across.labels.len();
    let numbers: Vec<Vec<Estimate>> = table
        .raw
        .chunks(width.max(1))
        .map(|row| {
            row.iter()
                .map(|raw| Estimate::new(*raw, table.interval95))
                .collect()
        })
        .collect();
    let on_its_side = width > WIDE_GRID_COLUMNS && width > down.labels.len();
    let (down, across, numbers) = if on_its_side {
        (across, down, transposed(&numbers, width))
    } else {
        (down, across, numbers)
    };
    Some(TableContent::Grid {
        corner: format!("{} (down) by {} (across)", down.title, across.title),
        columns: across.labels.clone(),
        rows: down.labels.iter().cloned().zip(numbers).collect(),
    })
}

fn transposed(rows: &[Vec<Estimate>], width: usize) -> Vec<Vec<Estimate>> {
    (0..width)
        .map(|column| {
            rows.iter()
                .filter_map(|row| row.get(column))
                .copied()
                .collect()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use msht_core::release::SumOfAmounts;

    use super::super::fixture;
    use super::*;

    fn shown(table: &ReleaseTable) -> Vec<Vec<i64>> {
        match grid(table).unwrap() {
            TableContent::Grid { rows, .. } => rows
                .iter()
                .map(|(_, cells)| cells.iter().map(|estimate| estimate.raw).collect())
                .collect(),
            TableContent::List { .. } => unreachable!("grid gives grids"),
        }
    }

    #[test]
    fn a_grid_holds_the_rows_of_the_release() {
        let table = fixture::table("two", &[("down", 3), ("across", 4)], 2);
        let rows: Vec<Vec<i64>> = table.raw.chunks(4).map(<[i64]>::to_vec).collect();
        assert_eq!(shown(&table), rows);
    }

    #[test]
    fn a_wide_grid_stands_on_its_side() {
        let table = fixture::table("two", &[("down", 2), ("across", 30)], 2);
        let rows = shown(&table);
        assert_eq!((rows.len(), rows[0].len()), (30, 2));
        assert_eq!(rows[7], [table.raw[7], table.raw[37]]);
    }

    #[test]
    fn a_table_of_sums_says_its_unit_and_its_clip() {
        let mut table = fixture::table("value", &[("kind", 3)], 2);
        assert_eq!(
            (unit_words(&table), numbers(&table)),
            ("records".into(), "number of records".into())
        );
        table.measure = ReleaseMeasure::Sum(SumOfAmounts {
            amount: "value".to_owned(),
            title: "Value".to_owned(),
            currency: "GBP".to_owned(),
            unit: 100,
            clip: 50,
        });
        assert_eq!(unit_words(&table), "units of GBP 100");
        assert_eq!(numbers(&table), "sum of “Value” in units of GBP 100");
        assert!(notes(&table)[0].contains("at most 50"));
    }

    #[test]
    fn a_multi_valued_dimension_is_said_not_to_add_up() {
        let mut table = fixture::table("kind", &[("kind", 3)], 2);
        assert!(notes(&table).is_empty());
        table.dimensions[0].max_values = 2;
        assert!(notes(&table)[0].contains("does not add up to people"));
    }
}
