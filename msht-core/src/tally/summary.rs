//! What the bounds of a tally cut off.

use std::fmt;

/// How the rows fared, for the partner's own screen only: the numbers are exact, so they are neither logged nor
/// sent.
#[derive(Default, PartialEq, Eq)]
pub struct TallySummary {
    /// Records handed in and not refused.
    pub records: u64,
    /// Records left out because their person already had `max_records`.
    pub beyond_person_bound: u64,
    /// Distinct values left out because their record already had `max_values` of the dimension.
    pub values_truncated: u64,
    /// Amounts that counted as 0 units because their record does not say.
    pub amounts_missing: u64,
    /// Amounts above their clip.
    pub amounts_clipped: u64,
    /// Cells clamped to the bound of their table.
    pub cells_clamped: u64,
}

impl TallySummary {
    /// Records in the counts.
    #[must_use]
    pub fn counted(&self) -> u64 {
        self.records.saturating_sub(self.beyond_person_bound)
    }
}

impl fmt::Debug for TallySummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TallySummary(..)")
    }
}
