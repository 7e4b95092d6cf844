//! The files of a figure: its drawing as SVG that stands alone, its table as CSV and JSON.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::figure::{DataTable, Datum, Figure};

/// The style of every chart; a drawing that stands alone brings it along.
pub(super) const CHART_STYLE: &str = concat!(
    include_str!("../../assets/chart.css"),
    include_str!("../../assets/matrix.css")
);

/// The drawing as a file that needs no other.
pub(super) fn svg(figure: &Figure) -> Option<String> {
    let drawing = figure.drawings.first()?;
    let (head, rest) = drawing.trim_start().split_once('>')?;
    let head = head.strip_prefix("<svg")?;
    Some(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\"{head}><style>{CHART_STYLE}</style>{rest}"
    ))
}

/// The policy under which a browser shows such a file: its own style and nothing else.
pub(super) fn svg_policy() -> String {
    let hash = ring::digest::digest(&ring::digest::SHA256, CHART_STYLE.as_bytes());
    let hash = STANDARD.encode(hash.as_ref());
    format!("default-src 'none'; style-src 'sha256-{hash}'; frame-ancestors 'none'")
}

/// The table as CSV: a column for words (two where they have codes), four for a number with its interval.
///
/// # Errors
/// Only those of the CSV writer, which writes to memory here.
pub(super) fn csv(table: &DataTable) -> Result<Vec<u8>, csv::Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let is_coded: Vec<bool> = (0..table.columns.len())
        .map(|column| is_coded(table, column))
        .collect();
    let mut header = Vec::new();
    for (column, is_coded) in table.columns.iter().zip(&is_coded) {
        let name = column.name;
        if column.is_estimate {
            header.extend(ESTIMATE_FIELDS.map(|field| format!("{name}_{field}")));
        } else {
            header.push(name.to_owned());
            header.extend(is_coded.then(|| format!("{name}_label")));
        }
    }
    writer.write_record(&header)?;
    for row in &table.rows {
        let mut fields = Vec::with_capacity(header.len());
        for ((column, datum), is_coded) in table.columns.iter().zip(row).zip(&is_coded) {
            let width = if column.is_estimate {
                ESTIMATE_FIELDS.len()
            } else {
                1 + usize::from(*is_coded)
            };
            fields.extend(csv_fields(datum, width));
        }
        writer.write_record(&fields)?;
    }
    writer
        .into_inner()
        .map_err(|error| csv::Error::from(error.into_error()))
}

/// What a number is in files.
const ESTIMATE_FIELDS: [&str; 4] = ["value", "interval95_low", "interval95_high", "state"];

fn is_coded(table: &DataTable, column: usize) -> bool {
    let coded = |datum: &Datum| matches!(datum, Datum::Words { code: Some(_), .. });
    table
        .rows
        .iter()
        .any(|row| row.get(column).is_some_and(coded))
}

fn csv_fields(datum: &Datum, width: usize) -> Vec<String> {
    let mut fields = match datum {
        Datum::Words { text, code: None } => vec![text.clone()],
        Datum::Words {
            text,
            code: Some(code),
        } => vec![code.clone(), text.clone()],
        Datum::Estimate(estimate) => vec![
            estimate.raw.to_string(),
            estimate.low.to_string(),
            estimate.high.to_string(),
            estimate.state(),
        ],
        Datum::Missing => Vec::new(),
    };
    fields.resize(width, String::new());
    fields
}

/// Title, subtitle and table as one JSON object.
pub(super) fn json(figure: &Figure) -> Value {
    let rows: Vec<Value> = figure
        .table
        .rows
        .iter()
        .map(|row| {
            let columns = figure.table.columns.iter().zip(row);
            Value::Object(
                columns
                    .map(|(column, datum)| (column.name.to_owned(), json_value(datum)))
                    .collect(),
            )
        })
        .collect();
    let mut object = Map::new();
    object.insert("title".to_owned(), figure.title.clone().into());
    object.insert("subtitle".to_owned(), figure.subtitle.clone().into());
    object.insert("notes".to_owned(), figure.notes.clone().into());
    object.insert("rows".to_owned(), rows.into());
    object.into()
}

fn json_value(datum: &Datum) -> Value {
    match datum {
        Datum::Words { text, code: None } => text.clone().into(),
        Datum::Words {
            text,
            code: Some(code),
        } => json!({ "code": code, "label": text }),
        Datum::Estimate(estimate) => json!({
            "value": estimate.raw,
            "interval95": [estimate.low, estimate.high],
            "state": estimate.state(),
        }),
        Datum::Missing => Value::Null,
    }
}
