//! Joining a round: terms, noise, approval, budget, then counting and the frozen contribution.
//!
//! The order matters. Whether the node takes part is settled before anything is counted, so that taking part
//! says nothing about the data. The noise is drawn when the node first looks at the round, whether or not anybody
//! approves, and what is sent after drawing or counting leaves on a clock ([`super::pace`]).

use std::sync::Arc;

use msht_core::dp::accountant::{Ledger, LedgerEntry};
use msht_core::secagg::RoundTerms;
use msht_core::secagg::node::{Frozen, NodeSession};

use super::pace::Hidden;
use super::{Agent, AgentEvent, Interrupt};
use crate::error::{Kind, NodeError};
use crate::freeze;
use crate::node::Node;
use crate::transport::Link;
use crate::vault::{RoundRow, Stage};

fn failure(error: impl std::fmt::Display) -> NodeError {
    NodeError::new(Kind::Failure, error.to_string())
}

impl Agent {
    pub(super) async fn try_join(&mut self, link: &Link, row: &RoundRow) -> Result<(), Interrupt> {
        let terms = match self.node.terms(row).await? {
            Ok(terms) => terms,
            Err(fault) => {
                let note = NodeError::from(fault).to_string();
                return self.end(row, Stage::Refused, &note, None).await;
            }
        };
        self.draw_ahead(&terms).await?;
        let id = row.round.short();
        if let Some(note) = self.node.settle_changes(&terms).await? {
            return self.note(row.round, &note).await;
        }
        let ledger = self.node.vault.ledger().await?;
        let programme = &terms.programme;
        let approval = ledger.approval(
            programme.id(),
            programme.version(),
            &row.round,
            self.node.today(),
        );
        let Some(approver) = approval.map(|approval| approval.approver.clone()) else {
            return self
                .note(
                    row.round,
                    &format!("waits for a decision: msht-node approve {id}"),
                )
                .await;
        };
        let last = self.node.vault.last_release(programme.id()).await?;
        if last.is_some_and(|last| last != terms.context.announcement().previous_release) {
            let note = "waits: the round does not follow on from the last release verified here";
            return self.note(row.round, note).await;
        }
        self.permit(&terms, &ledger, &approver)?;
        let hidden = Hidden::begin(self.node.config.send_interval());
        let frozen = self.freeze(&terms, row, &approver).await;
        // A failure, too, is noted and followed by requests: it waits like a success.
        hidden.departure().await;
        frozen?;
        self.drive(link, row).await
    }

    /// Draws the noise of a round that is seen for the first time.
    async fn draw_ahead(&self, terms: &RoundTerms) -> Result<(), NodeError> {
        if self.node.vault.has_noise(terms.context.round()).await? {
            return Ok(());
        }
        let hidden = Hidden::begin(self.node.config.send_interval());
        let drawn = freeze::draw_noise(&self.node, terms).await;
        hidden.departure().await;
        drawn
    }

    /// N3: what the ledger can pay, before anything is counted.
    fn permit(
        &self,
        terms: &RoundTerms,
        ledger: &Ledger,
        approver: &str,
    ) -> Result<LedgerEntry, NodeError> {
        let (caps, source) = (self.node.config.caps(), &self.node.enrolment.partner);
        let permit = terms
            .permit(ledger, &caps, source, approver)
            .map_err(|error| {
                NodeError::new(Kind::Budget, error.to_string()).hint(
                    "msht-node ledger shows what was spent; the caps are under [budget] in node.toml",
                )
            })?;
        Ok(ledger.reserve(permit, self.node.surroundings.now())?)
    }

    /// Counts, takes the noise out of the pool, draws seeds, reserves the budget, and makes all of it durable in one
    /// transaction.
    async fn freeze(
        &mut self,
        terms: &RoundTerms,
        row: &RoundRow,
        approver: &str,
    ) -> Result<(), Interrupt> {
        let node = Arc::clone(&self.node);
        let counts = freeze::counts(&node, &terms.programme, terms.period).await?;
        let mut generator = node.surroundings.generator();
        let mut writing = node.vault.write().await?;
        // Whoever gave the round up meanwhile may have signed that it never unmasks.
        if node.vault.stage_in(&mut writing, row.round).await? != Some(Stage::Announced) {
            return Ok(());
        }
        let ledger = node.vault.ledger_in(&mut writing).await?;
        let entry = self.permit(terms, &ledger, approver)?;
        let noise = node.vault.take_noise(&mut writing, row.round).await?;
        let noisy = terms.contribution(&counts, noise).map_err(failure)?;
        let head = (entry.sequence(), entry.digest().map_err(failure)?);
        let partner = &node.enrolment.partner;
        let frozen =
            Frozen::draw(&terms.context, partner, &noisy, head, &mut generator).map_err(failure)?;
        let context = Arc::new(terms.context.clone());
        let mut session = NodeSession::start(context, Arc::clone(&node.identity), frozen)
            .map_err(NodeError::from)?;
        let record = session
            .poll_record()
            .ok_or_else(|| failure("nothing to freeze"))?;
        node.vault.append(&mut writing, &entry).await?;
        node.vault
            .store_record(&mut writing, row.round, record, &mut generator)
            .await?;
        let programme = terms.programme.id();
        node.vault
            .accept_cohort(&mut writing, programme, Node::members(terms))
            .await?;
        let now = node.surroundings.now();
        node.vault
            .set_stage(&mut writing, row.round, Stage::Joined, "", now)
            .await?;
        node.commit(writing).await?;
        session.record_stored();
        self.sessions.insert(row.round, session);
        self.tell(&AgentEvent::Frozen { round: row.round })
    }
}
