//! Planted faults of a node's shell.

use std::sync::Arc;

use super::Simulation;
use super::disk::Stage;
use super::round::Offer;
use super::schedule::Request;
use crate::secagg::Words;
use crate::secagg::messages::Phase;
use crate::secagg::node::{Frozen, NodeRecord, NodeSession};
use crate::wire::Blob;

impl Simulation {
    /// Planted: Join leaves before anything is durable.
    pub(super) fn send_unstored(&mut self, index: u8, offer: &Offer, session: &NodeSession) {
        let Some(NodeRecord::Frozen(frozen)) = session.poll_record() else {
            return;
        };
        let Some(frozen) = Frozen::from_bytes(&offer.context, frozen.as_ref()) else {
            return;
        };
        let Some(node) = self.nodes.get(&index) else {
            return;
        };
        let identity = Arc::clone(&node.identity);
        let Ok(mut copy) = NodeSession::start(Arc::clone(&offer.context), identity, frozen) else {
            return;
        };
        copy.record_stored();
        if let Some(bytes) = copy.poll_transmit().map(Arc::from) {
            let round = offer.round();
            self.put(
                index,
                Request::Put {
                    round,
                    phase: Phase::Join,
                    bytes,
                },
            );
        }
    }

    /// Planted: the contribution is made afresh around the seeds that are durable.
    pub(super) fn count_again(&mut self, index: u8) {
        let Some(node) = self.nodes.get(&index) else {
            return;
        };
        let Some(row) = node.disk.row().filter(|row| row.stage == Stage::Joined) else {
            return;
        };
        let offer = Arc::clone(&row.offer);
        let Some(NodeRecord::Frozen(bytes)) = row.records.first() else {
            return;
        };
        let Some(mut frozen) = Frozen::from_bytes(&offer.context, bytes.as_ref()) else {
            return;
        };
        let Some(noisy) = self.noisy(index, &offer) else {
            return;
        };
        frozen.contribution = Words::from_signed(offer.context.word_size(), &noisy);
        let records = self
            .nodes
            .get_mut(&index)
            .and_then(|node| node.disk.open_records());
        if let (Ok(bytes), Some(first)) =
            (frozen.to_bytes(), records.and_then(|all| all.first_mut()))
        {
            *first = NodeRecord::Frozen(Blob::from(bytes.as_slice()));
        }
    }
}
