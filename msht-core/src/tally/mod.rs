//! Tallies: coded records become bounded vectors of counts and sums.
//!
//! The noise hides one person (or one record) only as far as the counts are bounded as the programme says, so
//! the bounds are applied here, row by row, in the order the rows are handed in and never by their values:
//!
//! 1. of each person the first `max_records` rows count; a row without a person key is a person of its own,
//!    and where the unit of privacy is the record every row is;
//! 2. of each multi-valued dimension the first `max_values` distinct values count; no value is `unknown`;
//! 3. to a table of sums a record adds its amount in units, at most the amount's `clip`; a missing amount is 0 units;
//! 4. each cell is clamped to the bound of its table at the end.
//!
//! One person then changes table T by at most Δ_T in L1: their rows touch at most Δ_T/clip cells and add at most the
//! clip to each, nobody else's rows are treated differently, and clamping never widens a difference.
//!
//! Zeroizing covers the counts, keys, coded values and touched cells held here, not what the caller's parser, the
//! allocator or swap kept.

mod record;
#[cfg(test)]
mod sum_tests;
mod summary;
#[cfg(test)]
mod tests;

pub use record::{CodedRecord, PersonKey};
pub use summary::TallySummary;

use std::collections::BTreeMap;
use std::fmt;

use zeroize::Zeroizing;

use crate::crypto::Digest;
use crate::programme::{Dimension, Measure, PrivacyUnit, Programme, Table};

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    /// It is in the counts.
    Counted,
    /// Its person already has `max_records` rows in the counts.
    BeyondPersonBound,
}

/// Why a record was refused; the tally is as it was before.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TallyError {
    /// The record was coded for another codebook.
    #[error(
        "the record has values for {found} dimensions and the programme has {expected}; code it with this programme's mapping"
    )]
    WrongDimensions {
        /// Dimensions of the programme.
        expected: usize,
        /// Dimensions of the record.
        found: usize,
    },
    /// The record was coded for other amounts.
    #[error(
        "the record has {found} amounts and the programme has {expected}; code it with this programme's mapping"
    )]
    WrongAmounts {
        /// Amounts of the programme.
        expected: usize,
        /// Amounts of the record.
        found: usize,
    },
    /// A category index lies outside its dimension.
    #[error(
        "a value of dimension `{dimension}` is not one of its categories; code the record with this programme's mapping"
    )]
    NoSuchCategory {
        /// Id of the dimension.
        dimension: String,
    },
}

/// Counts in the making, for one partner, one programme and one period.
pub struct Tally<'a> {
    programme: &'a Programme,
    cells: Zeroizing<Vec<u64>>,
    rows_of_person: BTreeMap<PersonKey, u32>,
    summary: TallySummary,
}

impl<'a> Tally<'a> {
    /// A tally without records.
    #[must_use]
    pub fn new(programme: &'a Programme) -> Self {
        Self {
            programme,
            cells: Zeroizing::new(vec![0; programme.cells()]),
            rows_of_person: BTreeMap::new(),
            summary: TallySummary::default(),
        }
    }

    /// Adds one record of the period, in the order of the partner's rows.
    ///
    /// # Errors
    /// [`TallyError`] where the record was not coded for this programme; the tally is unchanged.
    pub fn add(&mut self, record: &CodedRecord) -> Result<Added, TallyError> {
        let bounded = self.bound_values(record)?;
        self.summary.records += 1;
        if !self.admit(record.person()) {
            self.summary.beyond_person_bound += 1;
            return Ok(Added::BeyondPersonBound);
        }
        self.summary.values_truncated += bounded.truncated;
        self.summary.amounts_missing += bounded.amounts_missing;
        self.summary.amounts_clipped += bounded.amounts_clipped;
        let tables = self.programme.tables().iter();
        for table in tables {
            let added = match table.measure() {
                Measure::Count => 1,
                Measure::Sum(amount) => bounded.amounts.get(amount).copied().unwrap_or(0),
            };
            for cell in touched_cells(table, &bounded.values).iter() {
                if let Some(sum) = self.cells.get_mut(*cell) {
                    *sum = sum.saturating_add(added);
                }
            }
        }
        Ok(Added::Counted)
    }

    /// The bounded counts.
    #[must_use]
    pub fn finish(mut self) -> Counts {
        for table in self.programme.tables() {
            let bound = self.programme.cell_bound(table);
            let cells = self.cells.get_mut(table.range()).unwrap_or_default();
            for cell in cells.iter_mut().filter(|cell| **cell > bound) {
                *cell = bound;
                self.summary.cells_clamped += 1;
            }
        }
        Counts {
            programme: self.programme.digest(),
            cells: self.cells,
            summary: self.summary,
        }
    }

    /// Whether one more row of this person may count; if so it is noted.
    fn admit(&mut self, person: Option<&PersonKey>) -> bool {
        let privacy = self.programme.privacy();
        let (PrivacyUnit::Person, Some(person)) = (privacy.unit(), person) else {
            return true;
        };
        match self.rows_of_person.get_mut(person) {
            Some(rows) if *rows >= privacy.max_records() => return false,
            Some(rows) => *rows += 1,
            None => {
                self.rows_of_person.insert(person.duplicate(), 1);
            }
        }
        true
    }

    fn bound_values(&self, record: &CodedRecord) -> Result<BoundedValues, TallyError> {
        let dimensions = self.programme.codebook().dimensions();
        let (expected, found) = (dimensions.len(), record.values().len());
        if expected != found {
            return Err(TallyError::WrongDimensions { expected, found });
        }
        let mut bounded = BoundedValues {
            values: Zeroizing::new(Vec::with_capacity(expected)),
            truncated: 0,
            amounts: Zeroizing::new(Vec::new()),
            amounts_missing: 0,
            amounts_clipped: 0,
        };
        bounded.clip_amounts(self.programme, record.amounts())?;
        for (dimension, written) in dimensions.iter().zip(record.values()) {
            bounded.push(dimension, written)?;
        }
        Ok(bounded)
    }
}

impl fmt::Debug for Tally<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tally")
            .field("programme", &self.programme.id())
            .finish_non_exhaustive()
    }
}

/// What of one record counts: for each dimension one to `max_values` distinct indices in range, and for each amount
/// its units up to the clip.
struct BoundedValues {
    values: Zeroizing<Vec<Vec<usize>>>,
    truncated: u64,
    amounts: Zeroizing<Vec<u64>>,
    amounts_missing: u64,
    amounts_clipped: u64,
}

impl BoundedValues {
    fn clip_amounts(
        &mut self,
        programme: &Programme,
        written: &[Option<u64>],
    ) -> Result<(), TallyError> {
        let amounts = programme.amounts();
        let (expected, found) = (amounts.len(), written.len());
        if expected != found {
            return Err(TallyError::WrongAmounts { expected, found });
        }
        for (amount, units) in amounts.iter().zip(written) {
            let clip = u64::from(amount.clip());
            self.amounts_missing += u64::from(units.is_none());
            self.amounts_clipped += u64::from(units.is_some_and(|units| units > clip));
            self.amounts.push(units.unwrap_or(0).min(clip));
        }
        Ok(())
    }

    fn push(&mut self, dimension: &Dimension, written: &[usize]) -> Result<(), TallyError> {
        let mut kept = Vec::with_capacity(dimension.max_values());
        for &value in written {
            if value >= dimension.categories().len() {
                let dimension = dimension.id().to_owned();
                return Err(TallyError::NoSuchCategory { dimension });
            }
            if kept.contains(&value) {
                continue;
            }
            if kept.len() < dimension.max_values() {
                kept.push(value);
            } else {
                self.truncated += 1;
            }
        }
        if kept.is_empty() {
            kept.push(dimension.unknown());
        }
        self.values.push(kept);
        Ok(())
    }
}

/// The cells of `table`, in the vector of all tables, that a record with these values adds to.
pub(crate) fn touched_cells(table: &Table, values: &[Vec<usize>]) -> Zeroizing<Vec<usize>> {
    let mut cells = Zeroizing::new(vec![table.range().start]);
    for axis in table.axes() {
        let values = values.get(axis.dimension).map_or(&[][..], Vec::as_slice);
        let along = Zeroizing::new(axis.places(values));
        let mut next = Zeroizing::new(Vec::with_capacity(cells.len() * along.len()));
        for cell in cells.iter() {
            next.extend(along.iter().map(|value| cell + value * axis.stride));
        }
        cells = next;
    }
    cells
}

/// One partner's bounded, exact counts: secret until noise and masks are on them.
pub struct Counts {
    programme: Digest,
    cells: Zeroizing<Vec<u64>>,
    summary: TallySummary,
}

impl Counts {
    /// Digest of the programme they were counted for.
    #[must_use]
    pub fn programme(&self) -> Digest {
        self.programme
    }

    /// The cells of all tables, each at most [`Programme::cell_bound`] of its table.
    #[must_use]
    pub fn cells(&self) -> &[u64] {
        &self.cells
    }

    /// The cells of one table, or `None` where it ends beyond them, which only another programme's can.
    #[must_use]
    pub fn of_table(&self, table: &Table) -> Option<&[u64]> {
        self.cells.get(table.range())
    }

    /// What the bounds cut off, for the partner's own screen only.
    #[must_use]
    pub fn summary(&self) -> &TallySummary {
        &self.summary
    }
}

impl fmt::Debug for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counts")
            .field("programme", &self.programme.short())
            .field("cells", &self.cells.len())
            .finish_non_exhaustive()
    }
}
