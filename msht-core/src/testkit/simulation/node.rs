//! A node's shell: it freezes, stores, sends and asks, as the real one does.

use std::sync::Arc;

use super::Simulation;
use super::crash::NodeCrash;
use super::disk::{NodeDisk, NodeRow, Stage, Write};
use super::plan::HOUR;
use super::planted::Planted;
use super::round::Offer;
use super::schedule::{Event, Request};
use crate::crypto::{Digest, Identity};
use crate::dp::accountant::{LedgerEntry, TombstoneReason};
use crate::secagg::messages::Phase;
use crate::secagg::node::{Anchor, Doubt, Frozen, LedgerDuty, NodeRecord, NodeSession};

/// Virtual seconds after which a node tries again, at first and at most.
pub(super) const FIRST_PAUSE: i64 = 300;
const LONGEST_PAUSE: i64 = HOUR / 2;
/// The partner that plays a planted fault of one node.
pub(super) const CULPRIT: u8 = 1;

/// What a node has in memory.
pub(super) struct Process {
    pub(super) session: Option<NodeSession>,
    pub(super) heard: Option<Arc<Offer>>,
    pub(super) too_late: Option<Digest>,
    pub(super) pause: i64,
}

impl Process {
    fn new() -> Self {
        Self {
            session: None,
            heard: None,
            too_late: None,
            pause: FIRST_PAUSE,
        }
    }
}

/// A partner's machine.
pub(super) struct Node {
    pub(super) identity: Arc<Identity>,
    pub(super) disk: NodeDisk,
    pub(super) process: Option<Process>,
    pub(super) clock_offset: i64,
    pub(super) is_lost: bool,
    /// On another volume than the disk.
    pub(super) anchor: Option<Anchor>,
    /// Why it is in quarantine, where it is.
    pub(super) doubt: Option<Doubt>,
    /// What its operator copied of the disk.
    pub(super) backup: Option<NodeDisk>,
    /// The disk was put back to a copy, and the node has not compared it yet.
    pub(super) was_restored: bool,
    /// Records of the open round as a copy of the disk has them, and the noise of an earlier round: for planted
    /// faults only.
    pub(super) copy: Vec<NodeRecord>,
    old_noise: Option<Vec<i64>>,
}

impl Node {
    pub(super) fn new(identity: Arc<Identity>, index: u8) -> Self {
        let mut node = Self {
            identity,
            disk: NodeDisk::default(),
            process: Some(Process::new()),
            clock_offset: 0,
            is_lost: false,
            anchor: None,
            doubt: None,
            backup: None,
            was_restored: false,
            copy: Vec::new(),
            old_noise: None,
        };
        node.enrol(index);
        node
    }

    fn resume(&self, row: &NodeRow) -> Option<NodeSession> {
        let context = Arc::clone(&row.offer.context);
        NodeSession::resume(context, Arc::clone(&self.identity), &row.records).ok()
    }
}

impl Simulation {
    pub(super) fn process(&mut self, index: u8) -> Option<&mut Process> {
        let node = self.nodes.get_mut(&index)?;
        node.process.as_mut().filter(|_| !node.is_lost)
    }

    pub(super) fn kill_node(&mut self, index: u8, point: NodeCrash) -> bool {
        let hazard = self.plan.node_kills.at(point.fourths());
        if !self.strikes(index, "killed", hazard) {
            return false;
        }
        self.count(point.name());
        if let Some(node) = self.nodes.get_mut(&index) {
            node.process = None;
        }
        let down = self.duration(hazard);
        self.schedule.after(down, Event::NodeRestart(index));
        true
    }

    pub(super) fn restart_node(&mut self, index: u8) {
        self.may_be_restored(index);
        match self.plan.planted {
            Some(Planted::CountsAgainAfterRestart) => self.count_again(index),
            Some(Planted::ForgetsCharge) => {
                if let Some(node) = self.nodes.get_mut(&index) {
                    node.disk.forget_open_round();
                }
            }
            _ => {}
        }
        let Some(node) = self
            .nodes
            .get_mut(&index)
            .filter(|node| node.doubt.is_none())
        else {
            return;
        };
        node.process = Some(Process::new());
        if let Err(error) = node.disk.replay() {
            self.oracles
                .refused(format!("the ledger of partner {index}: {error}"));
        }
        self.settle(index);
        self.node_turn(index);
    }

    pub(super) fn recurring_turn(&mut self, index: u8) {
        let pause = match self.process(index) {
            Some(process) => {
                process.pause = (2 * process.pause).min(LONGEST_PAUSE);
                process.pause
            }
            None => LONGEST_PAUSE,
        };
        if self.nodes.get(&index).is_none_or(|node| node.is_lost) {
            return;
        }
        self.schedule.after(pause, Event::NodeTurn(index));
        self.clock_may_jump(index);
        self.node_turn(index);
    }

    pub(super) fn is_starved(&self, index: u8) -> bool {
        let params = self.plan.params();
        let starved = params.invited() - params.least_survivors() + 1;
        self.plan.planted == Some(Planted::Starves) && index <= starved
    }

    /// Does what can be done now; afterwards the oracles look at the disk.
    pub(super) fn node_turn(&mut self, index: u8) {
        if self.process(index).is_none() || self.is_starved(index) {
            return;
        }
        self.act(index);
        self.after_the_end(index);
        if let Some(node) = self.nodes.get(&index) {
            self.oracles.durable(index, &node.disk);
        }
    }

    fn act(&mut self, index: u8) {
        let Some(node) = self.nodes.get(&index) else {
            return;
        };
        let position = node.disk.position();
        let heard = node
            .process
            .as_ref()
            .and_then(|process| process.heard.clone());
        let heard = heard.filter(|offer| offer.position == position);
        let row = node
            .disk
            .row()
            .map(|row| (row.stage, Arc::clone(&row.offer)));
        match (row, heard) {
            (Some((Stage::Joined, offer)), _) if self.has_expired(index, &offer) => {
                self.give_up(index, &offer, TombstoneReason::DeadlinePassed);
            }
            (Some((Stage::Joined | Stage::Unmasked, offer)), _) => self.drive(index, &offer),
            (None, Some(offer)) if !self.has_expired(index, &offer) => self.try_join(index, &offer),
            _ => self.send_request(index, &Request::Round { position }),
        }
    }

    /// After a round's last deadline nothing more is sent for it.
    fn has_expired(&self, index: u8, offer: &Offer) -> bool {
        self.clock(index) > offer.context.announcement().deadlines.unmask
    }

    fn vanishes(&mut self, index: u8, position: usize, phase: Phase) -> bool {
        let lost = self.plan.lost.get(&index);
        let vanishes = lost.is_some_and(|place| (position, phase) >= *place);
        if vanishes && let Some(node) = self.nodes.get_mut(&index) {
            node.is_lost = true;
            self.count("partner vanished for good");
        }
        vanishes
    }

    /// Terms, ledger, counts, noise, seeds; contribution and reservation are durable in one write.
    fn try_join(&mut self, index: u8, offer: &Arc<Offer>) {
        let ask = Request::Round {
            position: offer.position,
        };
        if self.vanishes(index, offer.position, Phase::Join) {
            return;
        }
        let compares = self.plan.planted != Some(Planted::ClosesBelowLeast);
        if compares && offer.verdict.is_err() {
            return self.send_request(index, &ask);
        }
        let Some(node) = self.nodes.get(&index) else {
            return;
        };
        let previous = node.disk.last_release.unwrap_or(Digest::ZERO);
        if previous != offer.context.announcement().previous_release {
            return self.send_request(index, &ask);
        }
        let permit = offer.terms.permit(
            node.disk.ledger(),
            &self.documents.caps,
            "source",
            "officer",
        );
        let Ok(permit) = permit else {
            self.count("round refused by a ledger");
            return self.send_request(index, &ask);
        };
        let reserved = node.disk.ledger().reserve(permit, self.clock(index));
        let Ok((entry, digest)) = reserved.and_then(|entry| Ok((entry.clone(), entry.digest()?)))
        else {
            // It was in the round before it was restored.
            return self.send_request(index, &ask);
        };
        let Some(frozen) = self.freeze(index, offer, (entry.sequence(), digest)) else {
            return;
        };
        let Some(mut session) = self.start(index, offer, frozen) else {
            return;
        };
        if self.plan.planted == Some(Planted::SendsBeforeStoring) {
            self.send_unstored(index, offer, &session);
        }
        let record = session.poll_record().cloned();
        let write = Write {
            entry: Some(entry),
            record,
            ..Write::default()
        };
        if self.kill_node(index, NodeCrash::BeforeFreezeDurable)
            || !self.commit(index, offer, write)
        {
            return;
        }
        session.record_stored();
        if !self.kill_node(index, NodeCrash::AfterFreezeDurableBeforeSend) {
            self.keep(index, session);
            self.drive(index, offer);
        }
    }

    fn start(&mut self, index: u8, offer: &Arc<Offer>, frozen: Frozen) -> Option<NodeSession> {
        let identity = Arc::clone(&self.nodes.get(&index)?.identity);
        let started = NodeSession::start(Arc::clone(&offer.context), identity, frozen);
        started
            .map_err(|fault| {
                self.oracles
                    .refused(format!("partner {index} cannot start: {fault}"))
            })
            .ok()
    }

    /// The counts with a fresh noise share, which the oracles are told of.
    pub(super) fn noisy(&mut self, index: u8, offer: &Offer) -> Option<Vec<i64>> {
        let culprit = self.plan.planted.filter(|_| index == CULPRIT);
        let truth = self.documents.counts(index, 1);
        let records = if culprit == Some(Planted::CountsTwice) {
            2
        } else {
            1
        };
        let counts = self.documents.counts(index, records);
        let exact = |cells: &[u64]| -> Vec<i64> {
            cells
                .iter()
                .map(|cell| i64::try_from(*cell).unwrap_or(i64::MAX))
                .collect()
        };
        let (bare, exact) = (exact(truth.cells()), exact(counts.cells()));
        let old = self
            .nodes
            .get(&index)
            .and_then(|node| node.old_noise.clone());
        if culprit == Some(Planted::ReusesNoise)
            && let Some(old) = old
        {
            return Some(
                exact
                    .iter()
                    .zip(&old)
                    .map(|(count, draw)| count + draw)
                    .collect(),
            );
        }
        let noisy = offer
            .terms
            .noisy_contribution(&counts, &mut self.rng)
            .ok()?;
        let draws: Vec<i64> = noisy
            .iter()
            .zip(&exact)
            .map(|(value, count)| value - count)
            .collect();
        self.oracles
            .noise_drawn(offer.round(), index, draws.clone());
        if let Some(node) = self.nodes.get_mut(&index) {
            node.old_noise = Some(draws);
        }
        match culprit {
            Some(Planted::FreezesWithoutNoise) => Some(bare),
            _ => Some(noisy.to_vec()),
        }
    }

    fn freeze(&mut self, index: u8, offer: &Offer, head: (u64, Digest)) -> Option<Frozen> {
        let noisy = self.noisy(index, offer)?;
        let id = &offer.context.partner(index)?.id;
        Frozen::draw(&offer.context, id, &noisy, head, &mut self.rng).ok()
    }

    /// One write; false where the disk refused it.
    pub(super) fn commit(&mut self, index: u8, offer: &Arc<Offer>, write: Write) -> bool {
        if self.disk_refuses(index) {
            return false;
        }
        let Some(node) = self.nodes.get_mut(&index) else {
            return false;
        };
        let copies = self.plan.planted == Some(Planted::RestoredCopies);
        let before_confirm = write
            .record
            .as_ref()
            .is_some_and(|record| record.slot() == 2);
        let has_entry = write.entry.is_some();
        let committed = node.disk.commit(offer, write);
        if copies
            && before_confirm
            && let Some(row) = node.disk.row()
        {
            node.copy = row.records.clone();
        }
        if let Err(error) = &committed {
            let what = format!("a ledger entry of partner {index} does not follow: {error}");
            self.oracles.refused(what);
        }
        committed.is_ok() && self.committed(index, has_entry)
    }

    /// One ledger entry about a round that has ended.
    pub(super) fn commit_entry(&mut self, index: u8, entry: LedgerEntry) -> bool {
        if self.disk_refuses(index) {
            return false;
        }
        let Some(node) = self.nodes.get_mut(&index) else {
            return false;
        };
        let committed = node.disk.append(entry);
        if let Err(error) = &committed {
            let what = format!("a ledger entry of partner {index} does not follow: {error}");
            self.oracles.refused(what);
        }
        committed.is_ok() && self.committed(index, true)
    }

    /// After a commit: the operator may copy the disk, and the anchor follows the ledger.
    fn committed(&mut self, index: u8, has_entry: bool) -> bool {
        self.may_be_copied(index);
        !has_entry || self.anchor_follows(index)
    }

    pub(super) fn keep(&mut self, index: u8, session: NodeSession) {
        if let Some(process) = self.process(index) {
            process.session = Some(session);
        }
    }

    /// The session of the open round, rebuilt from what is durable where it is not in memory.
    pub(super) fn take_session(&mut self, index: u8) -> Option<NodeSession> {
        if let Some(session) = self.process(index)?.session.take() {
            return Some(session);
        }
        if self.waits_for_disk(index) {
            return None;
        }
        let node = self.nodes.get(&index)?;
        let resumed = node.resume(node.disk.row()?);
        if resumed.is_none() {
            self.oracles
                .refused(format!("the records of partner {index} do not resume"));
        }
        resumed
    }

    /// Stores what must be durable, sends what may be sent, asks for what is awaited.
    fn drive(&mut self, index: u8, offer: &Arc<Offer>) {
        let Some(mut session) = self.take_session(index) else {
            return;
        };
        if let Some(record) = session.poll_record().cloned() {
            if self.kill_node(index, NodeCrash::BeforeRecordDurable) {
                return;
            }
            if !self.store(index, offer, record) {
                // The process goes on with its session half of the time; the rest it drops it, as the real node.
                if self.chance(500) {
                    self.keep(index, session);
                }
                return;
            }
            session.record_stored();
            if self.kill_node(index, NodeCrash::AfterRecordDurableBeforeSend) {
                return;
            }
        }
        if self.vanishes(index, offer.position, session.phase()) {
            return;
        }
        self.send_or_ask(index, offer, session);
    }

    fn send_or_ask(&mut self, index: u8, offer: &Offer, session: NodeSession) {
        let position = offer.position;
        let round = offer.round();
        let (phase, awaiting) = (session.phase(), session.awaiting());
        let bytes: Option<Arc<[u8]>> = session.poll_transmit().map(Arc::from);
        self.keep(index, session);
        let too_late = self
            .process(index)
            .is_none_or(|process| process.too_late == Some(round));
        match (bytes, awaiting) {
            (Some(bytes), _) if !too_late => {
                if !self.clear(index, round, phase, &bytes) {
                    return;
                }
                self.put(
                    index,
                    Request::Put {
                        round,
                        phase,
                        bytes,
                    },
                );
                self.kill_node(index, NodeCrash::AfterSendBeforeAcknowledged);
            }
            (None, Some(phase)) => self.send_request(index, &Request::Message { position, phase }),
            _ => self.send_request(index, &Request::Round { position }),
        }
    }

    /// Bytes leave the node, and the oracles see them leave.
    pub(super) fn put(&mut self, index: u8, request: Request) {
        if let (Request::Put { bytes, .. }, Some(node)) = (&request, self.nodes.get(&index)) {
            self.oracles.left(index, bytes, &node.disk);
        }
        self.send_request(index, &request);
    }

    /// Makes a record durable together with what the ledger must show.
    fn store(&mut self, index: u8, offer: &Arc<Offer>, record: NodeRecord) -> bool {
        let now = self.clock(index);
        let Some(node) = self.nodes.get(&index) else {
            return false;
        };
        let (ledger, round) = (node.disk.ledger(), offer.round());
        let entry = match record.ledger_duty() {
            LedgerDuty::None | LedgerDuty::Reserve => None,
            LedgerDuty::Charge => Some(ledger.charge(round, now)),
            LedgerDuty::Unmask => Some(ledger.unmask(round, now)),
        };
        let Ok(entry) = entry.transpose() else {
            if self.plan.planted.is_none() {
                self.oracles
                    .refused(format!("the ledger of partner {index} refused its duty"));
            }
            return false;
        };
        let unmasks = record.ledger_duty() == LedgerDuty::Unmask;
        let write = Write {
            entry,
            record: Some(record),
            stage: unmasks.then_some(Stage::Unmasked),
            ..Write::default()
        };
        self.commit(index, offer, write)
    }
}
