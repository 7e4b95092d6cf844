//! What a round costs at a node: the charge that follows from its terms, and whether the ledger can pay it (N3).

use super::terms::RoundTerms;
use crate::dp::accountant::{
    BudgetError, Caps, Charge, ChargeError, ChargeTerms, DataWindow, Ledger, Permit, PromisedSpan,
    WindowError,
};
use crate::dp::calibration::TableNoise;
use crate::rational::Rational;

/// Why a round may not be reserved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PermitError {
    /// It costs more than may be spent.
    #[error(transparent)]
    Budget(#[from] BudgetError),
    /// The terms are not those of a charge.
    #[error(transparent)]
    Charge(#[from] ChargeError),
    /// The period has no days.
    #[error(transparent)]
    Window(#[from] WindowError),
}

impl RoundTerms {
    /// What this round costs: the charge of all its tables for the days of its period.
    ///
    /// # Errors
    /// [`PermitError::Charge`] where a name does not fit a ledger.
    pub fn charge(&self, data_source: &str, approver: &str) -> Result<Charge, PermitError> {
        let announcement = self.context.announcement();
        let params = self.context.params();
        let tables = announcement.tables.iter().map(|table| TableNoise {
            name: table.name.clone(),
            a: table.rate.clone(),
            sensitivity: table.sensitivity,
        });
        Ok(Charge::try_from(ChargeTerms {
            data_source: data_source.to_owned(),
            window: DataWindow::new(self.period.first_day(), self.period.last_day())?,
            programme: self.programme.id().to_owned(),
            programme_version: self.programme.version(),
            round: self.context.round(),
            period: self.period.to_string(),
            attempt: announcement.attempt,
            tables: tables.collect(),
            epsilon: announcement.epsilon.clone(),
            total_shape: Rational::one(),
            invited: params.invited(),
            colluders: params.colluders(),
            approver: approver.to_owned(),
        })?)
    }

    /// N3: whether the ledger can pay for this round, within the programme's own promise and within `caps` over all
    /// programmes.
    ///
    /// # Errors
    /// [`PermitError::Budget`] says what is spent, what is left and what is asked.
    pub fn permit(
        &self,
        ledger: &Ledger,
        caps: &Caps,
        data_source: &str,
        approver: &str,
    ) -> Result<Permit, PermitError> {
        let charge = self.charge(data_source, approver)?;
        self.within_promise(ledger, &charge)?;
        Ok(ledger.permit(&charge, caps)?)
    }

    /// The programme promises its ε for a period and for a year, over all its rounds and attempts.
    fn within_promise(&self, ledger: &Ledger, charge: &Charge) -> Result<(), BudgetError> {
        let (mut period, mut year) = (charge.epsilon().clone(), charge.epsilon().clone());
        for (earlier, outcome) in ledger.rounds() {
            if earlier.terms().programme != self.programme.id() || !outcome.counts() {
                continue;
            }
            if earlier.window() == charge.window() {
                period = period.plus(earlier.epsilon());
            }
            if earlier.window().meets_year(self.period.year()) {
                year = year.plus(earlier.epsilon());
            }
        }
        let privacy = self.programme.privacy();
        for (asked, promised, span) in [
            (period, privacy.epsilon_per_period(), PromisedSpan::Period),
            (year, privacy.epsilon_per_year(), PromisedSpan::Year),
        ] {
            if asked > *promised {
                return Err(BudgetError::Promise {
                    span,
                    asked,
                    promised: promised.clone(),
                });
            }
        }
        Ok(())
    }
}
