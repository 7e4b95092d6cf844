//! The data dictionary: what every column of the files means, and the dimensions and categories of a release.

use crate::site::catalogue::Published;

use super::sheet::{Column, Sheet};
use super::tables::about;

/// What a column of a file means.
#[derive(Debug, Clone, Copy)]
pub(in crate::site) struct ColumnMeaning {
    /// Its name; `N` stands for a number from 1, `DIMENSION` for the id of a dimension.
    pub(in crate::site) name: &'static str,
    /// What its values are.
    pub(in crate::site) kind: &'static str,
    /// What they say.
    pub(in crate::site) meaning: &'static str,
}

/// Every column of every file.
pub(in crate::site) const COLUMNS: &[ColumnMeaning] = &[
    ColumnMeaning {
        name: "programme",
        kind: "text",
        meaning: "Id of the programme.",
    },
    ColumnMeaning {
        name: "period",
        kind: "text",
        meaning: "The period counted: 2026, 2026-Q3 or 2026-07.",
    },
    ColumnMeaning {
        name: "round",
        kind: "text",
        meaning: "The round the number is from: the digest of its announcement, in hexadecimal digits.",
    },
    ColumnMeaning {
        name: "table",
        kind: "text",
        meaning: "Name of the table. Each table has noise of its own, so sums over two tables differ.",
    },
    ColumnMeaning {
        name: "dimension_N",
        kind: "text",
        meaning: "Id of the table's dimension number N; empty where it has fewer.",
    },
    ColumnMeaning {
        name: "code_N",
        kind: "text",
        meaning: "Code of the category in that dimension. The code of a pair is both codes with a full stop between.",
    },
    ColumnMeaning {
        name: "label_N",
        kind: "text",
        meaning: "The words people read for that code.",
    },
    ColumnMeaning {
        name: "DIMENSION",
        kind: "text",
        meaning: "In the file of one table: code of the category in the dimension of that id.",
    },
    ColumnMeaning {
        name: "DIMENSION_label",
        kind: "text",
        meaning: "In the file of one table: the words people read for that code.",
    },
    ColumnMeaning {
        name: "raw",
        kind: "whole number",
        meaning: "The signed number: a true count, or sum in units, plus random noise. Unbiased; may be below zero.",
    },
    ColumnMeaning {
        name: "interval95_low",
        kind: "number",
        meaning: "Low end of the 95 % interval of the number for the noise; not cut off at zero.",
    },
    ColumnMeaning {
        name: "interval95_high",
        kind: "number",
        meaning: "High end of the same interval.",
    },
    ColumnMeaning {
        name: "state",
        kind: "text",
        meaning: "“above zero”, or “[u] cannot be told from zero” where the interval does not lie above zero.",
    },
    ColumnMeaning {
        name: "unit",
        kind: "text",
        meaning: "What one of the number is: “record”, or the unit of a table of sums such as “GBP 100”.",
    },
    ColumnMeaning {
        name: "derived",
        kind: "number",
        meaning: "The number after the tables of the release were weighed against each other so that they agree. Not signed.",
    },
    ColumnMeaning {
        name: "derived_interval95_low",
        kind: "number",
        meaning: "Low end of the 95 % interval of the derived number.",
    },
    ColumnMeaning {
        name: "derived_interval95_high",
        kind: "number",
        meaning: "High end of the same interval.",
    },
    ColumnMeaning {
        name: "display",
        kind: "whole number",
        meaning: "The derived number rounded, or 0 where it is below zero. For looking at: adding such numbers up is biased.",
    },
];

/// The dictionary of a release: its tables, dimensions and categories, and every column.
pub(in crate::site) fn dictionary(published: &Published) -> Sheet {
    let release = published.release();
    let mut rows: Vec<[String; 4]> = COLUMNS
        .iter()
        .map(|column| {
            let kind = format!("column of {}s", column.kind);
            [&kind, column.name, "", column.meaning].map(str::to_owned)
        })
        .collect();
    for table in &release.tables {
        rows.push(["table", &table.name, "", &table.title].map(str::to_owned));
    }
    let mut seen: Vec<(&str, &str)> = Vec::new();
    let dimensions = release.tables.iter().flat_map(|table| &table.dimensions);
    for dimension in dimensions {
        // Pairs of a dimension carry its name and other codes.
        let first = dimension.categories.first().map_or("", String::as_str);
        if seen.contains(&(&dimension.name, first)) {
            continue;
        }
        seen.push((&dimension.name, first));
        rows.push(["dimension", &dimension.name, "", &dimension.title].map(str::to_owned));
        for (code, label) in dimension.categories.iter().zip(&dimension.labels) {
            rows.push(["category", &dimension.name, code, label].map(str::to_owned));
        }
    }
    let columns = ["what", "name", "code", "meaning"];
    let columns = (0..).zip(columns).map(|(at, name): (usize, _)| {
        let values = rows.iter().filter_map(|row| row.get(at).cloned());
        Column::text(name, values)
    });
    Sheet {
        about: about(published),
        columns: columns.collect(),
    }
}

#[cfg(test)]
mod tests {
    use crate::site::data::files::{Format, release_files};
    use crate::site::fixture;

    use super::*;

    #[test]
    fn every_column_of_every_file_is_explained() {
        let published = fixture::release();
        let dimensions: Vec<&str> = published
            .release()
            .tables
            .iter()
            .flat_map(|table| &table.dimensions)
            .map(|dimension| dimension.name.as_str())
            .collect();
        let explained = |name: &str| {
            let plain = name.strip_suffix("_label").unwrap_or(name);
            let general = name.trim_end_matches(|c: char| c.is_ascii_digit());
            dimensions.contains(&plain)
                || COLUMNS.iter().any(|column| {
                    column.name == name || column.name.strip_suffix('N') == Some(general)
                })
        };
        for file in release_files(&published) {
            if file.format != Format::Csv || file.stem == "dictionary" {
                continue;
            }
            let bytes = file.bytes(&published).unwrap();
            let mut reader = csv::Reader::from_reader(bytes.as_slice());
            for name in reader.headers().unwrap() {
                assert!(explained(name), "{name} of {}", file.stem);
            }
        }
    }

    #[test]
    fn every_category_of_the_release_is_in_the_dictionary_once() {
        let published = fixture::release();
        let text = dictionary(&published).csv().unwrap();
        let mut reader = csv::Reader::from_reader(text.as_slice());
        let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        let found = |code: &str| {
            let is_it = |row: &&csv::StringRecord| &row[0] == "category" && &row[2] == code;
            rows.iter().filter(is_it).count()
        };
        assert_eq!(found("organ-removal"), 1);
        assert_eq!(found("18-to-24"), 1);
        assert_eq!(rows.iter().filter(|row| &row[0] == "table").count(), 5);
    }
}
