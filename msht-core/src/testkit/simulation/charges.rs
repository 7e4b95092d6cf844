//! After a round that was given up: statements that a node never unmasks, the certificate they make, and charges that
//! come back; and the charge of a node that a release left out.
//!
//! As in the real programs, a statement is signed only where [`may_sign_abort`] gives leave from what is durable, is
//! sent until it is acknowledged, and a charge comes back only on evidence that the node has verified itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Simulation;
use super::crash::{CoordinatorCrash, NodeCrash};
use super::disk::{CoordinatorRow, NodeRow, Stage};
use super::planted::Planted;
use super::round::{Ending, Offer};
use super::schedule::{Reply, Request};
use crate::crypto::{Digest, digest};
use crate::dp::accountant::{Outcome, ReturnEvidence, ReturnGround};
use crate::release::left_out;
use crate::secagg::coordinator::CoordinatorRecord;
use crate::secagg::messages::{Phase, SignedMessage};
use crate::secagg::{
    AbortCertificate, AbortStatement, NotSigned, Signed, Standing, check_statement, may_sign_abort,
};
use crate::wire::{MAX_ENCODED_BYTES, decode, encode};

/// What the coordinator keeps of a round that was given up.
#[derive(Default)]
pub(super) struct Aftermath {
    /// Whose Unmask was accepted: remembered though the message is erased.
    unmasked: BTreeSet<u8>,
    statements: BTreeMap<u8, Vec<u8>>,
    certificate: Option<Arc<[u8]>>,
}

impl Aftermath {
    /// Of a round with these records.
    pub(super) fn of(records: &[CoordinatorRecord]) -> Self {
        let unmasked = records.iter().filter_map(|record| match record {
            CoordinatorRecord::Accepted(bytes) => {
                let message = SignedMessage::from_bytes(bytes.as_ref(), MAX_ENCODED_BYTES).ok()?;
                (message.phase == Phase::Unmask).then_some(message.sender)
            }
            _ => None,
        });
        Self {
            unmasked: unmasked.collect(),
            ..Self::default()
        }
    }
}

impl NodeRow {
    /// The round ended here and something may be left to do for it: what, is the ending.
    fn unsettled(&self) -> Option<(&Arc<Offer>, &Arc<Ending>)> {
        let ended = self.stage == Stage::Ended && !self.settled;
        ended.then_some((&self.offer, self.ending.as_ref()?))
    }
}

impl Simulation {
    /// Whether this node has something left to do for a round that ended.
    pub(super) fn is_unsettled(&self, index: u8) -> bool {
        let node = self.nodes.get(&index);
        node.is_some_and(|node| node.disk.rows.iter().any(|row| row.unsettled().is_some()))
    }

    /// What is still to be done for the first round that ended and is not settled.
    pub(super) fn after_the_end(&mut self, index: u8) {
        let Some(node) = self.nodes.get(&index).filter(|node| node.process.is_some()) else {
            return;
        };
        let row = node.disk.rows.iter().find_map(NodeRow::unsettled);
        let Some((offer, ending)) =
            row.map(|(offer, ending)| (Arc::clone(offer), Arc::clone(ending)))
        else {
            return;
        };
        let abandoned = node.disk.ledger().outcome(&offer.round()) == Some(Outcome::Abandoned);
        match &*ending {
            Ending::Released(release) => {
                let id = offer
                    .context
                    .partner(index)
                    .map(|partner| partner.id.clone());
                let evidence = left_out(&release.content, &offer.context, &id.unwrap_or_default());
                match evidence {
                    Ok(evidence) if abandoned => self.give_back(index, &offer, &evidence),
                    _ => self.settled(index, &offer.round()),
                }
            }
            Ending::Aborted(_) => {
                let stated = self.state(index, &offer);
                if abandoned {
                    let round = offer.round();
                    self.send_request(index, &Request::Certificate { round });
                } else if stated {
                    self.settled(index, &offer.round());
                }
            }
        }
    }

    fn row_mut(&mut self, index: u8, round: &Digest) -> Option<&mut NodeRow> {
        let node = self.nodes.get_mut(&index)?;
        let mut rows = node.disk.rows.iter_mut();
        rows.find(|row| row.offer.round() == *round)
    }

    fn settled(&mut self, index: u8, round: &Digest) {
        if let Some(row) = self.row_mut(index, round) {
            row.settled = true;
        }
    }

    /// Hands in the statement unless the coordinator has it; whether nothing is left to hand in.
    fn state(&mut self, index: u8, offer: &Arc<Offer>) -> bool {
        let round = offer.round();
        if self.row_mut(index, &round).is_none_or(|row| row.stated) {
            return true;
        }
        let Some(node) = self.nodes.get(&index) else {
            return true;
        };
        let row = node.disk.rows.iter().find(|row| row.offer.round() == round);
        let standing = Standing {
            ledger: node.disk.ledger(),
            given_up: row.is_some_and(|row| row.stage == Stage::Ended),
            erased: row.is_some_and(|row| row.records.is_empty()),
            quarantined: node.doubt.is_some() || node.disk.forgotten.contains(&round),
        };
        let id = offer
            .context
            .partner(index)
            .map(|partner| partner.id.clone());
        let id = id.unwrap_or_default();
        let may_sign = may_sign_abort(&offer.context, &id, &standing);
        let statement = match may_sign {
            Ok(may_sign) => may_sign.sign(&node.identity),
            Err(NotSigned::Unmasked) if self.plan.planted == Some(Planted::SignsAfterUnmask) => {
                let partner = index;
                let statement = AbortStatement { round, partner };
                Signed::sign(statement, &node.identity).and_then(|signed| encode(&signed))
            }
            Err(why) => {
                return !matches!(why, NotSigned::StillGoing | NotSigned::NotErased);
            }
        };
        let Ok(bytes) = statement else {
            return true;
        };
        self.oracles.statement_left(index, &bytes, &offer.context);
        let bytes = Arc::from(bytes);
        self.send_request(index, &Request::Statement { round, bytes });
        false
    }

    /// The coordinator has the statement.
    pub(super) fn statement_taken(&mut self, index: u8, round: &Digest) {
        if let Some(row) = self.row_mut(index, round) {
            row.stated = true;
        }
    }

    /// The coordinator gave out a certificate: it counts where it verifies.
    pub(super) fn certificate(&mut self, index: u8, round: Digest, bytes: &[u8]) {
        let Some(row) = self.row_mut(index, &round) else {
            return;
        };
        let offer = Arc::clone(&row.offer);
        if self.plan.planted == Some(Planted::AcceptsAnyCertificate) {
            let ground = ReturnGround::AbortCertificate(digest("planted", &[bytes]));
            let evidence = ReturnEvidence::verified(round, ground);
            return self.give_back(index, &offer, &evidence);
        }
        match AbortCertificate::from_bytes(bytes, &offer.context) {
            Ok(certificate) => self.give_back(index, &offer, &certificate.evidence()),
            Err(fault) if self.plan.planted.is_none() => {
                let what = format!("partner {index} refused a certificate: {fault}");
                self.oracles.refused(what);
            }
            Err(_) => {}
        }
    }

    /// The charge comes back, once.
    fn give_back(&mut self, index: u8, offer: &Arc<Offer>, evidence: &ReturnEvidence) {
        let now = self.clock(index);
        let Some(node) = self.nodes.get(&index) else {
            return;
        };
        let ledger = node.disk.ledger();
        if ledger.outcome(&offer.round()) != Some(Outcome::Abandoned) {
            return;
        }
        let Ok(entry) = ledger.give_back(evidence, now) else {
            let what = format!("the ledger of partner {index} refused evidence");
            return self.oracles.refused(what);
        };
        if self.kill_node(index, NodeCrash::BeforeReturnDurable) {
            return;
        }
        let kind = match evidence.ground() {
            ReturnGround::AbortCertificate(_) => "charge returned on a certificate",
            ReturnGround::ConfirmedWithout(_) => "charge returned to a partner left out",
        };
        if self.commit_entry(index, entry) {
            self.count(kind);
            if let Some(node) = self.nodes.get(&index) {
                self.oracles.durable(index, &node.disk);
            }
        }
    }

    /// A statement reaches the coordinator.
    pub(super) fn take_statement(&mut self, from: u8, round: Digest, bytes: &[u8]) {
        let Some(row) = self.coordinator.row_of(&round) else {
            return;
        };
        let Some(Ending::Aborted(_)) = row.ending.as_deref() else {
            return;
        };
        let context = Arc::clone(&row.offer.context);
        let after = &row.aftermath;
        if !after.statements.contains_key(&from) {
            let unmasked = after.unmasked.contains(&from);
            if check_statement(&context, from, bytes).is_err() || unmasked {
                if self.plan.planted.is_none() {
                    let what = format!("the statement of partner {from} was refused");
                    self.oracles.refused(what);
                }
                return;
            }
            if self.kill_coordinator(CoordinatorCrash::BeforeStatementDurable)
                || self.disk_refuses(super::COORDINATOR)
            {
                return;
            }
            let planted = self.plan.planted;
            if let Some(row) = self.coordinator.row_of_mut(&round) {
                row.aftermath.statements.insert(from, bytes.to_vec());
                certify(row, planted);
            }
            if self.kill_coordinator(CoordinatorCrash::AfterStatementDurableBeforeAnswer) {
                return;
            }
        }
        self.send_reply(from, &Reply::StatementTaken { round });
    }

    /// The certificate of a round, where there is one.
    pub(super) fn serve_certificate(&mut self, to: u8, round: Digest) {
        let row = self.coordinator.row_of(&round);
        let certificate = row.and_then(|row| row.aftermath.certificate.clone());
        if let Some(bytes) = certificate {
            self.send_reply(to, &Reply::Certificate { round, bytes });
        }
    }
}

/// Makes the certificate once it can be made. Planted: of whatever there is.
fn certify(row: &mut CoordinatorRow, planted: Option<Planted>) {
    let after = &mut row.aftermath;
    if after.certificate.is_some() {
        return;
    }
    let statements = after.statements.values();
    let statements: Vec<Signed<AbortStatement>> = statements
        .filter_map(|bytes| decode(bytes, MAX_ENCODED_BYTES).ok())
        .collect();
    let bytes = if planted == Some(Planted::AcceptsAnyCertificate) {
        encode(&statements).ok()
    } else {
        let assembled = AbortCertificate::assemble(&row.offer.context, statements);
        let certificate = assembled.ok().flatten();
        certificate.and_then(|verified| verified.certificate().to_bytes().ok())
    };
    after.certificate = bytes.map(Arc::from);
}
