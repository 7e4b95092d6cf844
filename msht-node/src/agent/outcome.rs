//! How rounds end: a verified release, an abort, or without this node.

use msht_core::dp::accountant::{Outcome, TombstoneReason};
use msht_core::programme::Programme;
use msht_core::release::{Expectations, from_json};
use msht_core::secagg::node::{Confirmed, NodeRecord};
use msht_core::secagg::{AbortNotice, Signed};
use msht_core::wire::{Item, MAX_ENCODED_BYTES, decode};

use super::{Agent, AgentEvent, Interrupt};
use crate::error::{Kind, NodeError};
use crate::transport::Link;
use crate::vault::{RoundRow, Stage, StoredRelease};

impl Agent {
    /// Fetches, verifies (N9) and keeps a release.
    pub(super) async fn released(&mut self, link: &Link, row: &RoundRow) -> Result<(), Interrupt> {
        if self.node.vault.release_of(row.round).await?.is_some() {
            return Ok(());
        }
        let Some(json) = link.fetch(&Item::Release(row.round)).await? else {
            return Ok(());
        };
        match self.verify(row, &json).await? {
            Ok(release) => self.keep(row, release).await,
            Err(alarm) => {
                let note = format!("ALARM, the release does not verify (N9): {alarm}");
                self.note(row.round, &note).await
            }
        }
    }

    async fn verify(
        &self,
        row: &RoundRow,
        json: &[u8],
    ) -> Result<Result<StoredRelease, String>, Interrupt> {
        let vault = &self.node.vault;
        let content = &row.announcement.content;
        let Ok(release) = from_json(json) else {
            return Ok(Err("it cannot be read".to_owned()));
        };
        let programme = vault.programme(content.programme_digest).await?;
        let programme = programme.and_then(|signed| Programme::parse(&signed.content.toml).ok());
        let confirmed = self.confirmed(row).await?;
        let last = vault.last_release(&content.programme).await?;
        let mut handovers = vault.handovers().await?;
        // Those before this node's time: they link older releases with the accepted key.
        handovers.extend(vault.governance_record().await?.handovers);
        let expectations = Expectations {
            coordinator: Some(self.node.enrolment.coordinator),
            handovers: &handovers,
            // The first release this node sees may follow on from ones before its time.
            previous: last.map(Some),
            programme: programme.as_ref(),
            confirmed: confirmed.as_ref(),
        };
        let release = match release.verify_release(&expectations) {
            Ok(release) => release,
            Err(fault) => return Ok(Err(fault.to_string())),
        };
        if release.round != row.round {
            return Ok(Err("it is the release of another round".to_owned()));
        }
        Ok(Ok(StoredRelease {
            round: row.round,
            programme: release.programme.clone(),
            period: release.period.clone(),
            digest: release.digest(),
            ours: release.survivors.contains(&self.node.enrolment.partner),
            json: json.to_vec(),
        }))
    }

    async fn confirmed(&self, row: &RoundRow) -> Result<Option<Confirmed>, Interrupt> {
        if row.stage != Stage::Unmasked {
            return Ok(None);
        }
        let records = self.node.vault.records(row.round).await?;
        Ok(records.iter().rev().find_map(|record| match record {
            NodeRecord::Unmasked(bytes) => decode(bytes.as_ref(), MAX_ENCODED_BYTES).ok(),
            _ => None,
        }))
    }

    async fn keep(&mut self, row: &RoundRow, release: StoredRelease) -> Result<(), Interrupt> {
        let vault = &self.node.vault;
        let now = self.node.surroundings.now();
        let mut writing = vault.write().await?;
        let ledger = vault.ledger_in(&mut writing).await?;
        let entry = match ledger.outcome(&row.round) {
            Some(
                Outcome::Charged | Outcome::Abandoned | Outcome::Forgotten | Outcome::Unmasked,
            ) if release.ours => Some(ledger.release(row.round, release.digest, now)),
            Some(Outcome::Reserved | Outcome::Charged) => {
                Some(ledger.tombstone(row.round, TombstoneReason::LeftOut, now))
            }
            _ => None,
        };
        if let Some(entry) = entry {
            let entry = entry.map_err(NodeError::from)?;
            vault.append(&mut writing, &entry).await?;
        }
        let (stage, note) = match (release.ours, row.stage) {
            (true, _) => (Stage::Released, String::new()),
            (false, stage) if stage.has_ended() => (stage, row.note.clone()),
            (false, _) => (
                Stage::LeftOut,
                "released without this node's figures".to_owned(),
            ),
        };
        vault.erase_records(&mut writing, row.round).await?;
        vault.store_release(&mut writing, &release, now).await?;
        vault
            .set_stage(&mut writing, row.round, stage, &note, now)
            .await?;
        self.node.commit(writing).await?;
        self.sessions.remove(&row.round);
        self.tell(&AgentEvent::Released {
            round: row.round,
            ours: release.ours,
        })
    }

    /// The coordinator gave the round up. Its notice is believed for tidying up, never for the budget: a charge
    /// stays until there is an abort certificate.
    pub(super) async fn aborted(&mut self, link: &Link, row: &RoundRow) -> Result<(), Interrupt> {
        let Some(bytes) = link.fetch(&Item::Abort(row.round)).await? else {
            return Ok(());
        };
        let notice: Option<Signed<AbortNotice>> = decode(&bytes, MAX_ENCODED_BYTES).ok();
        let notice = notice.and_then(|n| n.verify(&self.node.enrolment.coordinator).ok());
        let notice = notice
            .filter(|notice| notice.round == row.round)
            .ok_or_else(|| {
                NodeError::new(
                    Kind::Failure,
                    "the notice that the round was given up is not genuine",
                )
            })?;
        let mut note = notice.abort.reason.to_string();
        if !notice.abort.missing.is_empty() {
            note = format!("{note}; missing: {}", notice.abort.missing.join(", "));
        }
        self.end(row, Stage::Aborted, &note, Some(TombstoneReason::Aborted))
            .await
    }

    /// Ends a round for this node: seeds and shares are erased, and a reservation is released by a tombstone that
    /// is durable in the same transaction.
    pub(super) async fn end(
        &mut self,
        row: &RoundRow,
        stage: Stage,
        note: &str,
        tombstone: Option<TombstoneReason>,
    ) -> Result<(), Interrupt> {
        let vault = &self.node.vault;
        let now = self.node.surroundings.now();
        let mut writing = vault.write().await?;
        let ledger = vault.ledger_in(&mut writing).await?;
        if let Some(reason) = tombstone
            && matches!(
                ledger.outcome(&row.round),
                Some(Outcome::Reserved | Outcome::Charged)
            )
        {
            let entry = ledger
                .tombstone(row.round, reason, now)
                .map_err(NodeError::from)?;
            vault.append(&mut writing, &entry).await?;
        }
        vault.erase_records(&mut writing, row.round).await?;
        vault
            .set_stage(&mut writing, row.round, stage, note, now)
            .await?;
        self.node.commit(writing).await?;
        self.sessions.remove(&row.round);
        let note = note.to_owned();
        self.tell(&AgentEvent::Ended {
            round: row.round,
            stage,
            note,
        })
    }
}
