//! Programmes: what is counted, how it is protected, who must take part and when.
//!
//! A programme is one TOML file that every partner can read and signs up to. [`Programme::parse`] checks it once
//! into types that cannot hold a broken rule; its [`Programme::digest`] stands in every later message. The
//! parser takes text from the coordinator, so it is bounded before anything is read (`limits`).

mod amount;
mod canonical;
mod codebook;
mod definition;
mod error;
mod labels;
pub mod limits;
mod pairs;
mod period;
mod rules;
mod shipped;
mod table;
#[cfg(test)]
mod tests;
mod text;

pub use amount::{Amount, Measure};
pub use codebook::{Category, Codebook, Dimension, UNKNOWN_CODE};
pub use error::{Problem, ProgrammeError};
pub use labels::{AxisLabels, Label};
pub use pairs::{PAIR_SEPARATOR, pair_codes};
pub use period::{MAX_PERIOD_YEAR, MIN_PERIOD_YEAR, Period, PeriodError, PeriodKind};
pub use rules::{Calendar, CohortRules, PhaseHours, Privacy, PrivacyUnit, WordSize};
pub use shipped::{SHIPPED, shipped};
pub use table::{Axis, AxisKind, Table};

use crate::crypto::Digest;
use crate::rational::Rational;
use definition::Definition;
use limits::{MAX_PROGRAMME_BYTES, MAX_TEXT_BYTES, MAX_TITLE_BYTES};

/// A checked programme.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Programme {
    id: String,
    version: u32,
    title: String,
    description: String,
    promise: String,
    max_count_per_cell: u32,
    word_size: WordSize,
    privacy: Privacy,
    cohort: CohortRules,
    calendar: Calendar,
    amounts: Vec<Amount>,
    codebook: Codebook,
    tables: Vec<Table>,
    digest: Digest,
    source: String,
}

impl Programme {
    /// Reads and checks a programme.
    ///
    /// # Errors
    /// [`ProgrammeError`], with line and column or with the path of the key at fault.
    pub fn parse(text: &str) -> Result<Self, ProgrammeError> {
        if text.len() > MAX_PROGRAMME_BYTES {
            return Err(ProgrammeError::TooLong(text.len()));
        }
        let definition: Definition =
            toml::from_str(text).map_err(|error| ProgrammeError::from_toml(&error, text))?;
        Self::check(definition, text)
    }

    fn check(definition: Definition, source: &str) -> Result<Self, ProgrammeError> {
        text::check_id(&definition.id, "id")?;
        if definition.version == 0 {
            let (found, least, most) = (0, 1, u32::MAX);
            return Err(Problem::OutOfRange { found, least, most }.at("version"));
        }
        text::check_text(&definition.title, MAX_TITLE_BYTES, "title")?;
        text::check_paragraphs(&definition.description, MAX_TEXT_BYTES, "description")?;
        text::check_paragraphs(&definition.promise, MAX_TEXT_BYTES, "promise")?;
        let digest = canonical::digest(&definition);
        let max_count_per_cell = definition.max_count_per_cell;
        let word_size = WordSize::check(definition.word_bits, max_count_per_cell)?;
        let privacy = Privacy::check(definition.privacy)?;
        let cohort = CohortRules::check(&definition.cohort)?;
        let calendar = Calendar::check(&definition.calendar)?;
        let codebook = Codebook::check(definition.dimension)?;
        let amounts = amount::check_amounts(definition.amount)?;
        let tables = table::check_tables(definition.table, &codebook, &amounts, &privacy)?;
        let sums = |table: &Table| table.measure() != Measure::Count;
        if word_size != WordSize::Bits64 && tables.iter().any(sums) {
            return Err(Problem::SumsNeedWideWords.at("word_bits"));
        }
        Ok(Self {
            id: definition.id,
            version: definition.version,
            title: definition.title,
            description: definition.description,
            promise: definition.promise,
            max_count_per_cell,
            word_size,
            privacy,
            cohort,
            calendar,
            amounts,
            codebook,
            tables,
            digest,
            source: source.to_owned(),
        })
    }

    /// The id, such as `pan-london`.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The version, counted from 1; any change of the programme is a new one.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.version
    }

    /// The words shown to people.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    /// What is counted and for whom.
    #[must_use]
    pub fn description(&self) -> &str {
        &self.description
    }

    /// What is promised to the people in the records, and what is not.
    #[must_use]
    pub fn promise(&self) -> &str {
        &self.promise
    }

    /// The bound that one partner's count of one cell is clamped to; for sums see [`Self::cell_bound`].
    #[must_use]
    pub fn max_count_per_cell(&self) -> u32 {
        self.max_count_per_cell
    }

    /// The bound that one partner's number in a cell of `table` is clamped to: records, or units of its amount.
    #[must_use]
    pub fn cell_bound(&self, table: &Table) -> u64 {
        let amount = self.amount_of(table);
        amount.map_or(
            u64::from(self.max_count_per_cell),
            Amount::max_units_per_cell,
        )
    }

    /// The modulus of masked vectors.
    #[must_use]
    pub fn word_size(&self) -> WordSize {
        self.word_size
    }

    /// Unit of privacy and budget.
    #[must_use]
    pub fn privacy(&self) -> &Privacy {
        &self.privacy
    }

    /// Who must take part.
    #[must_use]
    pub fn cohort(&self) -> &CohortRules {
        &self.cohort
    }

    /// When rounds are held.
    #[must_use]
    pub fn calendar(&self) -> &Calendar {
        &self.calendar
    }

    /// The amounts that records have, in the order of coded records; none where the programme only counts.
    #[must_use]
    pub fn amounts(&self) -> &[Amount] {
        &self.amounts
    }

    /// The amount that `table` adds up; none where it counts records.
    #[must_use]
    pub fn amount_of(&self, table: &Table) -> Option<&Amount> {
        match table.measure() {
            Measure::Count => None,
            Measure::Sum(amount) => self.amounts.get(amount),
        }
    }

    /// The dimensions and their categories.
    #[must_use]
    pub fn codebook(&self) -> &Codebook {
        &self.codebook
    }

    /// The tables, in the order of the vector.
    #[must_use]
    pub fn tables(&self) -> &[Table] {
        &self.tables
    }

    /// The table with this id.
    #[must_use]
    pub fn table(&self, id: &str) -> Option<&Table> {
        self.tables.iter().find(|table| table.id() == id)
    }

    /// The dimensions that a table crosses, the slowest first; for the words along its axes see [`Self::labels_of`].
    pub fn dimensions_of<'a>(&'a self, table: &'a Table) -> impl Iterator<Item = &'a Dimension> {
        let dimensions = self.codebook.dimensions();
        table
            .axes()
            .iter()
            .filter_map(|axis| dimensions.get(axis.dimension))
    }

    /// Cells of all tables: the length of the vector.
    #[must_use]
    pub fn cells(&self) -> usize {
        self.tables.iter().map(Table::cells).sum()
    }

    /// Σ a_T·Δ_T, what one round charges.
    #[must_use]
    pub fn epsilon_per_round(&self) -> Rational {
        let charge = |table: &Table| {
            let sensitivity = Rational::from_integer(table.sensitivity());
            table.noise_rate().times(&sensitivity)
        };
        self.tables
            .iter()
            .fold(Rational::zero(), |sum, table| sum.plus(&charge(table)))
    }

    /// The digest over everything that the programme says, however its file is written.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The text it was parsed from, comments included; parsing it again gives an equal programme.
    #[must_use]
    pub fn as_toml(&self) -> &str {
        &self.source
    }
}
