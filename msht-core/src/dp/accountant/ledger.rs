//! Replaying a ledger and adding to it.

use std::collections::BTreeMap;
use std::fmt;

use time::Date;

use super::budget::Permit;
use super::charge::{Charge, MAX_LEDGER_TEXT_BYTES, text_fits};
use super::entry::{
    Approval, Decision, EncodingError, Governance, LedgerEntry, LedgerEvent, ReturnEvidence,
    TombstoneReason,
};
use crate::crypto::Digest;
use crate::rational::Rational;

/// What became of a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Budget is set aside.
    Reserved,
    /// Budget is spent; the masked vector may have left.
    Charged,
    /// Budget is spent, and the node will never unmask.
    Abandoned,
    /// Budget is spent for good: the node was restored from a copy, and does not know any more whether it unmasked.
    Forgotten,
    /// Budget is spent for good.
    Unmasked,
    /// Budget is spent and the release is known.
    Released,
    /// The reservation was freed.
    Tombstoned,
    /// The charge came back.
    Returned,
}

impl Outcome {
    /// Whether the round counts against the caps.
    #[must_use]
    pub fn counts(self) -> bool {
        !matches!(self, Self::Tombstoned | Self::Returned)
    }

    /// The outcome after `event`, or none where the event may not follow.
    fn after(self, event: &LedgerEvent) -> Option<Self> {
        match (self, event) {
            (Self::Reserved, LedgerEvent::Charged { .. }) => Some(Self::Charged),
            (Self::Reserved, LedgerEvent::Tombstone { .. }) => Some(Self::Tombstoned),
            (
                Self::Charged,
                LedgerEvent::Tombstone {
                    reason: TombstoneReason::StateLost,
                    ..
                },
            ) => Some(Self::Forgotten),
            (Self::Charged, LedgerEvent::Tombstone { .. }) => Some(Self::Abandoned),
            (Self::Charged, LedgerEvent::Unmasked { .. }) => Some(Self::Unmasked),
            (Self::Charged | Self::Abandoned, LedgerEvent::Returned { .. }) => Some(Self::Returned),
            (
                Self::Charged | Self::Abandoned | Self::Forgotten | Self::Unmasked,
                LedgerEvent::Released { .. },
            ) => Some(Self::Released),
            _ => None,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reserved => "reserved",
            Self::Charged => "charged",
            Self::Abandoned => "charged and abandoned",
            Self::Forgotten => "charged and forgotten",
            Self::Unmasked => "charged and unmasked",
            Self::Released => "charged and released",
            Self::Tombstoned => "tombstoned",
            Self::Returned => "returned",
        })
    }
}

/// Why entries are not a ledger, or an entry cannot be added.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// An entry is missing, repeated or moved.
    #[error(
        "ledger entry {found} stands where entry {expected} belongs; the ledger was altered or restored from a copy: contribute nothing until it is compared with its anchor"
    )]
    Sequence {
        /// Sequence number due.
        expected: u64,
        /// Sequence number found.
        found: u64,
    },
    /// An entry does not follow from the one before.
    #[error(
        "ledger entry {0} does not continue the chain; the ledger was altered: contribute nothing until it is compared with its anchor"
    )]
    Chain(u64),
    /// A round was reserved before.
    #[error("round {} was {outcome} before and cannot be reserved again; every attempt is a new round", round.short())]
    RoundTwice {
        /// Id of the round.
        round: Digest,
        /// What became of it.
        outcome: Outcome,
    },
    /// A round has no reservation.
    #[error("a {event} of round {} without a reservation", round.short())]
    UnknownRound {
        /// Id of the round.
        round: Digest,
        /// Name of the event.
        event: &'static str,
    },
    /// An event may not follow what happened to the round before.
    #[error("round {} is {outcome}: a {event} may not follow", round.short())]
    Order {
        /// Id of the round.
        round: Digest,
        /// What became of it.
        outcome: Outcome,
        /// Name of the event.
        event: &'static str,
    },
    /// A name in an approval is empty or too long.
    #[error(
        "the programme and the approver of a decision must have 1 to {MAX_LEDGER_TEXT_BYTES} bytes"
    )]
    Text,
    /// Something was recorded after the permit was given.
    #[error("the ledger changed after the permit was given; ask for a new one")]
    StalePermit,
    /// An entry has no canonical form.
    #[error(transparent)]
    Encoding(#[from] EncodingError),
}

#[derive(Debug, Clone)]
struct Round {
    charge: Charge,
    outcome: Outcome,
}

/// A verified ledger: what was decided and spent, and where the chain ends.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    length: u64,
    head: Option<Digest>,
    rounds: BTreeMap<Digest, Round>,
    approvals: Vec<Approval>,
    furthest: u64,
}

impl Ledger {
    /// Verifies the chain, the sequence and the order of events of stored entries.
    ///
    /// # Errors
    /// [`LedgerError`] at the first entry that does not follow.
    pub fn replay<'a>(
        entries: impl IntoIterator<Item = &'a LedgerEntry>,
    ) -> Result<Self, LedgerError> {
        let mut ledger = Self::default();
        for entry in entries {
            ledger.append(entry)?;
        }
        Ok(ledger)
    }

    /// Takes in an entry that is durable; a refused entry changes nothing.
    ///
    /// # Errors
    /// [`LedgerError`] where the entry does not follow.
    pub fn append(&mut self, entry: &LedgerEntry) -> Result<(), LedgerError> {
        let expected = self.next_sequence();
        if entry.sequence() != expected {
            return Err(LedgerError::Sequence {
                expected,
                found: entry.sequence(),
            });
        }
        if entry.previous() != self.head() {
            return Err(LedgerError::Chain(entry.sequence()));
        }
        let follows = self.outcome_after(entry.event())?;
        let head = entry.digest()?;
        if let LedgerEvent::Approval(approval) = entry.event() {
            self.approvals.push(approval.clone());
        }
        if let LedgerEvent::Resolved(resolution) = entry.event() {
            self.furthest = self.furthest.max(resolution.furthest);
        }
        if let LedgerEvent::Reservation { charge, .. } = entry.event() {
            let reserved = Round {
                charge: Charge::clone(charge),
                outcome: Outcome::Reserved,
            };
            self.rounds.insert(charge.round(), reserved);
        }
        if let Some((id, outcome)) = follows
            && let Some(round) = self.rounds.get_mut(&id)
        {
            round.outcome = outcome;
        }
        self.length = expected;
        self.head = Some(head);
        Ok(())
    }

    /// Number of entries.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Digest of the last entry; zero where there is none.
    #[must_use]
    pub fn head(&self) -> Digest {
        self.head.unwrap_or(Digest::ZERO)
    }

    /// Up to this length, entries that are elsewhere but not here are known to be lost: somebody resolved that.
    #[must_use]
    pub fn lost_up_to(&self) -> u64 {
        self.furthest
    }

    /// What became of a round; none if it was never reserved.
    #[must_use]
    pub fn outcome(&self, round: &Digest) -> Option<Outcome> {
        self.rounds.get(round).map(|round| round.outcome)
    }

    /// Every round that was ever reserved, with what became of it, in the order of round ids.
    pub fn rounds(&self) -> impl Iterator<Item = (&Charge, Outcome)> {
        self.rounds
            .values()
            .map(|round| (&round.charge, round.outcome))
    }

    /// The rounds that count against the caps.
    pub(super) fn counted(&self) -> impl Iterator<Item = &Charge> {
        self.rounds()
            .filter(|(_, outcome)| outcome.counts())
            .map(|(charge, _)| charge)
    }

    /// Privacy loss reserved or charged for a person in the data of `day`, whichever programme asked.
    #[must_use]
    pub fn spent_for_day(&self, day: Date) -> Rational {
        total(
            self.counted()
                .filter(|charge| charge.window().contains(day)),
        )
    }

    /// Privacy loss reserved or charged by windows that meet the calendar year of data.
    #[must_use]
    pub fn spent_for_year(&self, year: i32) -> Rational {
        total(
            self.counted()
                .filter(|charge| charge.window().meets_year(year)),
        )
    }

    /// The approval that lets this node take part in `round` on the day `today`, if one holds.
    ///
    /// The latest decision on the round or on the whole programme holds, except that an approval of the whole
    /// programme does not undo a refusal of the round.
    #[must_use]
    pub fn approval(
        &self,
        programme: &str,
        programme_version: u32,
        round: &Digest,
        today: Date,
    ) -> Option<&Approval> {
        let latest = |round: Option<Digest>| {
            self.approvals.iter().enumerate().rfind(|(_, decided)| {
                decided.programme == programme
                    && decided.programme_version == programme_version
                    && decided.round == round
            })
        };
        let holding = match (latest(Some(*round)), latest(None)) {
            (Some((_, own)), _) if own.decision != Decision::Approved => None,
            (Some((at, _)), Some((later, general))) if later > at => Some(general),
            (Some((_, own)), _) => Some(own),
            (None, general) => general.map(|(_, general)| general),
        };
        holding.filter(|approval| {
            approval.decision == Decision::Approved
                && approval.until.is_none_or(|until| today <= until)
        })
    }

    /// The entry that records a decision.
    ///
    /// # Errors
    /// [`LedgerError::Text`] where a name is empty or too long.
    pub fn decide(&self, approval: Approval, recorded_at: i64) -> Result<LedgerEntry, LedgerError> {
        if !text_fits(&approval.programme) || !text_fits(&approval.approver) {
            return Err(LedgerError::Text);
        }
        self.entry(LedgerEvent::Approval(approval), recorded_at)
    }

    /// The entry that records who takes part, or whose key is whose.
    ///
    /// # Errors
    /// [`LedgerError::Text`] where a name is empty or too long.
    pub fn govern(
        &self,
        decided: Governance,
        recorded_at: i64,
    ) -> Result<LedgerEntry, LedgerError> {
        if !text_fits(&decided.subject) || !text_fits(&decided.by) {
            return Err(LedgerError::Text);
        }
        self.entry(LedgerEvent::Governance(decided), recorded_at)
    }

    /// The entry that sets budget aside, on a permit given for the ledger as it is now.
    ///
    /// # Errors
    /// [`LedgerError::StalePermit`] where something was recorded since the permit.
    pub fn reserve(&self, permit: Permit, recorded_at: i64) -> Result<LedgerEntry, LedgerError> {
        if permit.head() != self.head() {
            return Err(LedgerError::StalePermit);
        }
        let (charge, caps) = permit.into_parts();
        let charge = Box::new(charge);
        self.entry(LedgerEvent::Reservation { charge, caps }, recorded_at)
    }

    /// The entry that spends a reservation; durable before the first byte of Mask leaves.
    ///
    /// # Errors
    /// [`LedgerError`] unless the round is reserved.
    pub fn charge(&self, round: Digest, recorded_at: i64) -> Result<LedgerEntry, LedgerError> {
        self.entry(LedgerEvent::Charged { round }, recorded_at)
    }

    /// The entry that makes a charge final; durable before Unmask leaves.
    ///
    /// # Errors
    /// [`LedgerError`] unless the round is charged and not abandoned or returned.
    pub fn unmask(&self, round: Digest, recorded_at: i64) -> Result<LedgerEntry, LedgerError> {
        self.entry(LedgerEvent::Unmasked { round }, recorded_at)
    }

    /// The entry by which the node promises never to go on with a round; it frees a reservation and keeps a
    /// charge.
    ///
    /// # Errors
    /// [`LedgerError`] unless the round is reserved or charged, and after unmasking.
    pub fn tombstone(
        &self,
        round: Digest,
        reason: TombstoneReason,
        recorded_at: i64,
    ) -> Result<LedgerEntry, LedgerError> {
        self.entry(LedgerEvent::Tombstone { round, reason }, recorded_at)
    }

    /// The entry that returns the charge of the round that the evidence is about.
    ///
    /// # Errors
    /// [`LedgerError`] unless the round is charged or abandoned; after unmasking, and where a restored node may have
    /// unmasked.
    pub fn give_back(
        &self,
        evidence: &ReturnEvidence,
        recorded_at: i64,
    ) -> Result<LedgerEntry, LedgerError> {
        let (round, ground) = (evidence.round(), evidence.ground());
        self.entry(LedgerEvent::Returned { round, ground }, recorded_at)
    }

    /// The entry that ties a charge to the release it was spent on.
    ///
    /// # Errors
    /// [`LedgerError`] unless the round is charged.
    pub fn release(
        &self,
        round: Digest,
        release: Digest,
        recorded_at: i64,
    ) -> Result<LedgerEntry, LedgerError> {
        self.entry(LedgerEvent::Released { round, release }, recorded_at)
    }

    pub(super) fn entry(
        &self,
        event: LedgerEvent,
        recorded_at: i64,
    ) -> Result<LedgerEntry, LedgerError> {
        self.outcome_after(&event)?;
        Ok(LedgerEntry::new(
            self.next_sequence(),
            self.head(),
            recorded_at,
            event,
        ))
    }

    fn next_sequence(&self) -> u64 {
        // A ledger of 2⁶⁴ entries cannot be stored.
        self.length.saturating_add(1)
    }

    /// The round of `event` and what becomes of it; none for decisions, which always follow.
    fn outcome_after(&self, event: &LedgerEvent) -> Result<Option<(Digest, Outcome)>, LedgerError> {
        let Some(round) = event.round() else {
            return Ok(None);
        };
        let outcome = match (self.outcome(&round), event) {
            (None, LedgerEvent::Reservation { .. }) => Outcome::Reserved,
            (Some(outcome), LedgerEvent::Reservation { .. }) => {
                return Err(LedgerError::RoundTwice { round, outcome });
            }
            (None, _) => {
                return Err(LedgerError::UnknownRound {
                    round,
                    event: event.name(),
                });
            }
            (Some(outcome), _) => outcome.after(event).ok_or(LedgerError::Order {
                round,
                outcome,
                event: event.name(),
            })?,
        };
        Ok(Some((round, outcome)))
    }
}

fn total<'a>(charges: impl Iterator<Item = &'a Charge>) -> Rational {
    charges.fold(Rational::zero(), |sum, charge| sum.plus(charge.epsilon()))
}

#[cfg(test)]
mod tests;
