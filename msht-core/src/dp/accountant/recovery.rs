//! The entries that let a node go on after it may have forgotten something: nothing that was charged comes back.

use serde::{Deserialize, Serialize};

use super::budget::Caps;
use super::charge::{Charge, text_fits};
use super::entry::{LedgerEntry, LedgerEvent, Resolution, TombstoneReason};
use super::ledger::{Ledger, LedgerError, Outcome};
use crate::crypto::Digest;

/// A round as it is remembered outside the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Remembered {
    /// What was reserved for it.
    pub charge: Charge,
    /// Whether that counted against the caps.
    pub counts: bool,
}

impl Ledger {
    /// Every round that was ever reserved, in the order of round ids: what an anchor remembers.
    pub fn remembered(&self) -> impl Iterator<Item = Remembered> {
        self.rounds().map(|(charge, outcome)| Remembered {
            charge: charge.clone(),
            counts: outcome.counts(),
        })
    }

    /// The entries that bring back `remembered` rounds this ledger does not know, charge and abandon every round
    /// that is reserved or charged, and record who decided. None of these rounds can be gone on with.
    ///
    /// A reservation is charged, because its masked vector may have left after the copy was made. So a recovery
    /// may waste budget and never mints it.
    ///
    /// # Errors
    /// [`LedgerError::Text`] where a name is empty or too long.
    pub fn recovery(
        &self,
        remembered: &[Remembered],
        resolution: Resolution,
        caps: &Caps,
        recorded_at: i64,
    ) -> Result<Vec<LedgerEntry>, LedgerError> {
        if !text_fits(&resolution.by) || !text_fits(&resolution.found) {
            return Err(LedgerError::Text);
        }
        let mut next = Additions {
            ledger: self.clone(),
            entries: Vec::new(),
            recorded_at,
        };
        for Remembered { charge, counts } in remembered {
            let round = charge.round();
            if next.ledger.outcome(&round).is_some() {
                continue;
            }
            next.add(LedgerEvent::Reservation {
                charge: Box::new(charge.clone()),
                caps: caps.clone(),
            })?;
            if !counts {
                let reason = TombstoneReason::StateLost;
                next.add(LedgerEvent::Tombstone { round, reason })?;
            }
        }
        let rounds: Vec<(Digest, Outcome)> = next
            .ledger
            .rounds()
            .map(|(charge, outcome)| (charge.round(), outcome))
            .collect();
        for (round, outcome) in rounds {
            if outcome == Outcome::Reserved {
                next.add(LedgerEvent::Charged { round })?;
            }
            if matches!(outcome, Outcome::Reserved | Outcome::Charged) {
                let reason = TombstoneReason::StateLost;
                next.add(LedgerEvent::Tombstone { round, reason })?;
            }
        }
        next.add(LedgerEvent::Resolved(resolution))?;
        Ok(next.entries)
    }
}

struct Additions {
    ledger: Ledger,
    entries: Vec<LedgerEntry>,
    recorded_at: i64,
}

impl Additions {
    fn add(&mut self, event: LedgerEvent) -> Result<(), LedgerError> {
        let entry = self.ledger.entry(event, self.recorded_at)?;
        self.ledger.append(&entry)?;
        self.entries.push(entry);
        Ok(())
    }
}
