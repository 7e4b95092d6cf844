//! The review of a source: what would be counted, what would be dropped, and what looks personal.
//!
//! For the partner's own screen only: its numbers are exact, so a [`Review`] is neither logged nor sent. No cell is in
//! it, save those that complaints keep for [`Complaint::cell`].

mod look;
mod render;
#[cfg(test)]
mod tests;

pub use look::Look;

use std::collections::BTreeMap;
use std::fmt;

use msht_core::programme::{Period, Programme};
use serde::Serialize;

use crate::count::CountError;
use crate::mapping::{CheckedMapping, Coder, Complaint, ComplaintKind, Outcome};
use crate::preview::UnitLine;
use crate::source::{Cells, Source};
use look::Seen;

/// Most complaints kept one by one: a person mends by kind, and a file may have a fault in every row.
pub const MAX_COMPLAINTS: usize = 200;

/// Most kinds of complaint told apart; a wrong number of cells is of as many kinds as there are numbers.
pub const MAX_COMPLAINT_GROUPS: usize = 200;

/// How a source fares under a mapping.
#[derive(Serialize)]
pub struct Review {
    /// The source.
    pub source: String,
    /// Id of the programme.
    pub programme: String,
    /// The period asked for; without one, rows of all periods were coded.
    pub period: Option<Period>,
    /// How each amount of the programme is counted.
    pub amounts: Vec<UnitLine>,
    /// Rows behind the header.
    pub rows: u64,
    /// Of these, rows with nothing in them.
    pub blank: u64,
    /// Of these, rows that cannot be placed and will not be counted.
    pub dropped: u64,
    /// Of the others, how many lie in each period. A person's rows beyond `max_records` are still among them.
    pub by_period: BTreeMap<Period, u64>,
    /// All complaints; a row may have several.
    pub complaint_total: u64,
    /// Complaints by column and kind, at most [`MAX_COMPLAINT_GROUPS`].
    pub complaint_groups: Vec<ComplaintGroup>,
    /// The first complaints, at most [`MAX_COMPLAINTS`].
    pub complaints: Vec<Complaint>,
    /// Columns that look as if they held something personal, or dates in two formats.
    pub warnings: Vec<ColumnWarning>,
    /// Columns that the mapping does not read; they stay unread when rows are counted.
    pub ignored_columns: Vec<String>,
}

/// Complaints of one kind about one column.
#[derive(Debug, Serialize)]
pub struct ComplaintGroup {
    /// The column; none where rows as a whole are at fault.
    pub column: Option<String>,
    /// A word for the kind.
    pub kind: &'static str,
    /// What is wrong and what to do.
    pub message: String,
    /// Complaints.
    pub count: u64,
    /// Line of the first.
    pub first_line: u64,
}

/// A column that looks like something a person should know of.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct ColumnWarning {
    /// The column as its header has it.
    pub column: String,
    /// What it looks like.
    pub looks_like: Look,
    /// Whether the mapping reads it.
    pub mapped: bool,
}

impl Review {
    /// Rows in the period asked for, or in any.
    #[must_use]
    pub fn placed(&self) -> u64 {
        match self.period {
            Some(period) => self.by_period.get(&period).copied().unwrap_or(0),
            None => self.by_period.values().sum(),
        }
    }

    /// Rows in other periods than the one asked for.
    #[must_use]
    pub fn in_other_periods(&self) -> u64 {
        let dated: u64 = self.by_period.values().sum();
        dated.saturating_sub(self.placed())
    }
}

impl fmt::Debug for Review {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Review(..)")
    }
}

/// Reads all of `source` and says how it fares; it reads files, so call it off the async threads.
///
/// # Errors
/// [`CountError`] where the source or its header is at fault, as [`crate::count::count`] would.
pub fn check(
    source: &Source,
    mapping: &CheckedMapping,
    programme: &Programme,
    period: Option<Period>,
) -> Result<Review, CountError> {
    if mapping.programme() != programme.digest() {
        return Err(CountError::OtherProgramme);
    }
    let mut coder = Coder::open(source, mapping, period)?;
    let mut columns: Vec<Seen> = coder.header().iter().map(|_| Seen::default()).collect();
    let mut review = Review::new(source.name(), programme, period);
    let mut groups = BTreeMap::new();
    while let Some(outcome) = coder.next_row_seen(|cells| see(&mut columns, cells))? {
        review.rows += 1;
        match outcome {
            Outcome::Blank => review.blank += 1,
            Outcome::OtherPeriod(period) => review.place(period),
            Outcome::Coded(period, _, complaints) => {
                review.place(period);
                review.complain(complaints, &mut groups);
            }
            Outcome::Dropped(complaints) => {
                review.dropped += 1;
                review.complain(complaints, &mut groups);
            }
        }
    }
    review.complaint_groups = groups.into_values().collect();
    review
        .complaint_groups
        .sort_by_key(|group| std::cmp::Reverse(group.count));
    review.judge_columns(&coder, &columns);
    Ok(review)
}

fn see(columns: &mut [Seen], cells: Cells<'_>) {
    for (place, seen) in columns.iter_mut().enumerate() {
        if let Ok(cell) = cells.text(place) {
            seen.see(cell);
        }
    }
}

type Groups = BTreeMap<(Option<String>, ComplaintKind), ComplaintGroup>;

impl Review {
    fn new(source: String, programme: &Programme, period: Option<Period>) -> Self {
        Self {
            source,
            programme: programme.id().to_owned(),
            period,
            amounts: programme.amounts().iter().map(UnitLine::from).collect(),
            rows: 0,
            blank: 0,
            dropped: 0,
            by_period: BTreeMap::new(),
            complaint_total: 0,
            complaint_groups: Vec::new(),
            complaints: Vec::new(),
            warnings: Vec::new(),
            ignored_columns: Vec::new(),
        }
    }

    fn place(&mut self, period: Period) {
        *self.by_period.entry(period).or_insert(0) += 1;
    }

    fn complain(&mut self, complaints: Vec<Complaint>, groups: &mut Groups) {
        for complaint in complaints {
            self.complaint_total += 1;
            let key = (
                complaint.column().map(str::to_owned),
                complaint.kind().clone(),
            );
            if groups.len() < MAX_COMPLAINT_GROUPS || groups.contains_key(&key) {
                let group = groups.entry(key).or_insert_with(|| ComplaintGroup {
                    column: complaint.column().map(str::to_owned),
                    kind: complaint.kind().code(),
                    message: complaint.kind().to_string(),
                    count: 0,
                    first_line: complaint.line(),
                });
                group.count += 1;
            }
            if self.complaints.len() < MAX_COMPLAINTS {
                self.complaints.push(complaint);
            }
        }
    }

    fn judge_columns(&mut self, coder: &Coder<'_>, columns: &[Seen]) {
        let mapped = coder.mapped_columns();
        for ((column, seen), mapped) in coder.header().iter().zip(columns).zip(mapped) {
            let warnings = seen.looks(column).into_iter();
            self.warnings
                .extend(warnings.map(|looks_like| ColumnWarning {
                    column: column.clone(),
                    looks_like,
                    mapped,
                }));
            if !mapped && !column.is_empty() {
                self.ignored_columns.push(column.clone());
            }
        }
    }
}
