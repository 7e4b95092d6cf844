//! Planted: an adversary with copies of the nodes' disks from before Confirm, and the coordinator's key.
//!
//! It serves the copies a survivor set without one partner. The copies never signed a set, so N7 does not stop
//! them: this is why a node restored from a copy counts among the colluders, and why there is an anchor.

use std::sync::Arc;

use super::Simulation;
use super::node::CULPRIT;
use super::round::Offer;
use crate::secagg::coordinator::{CoordinatorRecord, CoordinatorSession, Opened};
use crate::secagg::messages::{Phase, SignedMessage};
use crate::secagg::node::NodeSession;
use crate::wire::MAX_ENCODED_BYTES;

/// The phase and sender of an accepted message.
fn accepted(record: &CoordinatorRecord) -> Option<(Phase, u8)> {
    let CoordinatorRecord::Accepted(bytes) = record else {
        return None;
    };
    let message = SignedMessage::from_bytes(bytes.as_ref(), MAX_ENCODED_BYTES).ok()?;
    Some((message.phase, message.sender))
}

/// What the coordinator had when Mask was about to close, but for the victim's vector.
fn without_victim(records: &[CoordinatorRecord]) -> Vec<CoordinatorRecord> {
    let kept = records.iter().filter(|record| match record {
        CoordinatorRecord::Accepted(_) => accepted(record).is_some_and(|(phase, sender)| {
            phase < Phase::Mask || (phase == Phase::Mask && sender != CULPRIT)
        }),
        CoordinatorRecord::Closed(phase) => *phase < Phase::Mask,
        CoordinatorRecord::Aborted(_) => false,
    });
    kept.cloned().collect()
}

impl Simulation {
    /// Opens a round that was opened once more, over the survivors without one partner.
    pub(super) fn open_a_second_time(&mut self, offer: &Arc<Offer>, first: &Opened) {
        let records = self
            .coordinator
            .disk
            .rows
            .last()
            .map(|row| without_victim(&row.records));
        let identity = Arc::clone(&self.coordinator.identity);
        let second = CoordinatorSession::resume(
            Arc::clone(&offer.context),
            identity,
            records.unwrap_or_default(),
        );
        let Ok(mut second) = second else {
            return;
        };
        let mut copies = Vec::new();
        for index in first
            .confirm
            .survivors
            .iter()
            .copied()
            .filter(|index| *index != CULPRIT)
        {
            let Some(node) = self.nodes.get(&index) else {
                continue;
            };
            let (context, identity) = (Arc::clone(&offer.context), Arc::clone(&node.identity));
            if let Ok(mut copy) = NodeSession::resume(context, identity, &node.copy) {
                copy.acknowledged();
                copies.push((index, copy));
            }
        }
        for phase in [Phase::Mask, Phase::Confirm] {
            if second.close_now().is_err() {
                return;
            }
            drop(second.take_records());
            for (index, copy) in &mut copies {
                self.serve_copy(&mut second, phase, *index, copy);
            }
        }
        if second.close_now().is_ok()
            && let Some(opened) = second.opened()
        {
            self.oracles.opened(&offer.round(), opened);
        }
    }

    /// One copy gets the adversary's message of a closed phase, and what it answers leaves its machine.
    fn serve_copy(
        &mut self,
        second: &mut CoordinatorSession,
        phase: Phase,
        index: u8,
        copy: &mut NodeSession,
    ) {
        drop(second.take_records());
        let Some(message) = second.message_for(phase, index) else {
            return;
        };
        if copy.handle_message(&message).is_err() {
            return;
        }
        copy.record_stored();
        if let (Some(bytes), Some(node)) = (copy.poll_transmit(), self.nodes.get(&index)) {
            self.oracles.left(index, bytes, &node.disk);
            // Once t answers of a phase are in, the rest is not needed.
            let _ = second.handle_message(bytes);
        }
        copy.acknowledged();
    }
}
