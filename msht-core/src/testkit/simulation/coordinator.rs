//! The coordinator's shell: it stores what its session asks for, then answers, as the real one does.

use std::sync::Arc;

use rand::RngExt;

use super::charges::Aftermath;
use super::crash::CoordinatorCrash;
use super::disk::{CoordinatorDisk, CoordinatorRow};
use super::plan::HOUR;
use super::planted::Planted;
use super::round::{Ending, Offer, next_attempt};
use super::schedule::{Event, Reply, Request};
use super::{COORDINATOR, Simulation};
use crate::crypto::{Digest, Identity};
use crate::release::Release;
use crate::secagg::coordinator::{
    CoordinatorRecord, CoordinatorSession, Opened, Progress, Receipt,
};
use crate::secagg::messages::Phase;
use crate::secagg::{Abort, AbortNotice, AbortReason, Fault, Signed, Violation};

/// Virtual seconds between two looks at the clock.
const LOOK_SECONDS: i64 = 900;
/// Most phases that close one after another: all five, and one look that finds nothing more to do.
const MAX_CLOSES: usize = Phase::ALL.len() + 1;

/// The coordinator's machine.
pub(super) struct Coordinator {
    pub(super) identity: Arc<Identity>,
    pub(super) disk: CoordinatorDisk,
    pub(super) is_up: bool,
    pub(super) clock_offset: i64,
    session: Option<CoordinatorSession>,
}

impl Coordinator {
    pub(super) fn new(identity: Arc<Identity>) -> Self {
        Self {
            identity,
            disk: CoordinatorDisk::default(),
            is_up: true,
            clock_offset: 0,
            session: None,
        }
    }

    /// The round that is open.
    fn open(&self) -> Option<&CoordinatorRow> {
        self.disk.rows.last().filter(|row| row.ending.is_none())
    }

    pub(super) fn row_of_mut(&mut self, round: &Digest) -> Option<&mut CoordinatorRow> {
        let mut rows = self.disk.rows.iter_mut();
        rows.find(|row| row.offer.round() == *round)
    }

    pub(super) fn row_of(&self, round: &Digest) -> Option<&CoordinatorRow> {
        self.disk
            .rows
            .iter()
            .find(|row| row.offer.round() == *round)
    }
}

impl Simulation {
    pub(super) fn kill_coordinator(&mut self, point: CoordinatorCrash) -> bool {
        let hazard = self.plan.coordinator_kills.at(point.fourths());
        if !self.strikes(COORDINATOR, "killed", hazard) {
            return false;
        }
        self.count(point.name());
        self.coordinator.is_up = false;
        self.coordinator.session = None;
        let down = self.duration(hazard);
        self.schedule.after(down, Event::CoordinatorRestart);
        true
    }

    /// The operator opens the next round.
    pub(super) fn open_round(&mut self) {
        if !self.coordinator.is_up || self.disk_refuses(COORDINATOR) {
            return self.schedule.after(HOUR, Event::OpenRound);
        }
        let disk = &self.coordinator.disk;
        let last = disk.rows.last();
        let before = last.and_then(|row| Some((&*row.offer, row.ending.as_deref()?)));
        let lower = matches!(
            self.plan.planted,
            Some(Planted::ClosesBelowLeast | Planted::AnnouncesBelowLeast)
        );
        let offer = self.documents.offer(
            disk.rows.len(),
            next_attempt(before),
            disk.last_release,
            self.clock(COORDINATOR),
            lower,
        );
        self.oracles.announced(&offer);
        self.strikes.clear();
        self.coordinator.disk.rows.push(CoordinatorRow {
            offer: Arc::new(offer),
            records: Vec::new(),
            ending: None,
            aftermath: Aftermath::default(),
        });
        self.kill_coordinator(CoordinatorCrash::AfterOpeningDurable);
    }

    pub(super) fn recurring_coordinator_turn(&mut self) {
        self.schedule.after(LOOK_SECONDS, Event::CoordinatorTurn);
        if !self.coordinator.is_up {
            return;
        }
        self.clock_may_jump(COORDINATOR);
        self.work(None);
    }

    pub(super) fn request(&mut self, from: u8, request: Request) {
        if !self.coordinator.is_up {
            return self.count("message to a coordinator that was down");
        }
        match request {
            Request::Put {
                round,
                phase,
                bytes,
            } => self.receive(from, round, phase, &bytes),
            Request::Round { position } => self.serve_round(from, position),
            Request::Statement { round, bytes } => self.take_statement(from, round, &bytes),
            Request::Certificate { round } => self.serve_certificate(from, round),
            Request::Message { position, phase } => {
                let open = self.coordinator.open();
                if open.is_some_and(|row| row.offer.position == position) {
                    self.serve_message(from, phase);
                } else {
                    self.serve_round(from, position);
                }
            }
        }
    }

    fn serve_round(&mut self, to: u8, position: usize) {
        let Some(row) = self.coordinator.disk.rows.get(position) else {
            return;
        };
        let (offer, ending) = (Arc::clone(&row.offer), row.ending.clone());
        if let Some(Ending::Released(release)) = ending.as_deref()
            && let Ok(digest) = crate::secagg::Document::digest(&release.content)
        {
            self.oracles.release_left(offer.round(), digest);
        }
        self.send_reply(
            to,
            &Reply::Round {
                position,
                offer,
                ending,
            },
        );
    }

    fn serve_message(&mut self, to: u8, phase: Phase) {
        let Some(session) = self.open_session() else {
            return;
        };
        let message = session.message_for(phase, to);
        let round = session.context().round();
        self.coordinator.session = Some(session);
        if let Some(bytes) = message {
            self.send_reply(to, &Reply::Message { round, bytes });
            self.kill_coordinator(CoordinatorCrash::AfterServing);
        }
    }

    fn receive(&mut self, from: u8, round: Digest, phase: Phase, bytes: &[u8]) {
        let Some(row) = self.coordinator.row_of(&round) else {
            return;
        };
        let too_late = Reply::TooLate { round };
        let accepted = Reply::Accepted { round, phase };
        match row.ending.as_deref() {
            Some(Ending::Released(_)) if phase >= Phase::Confirm => {
                self.send_reply(from, &accepted)
            }
            Some(_) => self.send_reply(from, &too_late),
            None => match self.work(Some(bytes)) {
                Some(Ok(_)) => self.send_reply(from, &accepted),
                Some(Err(fault)) => {
                    if fault.violation != Violation::PhaseNotOpen && self.plan.planted.is_none() {
                        let phase = phase.word();
                        self.oracles
                            .refused(format!("{phase} of partner {from} refused: {fault}"));
                    }
                    self.send_reply(from, &too_late);
                }
                None => {}
            },
        }
    }

    /// The session of the open round, rebuilt from what is durable where it is not in memory.
    fn open_session(&mut self) -> Option<CoordinatorSession> {
        if let Some(session) = self.coordinator.session.take() {
            return Some(session);
        }
        if self.waits_for_disk(COORDINATOR) {
            return None;
        }
        let row = self.coordinator.open()?;
        let context = Arc::clone(&row.offer.context);
        let identity = Arc::clone(&self.coordinator.identity);
        let resumed = CoordinatorSession::resume(context, identity, row.records.iter().cloned());
        resumed
            .map_err(|fault| {
                self.oracles
                    .refused(format!("the coordinator's own records: {fault}"))
            })
            .ok()
    }

    /// Hands a message to the open round, closes what can be closed and makes it durable. None where nothing may
    /// be answered: it was killed, or its disk refused.
    fn work(&mut self, message: Option<&[u8]>) -> Option<Result<Receipt, Fault>> {
        let mut session = self.open_session()?;
        let result = message.map(|bytes| session.handle_message(bytes));
        let now = self.clock(COORDINATOR);
        for _ in 0..MAX_CLOSES {
            match session.handle_timeout(now) {
                Ok(true) => {}
                Ok(false) => break,
                Err(fault) => {
                    self.oracles
                        .refused(format!("what was accepted did not close: {fault}"));
                    break;
                }
            }
        }
        if self.chance(self.plan.operator_per_mille) && message.is_none() {
            self.count("round given up by the operator");
            session.abort(AbortReason::Operator);
        }
        let records = session.take_records();
        if let Progress::Aborted(abort) = session.progress() {
            self.end_with_abort(session.context().round(), abort);
            return result;
        }
        if !records.is_empty() && !self.store_records(records) {
            return None;
        }
        if let Some(opened) = session.opened() {
            self.end_with_release(opened);
            return if self.coordinator.is_up { result } else { None };
        }
        self.coordinator.session = Some(session);
        result
    }

    /// Makes records durable, in order. False where it was killed before it could answer, or the disk refused: the
    /// session in memory is ahead of the disk then and must be dropped.
    fn store_records(&mut self, records: Vec<CoordinatorRecord>) -> bool {
        use CoordinatorCrash as At;
        if self.kill_coordinator(At::BeforeRecordDurable) || self.disk_refuses(COORDINATOR) {
            return false;
        }
        let torn = records.len() > 1 && self.kill_coordinator(At::BetweenRecords);
        let durable = if torn {
            self.rng.random_range(1..records.len())
        } else {
            records.len()
        };
        let closes = records
            .iter()
            .any(|each| matches!(each, CoordinatorRecord::Closed(_)));
        if let Some(row) = self.coordinator.disk.rows.last_mut() {
            row.records.extend(records.into_iter().take(durable));
        }
        if torn || self.kill_coordinator(At::AfterRecordDurableBeforeAnswer) {
            return false;
        }
        !(closes && self.kill_coordinator(At::AfterCloseDurableBeforeServing))
    }

    #[expect(clippy::expect_used, reason = "test support: a small document")]
    fn end_with_abort(&mut self, round: Digest, abort: Abort) {
        let dies = self.kill_coordinator(CoordinatorCrash::BeforeAbortDurable);
        if dies || self.disk_refuses(COORDINATOR) {
            return;
        }
        let notice = AbortNotice { round, abort };
        let notice = Signed::sign(notice, &self.coordinator.identity).expect("small");
        self.end(Ending::Aborted(notice));
        self.kill_coordinator(CoordinatorCrash::AfterAbortDurableBeforeAnnouncing);
    }

    #[expect(
        clippy::expect_used,
        reason = "test support: a sum that cannot be described is a found fault"
    )]
    fn end_with_release(&mut self, opened: &Opened) {
        let Some(row) = self.coordinator.open() else {
            return;
        };
        let offer: Arc<Offer> = Arc::clone(&row.offer);
        self.oracles.opened(&offer.round(), opened);
        let (programme, now) = (&offer.terms.programme, self.clock(COORDINATOR));
        let release = Release::build(&offer.context, programme, opened, now).expect("a release");
        let release = Signed::sign(release, &self.coordinator.identity).expect("small");
        let dies = self.kill_coordinator(CoordinatorCrash::BeforeReleaseDurable);
        if dies || self.disk_refuses(COORDINATOR) {
            return;
        }
        if self.plan.planted == Some(Planted::RestoredCopies) {
            self.open_a_second_time(&offer, opened);
        }
        self.coordinator.disk.last_release = crate::secagg::Document::digest(&release.content).ok();
        self.end(Ending::Released(Box::new(release)));
        self.kill_coordinator(CoordinatorCrash::AfterReleaseDurableBeforeAnnouncing);
    }

    /// The round's end is durable, and what it was made of erased with it (C7).
    fn end(&mut self, ending: Ending) {
        if let Some(row) = self.coordinator.disk.rows.last_mut() {
            row.ending = Some(Arc::new(ending));
            row.aftermath = Aftermath::of(&row.records);
            row.records.clear();
        }
        if self.coordinator.disk.rows.len() < self.plan.rounds {
            let pause = self.rng.random_range(HOUR..24 * HOUR);
            self.schedule.after(pause, Event::OpenRound);
        }
    }
}
