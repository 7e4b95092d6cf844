//! What can be wrong with a mapping, where, and what to do about it.

use msht_core::programme::PeriodKind;

use super::MAX_MAPPING_BYTES;
use super::date::DateFormat;

/// Why a text is not a mapping, or not one for the programme.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MappingError {
    /// The text is longer than [`MAX_MAPPING_BYTES`].
    #[error("the mapping has {0} bytes and may have {MAX_MAPPING_BYTES}; list fewer spellings")]
    TooLong(usize),
    /// The text is not TOML, or a key is missing, unknown or of the wrong type.
    #[error("line {line}, column {column}: {message}; correct the mapping there")]
    Syntax {
        /// Line, counted from 1.
        line: usize,
        /// Column in characters, counted from 1.
        column: usize,
        /// What the TOML reader found.
        message: String,
    },
    /// The value of one key does not fit the programme.
    #[error("{path}: {problem}")]
    Key {
        /// Where, such as `dimension[2].values."Not Recorded"`; places in a list are counted from 0.
        path: String,
        /// What is wrong and what to do next.
        problem: MappingProblem,
    },
}

/// How the value of a key does not fit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MappingProblem {
    /// The name of a column is empty.
    #[error("the column has no name; write it as it stands in the header")]
    EmptyColumn,
    /// The programme counts people and rows do not say whose they are.
    #[error(
        "the programme counts people, so it needs to know which rows are of one person; add [person] and its column, \
         such as the case reference"
    )]
    NoPerson,
    /// The dates are too coarse for the programme's periods.
    #[error(
        "a {format} does not say which {period} a row belongs to; use a column with a finer date"
    )]
    DateTooCoarse {
        /// The format of the dates.
        format: DateFormat,
        /// The programme's periods.
        period: PeriodKind,
    },
    /// The programme has no such dimension.
    #[error("the programme has no dimension `{0}`; it has: {1}")]
    NoSuchDimension(String, String),
    /// A dimension is mapped twice.
    #[error("dimension `{0}` is mapped twice; keep one of the two")]
    DimensionTwice(String),
    /// A dimension is not mapped.
    #[error(
        "dimension `{0}` is not mapped; add [[dimension]] with id = \"{0}\" and its column, or \
         constant = \"unknown\" where your rows do not have it"
    )]
    MissingDimension(String),
    /// Neither or both of column and constant.
    #[error("write either the column that holds dimension `{0}` or a constant, and not both")]
    ColumnOrConstant(String),
    /// A key that has no meaning beside a constant.
    #[error("every row has the constant, so this key would never be used; remove it")]
    UselessWithConstant,
    /// The programme has no such amount.
    #[error("the programme has no amount `{0}`; it has: {1}")]
    NoSuchAmount(String, String),
    /// An amount is mapped twice.
    #[error("amount `{0}` is mapped twice; keep one of the two")]
    AmountTwice(String),
    /// An amount is not mapped.
    #[error(
        "amount `{0}` is not mapped; add [[amount]] with id = \"{0}\" and its column, or not_recorded = true where \
         your rows do not have it"
    )]
    MissingAmount(String),
    /// Neither or both of column and `not_recorded`.
    #[error("write either the column that holds amount `{0}` or not_recorded = true, and not both")]
    ColumnOrNotRecorded(String),
    /// The column is in another currency.
    #[error(
        "the column is in `{found}` and the programme adds up `{expected}`; give a column in `{expected}`"
    )]
    OtherCurrency {
        /// Of the column.
        found: String,
        /// Of the programme.
        expected: String,
    },
    /// The same sign for decimals and thousands.
    #[error(
        "the same sign cannot stand before decimals and between thousands; change one of the two"
    )]
    SameSign,
    /// The unit of the column is zero or too fine.
    #[error(
        "the unit says how much of the currency a 1 in the column is; write 1, 0.01 for pence or 1000 for thousands"
    )]
    ColumnUnit,
    /// A separator is empty, or the list is.
    #[error("a separator is empty; write what stands between two values, or remove the key")]
    EmptySeparator,
    /// The dimension has no such category.
    #[error("dimension `{dimension}` has no category with the code `{code}`; it has: {codes}")]
    NoSuchCategory {
        /// Id of the dimension.
        dimension: String,
        /// What was written.
        code: String,
        /// All of its codes.
        codes: String,
    },
    /// A spelling leads to no category or to more than the dimension may have.
    #[error(
        "{found} categories, and a row has between 1 and {most} of this dimension; change the list"
    )]
    CategoryCount {
        /// Codes listed.
        found: usize,
        /// Most values of the dimension.
        most: usize,
    },
    /// An empty spelling.
    #[error("an empty cell is always `unknown`; remove this spelling")]
    EmptySpelling,
    /// The same spelling leads to two places.
    #[error(
        "differs from an earlier spelling only in capitals or space, which do not count, and leads elsewhere; \
         remove one of the two"
    )]
    SpellingTwice,
}

impl MappingProblem {
    /// The error that this is wrong at `path`.
    pub(super) fn at(self, path: impl Into<String>) -> MappingError {
        MappingError::Key {
            path: path.into(),
            problem: self,
        }
    }
}

impl MappingError {
    /// A TOML error, its position counted in lines and characters of `text`.
    pub(super) fn from_toml(error: &toml::de::Error, text: &str) -> Self {
        let at = error.span().map_or(0, |span| span.start);
        let before = text.get(..at).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let in_line = before.get(line_start..).unwrap_or_default();
        Self::Syntax {
            line: before.matches('\n').count() + 1,
            column: in_line.chars().count() + 1,
            message: error.message().trim_end().to_owned(),
        }
    }
}
