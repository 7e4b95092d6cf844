//! What a programme's tables will be worth before a round opens: the expected error for a cohort of a given size.
//!
//! The noise of a release has the shape N/(m − c), N being the survivors. With nobody lost, d = 0, it is n/(m − c), the
//! largest: shares are sized for the fewest survivors. With the most lost that still give a release, d = D = n − m, it
//! is m/(m − c), which is never below 1. Both are exact for the plan; what the records add, nobody knows beforehand.

use super::interval::{IntervalError, NoiseLaw};
use crate::programme::{Programme, Table};
use crate::rational::{Rational, RationalError};
use crate::release::INTERVAL_COMPLEMENT;
use crate::secagg::{Params, ParamsError, planned_params};

/// Why nothing can be said of a plan.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PlanError {
    /// The programme asks for more partners.
    #[error("the programme asks for at least {needed} partners; {found} are planned")]
    TooFewPartners {
        /// Partners planned.
        found: usize,
        /// Partners the programme asks for.
        needed: u32,
    },
    /// The numbers of the cohort break a rule.
    #[error(transparent)]
    Params(#[from] ParamsError),
    /// The law of the noise cannot be computed.
    #[error(transparent)]
    Interval(#[from] IntervalError),
    /// The shape of the noise cannot be computed.
    #[error(transparent)]
    Shape(#[from] RationalError),
}

/// The expected error of one table.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedTable {
    /// Id of the table.
    pub table: String,
    /// Its cells.
    pub cells: usize,
    /// Δ: the most one unit of privacy changes it, in records or units.
    pub sensitivity: u64,
    /// a: privacy loss per record or unit.
    pub rate: Rational,
    /// a·Δ: what it takes of the ε of a round.
    pub epsilon: Rational,
    /// Its part of the ε of a round, between 0 and 1.
    pub share: f64,
    /// The unit of its numbers, such as `GBP 100`; none where they are records.
    pub unit: Option<String>,
    /// Half-width of the 95 % interval of a cell with nobody lost, d = 0, in records or units.
    pub half_width_everybody: u64,
    /// The same with the most partners lost, d = D.
    pub half_width_fewest: u64,
}

/// The expected error of a programme's tables in one cohort.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedRound {
    /// n, t, m and c.
    pub params: Params,
    /// ε of the round.
    pub epsilon: Rational,
    /// The tables, in the order of the programme.
    pub tables: Vec<PlannedTable>,
}

/// What `programme` would publish for a cohort of `partners`.
///
/// # Errors
/// [`PlanError`].
pub fn planned_round(programme: &Programme, partners: usize) -> Result<PlannedRound, PlanError> {
    let needed = programme.cohort().least_partners();
    if u32::try_from(partners).is_ok_and(|found| found < needed) {
        let found = partners;
        return Err(PlanError::TooFewPartners { found, needed });
    }
    let params = planned_params(programme, partners)?;
    let shape =
        |survivors: u8| Rational::new(u64::from(survivors), u64::from(params.least_honest()));
    let (everybody, fewest) = (shape(params.invited())?, shape(params.least_survivors())?);
    let epsilon = programme.epsilon_per_round();
    let planned = |table: &Table| -> Result<PlannedTable, PlanError> {
        let rate = table.noise_rate();
        let spent = rate.times(&Rational::from_integer(table.sensitivity()));
        let half_width =
            |shape: &Rational| NoiseLaw::new(rate, shape)?.half_width(INTERVAL_COMPLEMENT);
        Ok(PlannedTable {
            table: table.id().to_owned(),
            cells: table.cells(),
            sensitivity: table.sensitivity(),
            rate: rate.clone(),
            share: spent.divided_by(&epsilon)?.to_f64_lossy(),
            epsilon: spent,
            unit: programme.amount_of(table).map(|amount| amount.unit_words()),
            half_width_everybody: half_width(&everybody)?,
            half_width_fewest: half_width(&fewest)?,
        })
    };
    let tables = programme
        .tables()
        .iter()
        .map(planned)
        .collect::<Result<_, _>>()?;
    Ok(PlannedRound {
        params,
        epsilon,
        tables,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::programme::{SHIPPED, shipped};

    fn programme(id: &str) -> Programme {
        Programme::parse(shipped(id).unwrap()).unwrap()
    }

    #[test]
    fn the_error_is_that_of_the_shapes_at_both_ends() {
        let programme = programme("pan-london");
        let plan = planned_round(&programme, 22).unwrap();
        // n = 22, m = t = 15, c = 7: shapes 22/8 and 15/8.
        assert_eq!(
            (plan.params.least_survivors(), plan.params.least_honest()),
            (15, 8)
        );
        for (planned, table) in plan.tables.iter().zip(programme.tables()) {
            let law = |shape: &str| {
                let law = NoiseLaw::new(table.noise_rate(), &shape.parse().unwrap());
                law.unwrap().half_width(0.05).unwrap()
            };
            assert_eq!(planned.half_width_everybody, law("22/8"));
            assert_eq!(planned.half_width_fewest, law("15/8"));
            assert!(planned.half_width_everybody > planned.half_width_fewest);
        }
    }

    #[test]
    fn the_shares_of_every_shipped_programme_add_up_to_its_budget() {
        for (id, _) in SHIPPED {
            let plan = planned_round(&programme(id), 25).unwrap();
            let shares: f64 = plan.tables.iter().map(|table| table.share).sum();
            assert!((shares - 1.0).abs() < 1e-12, "{id}");
            let spent = plan.tables.iter().map(|table| &table.epsilon);
            let spent = spent.fold(Rational::zero(), |sum, epsilon| sum.plus(epsilon));
            assert_eq!(spent, plan.epsilon, "{id}");
        }
    }

    #[test]
    fn sums_say_their_unit_and_too_few_or_too_many_partners_are_refused() {
        let proceeds = programme("proceeds");
        let plan = planned_round(&proceeds, 10).unwrap();
        let units: Vec<_> = plan
            .tables
            .iter()
            .map(|table| table.unit.as_deref())
            .collect();
        let gbp = Some("GBP 100");
        assert_eq!(units, [None, None, None, gbp, gbp, gbp]);
        assert!(matches!(
            planned_round(&proceeds, 4),
            Err(PlanError::TooFewPartners { .. })
        ));
        assert!(matches!(
            planned_round(&proceeds, 256),
            Err(PlanError::Params(_))
        ));
    }
}
