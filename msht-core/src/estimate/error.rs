//! Why an estimate cannot be made.

use super::interval::IntervalError;

/// Why an estimate cannot be made; each says which table is meant.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum EstimateError {
    /// The release has no table of this name.
    #[error("the release of {period} has no table `{table}`; name one that it has")]
    NoSuchTable {
        /// Name asked for.
        table: String,
        /// Period of the release.
        period: String,
    },
    /// The table has another number of cells than its dimensions, or no noise rate.
    #[error(
        "the table `{0}` does not describe itself; verify the release before estimating from it"
    )]
    Malformed(String),
    /// Two releases have the table with other dimensions or categories.
    #[error(
        "the table `{0}` has other dimensions or categories in another release; compare only equal tables"
    )]
    OtherLayout(String),
    /// A cell or category that the table does not have.
    #[error("the table `{table}` has no cell {cell}")]
    NoSuchCell {
        /// Name of the table.
        table: String,
        /// Index asked for.
        cell: usize,
    },
    /// The table adds up amounts, which do not vary like counts.
    #[error("the table `{0}` adds up amounts; trends and hotspots are for counts")]
    NotCounts(String),
    /// The table has no dimension or category of this name.
    #[error("the table `{table}` has no dimension or category `{name}`; name one that it has")]
    NoSuchCategory {
        /// Name of the table.
        table: String,
        /// Name or code asked for.
        name: String,
    },
    /// A sum or comparison of nothing.
    #[error("there is nothing to estimate from; give at least {0} releases")]
    TooFew(usize),
    /// An expected count that is not finite and above zero, or a weight that is not between 0 and 1.
    #[error("an expected count or share is not in its range; give finite weights above zero")]
    Expectation,
    /// A level outside (0, 1).
    #[error("a level must lie between 0 and 1, not {0}")]
    Level(f64),
    /// The law of the noise cannot be tabulated.
    #[error(transparent)]
    Interval(#[from] IntervalError),
}
