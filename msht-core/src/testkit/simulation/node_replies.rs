//! What a node does with what the coordinator answers.

use std::sync::Arc;

use super::Simulation;
use super::crash::NodeCrash;
use super::disk::{Stage, Write};
use super::node::FIRST_PAUSE;
use super::round::Offer;
use super::schedule::Reply;
use crate::crypto::Digest;
use crate::dp::accountant::TombstoneReason;
use crate::secagg::messages::Phase;
use crate::secagg::node::{NodeRecord, NodeSession};
use crate::wire::{Blob, encode};

impl Simulation {
    pub(super) fn reply(&mut self, index: u8, reply: Reply) {
        if self.process(index).is_none() || self.is_starved(index) {
            return;
        }
        match reply {
            Reply::Accepted { round, phase } => self.accepted(index, round, phase),
            Reply::TooLate { round } => {
                if let Some(process) = self.process(index) {
                    process.too_late = Some(round);
                }
            }
            Reply::Message { round, bytes } => self.message(index, round, &bytes),
            Reply::StatementTaken { round } => self.statement_taken(index, &round),
            Reply::Certificate { round, bytes } => self.certificate(index, round, &bytes),
            Reply::Round {
                position,
                offer,
                ending,
            } => {
                if self
                    .nodes
                    .get(&index)
                    .is_none_or(|node| node.disk.position() != position)
                {
                    return;
                }
                match ending {
                    Some(ending) => self.learn(index, &offer, &ending),
                    None => self.hear(index, offer),
                }
            }
        }
    }

    /// A round that this process has not heard of yet is open.
    fn hear(&mut self, index: u8, offer: Arc<Offer>) {
        let heard = self
            .process(index)
            .and_then(|process| process.heard.clone());
        if heard.is_some_and(|heard| heard.position == offer.position) {
            return;
        }
        if let Some(process) = self.process(index) {
            process.heard = Some(offer);
        }
        self.progress(index);
    }

    /// The row and session of the round a reply is about, where the node is in it.
    fn engaged(&mut self, index: u8, round: Digest) -> Option<(Arc<Offer>, NodeSession)> {
        let node = self.nodes.get(&index)?;
        let row = node.disk.row()?;
        let takes_part = matches!(row.stage, Stage::Joined | Stage::Unmasked);
        if !takes_part || row.offer.round() != round {
            return None;
        }
        let offer = Arc::clone(&row.offer);
        Some((offer, self.take_session(index)?))
    }

    fn accepted(&mut self, index: u8, round: Digest, phase: Phase) {
        let Some((offer, mut session)) = self.engaged(index, round) else {
            return;
        };
        if session.phase() != phase || session.poll_transmit().is_none() {
            return self.keep(index, session);
        }
        session.acknowledged();
        let forgotten = session
            .confirmed()
            .map(|confirmed| confirmed.clone().acknowledged());
        self.keep(index, session);
        if let Some(confirmed) = forgotten
            && let Ok(bytes) = encode(&confirmed)
        {
            if self.kill_node(index, NodeCrash::BeforeForgettingDurable) {
                return;
            }
            let record = Some(NodeRecord::Unmasked(Blob::from(bytes)));
            self.commit(
                index,
                &offer,
                Write {
                    record,
                    ..Write::default()
                },
            );
            if self.kill_node(index, NodeCrash::AfterForgettingDurable) {
                return;
            }
        }
        self.progress(index);
    }

    fn progress(&mut self, index: u8) {
        if let Some(process) = self.process(index) {
            process.pause = FIRST_PAUSE;
        }
        self.node_turn(index);
    }

    fn message(&mut self, index: u8, round: Digest, bytes: &[u8]) {
        let Some((offer, mut session)) = self.engaged(index, round) else {
            return;
        };
        // A node reads an answer only to what it asked: a stale one from before a crash goes unread.
        let busy = session.poll_record().is_some() || session.poll_transmit().is_some();
        if busy || session.awaiting().is_none() {
            return self.keep(index, session);
        }
        if let Err(fault) = session.handle_message(bytes) {
            if self.plan.planted.is_none() {
                self.oracles
                    .refused(format!("partner {index} refused the coordinator: {fault}"));
            }
            return self.give_up(index, &offer, TombstoneReason::CheckFailed);
        }
        self.keep(index, session);
        self.progress(index);
    }
}
