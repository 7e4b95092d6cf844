//! The tables of a release as sheets: a row a cell.

use msht_core::release::{Release, ReleaseTable};

use crate::site::catalogue::Published;
use crate::site::cells::{Cell, cells};

use super::sheet::{Column, Sheet};

/// One table: a code and a label column for each dimension, then the number.
pub(super) fn table_sheet(published: &Published, table: &ReleaseTable) -> Sheet {
    let all: Vec<Cell<'_>> = cells(table).collect();
    let mut columns = Vec::new();
    for (at, dimension) in table.dimensions.iter().enumerate() {
        let codes = all.iter().map(|cell| category(cell, at).0.to_owned());
        columns.push(Column::text(&dimension.name, codes));
        let labels = all.iter().map(|cell| category(cell, at).1.to_owned());
        columns.push(Column::text(format!("{}_label", dimension.name), labels));
    }
    columns.extend(number_columns(&all));
    let unit = unit(table);
    columns.push(Column::text("unit", all.iter().map(|_| unit.clone())));
    let mut about = about(published);
    about.push(("table", table.name.clone()));
    Sheet { about, columns }
}

/// Every table of a release, a row a cell: name of the table, then dimension, code and label as often as the widest
/// table has dimensions.
pub(super) fn tables_sheet(published: &Published) -> Sheet {
    let release = published.release();
    let widest = release.tables.iter().map(|table| table.dimensions.len());
    let widest = widest.max().unwrap_or(0);
    let all: Vec<(&ReleaseTable, Cell<'_>)> = release
        .tables
        .iter()
        .flat_map(|table| cells(table).map(move |cell| (table, cell)))
        .collect();
    let mut columns = release_columns(release, all.len());
    let names = all.iter().map(|(table, _)| table.name.clone());
    columns.push(Column::text("table", names));
    for at in 0..widest {
        columns.extend(category_columns(&all, at));
    }
    let units: Vec<String> = all.iter().map(|(table, _)| unit(table)).collect();
    let cells: Vec<Cell<'_>> = all.into_iter().map(|(_, cell)| cell).collect();
    columns.extend(number_columns(&cells));
    columns.push(Column::text("unit", units));
    Sheet {
        about: about(published),
        columns,
    }
}

/// `record`, or the unit of a table of sums such as `GBP 100`.
fn unit(table: &ReleaseTable) -> String {
    table.measure.unit().unwrap_or_else(|| "record".to_owned())
}

/// What a file says of the release it is made from.
pub(super) fn about(published: &Published) -> Vec<(&'static str, String)> {
    let release = published.release();
    vec![
        ("programme", release.programme.clone()),
        ("period", release.period.clone()),
        ("round", release.round.to_string()),
        ("release", published.digest().to_string()),
        ("epsilon", release.epsilon.to_string()),
    ]
}

/// Programme, period and round, in every row.
pub(super) fn release_columns(release: &Release, rows: usize) -> Vec<Column> {
    let round = release.round.to_string();
    let repeated =
        |name: &str, text: &String| Column::text(name, std::iter::repeat_n(text.clone(), rows));
    vec![
        repeated("programme", &release.programme),
        repeated("period", &release.period),
        repeated("round", &round),
    ]
}

/// Dimension, code and label number `at`, empty where a table has fewer dimensions.
pub(super) fn category_columns(all: &[(&ReleaseTable, Cell<'_>)], at: usize) -> [Column; 3] {
    let number = at + 1;
    let names = all.iter().map(|(table, _)| {
        let dimension = table.dimensions.get(at);
        dimension.map_or_else(String::new, |dimension| dimension.name.clone())
    });
    let codes = all.iter().map(|(_, cell)| category(cell, at).0.to_owned());
    let labels = all.iter().map(|(_, cell)| category(cell, at).1.to_owned());
    [
        Column::text(format!("dimension_{number}"), names),
        Column::text(format!("code_{number}"), codes),
        Column::text(format!("label_{number}"), labels),
    ]
}

/// Code and label in dimension number `at`; empty where there are fewer.
fn category<'a>(cell: &Cell<'a>, at: usize) -> (&'a str, &'a str) {
    cell.categories.get(at).copied().unwrap_or_default()
}

fn number_columns(cells: &[Cell<'_>]) -> [Column; 4] {
    let estimates = || cells.iter().map(|cell| cell.estimate);
    [
        Column::whole("raw", estimates().map(|estimate| estimate.raw)),
        Column::whole("interval95_low", estimates().map(|estimate| estimate.low)),
        Column::whole("interval95_high", estimates().map(|estimate| estimate.high)),
        Column::text("state", estimates().map(|estimate| estimate.state())),
    ]
}

#[cfg(test)]
mod tests {
    use crate::site::data::sheet::tests::read_parquet;
    use crate::site::fixture;

    use super::*;

    fn raw(sheet: &Sheet) -> Vec<i64> {
        let column = sheet.columns.iter().find(|column| column.name == "raw");
        match &column.unwrap().values {
            super::super::sheet::Values::Whole(values) => values.clone(),
            other => unreachable!("{other:?}"),
        }
    }

    #[test]
    fn a_table_reads_back_to_the_raw_values_of_the_release() {
        let published = fixture::release();
        for table in &published.release().tables {
            let text = table_sheet(&published, table).csv().unwrap();
            let mut reader = csv::Reader::from_reader(text.as_slice());
            let first = 2 * table.dimensions.len();
            let mut raw = Vec::new();
            for row in reader.records() {
                let row = row.unwrap();
                let [value, low, high] =
                    [0, 1, 2].map(|column| row[first + column].parse::<i64>().unwrap());
                let half_width = i64::try_from(table.interval95).unwrap();
                assert_eq!([low, high], [value - half_width, value + half_width]);
                assert_eq!(row[first + 3].starts_with("[u]"), low <= 0);
                raw.push(value);
            }
            assert_eq!(raw, table.raw, "{}", table.name);
        }
    }

    #[test]
    fn parquet_reads_back_to_every_cell_of_every_table() {
        let published = fixture::release();
        let sheet = tables_sheet(&published);
        let read = read_parquet(sheet.parquet().unwrap());
        assert_eq!(read, sheet);
        let release = published.release();
        let expected: Vec<i64> = release.tables.iter().flat_map(|t| t.raw.clone()).collect();
        assert_eq!(raw(&read), expected);
        assert!(
            read.about
                .contains(&("release", published.digest().to_string()))
        );
    }

    #[test]
    fn quotes_and_line_breaks_in_labels_survive() {
        let mut table = fixture::table("odd", &[("kind", 1)], 1);
        let label = "He said \"no\",\nthen left";
        table.dimensions[0].labels[0] = label.to_owned();
        let text = table_sheet(&fixture::release(), &table).csv().unwrap();
        let mut reader = csv::Reader::from_reader(text.as_slice());
        assert_eq!(&reader.records().next().unwrap().unwrap()[1], label);
    }
}
