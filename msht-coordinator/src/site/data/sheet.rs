//! Columns of values, and the three forms in which they are downloaded: CSV, JSON and Parquet.
//!
//! Every file of numbers is a [`Sheet`] first, so its three forms cannot differ in content.

use std::sync::Arc;

use msht_core::estimate::EstimateError;
use parquet::basic::{LogicalType, Repetition, Type as PhysicalType};
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{Type, TypePtr};
use serde_json::{Map, Value, json};

/// Largest whole number that every reader of JSON takes for itself; beyond, numbers are texts.
const MOST_JSON_DIGITS: usize = 15;
/// Name of the whole in a Parquet schema.
const PARQUET_ROOT: &str = "table";

/// The values of a column, from the first row to the last.
#[derive(Debug, Clone, PartialEq)]
pub(in super::super) enum Values {
    /// Texts.
    Text(Vec<String>),
    /// Whole numbers.
    Whole(Vec<i64>),
    /// Numbers with a fraction.
    Real(Vec<f64>),
}

impl Values {
    fn len(&self) -> usize {
        match self {
            Self::Text(values) => values.len(),
            Self::Whole(values) => values.len(),
            Self::Real(values) => values.len(),
        }
    }

    fn csv(&self, row: usize) -> String {
        match self {
            Self::Text(values) => values.get(row).cloned(),
            Self::Whole(values) => values.get(row).map(ToString::to_string),
            Self::Real(values) => values.get(row).map(ToString::to_string),
        }
        .unwrap_or_default()
    }

    fn json(&self, row: usize) -> Value {
        match self {
            Self::Text(values) => values.get(row).map(|text| json!(text)),
            Self::Whole(values) => values.get(row).map(|value| whole_json(*value)),
            Self::Real(values) => values.get(row).map(|value| json!(value)),
        }
        .unwrap_or_default()
    }
}

/// `value` as a number, or as a text where readers would round it.
pub(in super::super) fn whole_json(value: i64) -> Value {
    let digits = value.unsigned_abs().to_string();
    if digits.len() > MOST_JSON_DIGITS {
        return json!(value.to_string());
    }
    json!(value)
}

/// A named column.
#[derive(Debug, Clone, PartialEq)]
pub(in super::super) struct Column {
    pub(in super::super) name: String,
    pub(in super::super) values: Values,
}

impl Column {
    /// A column of texts.
    pub(in super::super) fn text(
        name: impl Into<String>,
        values: impl IntoIterator<Item = String>,
    ) -> Self {
        Self {
            name: name.into(),
            values: Values::Text(values.into_iter().collect()),
        }
    }

    /// A column of whole numbers.
    pub(in super::super) fn whole(
        name: impl Into<String>,
        values: impl IntoIterator<Item = i64>,
    ) -> Self {
        Self {
            name: name.into(),
            values: Values::Whole(values.into_iter().collect()),
        }
    }

    /// A column of numbers with a fraction.
    pub(in super::super) fn real(
        name: impl Into<String>,
        values: impl IntoIterator<Item = f64>,
    ) -> Self {
        Self {
            name: name.into(),
            values: Values::Real(values.into_iter().collect()),
        }
    }
}

/// Columns of equal length, and what is to be known about them.
#[derive(Debug, Clone, PartialEq)]
pub(in super::super) struct Sheet {
    /// Facts about the whole, in the JSON object and in the metadata of the Parquet file; CSV has no place for them.
    pub(in super::super) about: Vec<(&'static str, String)>,
    pub(in super::super) columns: Vec<Column>,
}

/// Why a sheet could not be written; nothing that is read from a release leads here.
#[derive(Debug, thiserror::Error)]
pub(in super::super) enum SheetError {
    #[error("an estimate failed: {0}")]
    Estimate(#[from] EstimateError),
    #[error("CSV: {0}")]
    Csv(#[from] csv::Error),
    #[error("JSON: {0}")]
    Json(#[from] serde_json::Error),
    #[error("Parquet: {0}")]
    Parquet(#[from] ParquetError),
}

impl Sheet {
    fn rows(&self) -> usize {
        self.columns.first().map_or(0, |column| column.values.len())
    }

    /// A header and a row for each row, in UTF-8 with lines ended by `\n`.
    ///
    /// # Errors
    /// [`SheetError::Csv`].
    pub(in super::super) fn csv(&self) -> Result<Vec<u8>, SheetError> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(self.columns.iter().map(|column| &column.name))?;
        for row in 0..self.rows() {
            writer.write_record(self.columns.iter().map(|column| column.values.csv(row)))?;
        }
        let written = writer.into_inner();
        Ok(written.map_err(|error| csv::Error::from(error.into_error()))?)
    }

    /// An object with the facts about the whole and `rows`, an object each.
    ///
    /// # Errors
    /// [`SheetError::Json`].
    pub(in super::super) fn json(&self) -> Result<Vec<u8>, SheetError> {
        let row = |row: usize| -> Value {
            let fields = self.columns.iter();
            fields
                .map(|column| (column.name.clone(), column.values.json(row)))
                .collect::<Map<_, _>>()
                .into()
        };
        let mut whole: Map<String, Value> = self
            .about
            .iter()
            .map(|(name, text)| ((*name).to_owned(), json!(text)))
            .collect();
        whole.insert("rows".to_owned(), (0..self.rows()).map(row).collect());
        Ok(serde_json::to_vec(&whole)?)
    }

    /// A Parquet file of one row group without compression; every column is required.
    ///
    /// # Errors
    /// [`SheetError::Parquet`].
    pub(in super::super) fn parquet(&self) -> Result<Vec<u8>, SheetError> {
        let about = self
            .about
            .iter()
            .map(|(name, text)| KeyValue::new((*name).to_owned(), text.clone()));
        let properties = WriterProperties::builder()
            .set_created_by(concat!("msht-coordinator ", env!("CARGO_PKG_VERSION")).to_owned())
            .set_key_value_metadata(Some(about.collect()))
            .build();
        let mut writer =
            SerializedFileWriter::new(Vec::new(), self.parquet_schema()?, Arc::new(properties))?;
        let mut group = writer.next_row_group()?;
        for column in &self.columns {
            let Some(mut out) = group.next_column()? else {
                break;
            };
            match &column.values {
                Values::Text(values) => {
                    let values: Vec<ByteArray> =
                        values.iter().map(|text| text.as_str().into()).collect();
                    out.typed::<ByteArrayType>()
                        .write_batch(&values, None, None)?
                }
                Values::Whole(values) => {
                    out.typed::<Int64Type>().write_batch(values, None, None)?
                }
                Values::Real(values) => {
                    out.typed::<DoubleType>().write_batch(values, None, None)?
                }
            };
            out.close()?;
        }
        group.close()?;
        Ok(writer.into_inner()?)
    }

    fn parquet_schema(&self) -> Result<TypePtr, ParquetError> {
        let field = |column: &Column| {
            let (physical, logical) = match column.values {
                Values::Text(_) => (PhysicalType::BYTE_ARRAY, Some(LogicalType::String)),
                Values::Whole(_) => (PhysicalType::INT64, None),
                Values::Real(_) => (PhysicalType::DOUBLE, None),
            };
            let field = Type::primitive_type_builder(&column.name, physical)
                .with_repetition(Repetition::REQUIRED)
                .with_logical_type(logical)
                .build();
            field.map(Arc::new)
        };
        let fields: Result<Vec<TypePtr>, ParquetError> = self.columns.iter().map(field).collect();
        let schema = Type::group_type_builder(PARQUET_ROOT).with_fields(fields?);
        Ok(Arc::new(schema.build()?))
    }
}

#[cfg(test)]
pub(in super::super) mod tests {
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::Field;

    use super::*;

    /// The columns of a Parquet file as a sheet has them.
    pub(in super::super::super) fn read_parquet(file: Vec<u8>) -> Sheet {
        let mut kept = tempfile::tempfile().unwrap();
        std::io::Write::write_all(&mut kept, &file).unwrap();
        let reader = SerializedFileReader::new(kept).unwrap();
        let metadata = reader.metadata().file_metadata();
        let names: Vec<String> = metadata
            .schema()
            .get_fields()
            .iter()
            .map(|field| field.name().to_owned())
            .collect();
        let about = metadata.key_value_metadata().unwrap().iter();
        let about = about
            .map(|pair| {
                let key: &'static str = pair.key.clone().leak();
                (key, pair.value.clone().unwrap())
            })
            .collect();
        let rows: Vec<Vec<Field>> = reader
            .get_row_iter(None)
            .unwrap()
            .map(|row| {
                let row = row.unwrap();
                row.get_column_iter()
                    .map(|(_, field)| field.clone())
                    .collect()
            })
            .collect();
        let columns = names.iter().enumerate().map(|(at, name)| {
            let fields = rows.iter().map(|row| row[at].clone());
            match rows.first().map(|row| &row[at]) {
                Some(Field::Long(_)) => Column::whole(
                    name,
                    fields.map(|field| match field {
                        Field::Long(value) => value,
                        other => unreachable!("{other} in {name}"),
                    }),
                ),
                Some(Field::Double(_)) => Column::real(
                    name,
                    fields.map(|field| match field {
                        Field::Double(value) => value,
                        other => unreachable!("{other} in {name}"),
                    }),
                ),
                _ => Column::text(
                    name,
                    fields.map(|field| match field {
                        Field::Str(text) => text,
                        other => unreachable!("{other} in {name}"),
                    }),
                ),
            }
        });
        Sheet {
            about,
            columns: columns.collect(),
        }
    }

    fn sheet() -> Sheet {
        Sheet {
            about: vec![("release", "ab\"c".to_owned())],
            columns: vec![
                Column::text("code", ["a,\"b\"\n", "ü"].map(str::to_owned)),
                Column::whole("raw", [-4, i64::MAX]),
                Column::real("estimate", [0.5, -2.25]),
            ],
        }
    }

    #[test]
    fn parquet_reads_back_as_it_was_written() {
        assert_eq!(read_parquet(sheet().parquet().unwrap()), sheet());
    }

    #[test]
    fn csv_and_json_hold_the_same_values() {
        let csv = sheet().csv().unwrap();
        let mut reader = csv::Reader::from_reader(csv.as_slice());
        let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        assert_eq!(rows[0], vec!["a,\"b\"\n", "-4", "0.5"]);
        assert_eq!(rows[1], vec!["ü", "9223372036854775807", "-2.25"]);
        let json: Value = serde_json::from_slice(&sheet().json().unwrap()).unwrap();
        assert_eq!(json["release"], "ab\"c");
        assert_eq!(
            json["rows"][0],
            json!({"code": "a,\"b\"\n", "raw": -4, "estimate": 0.5})
        );
        assert_eq!(json["rows"][1]["raw"], "9223372036854775807");
    }

    #[test]
    fn only_numbers_that_readers_would_round_are_texts() {
        assert_eq!(
            whole_json(999_999_999_999_999),
            json!(999_999_999_999_999_i64)
        );
        assert_eq!(whole_json(1_000_000_000_000_000), json!("1000000000000000"));
        assert_eq!(whole_json(i64::MIN), json!(i64::MIN.to_string()));
    }
}
