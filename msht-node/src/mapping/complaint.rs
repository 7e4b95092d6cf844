//! Complaints: what is wrong with one row, and where.
//!
//! A complaint says file, line, column and kind. The cell itself is kept apart for the owner's own screen and shows
//! in no `Display`, `Debug` or JSON.

use std::fmt;

use serde::ser::{Serialize, SerializeStruct, Serializer};
use zeroize::Zeroizing;

use super::date::{DateFormat, NotADate};
use crate::source::{MAX_ROW_BYTES, RowProblem};

/// What is wrong with a row; each kind costs that row and no other, and [`Self::NoAmount`] not even that.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ComplaintKind {
    /// More or fewer cells than the header has.
    FieldCount {
        /// Columns of the header.
        expected: usize,
        /// Cells of the row.
        found: usize,
    },
    /// Longer than a row may be.
    RowTooLong,
    /// A quotation mark is not closed.
    OpenQuotation,
    /// A cell that is needed is not UTF-8.
    NotUtf8,
    /// The date is empty.
    NoDate,
    /// The date is not in the mapping's format.
    DateFormat(DateFormat),
    /// The calendar has no such date.
    NotInCalendar,
    /// The year has two digits.
    ShortYear,
    /// The year is outside what a period can have.
    YearOutOfRange,
    /// A value has no category of this dimension and the mapping rejects it.
    NoCategory {
        /// Id of the dimension.
        dimension: String,
    },
    /// A row has no amount; it is counted all the same, with 0 units.
    NoAmount {
        /// Id of the amount.
        amount: String,
    },
    /// An amount is not written as the mapping says.
    AmountFormat {
        /// Id of the amount.
        amount: String,
        /// An amount that would be.
        example: String,
    },
    /// An amount is below zero.
    NegativeAmount {
        /// Id of the amount.
        amount: String,
    },
}

impl ComplaintKind {
    /// One word for it, for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::FieldCount { .. } => "field-count",
            Self::RowTooLong => "row-too-long",
            Self::OpenQuotation => "open-quotation",
            Self::NotUtf8 => "not-utf8",
            Self::NoDate => "no-date",
            Self::DateFormat(_) => "date-format",
            Self::NotInCalendar => "not-in-calendar",
            Self::ShortYear => "short-year",
            Self::YearOutOfRange => "year-out-of-range",
            Self::NoCategory { .. } => "no-category",
            Self::NoAmount { .. } => "no-amount",
            Self::AmountFormat { .. } => "amount-format",
            Self::NegativeAmount { .. } => "negative-amount",
        }
    }

    pub(super) fn of_date(why: NotADate, format: DateFormat) -> Self {
        match why {
            NotADate::OtherFormat => Self::DateFormat(format),
            NotADate::NotInCalendar => Self::NotInCalendar,
            NotADate::ShortYear => Self::ShortYear,
            NotADate::YearOutOfRange => Self::YearOutOfRange,
        }
    }
}

impl From<RowProblem> for ComplaintKind {
    fn from(problem: RowProblem) -> Self {
        match problem {
            RowProblem::FieldCount { expected, found } => Self::FieldCount { expected, found },
            RowProblem::TooLong => Self::RowTooLong,
            RowProblem::OpenQuotation => Self::OpenQuotation,
        }
    }
}

impl fmt::Display for ComplaintKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FieldCount { expected, found } => write!(
                f,
                "the row has {found} cells and the header {expected}; look for a delimiter or a quotation mark \
                 inside a cell"
            ),
            Self::RowTooLong => write!(
                f,
                "the row is longer than {MAX_ROW_BYTES} bytes; look for a quotation mark that is not closed"
            ),
            Self::OpenQuotation => f.write_str(
                "a quotation mark in the row is not closed; close it, or write it twice where it is part of the text",
            ),
            Self::NotUtf8 => f.write_str(
                "the cell is not UTF-8 text; save the file as 'CSV UTF-8' in the program it comes from",
            ),
            Self::NoDate => f.write_str("there is no date; fill it in"),
            Self::DateFormat(format) => write!(
                f,
                "the date is not written like {}; correct it, or date.format in the mapping",
                format.example()
            ),
            Self::NotInCalendar => f.write_str(
                "the calendar has no such date; correct it, or date.format in the mapping",
            ),
            Self::ShortYear => f.write_str("the year has two digits; write it with four"),
            Self::YearOutOfRange => {
                f.write_str("the year cannot be right; check how it was typed")
            }
            Self::NoCategory { dimension } => write!(
                f,
                "a value has no category of `{dimension}`; list it under dimension.values in the mapping, or correct \
                 it"
            ),
            Self::NoAmount { amount } => write!(
                f,
                "there is no amount for `{amount}`; the row counts with 0 units of it unless you fill it in"
            ),
            Self::AmountFormat { amount, example } => write!(
                f,
                "the amount for `{amount}` is not written like {example}; correct it, or decimal and thousands of the \
                 amount in the mapping"
            ),
            Self::NegativeAmount { amount } => write!(
                f,
                "the amount for `{amount}` is below zero, which a sum of amounts cannot take; write it without the \
                 sign, or leave rows such as refunds out of the file"
            ),
        }
    }
}

/// Something for its owner's own screen only: it has no `Display`, and `Debug` leaves it out.
#[derive(Clone, PartialEq, Eq)]
pub struct OwnScreen<T>(T);

impl<T> OwnScreen<T> {
    pub(super) fn new(shown: T) -> Self {
        Self(shown)
    }

    /// What it holds; never log it or send it.
    #[must_use]
    pub fn reveal(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for OwnScreen<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OwnScreen(..)")
    }
}

/// One fault of one row.
#[derive(Debug, Clone)]
pub struct Complaint {
    file: String,
    line: u64,
    column: Option<String>,
    kind: ComplaintKind,
    cell: Option<OwnScreen<Zeroizing<String>>>,
}

impl Complaint {
    pub(super) fn of_row(file: &str, line: u64, kind: ComplaintKind) -> Self {
        Self {
            file: file.to_owned(),
            line,
            column: None,
            kind,
            cell: None,
        }
    }

    pub(super) fn of_cell(
        (file, line): (&str, u64),
        column: &str,
        kind: ComplaintKind,
        cell: Option<&str>,
    ) -> Self {
        let cell = cell.map(|cell| OwnScreen::new(Zeroizing::new(cell.to_owned())));
        Self {
            column: Some(column.to_owned()),
            cell,
            ..Self::of_row(file, line, kind)
        }
    }

    /// The file.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The line on which the row begins, counted from 1 with the header.
    #[must_use]
    pub fn line(&self) -> u64 {
        self.line
    }

    /// The column as the mapping writes it; none where the row as a whole is at fault.
    #[must_use]
    pub fn column(&self) -> Option<&str> {
        self.column.as_deref()
    }

    /// What is wrong.
    #[must_use]
    pub fn kind(&self) -> &ComplaintKind {
        &self.kind
    }

    /// The cell, for its owner's own screen only.
    #[must_use]
    pub fn cell(&self) -> Option<&OwnScreen<Zeroizing<String>>> {
        self.cell.as_ref()
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, line {}", self.file, self.line)?;
        if let Some(column) = &self.column {
            write!(f, ", column `{column}`")?;
        }
        write!(f, ": {}", self.kind)
    }
}

impl Serialize for Complaint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Complaint", 5)?;
        fields.serialize_field("file", &self.file)?;
        fields.serialize_field("line", &self.line)?;
        fields.serialize_field("column", &self.column)?;
        fields.serialize_field("kind", self.kind.code())?;
        fields.serialize_field("message", &self.kind.to_string())?;
        fields.end()
    }
}
