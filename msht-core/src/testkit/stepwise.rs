//! A round driven by hand, one phase at a time, so that a test can step in between any two messages.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::cohort::{Cohort, CohortOptions};
use crate::secagg::coordinator::{CoordinatorRecord, CoordinatorSession};
use crate::secagg::messages::Phase;
use crate::secagg::node::{NodeRecord, NodeSession};

/// A coordinator and its nodes in one process, with everything they made durable.
pub struct Stepwise {
    /// Identities and terms.
    pub cohort: Cohort,
    /// The partners still there, by index.
    pub nodes: BTreeMap<u8, NodeSession>,
    /// The coordinator.
    pub coordinator: CoordinatorSession,
    /// Records of the coordinator, in order.
    pub records: Vec<CoordinatorRecord>,
    /// Records of each node, in order.
    pub node_records: BTreeMap<u8, Vec<NodeRecord>>,
}

#[expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "test support: an honest round that does not go on is a found fault"
)]
impl Stepwise {
    /// A round before its first message.
    #[must_use]
    pub fn new(options: &CohortOptions, seed: u64) -> Self {
        Self::of(Cohort::new(options, seed))
    }

    /// A round of this cohort before its first message.
    #[must_use]
    pub fn of(cohort: Cohort) -> Self {
        let coordinator =
            CoordinatorSession::new(Arc::clone(&cohort.context), Arc::clone(&cohort.coordinator));
        let mut round = Self {
            nodes: BTreeMap::new(),
            coordinator,
            records: Vec::new(),
            node_records: BTreeMap::new(),
            cohort,
        };
        for index in round.cohort.context.indices() {
            let node = round.cohort.node(index);
            round.replace(index, node);
        }
        round
    }

    /// Puts another session in a partner's place.
    pub fn replace(&mut self, index: u8, session: NodeSession) {
        self.nodes.insert(index, session);
        self.node_records.insert(index, Vec::new());
        self.store(index);
    }

    /// A partner vanishes.
    pub fn lose(&mut self, index: u8) {
        self.nodes.remove(&index);
    }

    /// Makes the waiting record of a node durable.
    pub fn store(&mut self, index: u8) {
        let session = self.nodes.get_mut(&index).expect("a node of this round");
        if let Some(record) = session.poll_record().cloned() {
            let records = self.node_records.entry(index).or_default();
            if record.erases_earlier() {
                records.clear();
            }
            records.push(record);
            session.record_stored();
        }
    }

    /// The message a node would send now.
    #[must_use]
    pub fn outgoing(&self, index: u8) -> Vec<u8> {
        let session = self.nodes.get(&index).expect("a node of this round");
        session.poll_transmit().expect("a message to send").to_vec()
    }

    /// The coordinator's message of a phase for a partner.
    #[must_use]
    pub fn incoming(&self, phase: Phase, index: u8) -> Vec<u8> {
        let message = self.coordinator.message_for(phase, index);
        message.expect("a message of a closed phase").to_vec()
    }

    /// Every node's message of the open phase goes to the coordinator.
    pub fn collect(&mut self) {
        self.collect_if(|_| true);
    }

    /// The same, but for one partner, whose own message counts as acknowledged: the test sent another in its place.
    pub fn collect_all_but(&mut self, liar: u8) {
        self.collect_if(|index| index != liar);
        if let Some(session) = self.nodes.get_mut(&liar) {
            session.acknowledged();
        }
    }

    fn collect_if(&mut self, sends: impl Fn(u8) -> bool) {
        for (index, session) in &mut self.nodes {
            if !sends(*index) {
                continue;
            }
            let Some(bytes) = session.poll_transmit().map(<[u8]>::to_vec) else {
                continue;
            };
            let receipt = self.coordinator.handle_message(&bytes);
            receipt.unwrap_or_else(|fault| panic_of(*index, &fault));
            session.acknowledged();
        }
        self.records.extend(self.coordinator.take_records());
    }

    /// The coordinator closes the open phase.
    pub fn close(&mut self) {
        self.coordinator.close_now().expect("what was accepted");
        self.records.extend(self.coordinator.take_records());
    }

    /// Every node handles the coordinator's message of a closed phase.
    pub fn deliver(&mut self, phase: Phase) {
        let indices: Vec<u8> = self.nodes.keys().copied().collect();
        for index in indices {
            let bytes = self.incoming(phase, index);
            let session = self.nodes.get_mut(&index).expect("a node of this round");
            let event = session.handle_message(&bytes);
            event.unwrap_or_else(|fault| panic_of(index, &fault));
            self.store(index);
        }
    }

    /// Goes on until the nodes have their message of `phase` ready and the coordinator waits for it.
    pub fn advance_to(&mut self, phase: Phase) {
        for earlier in Phase::ALL.into_iter().filter(|each| *each < phase) {
            if self.nodes.values().any(|node| node.phase() == earlier) {
                self.advance_to_reply(earlier);
                self.deliver(earlier);
            }
        }
    }

    /// Goes on until the coordinator has closed `phase` and no node has its answer yet.
    pub fn advance_to_reply(&mut self, phase: Phase) {
        self.advance_to(phase);
        self.collect();
        self.close();
    }

    /// The node of a partner as it would come up again from what it had made durable.
    #[must_use]
    pub fn restored(&self, index: u8) -> NodeSession {
        let records = self.node_records.get(&index).expect("a node of this round");
        self.restored_from(index, records)
    }

    /// The node of a partner as it would come up from `records`.
    #[must_use]
    pub fn restored_from(&self, index: u8, records: &[NodeRecord]) -> NodeSession {
        let context = Arc::clone(&self.cohort.context);
        NodeSession::resume(context, self.cohort.identity(index), records)
            .expect("durable records resume")
    }
}

#[expect(clippy::panic, reason = "test support: honest sides agree")]
fn panic_of<T>(index: u8, fault: &crate::secagg::Fault) -> T {
    panic!("honest partner {index}: {fault}")
}
