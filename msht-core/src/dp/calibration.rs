//! How much noise each table gets, and in what shares.
//!
//! A programme promises ε for one person at one partner in one period. Table T receives the part w_T of it, and
//! one person changes the cells of T by at most Δ_T in total (its L1 sensitivity), so the noise of T has a loss
//! per unit of a_T = ε·w_T/Δ_T and the round costs Σ a_T·Δ_T ≤ ε. All arithmetic is exact.
//!
//! Letters: m is the fewest survivors a sum is opened for, c the colluders tolerated, R the shape that the noise
//! of m − c honest survivors must reach together.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::sampler::{ExponentialCoin, SamplerError};
use crate::rational::Rational;

/// What a programme says about the noise of one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableWeight {
    /// Name of the table.
    pub name: String,
    /// w_T: the part of ε the table receives, above zero.
    pub weight: Rational,
    /// Δ_T: the most one person can change the cells in total, above zero.
    pub sensitivity: u64,
}

/// The noise of one table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableNoise {
    /// Name of the table.
    pub name: String,
    /// a_T: privacy loss per unit of a cell.
    pub a: Rational,
    /// Δ_T: the most one person can change the cells in total.
    pub sensitivity: u64,
}

impl TableNoise {
    /// a_T·Δ_T: the privacy loss of a person in this table.
    #[must_use]
    pub fn epsilon(&self) -> Rational {
        self.a.times(&Rational::from_integer(self.sensitivity))
    }
}

/// Why noise cannot be calibrated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CalibrationError {
    /// ε is zero.
    #[error("ε must be above zero")]
    NoBudget,
    /// There is no table.
    #[error("a round needs at least one table")]
    NoTables,
    /// A table appears twice.
    #[error("table `{0}` appears twice")]
    TableTwice(String),
    /// A table has no weight.
    #[error("table `{0}` has weight zero; give it a part of ε or leave it out")]
    NoWeight(String),
    /// A table has no sensitivity.
    #[error("table `{0}` has sensitivity zero; a person must be able to change at least one cell")]
    NoSensitivity(String),
    /// The weights add up to more than one.
    #[error("the weights of the tables add up to {0}; they may not exceed 1")]
    Overspent(Rational),
    /// The loss per unit of a table is outside the range of the samplers.
    #[error("table `{table}`: {source}")]
    Rate {
        /// Name of the table.
        table: String,
        /// What is wrong with it.
        source: SamplerError,
    },
    /// R is below one, so that the noise would not carry the promise.
    #[error("the total shape R must be at least 1, not {0}: below 1 the noise does not carry ε")]
    TotalShape(Rational),
    /// No colluder is tolerated.
    #[error("at least one colluder must be tolerated")]
    NoColluders,
    /// No honest partner is left among the fewest survivors.
    #[error(
        "{fewest_survivors} survivors with {colluders} colluders leave nobody's noise to rely on"
    )]
    NobodyHonest {
        /// m.
        fewest_survivors: u8,
        /// c.
        colluders: u8,
    },
    /// Fewer survivors than the noise was planned for.
    #[error(
        "{survivors} survivors are fewer than the {fewest_survivors} planned; the round aborts"
    )]
    TooFewSurvivors {
        /// |U₃|.
        survivors: u8,
        /// m.
        fewest_survivors: u8,
    },
}

/// a_T = ε·w_T/Δ_T of every table, in the order given.
///
/// # Errors
/// [`CalibrationError`] for an empty or overspent plan, and for a table without weight or sensitivity or with a
/// loss per unit that the samplers cannot serve.
pub fn calibrate(
    epsilon: &Rational,
    tables: &[TableWeight],
) -> Result<Vec<TableNoise>, CalibrationError> {
    if epsilon.is_zero() {
        return Err(CalibrationError::NoBudget);
    }
    if tables.is_empty() {
        return Err(CalibrationError::NoTables);
    }
    let mut names = BTreeSet::new();
    if let Some(twice) = tables.iter().find(|table| !names.insert(&table.name)) {
        return Err(CalibrationError::TableTwice(twice.name.clone()));
    }
    let total = tables
        .iter()
        .fold(Rational::zero(), |sum, table| sum.plus(&table.weight));
    if total > Rational::one() {
        return Err(CalibrationError::Overspent(total));
    }
    tables
        .iter()
        .map(|table| calibrate_table(epsilon, table))
        .collect()
}

fn calibrate_table(
    epsilon: &Rational,
    table: &TableWeight,
) -> Result<TableNoise, CalibrationError> {
    if table.weight.is_zero() {
        return Err(CalibrationError::NoWeight(table.name.clone()));
    }
    let a = epsilon
        .times(&table.weight)
        .divided_by(&Rational::from_integer(table.sensitivity))
        .map_err(|_| CalibrationError::NoSensitivity(table.name.clone()))?;
    ExponentialCoin::new(&a).map_err(|source| CalibrationError::Rate {
        table: table.name.clone(),
        source,
    })?;
    Ok(TableNoise {
        name: table.name.clone(),
        a,
        sensitivity: table.sensitivity,
    })
}

/// r = R/(m − c): the shape of a share such that the fewest honest survivors reach R together.
///
/// # Errors
/// [`CalibrationError`] for R < 1, c = 0 or m ≤ c.
pub fn share_shape(
    total_shape: &Rational,
    fewest_survivors: u8,
    colluders: u8,
) -> Result<Rational, CalibrationError> {
    if *total_shape < Rational::one() {
        return Err(CalibrationError::TotalShape(total_shape.clone()));
    }
    if colluders == 0 {
        return Err(CalibrationError::NoColluders);
    }
    let nobody = CalibrationError::NobodyHonest {
        fewest_survivors,
        colluders,
    };
    let Some(honest) = fewest_survivors.checked_sub(colluders) else {
        return Err(nobody);
    };
    total_shape
        .divided_by(&Rational::from_integer(u64::from(honest)))
        .map_err(|_| nobody)
}

/// R·|U₃|/(m − c): the shape of the noise in the sum if nobody colludes, which intervals are computed for.
///
/// # Errors
/// As for [`share_shape`], and [`CalibrationError::TooFewSurvivors`] below m.
pub fn realised_shape(
    total_shape: &Rational,
    survivors: u8,
    fewest_survivors: u8,
    colluders: u8,
) -> Result<Rational, CalibrationError> {
    let share = share_shape(total_shape, fewest_survivors, colluders)?;
    if survivors < fewest_survivors {
        return Err(CalibrationError::TooFewSurvivors {
            survivors,
            fewest_survivors,
        });
    }
    Ok(share.times(&Rational::from_integer(u64::from(survivors))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dp::mechanism::epsilon_of_round;

    fn rational(text: &str) -> Rational {
        text.parse().unwrap()
    }

    fn table(name: &str, weight: &str, sensitivity: u64) -> TableWeight {
        TableWeight {
            name: name.to_owned(),
            weight: rational(weight),
            sensitivity,
        }
    }

    #[test]
    fn a_round_costs_epsilon_when_weights_add_up_to_one() {
        let plan = [
            table("borough-by-type", "1/2", 2),
            table("nationality", "1/3", 1),
            table("sector", "1/6", 3),
        ];
        let tables = calibrate(&rational("1.5"), &plan).unwrap();
        assert_eq!(tables[0].a, rational("3/8"));
        assert_eq!(tables[1].a, rational("0.5"));
        assert_eq!(tables[2].a, rational("1/12"));
        assert_eq!(epsilon_of_round(&tables), rational("1.5"));
        let part = calibrate(&rational("1.5"), &plan[..2]).unwrap();
        assert_eq!(epsilon_of_round(&part), rational("5/4"));
    }

    #[test]
    fn plans_that_overspend_or_say_nothing_are_refused() {
        let one = Rational::one();
        let refused = |tables: &[TableWeight]| calibrate(&one, tables).unwrap_err();
        assert_eq!(
            refused(&[table("a", "2/3", 1), table("b", "0.34", 1)]),
            CalibrationError::Overspent(rational("151/150"))
        );
        assert_eq!(refused(&[]), CalibrationError::NoTables);
        assert_eq!(
            refused(&[table("a", "0.1", 1), table("a", "0.2", 1)]),
            CalibrationError::TableTwice("a".to_owned())
        );
        assert_eq!(
            refused(&[table("a", "0", 1)]),
            CalibrationError::NoWeight("a".to_owned())
        );
        assert_eq!(
            refused(&[table("a", "1", 0)]),
            CalibrationError::NoSensitivity("a".to_owned())
        );
        assert!(matches!(
            refused(&[table("a", "1", 100_000)]),
            CalibrationError::Rate { .. }
        ));
        assert_eq!(
            calibrate(&Rational::zero(), &[table("a", "1", 1)]),
            Err(CalibrationError::NoBudget)
        );
    }

    #[test]
    fn shapes_follow_the_fewest_honest_survivors() {
        let one = Rational::one();
        assert_eq!(share_shape(&one, 16, 1), Ok(rational("1/15")));
        assert_eq!(realised_shape(&one, 22, 16, 1), Ok(rational("22/15")));
        assert_eq!(realised_shape(&one, 16, 16, 1), Ok(rational("16/15")));
        assert_eq!(share_shape(&one, 2, 1), Ok(Rational::one()));
    }

    #[test]
    fn shapes_that_break_the_promise_are_refused() {
        let one = Rational::one();
        assert_eq!(
            share_shape(&rational("0.99"), 16, 1),
            Err(CalibrationError::TotalShape(rational("0.99")))
        );
        assert_eq!(share_shape(&one, 16, 0), Err(CalibrationError::NoColluders));
        for fewest_survivors in [3, 4] {
            assert_eq!(
                share_shape(&one, fewest_survivors, 4),
                Err(CalibrationError::NobodyHonest {
                    fewest_survivors,
                    colluders: 4
                })
            );
        }
        assert_eq!(
            realised_shape(&one, 15, 16, 1),
            Err(CalibrationError::TooFewSurvivors {
                survivors: 15,
                fewest_survivors: 16
            })
        );
    }
}
