//! What can be wrong with a programme, where, and what to do about it.

use super::limits::{
    MAX_AMOUNTS, MAX_CATEGORIES, MAX_CELLS, MAX_DIMENSIONS, MAX_EPSILON_PER_PERIOD, MAX_ID_BYTES,
    MAX_INVERSE_NOISE_RATE, MAX_PROGRAMME_BYTES, MAX_TABLE_DIMENSIONS, MAX_TABLES,
    MAX_UNITS_PER_CELL, MOST_PARTNERS,
};
use super::period::PeriodKind;
use crate::rational::RationalError;

/// Why a text is not a programme.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProgrammeError {
    /// The text is longer than [`MAX_PROGRAMME_BYTES`].
    #[error(
        "the programme has {0} bytes and may have {MAX_PROGRAMME_BYTES}; shorten its texts or lists"
    )]
    TooLong(usize),
    /// The text is not TOML, or a key is missing, unknown or of the wrong type.
    #[error("line {line}, column {column}: {message}; correct the programme there")]
    Syntax {
        /// Line, counted from 1.
        line: usize,
        /// Column in characters, counted from 1.
        column: usize,
        /// What the TOML reader found.
        message: String,
    },
    /// The value of one key breaks a rule.
    #[error("{path}: {problem}")]
    Key {
        /// Where, such as `table[2].dimensions[0]`; places in a list are counted from 0.
        path: String,
        /// What is wrong and what to do next.
        problem: Problem,
    },
}

/// The rule that a key's value breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Not a slug.
    #[error(
        "`{0}` is not an id; use at most {MAX_ID_BYTES} lower-case letters, digits and single hyphens, a letter first"
    )]
    MalformedId(String),
    /// Not a category code.
    #[error(
        "`{0}` is not a category code; use at most {MAX_ID_BYTES} letters, digits, hyphens and underscores"
    )]
    MalformedCode(String),
    /// A text is empty.
    #[error("the text is empty; write what a reader outside the programme needs")]
    EmptyText,
    /// A text is too long.
    #[error("the text has {found} bytes and may have {most}; shorten it")]
    LongText {
        /// Its bytes.
        found: usize,
        /// The limit.
        most: usize,
    },
    /// A text has control characters or space at an end.
    #[error(
        "the text has a control character or begins or ends with a space; write it as plain text"
    )]
    UntidyText,
    /// A whole number is outside its range.
    #[error("{found} is not between {least} and {most}; choose a number in that range")]
    OutOfRange {
        /// The number.
        found: u32,
        /// Smallest allowed.
        least: u32,
        /// Largest allowed.
        most: u32,
    },
    /// ε of a period is zero or too large.
    #[error(
        "ε of a period must be above 0 and at most {MAX_EPSILON_PER_PERIOD}; 1 is a usual choice"
    )]
    EpsilonOutOfRange,
    /// ε of a year cannot pay for one period.
    #[error("ε of a year is below ε of one period; raise it, or lower epsilon_per_period")]
    YearBelowPeriod,
    /// The first period is of another kind.
    #[error("the first period is not a {0}; write it in that form, or change calendar.period")]
    FirstPeriodOfOtherKind(PeriodKind),
    /// Neither 32 nor 64.
    #[error("{0} is not a word size; write 32, or 64 for very large counts")]
    WordBits(u32),
    /// The cell bound is zero or overflows the word.
    #[error(
        "the bound of a cell must be above 0, and {MOST_PARTNERS} times the bound below 2^{}; lower it or set word_bits = 64",
        bits - 1
    )]
    CellBound {
        /// The word size.
        bits: u32,
    },
    /// Too many dimensions.
    #[error("{0} dimensions, and at most {MAX_DIMENSIONS} may be defined; drop some")]
    TooManyDimensions(usize),
    /// Too few or too many categories.
    #[error(
        "{0} categories, and a dimension has between 2 and {MAX_CATEGORIES}, `unknown` among them; change the list"
    )]
    CategoryCount(usize),
    /// No category `unknown`.
    #[error(
        "no category has the code `unknown`; add [\"unknown\", \"Unknown\"] for records that do not say"
    )]
    NoUnknown,
    /// Two things of one list share an id, a code or a label.
    #[error("`{0}` stands twice; rename or remove one of them")]
    Duplicate(String),
    /// No table, or too many.
    #[error("{0} tables, and a programme has between 1 and {MAX_TABLES}; change the list")]
    TableCount(usize),
    /// Too many dimensions in a table.
    #[error("{0} dimensions, and a table crosses at most {MAX_TABLE_DIMENSIONS}; split the table")]
    TooManyCrossed(usize),
    /// A table names an undefined dimension.
    #[error("there is no dimension `{0}`; define it under [[dimension]] or correct the name")]
    NoSuchDimension(String),
    /// A table names a dimension twice, but not for pairs.
    #[error(
        "`{0}` stands in the table before; for a table of pairs name it twice in a row and no more, else remove one"
    )]
    DimensionTwice(String),
    /// Pairs of a dimension that has none.
    #[error(
        "`{0}` has no pairs: a record has one value of it, or there are fewer than two known categories; raise its \
         max_values or name it once"
    )]
    NoPairs(String),
    /// Too many amounts.
    #[error("{0} amounts, and at most {MAX_AMOUNTS} may be defined; drop some")]
    TooManyAmounts(usize),
    /// Not a currency code.
    #[error("the currency is three capital letters (ISO 4217); write it like `GBP`")]
    Currency,
    /// The bound of a cell of sums is below the clip or too large.
    #[error(
        "one partner's bound of a cell must be between the clip, {clip}, and {MAX_UNITS_PER_CELL} units; choose a \
         number in that range"
    )]
    UnitsPerCell {
        /// The clip of the amount.
        clip: u32,
    },
    /// A table's measure is not an amount.
    #[error(
        "there is no amount `{0}`; define it under [[amount]], or leave measure out to count records"
    )]
    NoSuchAmount(String),
    /// Sums in words of 32 bits.
    #[error("a table of sums needs words of 64 bits; set word_bits = 64")]
    SumsNeedWideWords,
    /// The noise rate is too small to publish anything with.
    #[error(
        "the noise rate of table `{table}` is ε·weight/Δ = {rate}, below 1/{MAX_INVERSE_NOISE_RATE}: the numbers would \
         be all noise; raise the weight, or lower the clip or the bounds of values and records"
    )]
    RateTooSmall {
        /// Id of the table.
        table: String,
        /// The rate.
        rate: String,
    },
    /// Too many cells.
    #[error(
        "this table brings the programme to more than {MAX_CELLS} cells; cross fewer dimensions or merge categories"
    )]
    TooManyCells,
    /// A weight is zero.
    #[error("the weight is 0, so the table would be all noise; raise it or remove the table")]
    ZeroWeight,
    /// The weights add up to more than 1.
    #[error("the weights of all tables add up to {0}, which is more than 1; lower some")]
    WeightsAboveOne(String),
    /// The noise rate cannot be sampled exactly.
    #[error(
        "the noise rate of table `{table}` is ε·weight/Δ = {rate}, too fine for the exact samplers: {reason}; choose a simpler weight, such as 0.1 or 1/3"
    )]
    RateTooFine {
        /// Id of the table.
        table: String,
        /// The rate.
        rate: String,
        /// Why.
        reason: RationalError,
    },
}

impl Problem {
    /// The error that this rule is broken at `path`.
    pub(super) fn at(self, path: impl Into<String>) -> ProgrammeError {
        ProgrammeError::Key {
            path: path.into(),
            problem: self,
        }
    }
}

impl ProgrammeError {
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
