//! One slot a partner: the first message wins, the same bytes again are answered the same, different ones are
//! evidence.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::confirming::MAX_CONFIRM_BODY_BYTES;
use super::masking::MASK_BODY_OVERHEAD_BYTES;
use super::sharing::{MAX_ENVELOPE_BYTES, MAX_HEADER_BYTES};
use super::unmasking::MAX_UNMASK_BODY_BYTES;
use crate::secagg::checks::{Check, Fault, Violation};
use crate::secagg::context::RoundContext;
use crate::secagg::messages::{Phase, SignedMessage};
use crate::secagg::roll::MAX_JOIN_BODY_BYTES;
use crate::wire::decode;

/// C2: the longest body of `phase`. Nothing longer is buffered or decoded.
pub(super) fn body_limit(context: &RoundContext, phase: Phase) -> usize {
    let members = usize::from(context.params().invited());
    let vector = context.cells() * context.word_size().bytes();
    match phase {
        Phase::Join => MAX_JOIN_BODY_BYTES,
        Phase::Share => MAX_HEADER_BYTES + MAX_ENVELOPE_BYTES * members,
        Phase::Mask => MASK_BODY_OVERHEAD_BYTES + vector,
        Phase::Confirm => MAX_CONFIRM_BODY_BYTES,
        Phase::Unmask => MAX_UNMASK_BODY_BYTES,
    }
}

/// A message of an invited partner in this round, under its own signature. Phases take nothing else, so that C1
/// is checked in one place.
pub(super) struct Authentic(SignedMessage);

impl Authentic {
    /// C1: the sender is invited, and signed this message for this round.
    ///
    /// # Errors
    /// [`Violation::Membership`], [`Violation::Misdirected`] or [`Violation::Signature`]; none of them is proof of
    /// what the named sender did.
    pub(super) fn check(context: &RoundContext, message: SignedMessage) -> Result<Self, Violation> {
        let sender = message.sender;
        let key = context.key(sender).ok_or(Violation::Membership)?;
        message.verify(&context.round(), message.phase, sender, key)?;
        Ok(Self(message))
    }

    /// C2: the body of this phase.
    ///
    /// # Errors
    /// [`Violation::Encoding`].
    pub(super) fn body<B: Serialize + DeserializeOwned>(
        &self,
        context: &RoundContext,
    ) -> Result<B, Violation> {
        let limit = body_limit(context, self.phase);
        decode(self.0.body.as_ref(), limit).map_err(|_| Violation::Encoding)
    }

    /// The message, to be kept.
    pub(super) fn into_message(self) -> SignedMessage {
        self.0
    }
}

impl std::ops::Deref for Authentic {
    type Target = SignedMessage;

    fn deref(&self) -> &SignedMessage {
        &self.0
    }
}

/// What became of a message that was not refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slot {
    /// The first for its slot.
    Free,
    /// The same bytes as before.
    Taken,
}

/// C3: the first of its slot, or equal to the first.
pub(super) fn check_slot<T>(
    slots: &BTreeMap<u8, (SignedMessage, T)>,
    message: &Authentic,
) -> Result<Slot, Fault> {
    match slots.get(&message.sender) {
        None => Ok(Slot::Free),
        Some((first, _)) if *first == message.0 => Ok(Slot::Taken),
        Some(_) => Err(Fault::partner(
            Check::C3,
            message.sender,
            Violation::Equivocation,
        )),
    }
}
