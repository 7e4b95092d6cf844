//! After a round was given up: the statement that this node never unmasked, and the charge that comes back.
//!
//! The order is that of `end`: tombstone and erasure are durable before a statement is even signed. So a crash in
//! between has sent nothing, and the statement is sent when the node is back. It is sent again until it is
//! acknowledged. A charge comes back only on evidence that this node has verified itself.

use msht_core::crypto::Digest;
use msht_core::dp::accountant::{Ledger, Outcome, ReturnEvidence};
use msht_core::release::{from_json, left_out};
use msht_core::secagg::{
    AbortCertificate, MaySign, NotSigned, RoundContext, Standing, may_sign_abort,
};
use msht_core::wire::Item;

use super::{Agent, AgentEvent, Interrupt};
use crate::error::{Kind, NodeError};
use crate::transport::{Delivered, Link};
use crate::vault::{RoundRow, Stage};

impl Agent {
    /// What is still to be done for a round that ended here without this node's figures in a release.
    pub(super) async fn after_the_end(
        &mut self,
        link: &Link,
        round: Digest,
    ) -> Result<(), Interrupt> {
        if self.settled.contains(&round) {
            return Ok(());
        }
        let row = self.node.vault.round(round).await?;
        let Some(row) = row.filter(|row| row.stage.has_ended()) else {
            return Ok(());
        };
        let Ok(context) = self.node.context(&row).await? else {
            // Its terms were refused: nothing was ever frozen or charged for it.
            self.settled.insert(round);
            return Ok(());
        };
        let released = self.node.vault.release_of(round).await?;
        let stated = match &released {
            Some(_) => true,
            None => self.state(link, &row, &context).await?,
        };
        let abandoned = self.node.vault.ledger().await?.outcome(&round) == Some(Outcome::Abandoned);
        if !abandoned {
            if stated {
                self.settled.insert(round);
            }
            return Ok(());
        }
        let evidence = match released {
            Some(release) => left_out_of(&release.json, &context, &self.node.enrolment.partner),
            None => self.certificate(link, &context).await?,
        };
        match evidence {
            Some(evidence) => self.give_back(&evidence).await,
            None => Ok(()),
        }
    }

    /// Hands in the statement unless the coordinator has it; whether there is nothing left to hand in.
    async fn state(
        &mut self,
        link: &Link,
        row: &RoundRow,
        context: &RoundContext,
    ) -> Result<bool, Interrupt> {
        let vault = &self.node.vault;
        if vault.statement_acknowledged(row.round).await? {
            return Ok(true);
        }
        let ledger = vault.ledger().await?;
        let may_sign = match self.may_sign_abort(row, context, &ledger).await? {
            Ok(may_sign) => may_sign,
            Err(why) => {
                tracing::debug!(round = %row.round.short(), %why, "no abort statement");
                let for_good = [
                    NotSigned::NotInvited,
                    NotSigned::Unmasked,
                    NotSigned::Released,
                ];
                return Ok(for_good.contains(&why));
            }
        };
        let statement = may_sign.sign(&self.node.identity);
        let statement =
            statement.map_err(|error| NodeError::new(Kind::Failure, error.to_string()))?;
        match link.never_unmasked(row.round, &statement).await? {
            Delivered::Accepted => {
                let now = self.node.surroundings.now();
                vault.acknowledge_statement(row.round, now).await?;
                self.tell(&AgentEvent::Stated { round: row.round })?;
                Ok(true)
            }
            Delivered::LedgerBehind => Ok(false),
            Delivered::Refused(reason) => {
                tracing::warn!(round = %row.round.short(), reason, "abort statement refused");
                Ok(false)
            }
        }
    }

    /// Whether this node may sign that it never unmasked: the one place that asks, from what is durable.
    async fn may_sign_abort(
        &self,
        row: &RoundRow,
        context: &RoundContext,
        ledger: &Ledger,
    ) -> Result<Result<MaySign, NotSigned>, NodeError> {
        let standing = Standing {
            ledger,
            given_up: row.stage.has_ended() && row.stage != Stage::Released,
            erased: !self.node.vault.holds_records(row.round).await?,
            quarantined: self.node.may_have_forgotten(row.round).await?,
        };
        Ok(may_sign_abort(
            context,
            &self.node.enrolment.partner,
            &standing,
        ))
    }

    /// The certificate of the round, verified; none while there is none.
    async fn certificate(
        &self,
        link: &Link,
        context: &RoundContext,
    ) -> Result<Option<ReturnEvidence>, Interrupt> {
        let round = context.round();
        let Some(bytes) = link.fetch(&Item::AbortCertificate(round)).await? else {
            return Ok(None);
        };
        match AbortCertificate::from_bytes(&bytes, context) {
            Ok(certificate) => Ok(Some(certificate.evidence())),
            Err(fault) => {
                tracing::warn!(round = %round.short(), %fault, "the abort certificate is refused; the charge stays");
                Ok(None)
            }
        }
    }

    /// Records that a charge came back. The ledger judges whether it may, and lets it happen once.
    async fn give_back(&mut self, evidence: &ReturnEvidence) -> Result<(), Interrupt> {
        let (vault, round) = (&self.node.vault, evidence.round());
        let mut writing = vault.write().await?;
        let ledger = vault.ledger_in(&mut writing).await?;
        let now = self.node.surroundings.now();
        let entry = ledger.give_back(evidence, now).map_err(NodeError::from)?;
        vault.append(&mut writing, &entry).await?;
        self.node.commit(writing).await?;
        self.settled.insert(round);
        self.tell(&AgentEvent::Returned { round })
    }
}

/// A release that was verified before it was kept, looked at once more for who confirmed it.
fn left_out_of(json: &[u8], context: &RoundContext, partner: &str) -> Option<ReturnEvidence> {
    let release = from_json(json).ok()?;
    left_out(&release.content, context, partner)
        .inspect_err(
            |why| tracing::warn!(round = %context.round().short(), %why, "no charge returned"),
        )
        .ok()
}
