//! Coding rows: from the cells of a source to coded records of a period.

use std::fmt;

use msht_core::programme::{Period, PeriodKind};
use msht_core::tally::{CodedRecord, PersonKey};

use super::amount::NotAnAmount;
use super::complaint::{Complaint, ComplaintKind, OwnScreen};
use super::date::DateFormat;
use super::spelling::folded;
use super::{CheckedMapping, Values};
use crate::source::{Cells, Row, Rows, Source, SourceError};

/// Why rows cannot be coded at all: a matter of the file or its header, never of one row.
#[derive(Debug, thiserror::Error)]
pub enum CodingError {
    /// The source cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The header lacks a column.
    #[error(
        "{file}, line 1: there is no column `{column}` among the {found}; correct the column in the mapping, or the \
         delimiter of the source"
    )]
    MissingColumn {
        /// The file.
        file: String,
        /// The column as the mapping writes it.
        column: String,
        /// Columns of the header.
        found: usize,
        /// The header. It may be somebody's record where the file has none, so it is no part of the message.
        header: OwnScreen<Vec<String>>,
    },
    /// The header has a column twice, and nobody can say which is meant.
    #[error("{file}, line 1: two columns are called `{column}`; rename one of them")]
    DuplicateColumn {
        /// The file.
        file: String,
        /// The column as the mapping writes it.
        column: String,
    },
    /// The period is not one of the programme's.
    #[error("the programme's periods are each a {expected}, and {period} is a {}", period.kind())]
    OtherPeriodKind {
        /// The programme's kind.
        expected: PeriodKind,
        /// The period asked for.
        period: Period,
    },
}

/// What became of a row.
pub enum Outcome {
    /// All of its cells are empty.
    Blank,
    /// Its date lies in this period, which is not the one asked for.
    OtherPeriod(Period),
    /// It cannot be placed and is left out.
    Dropped(Vec<Complaint>),
    /// It belongs to this period; the complaints, if any, do not cost it its place.
    Coded(Period, CodedRecord, Vec<Complaint>),
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Outcome(..)")
    }
}

/// Reads a source row by row and codes each.
pub struct Coder<'a> {
    rows: Rows,
    plan: Plan<'a>,
}

impl<'a> Coder<'a> {
    /// Opens `source`; with a `period`, rows of other periods are told apart by their date and not coded.
    ///
    /// # Errors
    /// [`CodingError`].
    pub fn open(
        source: &Source,
        mapping: &'a CheckedMapping,
        period: Option<Period>,
    ) -> Result<Self, CodingError> {
        if let Some(period) = period.filter(|period| period.kind() != mapping.period) {
            let expected = mapping.period;
            return Err(CodingError::OtherPeriodKind { expected, period });
        }
        let rows = source.open()?;
        let plan = Plan::new(source.name(), rows.header(), mapping, period)?;
        Ok(Self { rows, plan })
    }

    /// The columns of the source.
    #[must_use]
    pub fn header(&self) -> &[String] {
        self.rows.header()
    }

    /// For each column of the source whether the mapping reads it.
    #[must_use]
    pub fn mapped_columns(&self) -> Vec<bool> {
        let mapped = |place| self.plan.places().any(|mapped| mapped == place);
        (0..self.header().len()).map(mapped).collect()
    }

    /// What became of the next row, or `None` at the end.
    ///
    /// # Errors
    /// [`SourceError`] where reading stopped.
    pub fn next_row(&mut self) -> Result<Option<Outcome>, SourceError> {
        self.next_row_seen(|_| {})
    }

    /// As [`Self::next_row`]; `see` is shown the cells of every row that has the right number of them.
    pub(crate) fn next_row_seen(
        &mut self,
        see: impl FnOnce(Cells<'_>),
    ) -> Result<Option<Outcome>, SourceError> {
        let Some(row) = self.rows.next_row()? else {
            return Ok(None);
        };
        if let Ok(cells) = row.cells {
            see(cells);
        }
        Ok(Some(self.plan.code(&row)))
    }
}

/// Where the mapping's columns stand in this source.
struct Plan<'a> {
    file: String,
    mapping: &'a CheckedMapping,
    period: Option<Period>,
    date: usize,
    person: Option<usize>,
    dimensions: Vec<Option<usize>>,
    amounts: Vec<Option<usize>>,
}

impl<'a> Plan<'a> {
    fn new(
        file: String,
        header: &[String],
        mapping: &'a CheckedMapping,
        period: Option<Period>,
    ) -> Result<Self, CodingError> {
        let header_places = Header {
            file: &file,
            header,
        };
        let date = header_places.place(&mapping.date.column)?;
        let person = mapping.person.as_deref();
        let person = person
            .map(|column| header_places.place(column))
            .transpose()?;
        let mut dimensions = Vec::with_capacity(mapping.dimensions.len());
        for mapped in &mapping.dimensions {
            dimensions.push(match &mapped.values {
                Values::Column(column, _) => Some(header_places.place(column)?),
                Values::Constant(_) => None,
            });
        }
        let mut amounts = Vec::with_capacity(mapping.amounts.len());
        for mapped in &mapping.amounts {
            let column = mapped.column.as_ref();
            let place = column.map(|(column, _)| header_places.place(column));
            amounts.push(place.transpose()?);
        }
        Ok(Self {
            file,
            mapping,
            period,
            date,
            person,
            dimensions,
            amounts,
        })
    }

    fn places(&self) -> impl Iterator<Item = usize> {
        let dimensions = self.dimensions.iter().chain(&self.amounts);
        let dimensions = dimensions.copied().flatten();
        [self.date].into_iter().chain(self.person).chain(dimensions)
    }

    fn code(&self, row: &Row<'_>) -> Outcome {
        let cells = match row.cells {
            Ok(cells) if cells.are_blank() => return Outcome::Blank,
            Ok(cells) => cells,
            Err(problem) => {
                let complaint = Complaint::of_row(&self.file, row.line, problem.into());
                return Outcome::Dropped(vec![complaint]);
            }
        };
        let mut faults = Faults {
            at: (&self.file, row.line),
            complaints: Vec::new(),
        };
        let period = self.period_of(cells, &mut faults);
        if let (Some(found), Some(wanted)) = (period, self.period)
            && found != wanted
        {
            return Outcome::OtherPeriod(found);
        }
        let person = self.person_of(cells, &mut faults);
        let values = self.values_of(cells, &mut faults);
        let amounts = self.amounts_of(cells, &mut faults);
        let record = CodedRecord::new(person, values).with_amounts(amounts);
        let costs_the_row =
            |complaint: &Complaint| !matches!(complaint.kind(), ComplaintKind::NoAmount { .. });
        match period {
            Some(period) if !faults.complaints.iter().any(costs_the_row) => {
                Outcome::Coded(period, record, faults.complaints)
            }
            _ => Outcome::Dropped(faults.complaints),
        }
    }

    fn period_of(&self, cells: Cells<'_>, faults: &mut Faults<'_>) -> Option<Period> {
        let column = &self.mapping.date.column;
        let cell = faults.text(cells, self.date, column)?;
        if cell.is_empty() {
            faults.add(column, ComplaintKind::NoDate, None);
            return None;
        }
        let period = parse_period(self.mapping.date.format, self.mapping.period, cell);
        period
            .map_err(|kind| faults.add(column, kind, Some(cell)))
            .ok()
    }

    fn person_of(&self, cells: Cells<'_>, faults: &mut Faults<'_>) -> Option<PersonKey> {
        let (place, column) = (self.person?, self.mapping.person.as_deref()?);
        let cell = faults.text(cells, place, column)?;
        PersonKey::new(cell.to_owned())
    }

    fn amounts_of(&self, cells: Cells<'_>, faults: &mut Faults<'_>) -> Vec<Option<u64>> {
        let mapped = self.mapping.amounts.iter().zip(&self.amounts);
        mapped
            .map(|(mapped, place)| {
                let (column, format) = mapped.column.as_ref()?;
                let cell = faults.text(cells, (*place)?, column)?;
                let amount = mapped.id.clone();
                let kind = match format.read(cell) {
                    Ok(Some(units)) => return Some(units),
                    Ok(None) => ComplaintKind::NoAmount { amount },
                    Err(NotAnAmount::Negative) => ComplaintKind::NegativeAmount { amount },
                    Err(NotAnAmount::OtherFormat) => {
                        let example = format.to_string();
                        ComplaintKind::AmountFormat { amount, example }
                    }
                };
                faults.add(column, kind, Some(cell));
                None
            })
            .collect()
    }

    fn values_of(&self, cells: Cells<'_>, faults: &mut Faults<'_>) -> Vec<Vec<usize>> {
        let mapped = self.mapping.dimensions.iter().zip(&self.dimensions);
        mapped
            .map(|(mapped, place)| match (&mapped.values, *place) {
                (Values::Column(column, spellings), Some(place)) => {
                    let cell = faults.text(cells, place, column).unwrap_or_default();
                    spellings.read(cell).unwrap_or_else(|_| {
                        let dimension = mapped.id.clone();
                        let kind = ComplaintKind::NoCategory { dimension };
                        faults.add(column, kind, Some(cell));
                        Vec::new()
                    })
                }
                (Values::Constant(category), _) => vec![*category],
                (Values::Column(..), None) => Vec::new(),
            })
            .collect()
    }
}

/// The period of length `kind` that a date in this format lies in.
fn parse_period(format: DateFormat, kind: PeriodKind, cell: &str) -> Result<Period, ComplaintKind> {
    let date = format
        .parse(cell)
        .map_err(|why| ComplaintKind::of_date(why, format))?;
    Period::containing(kind, date).map_err(|_| ComplaintKind::YearOutOfRange)
}

/// The faults of one row.
struct Faults<'a> {
    at: (&'a str, u64),
    complaints: Vec<Complaint>,
}

impl Faults<'_> {
    fn add(&mut self, column: &str, kind: ComplaintKind, cell: Option<&str>) {
        let complaint = Complaint::of_cell(self.at, column, kind, cell);
        self.complaints.push(complaint);
    }

    /// The text of a cell, or a complaint that it is none.
    fn text<'c>(&mut self, cells: Cells<'c>, place: usize, column: &str) -> Option<&'c str> {
        let text = cells.text(place);
        text.map_err(|_| self.add(column, ComplaintKind::NotUtf8, None))
            .ok()
    }
}

struct Header<'a> {
    file: &'a str,
    header: &'a [String],
}

impl Header<'_> {
    /// The place of the one column with this name, capitals and space apart.
    fn place(&self, column: &str) -> Result<usize, CodingError> {
        let wanted = folded(column);
        let mut places = self
            .header
            .iter()
            .enumerate()
            .filter(|(_, name)| folded(name) == wanted)
            .map(|(place, _)| place);
        let (file, column) = (self.file.to_owned(), column.to_owned());
        match (places.next(), places.next()) {
            (Some(place), None) => Ok(place),
            (Some(_), Some(_)) => Err(CodingError::DuplicateColumn { file, column }),
            (None, _) => Err(CodingError::MissingColumn {
                file,
                column,
                found: self.header.len(),
                header: OwnScreen::new(self.header.to_vec()),
            }),
        }
    }
}
