//! A node's anchor, which is on another volume than its disk; and what happens to a disk that is put back to an
//! older copy of itself.
//!
//! Order, as in the real node: the disk commits, the anchor is durable, then the message leaves. A disk that is
//! behind its anchor puts the node in quarantine: it neither sends nor reads anything until its operator resolves
//! that. What was spent by then stays spent, and of a round it may have forgotten it signs nothing.

use std::collections::BTreeMap;

use super::Simulation;
use super::crash::NodeCrash;
use super::disk::{NodeDisk, Stage};
use super::node::Node;
use super::planted::Planted;
use super::schedule::Event;
use crate::crypto::{Digest, HexBytes};
use crate::dp::accountant::{LedgerEntry, LedgerError, Resolution};
use crate::secagg::messages::Phase;
use crate::secagg::node::{Anchor, AnchorStep, Doubt, Durable, EnrolmentId, NotCleared, Reached};

/// Commits after which the operator copies a node's disk, in thousandths.
const COPIES_PER_MILLE: u32 = 300;

/// The enrolment of the node with this index.
fn enrolment(index: u8) -> EnrolmentId {
    HexBytes([index; 16])
}

impl NodeDisk {
    /// How far each round is here.
    fn reached(&self) -> BTreeMap<Digest, Reached> {
        let rows = self.rows.iter().map(|row| {
            let last = row.records.last().map(|record| record.releases());
            let reached = match (row.stage, last) {
                (Stage::Joined | Stage::Unmasked, Some(phase)) => Reached::Stored(phase),
                (Stage::Joined | Stage::Unmasked, None) => Reached::Announced,
                (Stage::GivenUp | Stage::Ended, _) => Reached::Ended,
            };
            (row.offer.round(), reached)
        });
        rows.collect()
    }

    /// Looks at the disk as an anchor does.
    fn with_durable<T>(&self, index: u8, look: impl FnOnce(&Durable<'_>) -> T) -> T {
        look(&Durable {
            enrolment: Some(enrolment(index)),
            ledger: self.ledger(),
            entries: &self.entries,
            rounds: &self.reached(),
        })
    }
}

impl Node {
    /// The first anchor, made at enrolment.
    pub(super) fn enrol(&mut self, index: u8) {
        let first = self
            .disk
            .with_durable(index, |durable| Anchor::of(enrolment(index), durable));
        self.anchor = Some(first);
    }

    fn compared(&self, index: u8) -> Result<Option<Anchor>, Doubt> {
        let anchor = self.anchor.as_ref().ok_or(Doubt::Missing)?;
        let step = self
            .disk
            .with_durable(index, |durable| anchor.follow(durable))?;
        Ok(step.to_store().cloned())
    }
}

impl Simulation {
    /// Faults that an anchor stops come out only where there is none.
    fn has_anchor(&self) -> bool {
        !matches!(
            self.plan.planted,
            Some(
                Planted::ForgetsCharge | Planted::CountsAgainAfterRestart | Planted::RestoredGoesOn
            )
        )
    }

    /// A node that came up compares its disk with its anchor, which follows where it is behind.
    pub(super) fn settle(&mut self, index: u8) {
        let has_anchor = self.has_anchor();
        let Some(node) = self.nodes.get_mut(&index).filter(|_| has_anchor) else {
            return;
        };
        match node.compared(index) {
            Ok(next) => {
                node.anchor = next.or(node.anchor.take());
                if std::mem::take(&mut node.was_restored) {
                    self.count("restored node had sent nothing since its copy");
                }
            }
            Err(doubt) => self.quarantine(index, doubt),
        }
    }

    /// The anchor follows a ledger entry that is durable. False where the node was killed in between.
    pub(super) fn anchor_follows(&mut self, index: u8) -> bool {
        if self.has_anchor() && self.kill_node(index, NodeCrash::BeforeAnchorDurable) {
            return false;
        }
        self.settle(index);
        self.nodes
            .get(&index)
            .is_some_and(|node| node.doubt.is_none())
    }

    /// Whether a message may leave: the anchor that names it is durable.
    pub(super) fn clear(&mut self, index: u8, round: Digest, phase: Phase, bytes: &[u8]) -> bool {
        if !self.has_anchor() {
            return true;
        }
        let Some(node) = self.nodes.get(&index) else {
            return false;
        };
        let Some(anchor) = node.anchor.as_ref() else {
            return false;
        };
        let step = node
            .disk
            .with_durable(index, |durable| anchor.clear(durable, round, phase, bytes));
        match step.as_ref().map(AnchorStep::to_store) {
            Ok(None) => true,
            Ok(Some(next)) => {
                let next = next.clone();
                if self.kill_node(index, NodeCrash::BeforeAnchorDurable) {
                    return false;
                }
                if let Some(node) = self.nodes.get_mut(&index) {
                    node.anchor = Some(next);
                }
                !self.kill_node(index, NodeCrash::AfterAnchorDurableBeforeSend)
            }
            Err(NotCleared::Doubt(doubt)) => {
                self.quarantine(index, doubt.clone());
                false
            }
            Err(NotCleared::NotStored { .. }) => {
                let phase = phase.word();
                self.oracles
                    .refused(format!("{phase} of partner {index} is not stored"));
                false
            }
        }
    }

    fn quarantine(&mut self, index: u8, doubt: Doubt) {
        let was_restored = self
            .nodes
            .get_mut(&index)
            .is_some_and(|node| std::mem::take(&mut node.was_restored));
        if !was_restored {
            let what = format!("partner {index} was never restored and doubts itself: {doubt}");
            return self.oracles.refused(what);
        }
        self.count("restored node in quarantine");
        if let Some(node) = self.nodes.get_mut(&index) {
            node.doubt = Some(doubt);
            node.process = None;
        }
        let pause = self.duration(self.plan.node_restores);
        self.schedule.after(pause, Event::NodeResolved(index));
    }

    /// The operator copies a node's disk now and then.
    pub(super) fn may_be_copied(&mut self, index: u8) {
        if self.plan.node_restores.per_mille > 0
            && self.chance(COPIES_PER_MILLE)
            && let Some(node) = self.nodes.get_mut(&index)
        {
            node.backup = Some(node.disk.clone());
        }
    }

    /// A node that comes up may find its disk put back to the copy.
    pub(super) fn may_be_restored(&mut self, index: u8) {
        let hazard = self.plan.node_restores;
        let has_copy = self
            .nodes
            .get(&index)
            .is_some_and(|node| node.backup.is_some() && node.doubt.is_none());
        if !has_copy || !self.strikes(index, "restored", hazard) {
            return;
        }
        self.count("node restored from an older copy");
        if let Some(node) = self.nodes.get_mut(&index)
            && let Some(copy) = node.backup.take()
        {
            let full_until = node.disk.full_until;
            node.disk = copy;
            node.disk.full_until = full_until;
            node.was_restored = true;
        }
    }

    /// The operator of a node in quarantine lets it go on: open rounds are given up, and nothing spent comes back.
    pub(super) fn resolve(&mut self, index: u8) {
        let now = self.clock(index);
        let caps = self.documents.caps.clone();
        let Some(node) = self.nodes.get_mut(&index) else {
            return;
        };
        let Some(doubt) = node.doubt.take() else {
            return;
        };
        let anchor = node.anchor.as_ref();
        let remembered = anchor.map(Anchor::charges).unwrap_or_default();
        let lengths = [
            doubt.furthest(),
            anchor.map(|anchor| anchor.ledger().length),
            Some(node.disk.ledger().length()),
        ];
        let resolution = Resolution {
            by: "operator".to_owned(),
            found: doubt.to_string(),
            furthest: lengths.into_iter().flatten().max().unwrap_or_default(),
        };
        let known = remembered.iter().map(|each| each.charge.round());
        let forgotten: Vec<Digest> = known.collect();
        let entries = node
            .disk
            .ledger()
            .recovery(remembered, resolution, &caps, now);
        let recovered = entries.and_then(|entries| node.disk.recover(entries, forgotten));
        node.enrol(index);
        if let Err(error) = recovered {
            self.oracles
                .refused(format!("partner {index} cannot recover: {error}"));
        }
        self.count("restored node resolved by its operator");
        self.restart_node(index);
    }
}

impl NodeDisk {
    /// What a resolution makes durable: its entries, and that the open rounds and those it did not know are over.
    fn recover(
        &mut self,
        entries: Vec<LedgerEntry>,
        known_outside: Vec<Digest>,
    ) -> Result<(), LedgerError> {
        let unknown = known_outside
            .into_iter()
            .filter(|round| self.ledger().outcome(round).is_none());
        let unknown: Vec<Digest> = unknown.collect();
        self.forgotten.extend(unknown);
        for row in &mut self.rows {
            if row.stage != Stage::Ended {
                self.forgotten.insert(row.offer.round());
                row.stage = Stage::GivenUp;
                row.records.clear();
            }
        }
        for entry in entries {
            self.append(entry)?;
        }
        Ok(())
    }
}
