//! Baselines: exact counts that others publish, for pages to set beside a programme's own numbers.
//!
//! A baseline never touches a release: it is shown beside those of one programme, under its own title, source and
//! licence. Its dimensions and categories are those of that programme, since only equal categories can be compared.

mod keep;
mod parse;

use std::collections::BTreeMap;

use msht_core::programme::Period;

pub use keep::KeptBaseline;
pub use parse::{BaselineError, BaselineProblem};

/// Largest file that is read: some thousand periods of a codebook of hundreds of categories.
pub const MAX_BASELINE_BYTES: usize = 4 << 20;
/// Most counts in one baseline.
pub const MAX_BASELINE_COUNTS: usize = 100_000;
/// Largest count; more than there are people is a mistake of units or columns.
pub const MAX_BASELINE_COUNT: u64 = 10_000_000_000;
/// Longest title, source or licence, in bytes.
pub const MAX_BASELINE_WORDS_BYTES: usize = 300;
/// Most baselines that a coordinator keeps.
pub const MAX_BASELINES: usize = 50;

/// Where in a baseline a count stands: a category of a dimension, or the total.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// All that is counted.
    Total,
    /// One category.
    Category {
        /// Id of the dimension.
        dimension: String,
        /// Code of the category.
        code: String,
    },
}

/// What people must be told of a baseline: what it is, where it is from and under which licence it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaselineWords {
    /// Title people read; it tells baselines apart.
    pub title: String,
    /// Who published it, and where.
    pub source: String,
    /// The licence it is shown under.
    pub licence: String,
}

/// Counts that somebody else published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Baseline {
    programme: String,
    words: BaselineWords,
    counts: BTreeMap<Period, BTreeMap<Place, u64>>,
}

impl Baseline {
    /// Id of the programme whose numbers it stands beside.
    #[must_use]
    pub fn programme(&self) -> &str {
        &self.programme
    }

    /// What people are told of it.
    #[must_use]
    pub fn words(&self) -> &BaselineWords {
        &self.words
    }

    /// Periods with counts, in order.
    pub fn periods(&self) -> impl Iterator<Item = Period> {
        self.counts.keys().copied()
    }

    /// Number of counts.
    #[must_use]
    pub fn len(&self) -> usize {
        self.counts.values().map(BTreeMap::len).sum()
    }

    /// Whether it has no count; one that was read has some.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// The count of `place` in `period`, if one was published.
    #[must_use]
    pub fn count(&self, period: &Period, place: &Place) -> Option<u64> {
        self.counts.get(period)?.get(place).copied()
    }

    /// The counts of a period, the total first.
    pub fn counts(&self, period: &Period) -> impl Iterator<Item = (&Place, u64)> {
        let counts = self.counts.get(period).into_iter().flatten();
        counts.map(|(place, count)| (place, *count))
    }
}
