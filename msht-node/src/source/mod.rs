//! Where a partner's records come from.
//!
//! A source is read row by row and never held in memory as a whole. What is wrong with one row spoils that row only
//! and is reported in its place; what is wrong with the file as a whole (it cannot be opened, it has no header, it
//! is not UTF-8 text) is a [`SourceError`]. A row's fate therefore never decides whether the partner takes part.
//!
//! The readers' own buffers are not zeroized.

mod csv;
mod error;
#[cfg(test)]
mod tests;

pub use self::csv::{CsvConfig, CsvRows, Delimiter, DelimiterError, MAX_ROW_BYTES};
pub use self::error::{RowProblem, SourceError};

use std::path::Path;

use ::csv::ByteRecord;
use serde::{Deserialize, Serialize};

/// Where records come from, as it stands in the node's configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
#[non_exhaustive]
pub enum SourceConfig {
    /// A text file with one record a line.
    Csv(CsvConfig),
}

impl SourceConfig {
    /// The same source, a relative path being taken from `folder`: that of the configuration file.
    #[must_use]
    pub fn relative_to(self, folder: &Path) -> Self {
        match self {
            Self::Csv(config) => Self::Csv(config.relative_to(folder)),
        }
    }

    /// The source, ready to be opened.
    #[must_use]
    pub fn into_source(self) -> Source {
        match self {
            Self::Csv(config) => Source::Csv(config),
        }
    }
}

/// A source of records; each opening reads it from the beginning.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// A CSV file.
    Csv(CsvConfig),
}

impl Source {
    /// Opens the source and reads its header.
    ///
    /// # Errors
    /// [`SourceError`] where it cannot be opened, has no header or is not UTF-8 text.
    pub fn open(&self) -> Result<Rows, SourceError> {
        match self {
            Self::Csv(config) => CsvRows::open(config).map(Rows::Csv),
        }
    }

    /// How the source is called in messages: the path as it was configured.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Csv(config) => config.path.display().to_string(),
        }
    }
}

/// An open source.
#[non_exhaustive]
pub enum Rows {
    /// Of a CSV file.
    Csv(CsvRows),
}

impl Rows {
    /// The columns' names in their order, without space around them.
    #[must_use]
    pub fn header(&self) -> &[String] {
        match self {
            Self::Csv(rows) => rows.header(),
        }
    }

    /// The next row, or `None` at the end.
    ///
    /// # Errors
    /// [`SourceError::Read`] where the operating system refuses.
    pub fn next_row(&mut self) -> Result<Option<Row<'_>>, SourceError> {
        match self {
            Self::Csv(rows) => rows.next_row(),
        }
    }
}

/// One row behind the header.
pub struct Row<'a> {
    /// Line on which the row begins, counted from 1; the header stands on line 1.
    pub line: u64,
    /// Its cells, as many as the header has, or what is wrong with the row.
    pub cells: Result<Cells<'a>, RowProblem>,
}

/// The cells of a row.
#[derive(Clone, Copy)]
pub struct Cells<'a>(&'a ByteRecord);

/// A cell is not UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotUtf8;

impl<'a> Cells<'a> {
    /// The text of the cell at this place without space around it; empty beyond the last.
    ///
    /// # Errors
    /// [`NotUtf8`] where it is not text of this encoding; other cells can still be read.
    pub fn text(&self, place: usize) -> Result<&'a str, NotUtf8> {
        let bytes = self.0.get(place).unwrap_or_default();
        std::str::from_utf8(bytes)
            .map(str::trim)
            .map_err(|_| NotUtf8)
    }

    /// Whether every cell is empty, as in the rows a spreadsheet leaves below its last.
    #[must_use]
    pub fn are_blank(&self) -> bool {
        self.0.iter().all(|cell| cell.trim_ascii().is_empty())
    }
}
