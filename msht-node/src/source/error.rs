//! What can be wrong with a source, and with one row of it.

use std::io;

use super::csv::MAX_ROW_BYTES;

/// Why a source cannot be read at all; never a matter of one row.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The file cannot be opened.
    #[error("{file}: cannot be opened: {error}; check the path of the source and who may read it")]
    Open {
        /// The file.
        file: String,
        /// What the operating system says.
        #[source]
        error: io::Error,
    },
    /// Reading failed part way.
    #[error("{file}: reading stopped: {error}; check the disk or the share, then try again")]
    Read {
        /// The file.
        file: String,
        /// What the operating system says.
        #[source]
        error: io::Error,
    },
    /// There is not even a header.
    #[error("{file}: is empty; write the columns' names into its first line")]
    NoHeader {
        /// The file.
        file: String,
    },
    /// The header is longer than a row may be.
    #[error(
        "{file}, line 1: the header is longer than {MAX_ROW_BYTES} bytes; look for a quotation mark that is not closed"
    )]
    HeaderTooLong {
        /// The file.
        file: String,
    },
    /// The file, judged by its beginning and its header, is not UTF-8 text.
    #[error(
        "{file}, line 1: is not UTF-8 text but {looks_like}; open it in the program it comes from and save it as 'CSV UTF-8'"
    )]
    Encoding {
        /// The file.
        file: String,
        /// What it looks like.
        looks_like: &'static str,
    },
}

/// Why a row has no cells; the row is left out and the next one is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowProblem {
    /// It has more or fewer cells than the header.
    FieldCount {
        /// Columns of the header.
        expected: usize,
        /// Cells of the row.
        found: usize,
    },
    /// It is longer than [`MAX_ROW_BYTES`].
    TooLong,
    /// A quotation mark in it is not closed before the file ends.
    OpenQuotation,
}
