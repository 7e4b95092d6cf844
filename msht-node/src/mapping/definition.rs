//! A mapping as it is written in TOML, before it is held against a programme.

use std::collections::BTreeMap;

use msht_core::rational::Rational;
use serde::{Deserialize, Serialize};

use super::amount::{DecimalSign, ThousandsSign};
use super::date::DateFormat;

/// The whole file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    /// `[date]`.
    pub date: DateDefinition,
    /// `[person]`, where rows say whose they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<PersonDefinition>,
    /// Every `[[dimension]]`.
    #[serde(default)]
    pub dimension: Vec<DimensionDefinition>,
    /// Every `[[amount]]`, of programmes with tables of sums.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub amount: Vec<AmountDefinition>,
}

/// `[date]`: what decides a row's period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DateDefinition {
    /// The column.
    pub column: String,
    /// How its cells are written.
    pub format: DateFormat,
}

/// `[person]`: what a person's rows have in common.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PersonDefinition {
    /// The column.
    pub column: String,
}

/// One `[[amount]]`: a column with sums of money, and how they are written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AmountDefinition {
    /// Id of the programme's amount.
    pub id: String,
    /// The column.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// In place of a column: the rows do not have the amount, and each adds 0 units.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub not_recorded: bool,
    /// Code of the column's currency, which must be the programme's.
    pub currency: String,
    /// What stands before the decimals: `.`, which is the default, or `,`.
    #[serde(default)]
    pub decimal: DecimalSign,
    /// What may stand between thousands: `,`, `.`, a space or `'`; nothing by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thousands: Option<ThousandsSign>,
    /// How much of the currency a 1 in the column is: 0.01 for pence, 1000 for thousands; 1 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<Rational>,
}

/// One `[[dimension]]`: a column, or one category for every row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DimensionDefinition {
    /// Id of the programme's dimension.
    pub id: String,
    /// The column with its values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// In place of a column: the code of the category that every row has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub constant: Option<String>,
    /// What stands between several values of one cell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub separator: Option<TextOrTexts>,
    /// `reject`, which is the default, or the code of the category of values that are not listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unlisted: Option<String>,
    /// Spelling to category code, or to several codes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<String, TextOrTexts>,
}

/// A text or a list of texts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a text or a list of texts")]
pub enum TextOrTexts {
    /// One.
    Text(String),
    /// Any number.
    Texts(Vec<String>),
}

impl TextOrTexts {
    /// The texts.
    #[must_use]
    pub fn as_slice(&self) -> &[String] {
        match self {
            Self::Text(text) => std::slice::from_ref(text),
            Self::Texts(texts) => texts,
        }
    }
}
