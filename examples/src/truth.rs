//! The published counts of the National Referral Mechanism, as tables of the `nrm` programme: what a release of the
//! real records is compared with.
//!
//! Counted here from the published file and the words of the mapping alone, without the node's own reader and tally.

use std::collections::BTreeMap;
use std::path::Path;

use msht_core::programme::{Period, Programme, Table};
use msht_core::release::Release;

use crate::demonstration::Failure;

/// How each dimension of the programme is called in the published file.
const COLUMNS: [(&str, &str); 4] = [
    ("exploitation", "Exploitation type"),
    ("age", "Age at exploitation"),
    ("gender", "Gender"),
    ("nationality", "Nationality"),
];
const PEOPLE: &str = "People";
const QUARTER: &str = "quarter";

/// How the words of one dimension are coded.
struct Words {
    separators: Vec<String>,
    values: BTreeMap<String, String>,
    unlisted: String,
}

impl Words {
    fn read(mapping: &toml::Table, dimension: &str) -> Result<Self, Failure> {
        let blocks = mapping.get("dimension").and_then(toml::Value::as_array);
        let block = blocks.and_then(|blocks| {
            blocks
                .iter()
                .find(|block| block.get("id").and_then(|id| id.as_str()) == Some(dimension))
        });
        let block = block.ok_or("the mapping lacks a dimension")?;
        let texts = |value: &toml::Value| -> Vec<String> {
            match value {
                toml::Value::Array(items) => items
                    .iter()
                    .filter_map(|item| item.as_str().map(str::to_owned))
                    .collect(),
                value => value.as_str().map(str::to_owned).into_iter().collect(),
            }
        };
        let values = block.get("values").and_then(toml::Value::as_table);
        let values = values.ok_or("the mapping lacks values")?.iter();
        Ok(Self {
            separators: block.get("separator").map(texts).unwrap_or_default(),
            values: values
                .filter_map(|(word, code)| Some((word.clone(), code.as_str()?.to_owned())))
                .collect(),
            unlisted: block
                .get("unlisted")
                .and_then(|u| u.as_str())
                .unwrap_or("reject")
                .to_owned(),
        })
    }

    fn codes(&self, cell: &str) -> Vec<String> {
        let code = |word: &str| {
            self.values
                .get(word.trim())
                .unwrap_or(&self.unlisted)
                .clone()
        };
        if self.values.contains_key(cell.trim()) {
            return vec![code(cell)];
        }
        let mut words = vec![cell.to_owned()];
        for separator in &self.separators {
            let split = |word: &String| word.split(separator.as_str()).map(str::to_owned).collect();
            words = words
                .iter()
                .flat_map(|word| -> Vec<String> { split(word) })
                .collect();
        }
        let mut codes: Vec<String> = words.iter().map(|word| code(word)).collect();
        codes.sort_unstable();
        codes.dedup();
        codes
    }
}

/// The published counts of one quarter, by table id, row-major like a release.
///
/// # Errors
/// Where the file cannot be read or has a word the mapping lacks.
pub fn published(
    file: &Path,
    programme: &Programme,
    mapping: &str,
    period: Period,
) -> Result<BTreeMap<String, Vec<i64>>, Failure> {
    let mapping: toml::Table = mapping.parse()?;
    let mut words = BTreeMap::new();
    for (dimension, column) in COLUMNS {
        words.insert(column, (dimension, Words::read(&mapping, dimension)?));
    }
    let quarter = period.to_string().replace('-', "");
    let mut counts: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for table in programme.tables() {
        counts.insert(table.id().to_owned(), vec![0; table.cells()]);
    }
    for row in csv::Reader::from_path(file)?.deserialize() {
        let row: BTreeMap<String, String> = row?;
        let cell = |column: &str| {
            row.get(column)
                .map(String::as_str)
                .ok_or("a column is missing")
        };
        if cell(QUARTER)? != quarter {
            continue;
        }
        // The published file writes whole numbers as 1.0.
        let people: i64 = cell(PEOPLE)?.trim_end_matches(".0").parse()?;
        let mut codes = BTreeMap::new();
        for (column, (dimension, words)) in &words {
            codes.insert(*dimension, words.codes(cell(column)?));
        }
        for table in programme.tables() {
            let cells = counts.get_mut(table.id()).ok_or("a table is missing")?;
            add(cells, programme, table, &codes, people)?;
        }
    }
    Ok(counts)
}

/// Adds `people` to every cell that a combination of the codes names.
fn add(
    cells: &mut [i64],
    programme: &Programme,
    table: &Table,
    codes: &BTreeMap<&str, Vec<String>>,
    people: i64,
) -> Result<(), Failure> {
    let mut positions = vec![0usize];
    for (axis, dimension) in table.axes().iter().zip(programme.dimensions_of(table)) {
        let mut next = Vec::new();
        for code in codes.get(dimension.id()).ok_or("a dimension is missing")? {
            let category = dimension
                .category_index(code)
                .ok_or("a word is not in the mapping")?;
            next.extend(
                positions
                    .iter()
                    .map(|position| position + category * axis.stride),
            );
        }
        positions = next;
    }
    for position in positions {
        *cells.get_mut(position).ok_or("a cell is missing")? += people;
    }
    Ok(())
}

/// How one released table compares with the truth.
pub struct Comparison {
    /// Id of the table.
    pub table: String,
    /// Label, released count, half-width and published count of each cell.
    pub cells: Vec<(String, i64, u64, i64)>,
}

impl Comparison {
    /// Cells whose interval covers the truth.
    #[must_use]
    pub fn covered(&self) -> usize {
        self.cells
            .iter()
            .filter(|(_, raw, half_width, truth)| raw.abs_diff(*truth) <= *half_width)
            .count()
    }

    /// Mean absolute error of a cell.
    #[must_use]
    pub fn mean_error(&self) -> f64 {
        let sum: f64 = self
            .cells
            .iter()
            .map(|(_, raw, _, truth)| (raw - truth).abs() as f64)
            .sum();
        sum / self.cells.len().max(1) as f64
    }
}

/// Sets every released table beside the published one.
///
/// # Errors
/// Where the release has a table the published counts lack.
pub fn compare(
    release: &Release,
    truth: &BTreeMap<String, Vec<i64>>,
) -> Result<Vec<Comparison>, Failure> {
    let mut comparisons = Vec::new();
    for table in &release.tables {
        let published = truth
            .get(&table.name)
            .ok_or("the published counts lack a table")?;
        let mut labels = vec![String::new()];
        for dimension in &table.dimensions {
            let extended = |label: &String, category: &String| match label.as_str() {
                "" => category.clone(),
                _ => format!("{label} × {category}"),
            };
            labels = labels
                .iter()
                .flat_map(|label| {
                    dimension
                        .labels
                        .iter()
                        .map(|c| extended(label, c))
                        .collect::<Vec<_>>()
                })
                .collect();
        }
        let cells = labels.into_iter().zip(&table.raw).zip(published);
        comparisons.push(Comparison {
            table: table.name.clone(),
            cells: cells
                .map(|((label, raw), truth)| (label, *raw, table.interval95, *truth))
                .collect(),
        });
    }
    Ok(comparisons)
}
