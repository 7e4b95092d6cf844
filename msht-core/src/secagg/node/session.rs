//! A node's whole round behind one handle: feed it messages, store what it asks for, send what it allows.
//!
//! Polling order: after every call that changes the session, first [`NodeSession::poll_record`]; make it durable
//! and say so with [`NodeSession::record_stored`]; then [`NodeSession::poll_transmit`] until
//! [`NodeSession::acknowledged`]; then fetch the coordinator's message of [`NodeSession::awaiting`] and hand it
//! to [`NodeSession::handle_message`]. Nothing is transmitted while a record waits to be stored.

use std::sync::Arc;

use zeroize::Zeroize;

use super::confirm::Confirming;
use super::frozen::Frozen;
use super::join::Joining;
use super::mask::Masking;
use super::share::Sharing;
use super::step::{NodeRecord, Step};
use super::unmask::{Confirmed, Unmasked};
use crate::crypto::{Digest, Identity, digest};
use crate::secagg::checks::{Check, Fault, Violation};
use crate::secagg::context::RoundContext;
use crate::secagg::evidence::Evidence;
use crate::secagg::messages::{COORDINATOR_INDEX, Phase, SignedMessage};
use crate::wire::{Blob, MAX_ENCODED_BYTES};

enum State {
    Joining(Joining),
    Sharing(Sharing),
    Masking(Masking),
    Confirming(Confirming),
    Unmasked(Unmasked),
}

/// What a message did to the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeEvent {
    /// The session moved on; its next message is that of the phase named.
    Advanced(Phase),
    /// The message had been handled before, byte for byte.
    Repeated,
}

/// One node in one round.
pub struct NodeSession {
    context: Arc<RoundContext>,
    state: Option<State>,
    record: Option<NodeRecord>,
    message: Option<Vec<u8>>,
    handled: Vec<Handled>,
}

/// A message of the coordinator that was handled, kept to show what a second one for its phase contradicts.
struct Handled {
    phase: Phase,
    digest: Digest,
    bytes: Blob,
}

/// Why stored records do not make a session.
#[derive(Debug, thiserror::Error)]
pub enum ResumeError {
    /// The first record is neither a frozen contribution nor the last of a round.
    #[error("the stored round does not begin with a frozen contribution")]
    NoContribution,
    /// A stored record is refused by the very check that accepted it.
    #[error("a stored record of the round is damaged: {0}")]
    Damaged(#[from] Fault),
}

impl NodeSession {
    /// Starts a round with a frozen contribution.
    ///
    /// # Errors
    /// N4, as [`Joining::start`].
    pub fn start(
        context: Arc<RoundContext>,
        identity: Arc<Identity>,
        frozen: Frozen,
    ) -> Result<Self, Fault> {
        let step = Joining::start(Arc::clone(&context), identity, frozen)?;
        let mut session = Self {
            context,
            state: None,
            record: None,
            message: None,
            handled: Vec::new(),
        };
        session.take_step(step, State::Joining);
        Ok(session)
    }

    /// Rebuilds a session from the records that were durable, in order.
    ///
    /// # Errors
    /// [`ResumeError`].
    pub fn resume(
        context: Arc<RoundContext>,
        identity: Arc<Identity>,
        records: &[NodeRecord],
    ) -> Result<Self, ResumeError> {
        let (first, rest) = records.split_first().ok_or(ResumeError::NoContribution)?;
        let mut session = match first {
            NodeRecord::Frozen(bytes) => {
                let frozen = Frozen::from_bytes(&context, bytes.as_ref())
                    .ok_or(Fault::caller(Check::N1, Violation::Encoding))?;
                Self::start(context, identity, frozen)?
            }
            NodeRecord::Unmasked(bytes) => {
                let unmasked = Unmasked::from_record(Arc::clone(&context), bytes.as_ref())?;
                let message = unmasked.confirmed().message().to_vec();
                let message = (!message.is_empty()).then_some(message);
                let state = Some(State::Unmasked(unmasked));
                return Ok(Self {
                    context,
                    state,
                    record: None,
                    message,
                    handled: Vec::new(),
                });
            }
            _ => return Err(ResumeError::NoContribution),
        };
        session.record_stored();
        for record in rest {
            // A stored survivor set was accepted after our Mask was acknowledged.
            session.acknowledged();
            let (NodeRecord::Frozen(bytes)
            | NodeRecord::Roll(bytes)
            | NodeRecord::Delivery(bytes)
            | NodeRecord::Survivors(bytes)
            | NodeRecord::Unmasked(bytes)) = record;
            session.handle_message(bytes.as_ref())?;
            session.record_stored();
        }
        Ok(session)
    }

    /// The record that must be made durable before anything else happens.
    #[must_use]
    pub fn poll_record(&self) -> Option<&NodeRecord> {
        self.record.as_ref()
    }

    /// States that the record of [`Self::poll_record`] is durable.
    pub fn record_stored(&mut self) {
        self.record = None;
    }

    /// The message to send now, again and again until it is acknowledged; none while a record waits.
    #[must_use]
    pub fn poll_transmit(&self) -> Option<&[u8]> {
        if self.record.is_some() {
            return None;
        }
        self.message.as_deref()
    }

    /// States that the coordinator acknowledged the message of [`Self::poll_transmit`].
    pub fn acknowledged(&mut self) {
        // The bytes of Unmask hold shares.
        self.message.zeroize();
        self.message = None;
    }

    /// The phase whose message this session sends, or sent last.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match &self.state {
            Some(State::Joining(_)) | None => Phase::Join,
            Some(State::Sharing(_)) => Phase::Share,
            Some(State::Masking(_)) => Phase::Mask,
            Some(State::Confirming(_)) => Phase::Confirm,
            Some(State::Unmasked(_)) => Phase::Unmask,
        }
    }

    /// The phase whose message of the coordinator is awaited; none once only the release is to come.
    #[must_use]
    pub fn awaiting(&self) -> Option<Phase> {
        let phase = self.phase();
        (phase != Phase::Unmask).then_some(phase)
    }

    /// What the release must match, once the node has unmasked.
    #[must_use]
    pub fn confirmed(&self) -> Option<&Confirmed> {
        match &self.state {
            Some(State::Unmasked(unmasked)) => Some(unmasked.confirmed()),
            _ => None,
        }
    }

    /// The terms of the round.
    #[must_use]
    pub fn context(&self) -> &Arc<RoundContext> {
        &self.context
    }

    /// Handles a message of the coordinator. A refused message leaves the session as it was.
    ///
    /// # Errors
    /// The check that failed and whose fault it is. A survivor set is refused as not open yet until our Mask was
    /// [`Self::acknowledged`] (N7). A second, different message for a phase that was handled is
    /// [`Violation::Equivocation`].
    pub fn handle_message(&mut self, bytes: &[u8]) -> Result<NodeEvent, Fault> {
        let received = digest("handled", &[bytes]);
        if self
            .handled
            .iter()
            .any(|earlier| earlier.digest == received)
        {
            return Ok(NodeEvent::Repeated);
        }
        if self.record.is_some() {
            return Err(Fault::caller(Check::N1, Violation::PhaseNotOpen));
        }
        let phase = self.phase();
        self.advance(bytes)
            .map_err(|fault| self.explain(bytes, fault))?;
        self.handled.push(Handled {
            phase,
            digest: received,
            bytes: Blob::from(bytes),
        });
        Ok(NodeEvent::Advanced(self.phase()))
    }

    /// Proof that the coordinator signed `bytes` although it had signed another message for the same phase, which was
    /// handled; none where that is not so. Ask for it after [`Self::handle_message`] refused `bytes`.
    #[must_use]
    pub fn contradiction(&self, bytes: &[u8]) -> Option<Evidence> {
        let second = SignedMessage::from_bytes(bytes, bytes.len()).ok()?;
        let mut handled = self.handled.iter();
        let first = handled.find(|earlier| earlier.phase == second.phase)?;
        let first = SignedMessage::from_bytes(first.bytes.as_ref(), MAX_ENCODED_BYTES).ok()?;
        Evidence::of_messages(*self.context.coordinator(), &first, &second)
    }

    /// Tells a message for a phase already handled from one that is merely wrong.
    fn explain(&self, bytes: &[u8], fault: Fault) -> Fault {
        let message = SignedMessage::from_bytes(bytes, bytes.len());
        let Ok(message) = message else {
            return fault;
        };
        let coordinator = self.context.coordinator();
        let round = self.context.round();
        let genuine = message.verify(&round, message.phase, COORDINATOR_INDEX, coordinator);
        let handled = self
            .handled
            .iter()
            .any(|earlier| earlier.phase == message.phase);
        if genuine.is_ok() && handled {
            return Fault::coordinator(check_of(message.phase), Violation::Equivocation);
        }
        fault
    }

    fn advance(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let closed = Fault::caller(Check::N1, Violation::PhaseNotOpen);
        match self.state.take().ok_or(closed)? {
            State::Joining(phase) => match phase.check_roll(bytes) {
                Ok(roll) => self.take_step(phase.share(roll)?, State::Sharing),
                Err(fault) => return self.put_back(State::Joining(phase), fault),
            },
            State::Sharing(phase) => match phase.check_delivery(bytes) {
                Ok(delivery) => self.take_step(phase.mask(delivery)?, State::Masking),
                Err(fault) => return self.put_back(State::Sharing(phase), fault),
            },
            State::Masking(phase) if self.message.is_some() => {
                let early = Fault::caller(Check::N7, Violation::PhaseNotOpen);
                return self.put_back(State::Masking(phase), early);
            }
            State::Masking(phase) => match phase.check_survivors(bytes) {
                Ok(survivors) => self.take_step(phase.confirm(survivors)?, State::Confirming),
                Err(fault) => return self.put_back(State::Masking(phase), fault),
            },
            State::Confirming(phase) => match phase.check_confirmations(bytes) {
                Ok(confirmations) => self.take_step(phase.unmask(confirmations)?, State::Unmasked),
                Err(fault) => return self.put_back(State::Confirming(phase), fault),
            },
            State::Unmasked(phase) => return self.put_back(State::Unmasked(phase), closed),
        }
        Ok(())
    }

    fn put_back(&mut self, state: State, fault: Fault) -> Result<(), Fault> {
        self.state = Some(state);
        Err(fault)
    }

    fn take_step<N>(&mut self, step: Step<N>, wrap: impl FnOnce(N) -> State) {
        let (record, message, next) = step.into_parts();
        self.record = Some(record);
        self.message = Some(message);
        self.state = Some(wrap(next));
    }
}

/// The check that the coordinator's message of `phase` has to pass.
fn check_of(phase: Phase) -> Check {
    match phase {
        Phase::Join => Check::N5,
        Phase::Share => Check::N6,
        Phase::Mask => Check::N7,
        Phase::Confirm => Check::N8,
        Phase::Unmask => Check::N9,
    }
}
