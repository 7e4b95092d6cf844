//! Counting: a source becomes one partner's bounded counts for one period.
//!
//! This is what the agent calls when it freezes a contribution. Rows that cannot be placed are left out singly and in
//! silence: whether the partner takes part never depends on one of them. [`crate::review::check`] is where a person
//! sees them beforehand.

use msht_core::programme::{Period, Programme};
use msht_core::tally::{Counts, Tally, TallyError};

use crate::mapping::{CheckedMapping, Coder, CodingError, Outcome};
use crate::source::{Source, SourceError};

/// Why nothing was counted; never a matter of one row.
#[derive(Debug, thiserror::Error)]
pub enum CountError {
    /// The rows cannot be coded.
    #[error(transparent)]
    Coding(#[from] CodingError),
    /// The mapping was checked against another programme, or another version of it.
    #[error("the mapping was checked against another programme; check it against this one")]
    OtherProgramme,
    /// The tally refused a record: the mapping does not fit after all, which is a fault of this software.
    #[error(transparent)]
    Tally(#[from] TallyError),
}

impl From<SourceError> for CountError {
    fn from(error: SourceError) -> Self {
        Self::Coding(error.into())
    }
}

/// Counts the rows of `period`, in the order of the source; it reads files, so call it off the async threads.
///
/// # Errors
/// [`CountError`] where the source or its header is at fault, never for a row.
pub fn count(
    source: &Source,
    mapping: &CheckedMapping,
    programme: &Programme,
    period: Period,
) -> Result<Counts, CountError> {
    if mapping.programme() != programme.digest() {
        return Err(CountError::OtherProgramme);
    }
    let mut coder = Coder::open(source, mapping, Some(period))?;
    let mut tally = Tally::new(programme);
    while let Some(outcome) = coder.next_row()? {
        if let Outcome::Coded(_, record, _) = outcome {
            tally.add(&record)?;
        }
    }
    Ok(tally.finish())
}
