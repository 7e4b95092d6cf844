//! Driving a joined round: store, anchor, then send, then ask.

use std::sync::Arc;

use msht_core::crypto::Digest;
use msht_core::dp::accountant::{Outcome, TombstoneReason};
use msht_core::secagg::messages::Phase;
use msht_core::secagg::node::{LedgerDuty, NodeRecord, NodeSession};
use msht_core::wire::{Blob, Item, encode};

use super::{Agent, AgentEvent, Interrupt};
use crate::error::{Kind, NodeError};
use crate::transport::{Delivered, Link};
use crate::vault::{RoundRow, Stage};

/// Most steps of one round in one go; a round has ten.
const MAX_STEPS: usize = 32;

impl Agent {
    pub(super) async fn drive(&mut self, link: &Link, row: &RoundRow) -> Result<(), Interrupt> {
        for _ in 0..MAX_STEPS {
            if !self.step(link, row).await? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// One step: stores what must be durable, sends what may be sent, asks for what is awaited. False where
    /// nothing more can be done now.
    async fn step(&mut self, link: &Link, row: &RoundRow) -> Result<bool, Interrupt> {
        let round = row.round;
        let mut session = match self.sessions.remove(&round) {
            Some(session) => session,
            None => self.resume(row).await?,
        };
        if let Some(record) = session.poll_record() {
            self.store(round, record).await?;
            session.record_stored();
        }
        if let Some(message) = session.poll_transmit() {
            let phase = session.phase();
            let Some(cleared) = self.node.clear(round, phase, message).await? else {
                // Another process of this node has gone on; the next look begins from what it stored.
                return Ok(false);
            };
            match link.put(&cleared).await? {
                Delivered::Accepted => {
                    session.acknowledged();
                    self.acknowledged(round, phase, &session).await?;
                }
                Delivered::LedgerBehind => {
                    // Judged by what this node signed itself: quarantine, or the same message once more.
                    self.node.state_head(link).await?;
                    self.sessions.insert(round, session);
                    return Ok(true);
                }
                Delivered::Refused(reason) => {
                    self.sessions.insert(round, session);
                    self.note(round, &reason).await?;
                    return Ok(false);
                }
            }
        }
        let Some(phase) = session.awaiting() else {
            self.sessions.insert(round, session);
            return Ok(false);
        };
        let item = Item::Message {
            round,
            phase: phase.number(),
        };
        let Some(bytes) = link.fetch(&item).await? else {
            self.sessions.insert(round, session);
            return Ok(false);
        };
        if let Err(fault) = session.handle_message(&bytes) {
            let mut note = NodeError::from(fault).to_string();
            if let Some(evidence) = session.contradiction(&bytes) {
                let now = self.node.surroundings.now();
                let proven = self.node.vault.store_evidence(&evidence, now).await?;
                note.extend(proven.map(|offence| format!("; evidence is kept: {offence}")));
            }
            let tombstone = Some(TombstoneReason::CheckFailed);
            self.end(row, Stage::Refused, &note, tombstone).await?;
            return Ok(false);
        }
        self.sessions.insert(round, session);
        Ok(true)
    }

    async fn resume(&self, row: &RoundRow) -> Result<NodeSession, Interrupt> {
        let terms = self.node.terms(row).await?.map_err(NodeError::from)?;
        let records = self.node.vault.records(row.round).await?;
        let context = Arc::new(terms.context);
        NodeSession::resume(context, Arc::clone(&self.node.identity), &records).map_err(|error| {
            NodeError::new(Kind::Configuration, error.to_string())
                .hint("the node sits this round out; nothing is sent for it")
                .into()
        })
    }

    /// Makes a record durable together with what the ledger must show.
    async fn store(&self, round: Digest, record: &NodeRecord) -> Result<(), Interrupt> {
        let vault = &self.node.vault;
        let now = self.node.surroundings.now();
        let mut writing = vault.write().await?;
        let ledger = vault.ledger_in(&mut writing).await?;
        // Somebody may have ended the round meanwhile, with the coordinator's revocation: then nothing is kept of it.
        if !matches!(
            ledger.outcome(&round),
            Some(Outcome::Reserved | Outcome::Charged)
        ) {
            let message = "the round was ended here; nothing more is sent for it";
            return Err(NodeError::new(Kind::Failure, message).into());
        }
        let entry = match record.ledger_duty() {
            LedgerDuty::None | LedgerDuty::Reserve => None,
            LedgerDuty::Charge => Some(ledger.charge(round, now).map_err(NodeError::from)?),
            LedgerDuty::Unmask => Some(ledger.unmask(round, now).map_err(NodeError::from)?),
        };
        if let Some(entry) = entry {
            vault.append(&mut writing, &entry).await?;
        }
        let mut generator = self.node.surroundings.generator();
        vault
            .store_record(&mut writing, round, record, &mut generator)
            .await?;
        if record.ledger_duty() == LedgerDuty::Unmask {
            vault
                .set_stage(&mut writing, round, Stage::Unmasked, "", now)
                .await?;
        }
        self.node.commit(writing).await?;
        Ok(())
    }

    /// Once Unmask is acknowledged, the shares in its bytes are forgotten.
    async fn acknowledged(
        &self,
        round: Digest,
        phase: Phase,
        session: &NodeSession,
    ) -> Result<(), Interrupt> {
        if phase == Phase::Unmask
            && let Some(confirmed) = session.confirmed()
        {
            let forgotten = encode(&confirmed.clone().acknowledged())
                .map_err(|error| NodeError::new(Kind::Failure, error.to_string()))?;
            let record = NodeRecord::Unmasked(Blob::from(forgotten));
            let mut generator = self.node.surroundings.generator();
            let mut writing = self.node.vault.write().await?;
            self.node
                .vault
                .store_record(&mut writing, round, &record, &mut generator)
                .await?;
            writing.commit().await.map_err(NodeError::from)?;
        }
        self.tell(&AgentEvent::Sent { round, phase })
    }
}
