//! A programme as it is written in TOML, before any of it is checked.
//!
//! Only the shape is enforced here: unknown keys, missing keys and wrong types are refused with line and
//! column. What the values mean is checked where the checked types are made.

use serde::Deserialize;

use super::period::{Period, PeriodKind};
use super::rules::{PhaseHours, PrivacyUnit};
use crate::rational::Rational;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Definition {
    pub(super) id: String,
    pub(super) version: u32,
    pub(super) title: String,
    pub(super) description: String,
    pub(super) promise: String,
    pub(super) max_count_per_cell: u32,
    pub(super) word_bits: u32,
    pub(super) privacy: PrivacyDefinition,
    pub(super) cohort: CohortDefinition,
    pub(super) calendar: CalendarDefinition,
    #[serde(default)]
    pub(super) amount: Vec<AmountDefinition>,
    #[serde(default)]
    pub(super) dimension: Vec<DimensionDefinition>,
    pub(super) table: Vec<TableDefinition>,
}

/// `[privacy]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PrivacyDefinition {
    pub(super) unit: PrivacyUnit,
    pub(super) max_records: u32,
    pub(super) epsilon_per_period: Rational,
    pub(super) epsilon_per_year: Rational,
}

/// `[cohort]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CohortDefinition {
    pub(super) least_partners: u32,
    pub(super) threshold: Option<u32>,
    pub(super) survivors: Option<u32>,
    pub(super) colluders: Option<u32>,
    #[serde(default)]
    pub(super) endorsements: u32,
}

/// `[calendar]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CalendarDefinition {
    pub(super) period: PeriodKind,
    pub(super) first: Period,
    pub(super) hours: PhaseHours,
}

/// One `[[amount]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AmountDefinition {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) currency: String,
    pub(super) unit: u32,
    pub(super) clip: u32,
    pub(super) max_units_per_cell: u64,
}

/// One `[[dimension]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DimensionDefinition {
    pub(super) id: String,
    pub(super) title: String,
    #[serde(default = "single_valued")]
    pub(super) max_values: u32,
    pub(super) categories: Vec<CategoryDefinition>,
}

fn single_valued() -> u32 {
    1
}

/// One `["code", "label"]`; not a tuple, because the TOML reader lets a third element of a tuple pass.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Vec<String>")]
pub(super) struct CategoryDefinition {
    pub(super) code: String,
    pub(super) label: String,
}

/// The list does not have two texts.
#[derive(Debug, thiserror::Error)]
#[error("a category is a code and a label, such as [\"unknown\", \"Unknown\"]")]
pub(super) struct NotCodeAndLabel;

impl TryFrom<Vec<String>> for CategoryDefinition {
    type Error = NotCodeAndLabel;

    fn try_from(texts: Vec<String>) -> Result<Self, NotCodeAndLabel> {
        let [code, label] = <[String; 2]>::try_from(texts).map_err(|_| NotCodeAndLabel)?;
        Ok(Self { code, label })
    }
}

/// One `[[table]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TableDefinition {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) dimensions: Vec<String>,
    pub(super) measure: Option<String>,
    pub(super) weight: Rational,
}
