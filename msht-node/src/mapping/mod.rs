//! Mappings: how one partner's columns and words become a programme's dimensions and categories.
//!
//! A mapping is a TOML file that a person can read and edit. [`Mapping::parse`] checks its shape,
//! [`Mapping::check`] holds it against a programme; only the [`CheckedMapping`] that comes of it codes rows.
//!
//! - A column is found by its name in the header, capitals and space apart.
//! - An empty cell is `unknown`. Another cell is looked up as a whole, then split at the separators and looked up
//!   value by value; of more values than the dimension may have the first count (`msht_core::tally`).
//! - A dimension that a partner does not record is mapped to a constant in place of a column, so that nobody leaves
//!   one out by mistake; an amount that it does not record is mapped to `not_recorded = true`.

mod amount;
mod coder;
mod complaint;
mod date;
mod definition;
mod error;
mod spelling;
#[cfg(test)]
mod sum_tests;
#[cfg(test)]
pub(crate) mod tests;

pub use amount::{DecimalSign, ThousandsSign};
pub use coder::{Coder, CodingError, Outcome};
pub use complaint::{Complaint, ComplaintKind, OwnScreen};
pub use date::{DateFormat, NotADate};
pub use definition::{
    AmountDefinition, DateDefinition, Definition, DimensionDefinition, PersonDefinition,
    TextOrTexts,
};
pub use error::{MappingError, MappingProblem};

use msht_core::crypto::Digest;
use msht_core::programme::{Dimension, PeriodKind, PrivacyUnit, Programme};

use amount::{MappedAmount, check_amounts};
use spelling::Spellings;

/// Most bytes of a mapping: some ten thousand spellings, more than a person could look through.
pub const MAX_MAPPING_BYTES: usize = 1024 * 1024;

/// A mapping of the right shape, not yet held against a programme.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping(Definition);

impl Mapping {
    /// Reads a mapping.
    ///
    /// # Errors
    /// [`MappingError::TooLong`] or [`MappingError::Syntax`] with line and column.
    pub fn parse(text: &str) -> Result<Self, MappingError> {
        if text.len() > MAX_MAPPING_BYTES {
            return Err(MappingError::TooLong(text.len()));
        }
        toml::from_str(text)
            .map(Self)
            .map_err(|error| MappingError::from_toml(&error, text))
    }

    /// The same mapping, held against `programme`.
    ///
    /// # Errors
    /// [`MappingError::Key`] with the path of the first key that does not fit.
    pub fn check(&self, programme: &Programme) -> Result<CheckedMapping, MappingError> {
        let Self(definition) = self;
        let date = check_date(&definition.date, programme.calendar().period_kind())?;
        let person = check_person(definition.person.as_ref(), programme)?;
        let dimensions = check_dimensions(&definition.dimension, programme)?;
        let amounts = check_amounts(&definition.amount, programme)?;
        Ok(CheckedMapping {
            programme: programme.digest(),
            period: programme.calendar().period_kind(),
            date,
            person,
            dimensions,
            amounts,
        })
    }
}

impl From<Definition> for Mapping {
    fn from(definition: Definition) -> Self {
        Self(definition)
    }
}

/// A mapping that fits its programme.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedMapping {
    programme: Digest,
    period: PeriodKind,
    date: DateDefinition,
    person: Option<String>,
    dimensions: Vec<MappedDimension>,
    amounts: Vec<MappedAmount>,
}

impl CheckedMapping {
    /// Digest of the programme it fits.
    #[must_use]
    pub fn programme(&self) -> Digest {
        self.programme
    }

    /// The columns that are read, as the mapping writes them.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        let dimensions = self
            .dimensions
            .iter()
            .filter_map(|mapped| match &mapped.values {
                Values::Column(column, _) => Some(column.as_str()),
                Values::Constant(_) => None,
            });
        let amounts = self
            .amounts
            .iter()
            .filter_map(|amount| amount.column.as_ref());
        [self.date.column.as_str()]
            .into_iter()
            .chain(self.person.as_deref())
            .chain(dimensions)
            .chain(amounts.map(|(column, _)| column.as_str()))
    }
}

/// One dimension and where its values come from.
#[derive(Debug, Clone, PartialEq, Eq)]
struct MappedDimension {
    id: String,
    values: Values,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Values {
    Column(String, Spellings),
    Constant(usize),
}

fn check_column(column: &str, path: &str) -> Result<String, MappingError> {
    if column.trim().is_empty() {
        return Err(MappingProblem::EmptyColumn.at(path));
    }
    Ok(column.to_owned())
}

fn check_date(date: &DateDefinition, period: PeriodKind) -> Result<DateDefinition, MappingError> {
    check_column(&date.column, "date.column")?;
    let format = date.format;
    // Kinds of period are ordered by length.
    if format.coarseness().is_some_and(|coarse| coarse > period) {
        return Err(MappingProblem::DateTooCoarse { format, period }.at("date.format"));
    }
    Ok(date.clone())
}

/// The person column, where the programme needs it; where it counts records, keys are not even read.
fn check_person(
    person: Option<&PersonDefinition>,
    programme: &Programme,
) -> Result<Option<String>, MappingError> {
    let column = person
        .map(|person| check_column(&person.column, "person.column"))
        .transpose()?;
    match programme.privacy().unit() {
        PrivacyUnit::Record => Ok(None),
        PrivacyUnit::Person if column.is_none() => Err(MappingProblem::NoPerson.at("person")),
        PrivacyUnit::Person => Ok(column),
    }
}

fn check_dimensions(
    definitions: &[DimensionDefinition],
    programme: &Programme,
) -> Result<Vec<MappedDimension>, MappingError> {
    let dimensions = programme.codebook().dimensions();
    let mut mapped: Vec<Option<MappedDimension>> = dimensions.iter().map(|_| None).collect();
    for (at, definition) in definitions.iter().enumerate() {
        let path = format!("dimension[{at}]");
        let id = &definition.id;
        let place = programme.codebook().position(id);
        let slot = place.and_then(|place| Some((dimensions.get(place)?, mapped.get_mut(place)?)));
        let Some((dimension, slot)) = slot else {
            let ids: Vec<_> = dimensions.iter().map(Dimension::id).collect();
            let problem = MappingProblem::NoSuchDimension(id.clone(), ids.join(", "));
            return Err(problem.at(format!("{path}.id")));
        };
        if slot.is_some() {
            return Err(MappingProblem::DimensionTwice(id.clone()).at(format!("{path}.id")));
        }
        let values = check_values(definition, dimension, &path)?;
        let id = id.clone();
        *slot = Some(MappedDimension { id, values });
    }
    dimensions
        .iter()
        .zip(mapped)
        .map(|(dimension, mapped)| {
            let missing = || MappingProblem::MissingDimension(dimension.id().to_owned());
            mapped.ok_or_else(|| missing().at("dimension"))
        })
        .collect()
}

fn check_values(
    definition: &DimensionDefinition,
    dimension: &Dimension,
    path: &str,
) -> Result<Values, MappingError> {
    match (&definition.column, &definition.constant) {
        (Some(column), None) => {
            let column = check_column(column, &format!("{path}.column"))?;
            let spellings = Spellings::check(definition, dimension, path)?;
            Ok(Values::Column(column, spellings))
        }
        (None, Some(code)) => {
            for (key, given) in [
                ("separator", definition.separator.is_some()),
                ("unlisted", definition.unlisted.is_some()),
                ("values", !definition.values.is_empty()),
            ] {
                if given {
                    return Err(MappingProblem::UselessWithConstant.at(format!("{path}.{key}")));
                }
            }
            let place = spelling::category(dimension, code, &format!("{path}.constant"))?;
            Ok(Values::Constant(place))
        }
        _ => Err(MappingProblem::ColumnOrConstant(dimension.id().to_owned()).at(path)),
    }
}
