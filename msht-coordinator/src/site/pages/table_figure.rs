//! The figure of any table: bars, a matrix or a half matrix, whichever fits its dimensions.

use msht_core::release::{Release, ReleaseTable};

use crate::site::address;
use crate::site::calendar::period_words;
use crate::site::cells::cells;
use crate::site::charts::{bars, matrix};
use crate::site::figure::{Column, DataTable, Datum, Figure, Files, Key};
use crate::site::largest::{above_zero, largest};
use crate::site::shape::{Shape, labelled, matrix_of, pair_matrix_of, shape};

/// Names of the columns of categories in the table of a figure.
const CATEGORY_COLUMNS: [&str; 3] = ["category_1", "category_2", "category_3"];

/// The figure of `table` under the id `id`, or none where nothing fits it; its files are those of the release.
///
/// # Errors
/// Only those of the template engine, which writes to memory here.
pub(in crate::site) fn table_figure(
    release: &Release,
    table: &ReleaseTable,
    id: &'static str,
) -> Result<Option<Figure>, askama::Error> {
    let Some(drawn) = drawn(release, table, id)? else {
        return Ok(None);
    };
    Ok(Some(Figure {
        id,
        title: drawn.title,
        subtitle: format!(
            "{}, {}: {}",
            table.title,
            period_words(&release.period),
            drawn.what
        ),
        key: drawn.key,
        drawings: drawn.drawings,
        notes: drawn.notes,
        table: data_table(table),
        is_table_open: false,
        attribution: None,
        files: Files {
            csv: address::table_csv(&release.round, &table.name),
            json: address::release_file(&release.round, &format!("{}.json", table.name)),
            svg: String::new(),
        },
    }))
}

/// What is drawn.
struct Drawn {
    title: String,
    what: &'static str,
    key: Vec<Key>,
    drawings: Vec<String>,
    notes: Vec<String>,
}

fn drawn(
    release: &Release,
    table: &ReleaseTable,
    id: &str,
) -> Result<Option<Drawn>, askama::Error> {
    let mut notes = not_adding_up(table);
    let (matrix, what) = match shape(table) {
        Shape::List => {
            let Some(bars) = bars::bars(table, id)? else {
                return Ok(None);
            };
            if bars.left_out > 0 {
                notes.push(format!(
                    "{} more rows are in the table only.",
                    bars.left_out
                ));
            }
            return Ok(Some(Drawn {
                title: bars.title,
                what: "each with its 95 % interval, in the order of the codebook",
                key: bars::key(),
                drawings: bars.drawings,
                notes,
            }));
        }
        Shape::Matrix => (
            matrix_of(table),
            "each above zero with its 95 % interval; the others hatched",
        ),
        Shape::Pairs => (
            pair_matrix_of(release, table),
            "each pair that occurs together, with its 95 % interval; the others hatched",
        ),
        Shape::Total | Shape::Other => (None, ""),
    };
    let Some(matrix) = matrix else {
        return Ok(None);
    };
    let lines = matrix.rows.len().max(matrix.columns.len());
    if lines > matrix::MOST_LINES {
        notes.push(format!(
            "The drawing shows the first {} rows and columns; the table has every number.",
            matrix::MOST_LINES
        ));
    }
    let title = match shape(table) {
        Shape::Pairs => largest(&table.title, &labelled(table, " and ")),
        _ => above_zero(&table.title, &labelled(table, ", ")),
    };
    Ok(Some(Drawn {
        what,
        key: matrix::key(&matrix),
        drawings: matrix::drawings(&matrix, &title, id)?,
        title,
        notes,
    }))
}

/// One sentence for each dimension of which a record can have several categories.
fn not_adding_up(table: &ReleaseTable) -> Vec<String> {
    let multiple = table.dimensions.iter().filter(|d| d.max_values > 1);
    multiple
        .map(|dimension| {
            format!(
                "“{}” does not add up to people: one record can be counted up to {} times.",
                dimension.title, dimension.max_values
            )
        })
        .collect()
}

/// Every cell of `table` in a row: its categories and its number.
pub(in crate::site) fn data_table(table: &ReleaseTable) -> DataTable {
    let names = CATEGORY_COLUMNS.iter().zip(&table.dimensions);
    let mut columns: Vec<Column> = names
        .map(|(name, dimension)| Column::heading(name, &dimension.title))
        .collect();
    columns.push(Column::estimate("number", "Number"));
    let rows = cells(table).map(|cell| {
        let categories = cell.categories.iter().take(CATEGORY_COLUMNS.len());
        let mut row: Vec<Datum> = categories
            .map(|(code, label)| Datum::coded(*code, *label))
            .collect();
        row.push(Datum::Estimate(cell.estimate));
        row
    });
    DataTable {
        caption: format!("{}: every number with its 95 % interval", table.title),
        columns,
        rows: rows.collect(),
    }
}
