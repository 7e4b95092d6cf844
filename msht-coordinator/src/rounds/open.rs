//! Opening a round: from what the operator asks for to a signed announcement.

use msht_core::crypto::Digest;
use msht_core::programme::{Period, PhaseHours, Programme};
use msht_core::secagg::{
    Announcement, Deadlines, Proposal, Roster, RoundContext, Signed, Verified,
};
use msht_core::wire::encode;

use crate::coordinator::Coordinator;
use crate::error::Error;
use crate::store::{NewRound, Store, Transaction};

/// Seconds of an hour, the unit of a programme's calendar.
const HOUR_SECONDS: u32 = 3_600;

/// How long each phase of a round stays open, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "one phase each")]
pub struct PhaseSeconds {
    pub join: u32,
    pub share: u32,
    pub mask: u32,
    pub confirm: u32,
    pub unmask: u32,
}

impl From<PhaseHours> for PhaseSeconds {
    fn from(hours: PhaseHours) -> Self {
        let seconds = |hours: u32| hours.saturating_mul(HOUR_SECONDS);
        Self {
            join: seconds(hours.join),
            share: seconds(hours.share),
            mask: seconds(hours.mask),
            confirm: seconds(hours.confirm),
            unmask: seconds(hours.unmask),
        }
    }
}

impl PhaseSeconds {
    fn deadlines(self, now: i64) -> Deadlines {
        let after = |time: i64, seconds: u32| time.saturating_add(i64::from(seconds));
        let join = after(now, self.join);
        let share = after(join, self.share);
        let mask = after(share, self.mask);
        let confirm = after(mask, self.confirm);
        Deadlines {
            join,
            share,
            mask,
            confirm,
            unmask: after(confirm, self.unmask),
        }
    }
}

/// The round an operator asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoundRequest {
    /// Id of a published programme.
    pub programme: String,
    /// The period to count, such as `2026-Q3`.
    pub period: String,
    /// Ids of the partners to invite; everybody enrolled where none.
    pub invited: Option<Vec<String>>,
    /// How long the phases stay open; the programme's hours where none.
    pub phases: Option<PhaseSeconds>,
}

/// A round that could be opened, and what it stands on.
pub(super) struct Proposed {
    pub(super) announcement: Announcement,
    pub(super) roster: Verified<Roster>,
    pub(super) programme: Programme,
    pub(super) period: Period,
    pub(super) now: i64,
}

impl Coordinator {
    /// Opens a round: a new roster version if partners enrolled since the last one, and the signed announcement.
    /// A running coordinator takes it up within a second.
    ///
    /// # Errors
    /// [`Error::RoundOpen`], [`Error::AlreadyReleased`], [`Error::Proposal`], [`Error::Terms`]; nothing is stored
    /// then.
    pub async fn open_round(&self, request: &RoundRequest) -> Result<Digest, Error> {
        let mut transaction = self.store().begin().await?;
        let proposed = self.propose(&mut transaction, request).await?;
        let Proposed {
            announcement,
            roster,
            ..
        } = proposed;
        let announcement = self.announce(announcement, roster)?;
        let new = NewRound {
            round: announcement.digest(),
            programme: &announcement.programme,
            period: &announcement.period,
            attempt: announcement.attempt,
            announcement: &encode(announcement.as_signed())?,
            invited: &announcement.invited,
        };
        Store::add_round_in(&mut transaction, &new).await?;
        transaction
            .commit()
            .await
            .map_err(crate::StoreError::from)?;
        tracing::info!(round = %new.round.short(), programme = new.programme, period = new.period, attempt = new.attempt, partners = new.invited.len(), "round opened");
        self.refresh_news().await?;
        Ok(new.round)
    }

    /// The announcement that `request` leads to, and what it stands on; whoever calls decides whether to commit.
    pub(super) async fn propose(
        &self,
        transaction: &mut Transaction,
        request: &RoundRequest,
    ) -> Result<Proposed, Error> {
        self.check_current(transaction).await?;
        let unknown = || Error::UnknownProgramme(request.programme.clone());
        let row = self.store().current_programme(&request.programme).await?;
        let programme = self.programme_of(&row.ok_or_else(unknown)?.signed)?;
        let period: Period = request.period.parse()?;
        let phases = request
            .phases
            .unwrap_or_else(|| programme.calendar().phase_hours().into());
        let now = self.now();

        let (id, period_text) = (programme.id(), period.to_string());
        if let Some(round) = Store::open_round_in(transaction, id).await? {
            let programme = id.to_owned();
            return Err(Error::RoundOpen { programme, round });
        }
        if Store::is_released_in(transaction, id, &period_text).await? {
            return Err(Error::AlreadyReleased {
                programme: id.to_owned(),
                period: period_text,
            });
        }
        let roster = self.current_roster(transaction).await?;
        let previous = Store::latest_release_in(transaction, id).await?;
        let earlier = Store::attempts_in(transaction, id, &period_text).await?;
        let everybody = || roster.partners.iter().map(|partner| partner.id.clone());
        let proposal = Proposal {
            period,
            attempt: earlier.saturating_add(1),
            invited: request
                .invited
                .clone()
                .unwrap_or_else(|| everybody().collect()),
            previous_release: previous.unwrap_or(Digest::ZERO),
            deadlines: phases.deadlines(now),
        };
        let announcement = Announcement::propose(&programme, &roster, proposal)?;
        Ok(Proposed {
            announcement,
            roster,
            programme,
            period,
            now,
        })
    }

    /// Signs an announcement, after the checks that every node will make on it.
    pub(super) fn announce(
        &self,
        announcement: Announcement,
        roster: Verified<Roster>,
    ) -> Result<Verified<Announcement>, Error> {
        let signed = Signed::sign(announcement, &self.0.identity)?;
        let verified = signed
            .verify(&self.key())
            .map_err(|_| Error::Damaged("announcement"))?;
        RoundContext::new(verified.clone(), roster, self.key()).map_err(Error::Terms)?;
        Ok(verified)
    }
}
