//! What one round costs in privacy, and everything needed to understand it later.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::window::DataWindow;
use crate::crypto::Digest;
use crate::dp::calibration::TableNoise;
use crate::dp::mechanism::epsilon_of_round;
use crate::rational::Rational;

/// Longest name in a ledger, in bytes: enough for an organisation's name, too little for notes on a person.
pub const MAX_LEDGER_TEXT_BYTES: usize = 200;

/// Most tables of a charge: those of a round, and a sketch of distinct people beside them.
pub const MAX_CHARGED_TABLES: usize = 65;

/// The terms of a charge, not yet checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChargeTerms {
    /// Name of the data source that was counted.
    pub data_source: String,
    /// Days of data that were counted.
    pub window: DataWindow,
    /// Id of the programme.
    pub programme: String,
    /// Version of the programme.
    pub programme_version: u32,
    /// Id of the round: the digest of its announcement.
    pub round: Digest,
    /// Period of the programme.
    pub period: String,
    /// Attempt at the period, counted from 1; every attempt is a round of its own.
    pub attempt: u32,
    /// Tables with a and Δ. A mechanism with a loss of another form stands here with its loss, rounded up, as a
    /// and with Δ = 1.
    pub tables: Vec<TableNoise>,
    /// ε of the round: Σ a·Δ over the tables.
    pub epsilon: Rational,
    /// R, at least 1.
    pub total_shape: Rational,
    /// n: partners invited.
    pub invited: u8,
    /// c: colluders tolerated.
    pub colluders: u8,
    /// Who approved the contribution.
    pub approver: String,
}

/// The checked terms of a charge: ε is what the tables cost, and the noise can carry it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "ChargeTerms", into = "ChargeTerms")]
pub struct Charge(ChargeTerms);

/// Why terms are not a charge.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChargeError {
    /// A name is empty or too long.
    #[error("the {0} of a charge must have 1 to {MAX_LEDGER_TEXT_BYTES} bytes")]
    Text(&'static str),
    /// There are no tables or too many.
    #[error("a charge has 1 to {MAX_CHARGED_TABLES} tables, not {0}")]
    Tables(usize),
    /// A table appears twice.
    #[error("table `{0}` is charged twice")]
    TableTwice(String),
    /// A table costs nothing.
    #[error("table `{0}` costs nothing; every table that is sent has a privacy loss")]
    Free(String),
    /// ε is not the sum over the tables.
    #[error("the charge says ε = {stated}, but its tables cost {exact}")]
    Epsilon {
        /// ε as stated.
        stated: Rational,
        /// Σ a·Δ.
        exact: Rational,
    },
    /// R is below one.
    #[error("the total shape R must be at least 1, not {0}: below 1 the noise does not carry ε")]
    TotalShape(Rational),
    /// c is zero or leaves nobody honest.
    #[error(
        "{colluders} colluders among {invited} partners: at least 1 is tolerated and at least 1 is honest"
    )]
    Colluders {
        /// n.
        invited: u8,
        /// c.
        colluders: u8,
    },
    /// Attempts are counted from 1.
    #[error("attempts are counted from 1")]
    Attempt,
}

impl Charge {
    /// The terms.
    #[must_use]
    pub fn terms(&self) -> &ChargeTerms {
        &self.0
    }

    /// Id of the round.
    #[must_use]
    pub fn round(&self) -> Digest {
        self.0.round
    }

    /// Days of data that were counted.
    #[must_use]
    pub fn window(&self) -> DataWindow {
        self.0.window
    }

    /// ε of the round, exact.
    #[must_use]
    pub fn epsilon(&self) -> &Rational {
        &self.0.epsilon
    }
}

impl From<Charge> for ChargeTerms {
    fn from(charge: Charge) -> Self {
        charge.0
    }
}

impl TryFrom<ChargeTerms> for Charge {
    type Error = ChargeError;

    fn try_from(terms: ChargeTerms) -> Result<Self, ChargeError> {
        check_texts(&terms)?;
        check_tables(&terms)?;
        if terms.total_shape < Rational::one() {
            return Err(ChargeError::TotalShape(terms.total_shape));
        }
        if terms.colluders == 0 || terms.colluders >= terms.invited {
            return Err(ChargeError::Colluders {
                invited: terms.invited,
                colluders: terms.colluders,
            });
        }
        if terms.attempt == 0 {
            return Err(ChargeError::Attempt);
        }
        Ok(Self(terms))
    }
}

/// Whether a ledger may hold `text`.
pub(super) fn text_fits(text: &str) -> bool {
    (1..=MAX_LEDGER_TEXT_BYTES).contains(&text.len())
}

fn check_texts(terms: &ChargeTerms) -> Result<(), ChargeError> {
    let texts = [
        ("data source", &terms.data_source),
        ("programme", &terms.programme),
        ("period", &terms.period),
        ("approver", &terms.approver),
    ];
    for (what, text) in texts {
        if !text_fits(text) {
            return Err(ChargeError::Text(what));
        }
    }
    Ok(())
}

fn check_tables(terms: &ChargeTerms) -> Result<(), ChargeError> {
    if terms.tables.is_empty() || terms.tables.len() > MAX_CHARGED_TABLES {
        return Err(ChargeError::Tables(terms.tables.len()));
    }
    let mut names = BTreeSet::new();
    for table in &terms.tables {
        if !text_fits(&table.name) {
            return Err(ChargeError::Text("table name"));
        }
        if table.epsilon().is_zero() {
            return Err(ChargeError::Free(table.name.clone()));
        }
        if !names.insert(&table.name) {
            return Err(ChargeError::TableTwice(table.name.clone()));
        }
    }
    let exact = epsilon_of_round(&terms.tables);
    if terms.epsilon != exact {
        return Err(ChargeError::Epsilon {
            stated: terms.epsilon.clone(),
            exact,
        });
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use time::Date;
    use time::macros::date;

    use super::*;
    use crate::crypto::digest;

    /// A charge of `epsilon` for the days from `first` to `last` in the round named `round`.
    pub(crate) fn charge_for(round: &str, epsilon: &str, first: Date, last: Date) -> Charge {
        let epsilon: Rational = epsilon.parse().unwrap();
        let terms = ChargeTerms {
            data_source: "case-management".to_owned(),
            window: DataWindow::new(first, last).unwrap(),
            programme: "pan-london".to_owned(),
            programme_version: 1,
            round: digest("test round", &[round.as_bytes()]),
            period: "2026-Q3".to_owned(),
            attempt: 1,
            tables: vec![TableNoise {
                name: "borough-by-type".to_owned(),
                a: epsilon.clone(),
                sensitivity: 1,
            }],
            epsilon,
            total_shape: Rational::one(),
            invited: 22,
            colluders: 1,
            approver: "data.protection.officer".to_owned(),
        };
        Charge::try_from(terms).unwrap()
    }

    #[test]
    fn charges_whose_epsilon_is_not_what_the_tables_cost_are_refused() {
        let good = charge_for("a", "1", date!(2026 - 07 - 01), date!(2026 - 09 - 30));
        let json = serde_json::to_string(&good).unwrap();
        assert_eq!(serde_json::from_str::<Charge>(&json).unwrap(), good);
        let forged = json.replace("\"epsilon\":1", "\"epsilon\":0.5");
        assert_ne!(forged, json);
        let error = serde_json::from_str::<Charge>(&forged).unwrap_err();
        assert!(error.to_string().contains("its tables cost 1"), "{error}");
    }

    #[test]
    fn charges_that_carry_no_promise_are_refused() {
        let good = charge_for("a", "1", date!(2026 - 07 - 01), date!(2026 - 09 - 30));
        let spoiled: [fn(&mut ChargeTerms); 9] = [
            |terms| terms.total_shape = "0.9".parse().unwrap(),
            |terms| terms.colluders = 0,
            |terms| terms.colluders = terms.invited,
            |terms| terms.attempt = 0,
            |terms| terms.approver.clear(),
            |terms| terms.tables.clear(),
            |terms| terms.tables.push(terms.tables[0].clone()),
            |terms| terms.tables[0].sensitivity = 0,
            |terms| terms.programme = "x".repeat(MAX_LEDGER_TEXT_BYTES + 1),
        ];
        for (index, spoil) in spoiled.into_iter().enumerate() {
            let mut terms = good.terms().clone();
            spoil(&mut terms);
            assert!(Charge::try_from(terms).is_err(), "case {index}");
        }
    }
}
