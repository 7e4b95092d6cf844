//! The coordinator's whole round behind one handle.
//!
//! After every call that changes the session, store what [`CoordinatorSession::take_records`] gives, in order,
//! *before* acknowledging the message (C4) or serving anything new. If storing fails, drop the session and
//! [`CoordinatorSession::resume`] it from what is stored.

mod evidence;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::collect::{Authentic, Slot, body_limit};
use super::confirming::Confirming;
use super::joining::Joining;
use super::masking::Masking;
use super::opening::Opened;
use super::sharing::Sharing;
use super::unmasking::Unmasking;
use crate::crypto::{Digest, Identity, digest};
use crate::secagg::abort::{Abort, AbortReason};
use crate::secagg::checks::{Check, Fault, Violation};
use crate::secagg::context::RoundContext;
use crate::secagg::evidence::Evidence;
use crate::secagg::messages::{COORDINATOR_INDEX, MESSAGE_OVERHEAD_BYTES, Phase, SignedMessage};
use crate::wire::Blob;

/// Something the coordinator must have made durable. Replayed in order, the records rebuild the session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum CoordinatorRecord {
    /// A partner's message was accepted.
    Accepted(Blob),
    /// A phase was closed with what was accepted before.
    Closed(Phase),
    /// The round was given up.
    Aborted(Abort),
}

/// Whether an accepted message was new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Receipt {
    /// New: its record must be durable before it is acknowledged.
    Stored,
    /// The same bytes as before: acknowledge again.
    Repeated,
    /// The phase closed without needing this message: acknowledge, so that the partner goes on.
    NotNeeded,
}

/// Where a round stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// A phase is open.
    Collecting {
        /// The phase.
        phase: Phase,
        /// Indices whose message is in.
        received: Vec<u8>,
        /// Indices whose message is awaited.
        awaited: Vec<u8>,
    },
    /// The sum is open.
    Opened,
    /// The round was given up.
    Aborted(Abort),
}

enum State {
    Joining(Joining),
    Sharing(Sharing),
    Masking(Masking),
    Confirming(Confirming),
    Unmasking(Box<Unmasking>),
    Opened(Opened),
    Aborted(Abort),
}

/// The coordinator in one round.
pub struct CoordinatorSession {
    context: Arc<RoundContext>,
    identity: Arc<Identity>,
    state: State,
    records: Vec<CoordinatorRecord>,
    shared: BTreeMap<Phase, Arc<[u8]>>,
    deliveries: BTreeMap<u8, Arc<[u8]>>,
    accepted: BTreeMap<(Phase, u8), Digest>,
    evidence: Vec<Evidence>,
    contradicted: BTreeSet<(Phase, u8)>,
}

impl CoordinatorSession {
    /// A round in which nobody has joined yet.
    #[must_use]
    pub fn new(context: Arc<RoundContext>, identity: Arc<Identity>) -> Self {
        Self {
            context,
            identity,
            state: State::Joining(Joining::new()),
            records: Vec::new(),
            shared: BTreeMap::new(),
            deliveries: BTreeMap::new(),
            accepted: BTreeMap::new(),
            evidence: Vec::new(),
            contradicted: BTreeSet::new(),
        }
    }

    /// Rebuilds a session from its durable records, in order.
    ///
    /// # Errors
    /// A fault where a stored record is refused by the check that accepted it: the store is damaged.
    pub fn resume(
        context: Arc<RoundContext>,
        identity: Arc<Identity>,
        records: impl IntoIterator<Item = CoordinatorRecord>,
    ) -> Result<Self, Fault> {
        let mut session = Self::new(context, identity);
        session.catch_up(records)?;
        Ok(session)
    }

    /// Takes in, in order, the durable records that follow those this session knows: what another replica of the
    /// coordinator has stored meanwhile.
    ///
    /// # Errors
    /// As [`Self::resume`]; the session must not be used any more then.
    pub fn catch_up(
        &mut self,
        records: impl IntoIterator<Item = CoordinatorRecord>,
    ) -> Result<(), Fault> {
        for record in records {
            match record {
                CoordinatorRecord::Accepted(bytes) => {
                    self.handle_message(bytes.as_ref())?;
                }
                CoordinatorRecord::Closed(phase) if phase == self.open_phase() => {
                    self.close_phase()?;
                }
                CoordinatorRecord::Closed(_) => {
                    return Err(Fault::caller(Check::C4, Violation::PhaseNotOpen));
                }
                CoordinatorRecord::Aborted(abort) => self.state = State::Aborted(abort),
            }
        }
        self.records.clear();
        self.evidence.clear();
        Ok(())
    }

    /// The terms of the round.
    #[must_use]
    pub fn context(&self) -> &Arc<RoundContext> {
        &self.context
    }

    /// Records to store, in order; each is given once.
    #[must_use]
    pub fn take_records(&mut self) -> Vec<CoordinatorRecord> {
        std::mem::take(&mut self.records)
    }

    fn open_phase(&self) -> Phase {
        match self.state {
            State::Joining(_) => Phase::Join,
            State::Sharing(_) => Phase::Share,
            State::Masking(_) => Phase::Mask,
            State::Confirming(_) => Phase::Confirm,
            State::Unmasking(_) | State::Opened(_) | State::Aborted(_) => Phase::Unmask,
        }
    }

    /// Longest message of `phase`, so that nothing larger is ever buffered (C2).
    #[must_use]
    pub fn message_limit(&self, phase: Phase) -> usize {
        MESSAGE_OVERHEAD_BYTES + body_limit(&self.context, phase)
    }

    /// Handles a partner's message. A refused one leaves the session as it was. The caller has checked that the
    /// connection is the sender's own (C1).
    ///
    /// # Errors
    /// The check that failed (C1, C2, C3 or C5) and whose fault it is. What does not carry its sender's signature
    /// is no partner's fault but that of whoever handed it in: else anybody could have a partner named. What a
    /// refusal at C3 proves is in [`Self::take_evidence`].
    pub fn handle_message(&mut self, bytes: &[u8]) -> Result<Receipt, Fault> {
        let result = self.receive(bytes);
        if matches!(result, Err(fault) if fault.check == Check::C3) {
            self.keep_contradiction(bytes);
        }
        result
    }

    fn receive(&mut self, bytes: &[u8]) -> Result<Receipt, Fault> {
        let limit = Phase::ALL
            .map(|phase| self.message_limit(phase))
            .into_iter()
            .max();
        let message = SignedMessage::from_bytes(bytes, limit.unwrap_or_default())
            .map_err(|violation| Fault::caller(Check::C2, violation))?;
        if bytes.len() > self.message_limit(message.phase) {
            return Err(Fault::caller(Check::C2, Violation::Encoding));
        }
        let message = Authentic::check(&self.context, message)
            .map_err(|violation| Fault::caller(Check::C1, violation))?;
        let (sender, phase) = (message.sender, message.phase);
        let received = digest("accepted", &[bytes]);
        if phase < self.open_phase() {
            return self.late(&message, received);
        }
        let context = &self.context;
        let closed = Err(Fault::partner(Check::C1, sender, Violation::PhaseNotOpen));
        let slot = match (&mut self.state, phase) {
            (State::Joining(open), Phase::Join) => open.accept(message),
            (State::Sharing(open), Phase::Share) => open.accept(context, message),
            (State::Masking(open), Phase::Mask) => open.accept(context, message),
            (State::Confirming(open), Phase::Confirm) => open.accept(context, message),
            (State::Unmasking(open), Phase::Unmask) => open.accept(context, message),
            (State::Opened(_), Phase::Unmask) => return self.late(&message, received),
            _ => closed,
        }?;
        if slot == Slot::Taken {
            return Ok(Receipt::Repeated);
        }
        self.accepted.insert((phase, sender), received);
        self.records
            .push(CoordinatorRecord::Accepted(Blob::from(bytes)));
        Ok(Receipt::Stored)
    }

    /// A message of a phase that has closed. The bytes that were in time are answered as before and others for
    /// their slot are evidence (C3). A survivor's first Confirm or Unmask is simply not needed any more; everything
    /// else came too late (C1).
    fn late(&self, message: &Authentic, received: Digest) -> Result<Receipt, Fault> {
        let (sender, phase) = (message.sender, message.phase);
        match self.accepted.get(&(phase, sender)) {
            Some(first) if *first == received => return Ok(Receipt::NotNeeded),
            Some(_) => return Err(Fault::partner(Check::C3, sender, Violation::Equivocation)),
            None => {}
        }
        let too_late = Err(Fault::partner(Check::C1, sender, Violation::PhaseNotOpen));
        let confirm = match &self.state {
            State::Unmasking(open) => &open.confirm,
            State::Opened(opened) => &opened.confirm,
            _ => return too_late,
        };
        if phase < Phase::Confirm || !confirm.survivors.contains(&sender) {
            return too_late;
        }
        let same_set = message.body(&self.context).as_ref() == Ok(confirm);
        if phase == Phase::Confirm && !same_set {
            return Err(Fault::partner(Check::C2, sender, Violation::DigestMismatch));
        }
        Ok(Receipt::NotNeeded)
    }

    /// Closes the open phase where all expected messages are in, or where `now` is past its deadline: onward with
    /// enough messages, an abort with fewer. Returns whether anything changed; call again until nothing does.
    ///
    /// # Errors
    /// Only where a collected message is refused on closing, which its acceptance excludes.
    pub fn handle_timeout(&mut self, now: i64) -> Result<bool, Fault> {
        self.close_if(now >= self.deadline())
    }

    /// Closes the open phase now, as if its deadline had come.
    ///
    /// # Errors
    /// As [`Self::handle_timeout`].
    pub fn close_now(&mut self) -> Result<bool, Fault> {
        self.close_if(true)
    }

    /// Gives the round up.
    pub fn abort(&mut self, reason: AbortReason) {
        if matches!(self.state, State::Opened(_) | State::Aborted(_)) {
            return;
        }
        let missing = match self.progress() {
            Progress::Collecting { awaited, .. } => self.context.ids(&awaited),
            Progress::Opened | Progress::Aborted(_) => Vec::new(),
        };
        let abort = Abort {
            phase: self.open_phase(),
            reason,
            missing,
        };
        self.records.push(CoordinatorRecord::Aborted(abort.clone()));
        self.state = State::Aborted(abort);
    }

    /// The deadline of the open phase, seconds since 1970-01-01 UTC.
    #[must_use]
    pub fn deadline(&self) -> i64 {
        let deadlines = &self.context.announcement().deadlines;
        match self.open_phase() {
            Phase::Join => deadlines.join,
            Phase::Share => deadlines.share,
            Phase::Mask => deadlines.mask,
            Phase::Confirm => deadlines.confirm,
            Phase::Unmask => deadlines.unmask,
        }
    }

    fn close_if(&mut self, time_is_up: bool) -> Result<bool, Fault> {
        let Progress::Collecting {
            phase,
            received,
            awaited,
        } = self.progress()
        else {
            return Ok(false);
        };
        let params = self.context.params();
        let (threshold, least) = (params.threshold(), params.least_survivors());
        let needed = match phase {
            Phase::Join | Phase::Share | Phase::Mask => usize::from(least),
            Phase::Confirm | Phase::Unmask => usize::from(threshold),
        };
        let complete = match &self.state {
            State::Confirming(_) => received.len() >= needed,
            State::Unmasking(open) => open.can_open(&self.context),
            _ => awaited.is_empty(),
        };
        if !complete && !time_is_up {
            return Ok(false);
        }
        let cannot_open = matches!(&self.state, State::Unmasking(_)) && !complete;
        if received.len() < needed || cannot_open {
            let count = |number: usize| u16::try_from(number).unwrap_or(u16::MAX);
            let reason = AbortReason::TooFew {
                received: count(received.len()),
                needed: count(needed),
            };
            self.abort(reason);
            return Ok(true);
        }
        if let State::Masking(open) = &self.state
            && let Some(reason) = open.undealt(&self.context)
        {
            self.abort(reason);
            return Ok(true);
        }
        self.close_phase()?;
        Ok(true)
    }

    fn close_phase(&mut self) -> Result<(), Fault> {
        let phase = self.open_phase();
        let placeholder = State::Joining(Joining::new());
        let next = match std::mem::replace(&mut self.state, placeholder) {
            State::Joining(open) => {
                let (body, next) = open.close(&self.context)?;
                self.publish(phase, &body)?;
                State::Sharing(next)
            }
            State::Sharing(open) => {
                let (bodies, next) = open.close(&self.context);
                for (index, body) in bodies {
                    let delivery = self.sign(phase, &body)?;
                    self.deliveries.insert(index, delivery);
                }
                State::Masking(next)
            }
            State::Masking(open) => {
                let (body, next) = open.close();
                self.publish(phase, &body)?;
                State::Confirming(next)
            }
            State::Confirming(open) => {
                let (body, next) = open.close();
                self.publish(phase, &body)?;
                State::Unmasking(Box::new(next))
            }
            State::Unmasking(open) => match open.open(&self.context) {
                Ok(opened) => State::Opened(opened),
                Err(unopened) => {
                    self.state = State::Unmasking(open);
                    self.keep_proof(unopened.proof);
                    self.abort(unopened.reason);
                    return Ok(());
                }
            },
            ended => ended,
        };
        self.state = next;
        self.records.push(CoordinatorRecord::Closed(phase));
        Ok(())
    }

    fn sign<B: Serialize>(&self, phase: Phase, body: &B) -> Result<Arc<[u8]>, Fault> {
        let too_long = |_| Fault::caller(Check::C2, Violation::Encoding);
        SignedMessage::sign(
            &self.identity,
            self.context.round(),
            phase,
            COORDINATOR_INDEX,
            body,
        )
        .and_then(|message| message.to_bytes())
        .map(Arc::from)
        .map_err(too_long)
    }

    fn publish<B: Serialize>(&mut self, phase: Phase, body: &B) -> Result<(), Fault> {
        let message = self.sign(phase, body)?;
        self.shared.insert(phase, message);
        Ok(())
    }

    /// The coordinator's message of `phase` for the partner with `index`, once the phase has closed; none for a
    /// partner that is not in it, and none while records wait for [`Self::take_records`] (C4).
    #[must_use]
    pub fn message_for(&self, phase: Phase, index: u8) -> Option<Arc<[u8]>> {
        if !self.records.is_empty() {
            return None;
        }
        let shared = || self.shared.get(&phase).cloned();
        match phase {
            Phase::Join => shared().filter(|_| self.accepted.contains_key(&(Phase::Join, index))),
            Phase::Share => self.deliveries.get(&index).cloned(),
            Phase::Mask | Phase::Confirm => shared().filter(|_| self.survivors().contains(&index)),
            Phase::Unmask => None,
        }
    }

    fn survivors(&self) -> &[u8] {
        match &self.state {
            State::Confirming(open) => &open.confirm.survivors,
            State::Unmasking(open) => &open.confirm.survivors,
            State::Opened(opened) => &opened.confirm.survivors,
            State::Joining(_) | State::Sharing(_) | State::Masking(_) | State::Aborted(_) => &[],
        }
    }

    /// Where the round stands.
    #[must_use]
    pub fn progress(&self) -> Progress {
        let (expected, received): (Vec<u8>, Vec<u8>) = match &self.state {
            State::Joining(open) => (
                self.context.indices().collect(),
                open.joins.keys().copied().collect(),
            ),
            State::Sharing(open) => (open.members(), open.dealt.keys().copied().collect()),
            State::Masking(open) => (
                open.dealt.keys().copied().collect(),
                open.masked.keys().copied().collect(),
            ),
            State::Confirming(open) => (
                open.confirm.survivors.clone(),
                open.confirmed.keys().copied().collect(),
            ),
            State::Unmasking(open) => (
                open.confirm.survivors.clone(),
                open.revealed.keys().copied().collect(),
            ),
            State::Opened(_) => return Progress::Opened,
            State::Aborted(abort) => return Progress::Aborted(abort.clone()),
        };
        let awaited = expected
            .into_iter()
            .filter(|index| !received.contains(index))
            .collect();
        Progress::Collecting {
            phase: self.open_phase(),
            received,
            awaited,
        }
    }

    /// The opened sum, once it is open.
    #[must_use]
    pub fn opened(&self) -> Option<&Opened> {
        match &self.state {
            State::Opened(opened) => Some(opened),
            _ => None,
        }
    }
}
