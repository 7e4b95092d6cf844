//! How rounds end at a node: with a verified release, given up by the coordinator, or given up here.

use std::sync::Arc;

use super::Simulation;
use super::crash::NodeCrash;
use super::disk::{Stage, Write};
use super::planted::Planted;
use super::round::{Ending, Offer};
use crate::crypto::{Digest, digest};
use crate::dp::accountant::{
    LedgerEntry, LedgerError, Outcome, ReturnEvidence, ReturnGround, TombstoneReason,
};
use crate::release::{Expectations, Release};
use crate::secagg::node::{Confirmed, NodeRecord};
use crate::secagg::{AbortNotice, Signed};
use crate::wire::{MAX_ENCODED_BYTES, decode};

impl Simulation {
    /// The coordinator says how a round ended.
    pub(super) fn learn(&mut self, index: u8, offer: &Arc<Offer>, ending: &Arc<Ending>) {
        match &**ending {
            Ending::Released(release) => self.learn_release(index, offer, (release, ending)),
            Ending::Aborted(notice) => self.learn_abort(index, offer, (notice, ending)),
        }
        if let Some(node) = self.nodes.get(&index) {
            self.oracles.durable(index, &node.disk);
        }
    }

    fn confirmed(&self, index: u8) -> Option<Confirmed> {
        let row = self.nodes.get(&index)?.disk.row()?;
        row.records.iter().rev().find_map(|record| match record {
            NodeRecord::Unmasked(bytes) => decode(bytes.as_ref(), MAX_ENCODED_BYTES).ok(),
            _ => None,
        })
    }

    /// N9, then release and ledger entry in one write.
    fn learn_release(
        &mut self,
        index: u8,
        offer: &Arc<Offer>,
        (release, ending): (&Signed<Release>, &Arc<Ending>),
    ) {
        let Some(node) = self.nodes.get(&index) else {
            return;
        };
        let confirmed = self.confirmed(index);
        let expectations = Expectations {
            coordinator: Some(self.coordinator.identity.key()),
            previous: Some(node.disk.last_release),
            programme: Some(&offer.terms.programme),
            confirmed: confirmed.as_ref(),
            handovers: &[],
        };
        let release = match release.clone().verify_release(&expectations) {
            Ok(release) => release,
            Err(fault) => {
                if self.plan.planted.is_none() {
                    self.oracles
                        .refused(format!("partner {index} refused a release: {fault}"));
                }
                return;
            }
        };
        let (now, ours) = (self.clock(index), release.proof.survivors.contains(&index));
        let (ledger, round) = (node.disk.ledger(), offer.round());
        let entry = match ledger.outcome(&round) {
            Some(
                Outcome::Charged | Outcome::Abandoned | Outcome::Forgotten | Outcome::Unmasked,
            ) if ours => Some(ledger.release(round, release.digest(), now)),
            Some(Outcome::Reserved | Outcome::Charged) => {
                Some(ledger.tombstone(round, TombstoneReason::LeftOut, now))
            }
            _ => None,
        };
        let points = [
            NodeCrash::BeforeReleaseDurable,
            NodeCrash::AfterReleaseDurable,
        ];
        let write = Write {
            release: Some(release.digest()),
            ending: Some(Arc::clone(ending)),
            ..Write::default()
        };
        self.finish(index, offer, entry, write, points);
    }

    /// The coordinator's word is believed for tidying up, never for the budget.
    fn learn_abort(
        &mut self,
        index: u8,
        offer: &Arc<Offer>,
        (notice, ending): (&Signed<AbortNotice>, &Arc<Ending>),
    ) {
        let genuine = notice.clone().verify(&self.coordinator.identity.key());
        if genuine.is_err() || notice.content.round != offer.round() {
            return self
                .oracles
                .refused(format!("partner {index}: a notice that is not genuine"));
        }
        let entry = self.abandoning(index, offer.round(), TombstoneReason::Aborted);
        let points = [
            NodeCrash::BeforeTombstoneDurable,
            NodeCrash::AfterTombstoneDurable,
        ];
        let write = Write {
            ending: Some(Arc::clone(ending)),
            ..Write::default()
        };
        self.finish(index, offer, entry, write, points);
    }

    /// Everything of the round that is secret is erased with the entry.
    fn finish(
        &mut self,
        index: u8,
        offer: &Arc<Offer>,
        entry: Option<Result<LedgerEntry, LedgerError>>,
        write: Write,
        [before, after]: [NodeCrash; 2],
    ) {
        let Ok(entry) = entry.transpose() else {
            return self
                .oracles
                .refused(format!("the ledger of partner {index} cannot end a round"));
        };
        if self.kill_node(index, before) {
            return;
        }
        let write = Write {
            entry,
            stage: Some(Stage::Ended),
            erase: true,
            ..write
        };
        if self.commit(index, offer, write) && !self.kill_node(index, after) {
            self.forget_session(index);
        }
    }

    fn forget_session(&mut self, index: u8) {
        if let Some(process) = self
            .nodes
            .get_mut(&index)
            .and_then(|node| node.process.as_mut())
        {
            process.session = None;
        }
    }

    /// The tombstone of a round that is reserved or charged.
    fn abandoning(
        &self,
        index: u8,
        round: Digest,
        reason: TombstoneReason,
    ) -> Option<Result<LedgerEntry, LedgerError>> {
        let (ledger, now) = (self.nodes.get(&index)?.disk.ledger(), self.clock(index));
        match (ledger.outcome(&round)?, self.plan.planted) {
            (Outcome::Charged, Some(Planted::TakesChargeBack)) => {
                let ground = ReturnGround::AbortCertificate(digest("planted", &[]));
                // Nobody verified any: only this crate can pretend so.
                Some(ledger.give_back(&ReturnEvidence::verified(round, ground), now))
            }
            (Outcome::Reserved | Outcome::Charged, _) => Some(ledger.tombstone(round, reason, now)),
            _ => None,
        }
    }

    /// The node gives a round up by itself: nothing more is sent, seeds and shares are erased.
    pub(super) fn give_up(&mut self, index: u8, offer: &Arc<Offer>, reason: TombstoneReason) {
        let entry = self.abandoning(index, offer.round(), reason);
        let Ok(entry) = entry.transpose() else {
            return;
        };
        if self.kill_node(index, NodeCrash::BeforeTombstoneDurable) {
            return;
        }
        let write = Write {
            entry,
            stage: Some(Stage::GivenUp),
            erase: true,
            ..Write::default()
        };
        if self.commit(index, offer, write) {
            self.count("round given up by a node");
            if !self.kill_node(index, NodeCrash::AfterTombstoneDurable) {
                self.forget_session(index);
            }
        }
    }
}
