//! Whether a charge still fits the caps.

use serde::{Deserialize, Serialize};
use time::Date;

use super::charge::Charge;
use super::ledger::{Ledger, Outcome};
use super::window::DataWindow;
use crate::crypto::Digest;
use crate::rational::Rational;

/// The most privacy loss a partner allows for one person, over all programmes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Caps {
    /// For every single day of data: the sum over all windows that contain it.
    pub per_period: Rational,
    /// For every calendar year of data: the sum over all windows that meet it.
    pub per_year: Rational,
}

/// A charge that fitted the caps of the ledger it was asked of; a reservation requires it.
#[derive(Debug)]
#[must_use = "a permit reserves nothing until its reservation is stored"]
pub struct Permit {
    charge: Charge,
    caps: Caps,
    head: Digest,
}

impl Permit {
    pub(super) fn head(&self) -> Digest {
        self.head
    }

    pub(super) fn into_parts(self) -> (Charge, Caps) {
        (self.charge, self.caps)
    }
}

/// How far a charge is from fitting a cap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortfall {
    /// Days the round counts.
    pub window: DataWindow,
    /// Reserved or charged already.
    pub spent: Rational,
    /// What is left of the cap.
    pub left: Rational,
    /// ε of the round.
    pub asked: Rational,
    /// The cap.
    pub cap: Rational,
}

impl Shortfall {
    fn of(charge: &Charge, spent: Rational, cap: &Rational) -> Box<Self> {
        Box::new(Self {
            window: charge.window(),
            left: cap.checked_minus(&spent).unwrap_or_else(Rational::zero),
            spent,
            asked: charge.epsilon().clone(),
            cap: cap.clone(),
        })
    }
}

/// The spans a programme promises an ε for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PromisedSpan {
    /// One period.
    Period,
    /// One calendar year.
    Year,
}

impl std::fmt::Display for PromisedSpan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Period => "period",
            Self::Year => "year",
        })
    }
}

/// Why a charge is not permitted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BudgetError {
    /// A day of the window would be over its cap.
    #[error(
        "data of {day} has a privacy loss of {} already; {} is left of the period cap of {}, and this round asks {} for data of {}. Decline this round, or ask its programme for fewer tables or a smaller ε; budget for those days does not come back, but days outside the windows already charged still have theirs",
        shortfall.spent, shortfall.left, shortfall.cap, shortfall.asked, shortfall.window
    )]
    Period {
        /// The day on which most is spent.
        day: Date,
        /// By how much the charge does not fit.
        shortfall: Box<Shortfall>,
    },
    /// A calendar year of data would be over its cap.
    #[error(
        "data of the year {year} has a privacy loss of {} already; {} is left of the year's cap of {}, and this round asks {} for data of {}. Decline this round, or ask its programme for fewer tables or a smaller ε; the next year of data has a cap of its own",
        shortfall.spent, shortfall.left, shortfall.cap, shortfall.asked, shortfall.window
    )]
    Year {
        /// The calendar year.
        year: i32,
        /// By how much the charge does not fit.
        shortfall: Box<Shortfall>,
    },
    /// The programme would count more than it promises.
    #[error(
        "this round would bring the programme's epsilon for the {span} to {asked}; it promises {promised}. An attempt that was given up after its vectors were sent stays charged; wait for the next period"
    )]
    Promise {
        /// The span the promise is for.
        span: PromisedSpan,
        /// ε of the span with this round.
        asked: Rational,
        /// ε the programme promises for it.
        promised: Rational,
    },
    /// The round was reserved before.
    #[error(
        "round {} is {outcome} in the ledger and is never charged again; wait for a new attempt, which is a new round",
        round.short()
    )]
    RoundUsed {
        /// Id of the round.
        round: Digest,
        /// What became of it.
        outcome: Outcome,
    },
}

impl Ledger {
    /// Decides whether `charge` fits `caps` beside everything reserved or charged, for every day and every
    /// calendar year of its window.
    ///
    /// # Errors
    /// [`BudgetError`] with what is left where it does not.
    pub fn permit(&self, charge: &Charge, caps: &Caps) -> Result<Permit, BudgetError> {
        let round = charge.round();
        if let Some(outcome) = self.outcome(&round) {
            return Err(BudgetError::RoundUsed { round, outcome });
        }
        self.check_days(charge, &caps.per_period)?;
        self.check_years(charge, &caps.per_year)?;
        Ok(Permit {
            charge: charge.clone(),
            caps: caps.clone(),
            head: self.head(),
        })
    }

    fn check_days(&self, charge: &Charge, cap: &Rational) -> Result<(), BudgetError> {
        let (day, spent) = self.fullest_day(charge.window());
        if spent.plus(charge.epsilon()) <= *cap {
            return Ok(());
        }
        Err(BudgetError::Period {
            day,
            shortfall: Shortfall::of(charge, spent, cap),
        })
    }

    /// The day of `window` with the largest loss. It is the first day of the window or of a window that begins
    /// inside it: going back in time from any other day, no charge leaves before such a day is met.
    fn fullest_day(&self, window: DataWindow) -> (Date, Rational) {
        let mut fullest = (window.first(), self.spent_for_day(window.first()));
        for charge in self.counted() {
            let day = charge.window().first();
            if window.contains(day) {
                let spent = self.spent_for_day(day);
                if spent > fullest.1 {
                    fullest = (day, spent);
                }
            }
        }
        fullest
    }

    fn check_years(&self, charge: &Charge, cap: &Rational) -> Result<(), BudgetError> {
        for year in charge.window().years() {
            let spent = self.spent_for_year(year);
            if spent.plus(charge.epsilon()) > *cap {
                return Err(BudgetError::Year {
                    year,
                    shortfall: Shortfall::of(charge, spent, cap),
                });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use time::macros::date;

    use super::super::charge::tests::charge_for;
    use super::super::entry::TombstoneReason;
    use super::*;

    fn rational(text: &str) -> Rational {
        text.parse().unwrap()
    }

    fn caps(per_period: &str, per_year: &str) -> Caps {
        Caps {
            per_period: rational(per_period),
            per_year: rational(per_year),
        }
    }

    fn ledger_with(charges: &[Charge]) -> Ledger {
        let mut ledger = Ledger::default();
        for charge in charges {
            let permit = ledger.permit(charge, &caps("100", "100")).unwrap();
            let entry = ledger.reserve(permit, 0).unwrap();
            ledger.append(&entry).unwrap();
        }
        ledger
    }

    fn quarters() -> [Charge; 4] {
        [
            charge_for("q1", "1", date!(2026 - 01 - 01), date!(2026 - 03 - 31)),
            charge_for("q2", "1", date!(2026 - 04 - 01), date!(2026 - 06 - 30)),
            charge_for("q3", "1", date!(2026 - 07 - 01), date!(2026 - 09 - 30)),
            charge_for("q4", "1", date!(2026 - 10 - 01), date!(2026 - 12 - 31)),
        ]
    }

    #[test]
    fn caps_may_be_reached_but_not_exceeded() {
        let ledger = ledger_with(&quarters()[..3]);
        let fourth = &quarters()[3];
        assert!(ledger.permit(fourth, &caps("1", "4")).is_ok());
        assert!(matches!(
            ledger.permit(fourth, &caps("1", "3.999")),
            Err(BudgetError::Year { year: 2026, .. })
        ));
        assert!(matches!(
            ledger.permit(fourth, &caps("0.999", "4")),
            Err(BudgetError::Period { .. })
        ));
    }

    #[test]
    fn the_same_days_under_another_window_count_together() {
        let ledger = ledger_with(&quarters());
        let half_year = charge_for("h", "0.5", date!(2026 - 03 - 31), date!(2026 - 07 - 01));
        assert!(ledger.permit(&half_year, &caps("1.5", "10")).is_ok());
        let error = ledger.permit(&half_year, &caps("1.25", "10")).unwrap_err();
        assert_eq!(
            error,
            BudgetError::Period {
                day: date!(2026 - 03 - 31),
                shortfall: Box::new(Shortfall {
                    window: half_year.window(),
                    spent: rational("1"),
                    left: rational("0.25"),
                    asked: rational("0.5"),
                    cap: rational("1.25"),
                })
            }
        );
        for part in [
            "2026-03-31",
            "0.25 is left",
            "asks 0.5",
            "Decline this round",
        ] {
            assert!(error.to_string().contains(part), "{error}");
        }
    }

    #[test]
    fn the_fullest_day_is_found_inside_the_window() {
        let ledger = ledger_with(&[
            charge_for("a", "1", date!(2026 - 01 - 01), date!(2026 - 05 - 10)),
            charge_for("b", "1", date!(2026 - 05 - 10), date!(2026 - 12 - 31)),
        ]);
        let year = charge_for("y", "1", date!(2026 - 01 - 01), date!(2026 - 12 - 31));
        assert!(ledger.permit(&year, &caps("3", "10")).is_ok());
        assert!(matches!(
            ledger.permit(&year, &caps("2.9", "10")),
            Err(BudgetError::Period { day, .. }) if day == date!(2026 - 05 - 10)
        ));
    }

    #[test]
    fn the_fullest_day_is_the_fullest_of_all_days() {
        use rand::rngs::StdRng;
        use rand::{Rng, SeedableRng};
        let mut rng = StdRng::seed_from_u64(9);
        let start = date!(2025 - 11 - 01);
        for case in 0..40 {
            let mut window = |label: &str| {
                let mut days = || time::Duration::days(i64::from(rng.next_u32() % 60));
                let first = start + days();
                charge_for(label, "0.5", first, first + days())
            };
            let charges: Vec<Charge> = (0..12).map(|i| window(&i.to_string())).collect();
            let asked = window("asked").window();
            let ledger = ledger_with(&charges);
            let days = (0..400).map(|day| start + time::Duration::days(day));
            let slow = days
                .filter(|day| asked.contains(*day))
                .map(|day| ledger.spent_for_day(day))
                .max();
            assert_eq!(
                Some(ledger.fullest_day(asked).1),
                slow,
                "case {case}, seed 9"
            );
        }
    }

    #[test]
    fn a_window_over_new_year_counts_in_both_years() {
        let over = charge_for("o", "1", date!(2026 - 12 - 01), date!(2027 - 01 - 31));
        let ledger = ledger_with(std::slice::from_ref(&over));
        assert_eq!(ledger.spent_for_year(2026), Rational::one());
        assert_eq!(ledger.spent_for_year(2027), Rational::one());
        let next = charge_for("n", "1", date!(2027 - 05 - 01), date!(2027 - 05 - 31));
        assert!(matches!(
            ledger.permit(&next, &caps("10", "1.5")),
            Err(BudgetError::Year { year: 2027, .. })
        ));
    }

    #[test]
    fn a_round_is_charged_once_even_after_a_tombstone() {
        let charge = &quarters()[0];
        let mut ledger = ledger_with(std::slice::from_ref(charge));
        let entry = ledger
            .tombstone(charge.round(), TombstoneReason::DeadlinePassed, 0)
            .unwrap();
        ledger.append(&entry).unwrap();
        assert_eq!(
            ledger.permit(charge, &caps("10", "10")).unwrap_err(),
            BudgetError::RoundUsed {
                round: charge.round(),
                outcome: Outcome::Tombstoned
            }
        );
        let attempt = charge_for(
            "q1 again",
            "1",
            date!(2026 - 01 - 01),
            date!(2026 - 03 - 31),
        );
        assert!(ledger.permit(&attempt, &caps("1", "1")).is_ok());
    }
}
