//! What a round would be, before it is opened: who, until when, and how exact its tables can become.

use msht_core::estimate::planned::{PlannedTable, planned_round};
use msht_core::rational::Rational;
use msht_core::secagg::{Deadlines, Thresholds};
use time::OffsetDateTime;

use super::RoundRequest;
use super::open::Proposed;
use crate::coordinator::Coordinator;
use crate::error::Error;

/// A round that could be opened now.
#[derive(Debug, Clone, PartialEq)]
pub struct RoundPlan {
    /// Id of the programme.
    pub programme: String,
    /// The period.
    pub period: String,
    /// Attempt at it.
    pub attempt: u32,
    /// Ids of the partners that would be invited.
    pub invited: Vec<String>,
    /// t, m and c.
    pub thresholds: Thresholds,
    /// ε of the round for one unit at one partner.
    pub epsilon: Rational,
    /// When it would begin, seconds since 1970-01-01 UTC.
    pub begins: i64,
    /// Latest time of each phase.
    pub deadlines: Deadlines,
    /// Expected error of each table.
    pub tables: Vec<PlannedTable>,
    /// Whether the period still goes on, so that records of it are still to come.
    pub period_goes_on: bool,
}

impl Coordinator {
    /// What [`Coordinator::open_round`] would open, after the checks that every node makes on it. Nothing is stored.
    ///
    /// # Errors
    /// As [`Coordinator::open_round`].
    pub async fn plan_round(&self, request: &RoundRequest) -> Result<RoundPlan, Error> {
        let mut transaction = self.store().begin().await?;
        let proposed = self.propose(&mut transaction, request).await?;
        // Ends without a commit: the roster version that it may have made does not come into being.
        transaction
            .rollback()
            .await
            .map_err(crate::StoreError::from)?;
        let Proposed {
            announcement,
            roster,
            programme,
            period,
            now,
        } = proposed;
        let announcement = self.announce(announcement, roster)?;
        let planned = planned_round(&programme, announcement.invited.len())?;
        let today = OffsetDateTime::from_unix_timestamp(now).map(OffsetDateTime::date);
        Ok(RoundPlan {
            programme: announcement.programme.clone(),
            period: announcement.period.clone(),
            attempt: announcement.attempt,
            invited: announcement.invited.clone(),
            thresholds: announcement.thresholds,
            epsilon: announcement.epsilon.clone(),
            begins: now,
            deadlines: announcement.deadlines,
            tables: planned.tables,
            period_goes_on: today.is_ok_and(|today| today <= period.last_day()),
        })
    }
}
