//! Phase 1: headers and envelopes are collected and passed on.

use std::collections::BTreeMap;

use super::collect::{Authentic, Slot, check_slot};
use super::masking::Masking;
use crate::crypto::{CIPHERTEXT_BYTES, Digest, SECRET_BYTES, TAG_BYTES};
use crate::secagg::checks::{Check, Fault, Violation};
use crate::secagg::context::RoundContext;
use crate::secagg::messages::{
    DeliveryBody, ShareBody, SignedEnvelope, SignedMessage, dealers_digest,
};
use crate::secagg::node::mask_ciphertext_bytes;
use crate::secagg::roll::Roll;

/// Longest encoding of one envelope, with room for its fixed fields.
pub(super) const MAX_ENVELOPE_BYTES: usize = 2 * CIPHERTEXT_BYTES + 512;
/// Longest encoding of a header, with room for its fixed fields.
pub(super) const MAX_HEADER_BYTES: usize = 512;

pub(super) struct Sharing {
    roll: Roll,
    pub(super) dealt: BTreeMap<u8, (SignedMessage, Dealt)>,
}

/// What one dealer dealt, checked.
pub(super) struct Dealt {
    pub(super) header_digest: Digest,
    pub(super) share: ShareBody,
}

impl Dealt {
    /// The envelope to `receiver`.
    pub(super) fn envelope(&self, receiver: u8) -> Option<&SignedEnvelope> {
        self.share
            .envelopes
            .iter()
            .find(|signed| signed.envelope.receiver == receiver)
    }
}

impl Sharing {
    pub(super) fn new(roll: Roll) -> Self {
        Self {
            roll,
            dealt: BTreeMap::new(),
        }
    }

    /// Indices of the roll.
    pub(super) fn members(&self) -> Vec<u8> {
        self.roll.members.keys().copied().collect()
    }

    /// C1 (a member), C2, C3 on a Share.
    pub(super) fn accept(
        &mut self,
        context: &RoundContext,
        message: Authentic,
    ) -> Result<Slot, Fault> {
        let slot = check_slot(&self.dealt, &message)?;
        if !self.roll.members.contains_key(&message.sender) {
            return Err(Fault::partner(
                Check::C1,
                message.sender,
                Violation::Membership,
            ));
        }
        if slot == Slot::Free {
            let dealt = self
                .check(context, &message)
                .map_err(|violation| Fault::partner(Check::C2, message.sender, violation))?;
            self.dealt
                .insert(message.sender, (message.into_message(), dealt));
        }
        Ok(slot)
    }

    fn check(&self, context: &RoundContext, message: &Authentic) -> Result<Dealt, Violation> {
        let dealer = message.sender;
        let share: ShareBody = message.body(context)?;
        let header = &share.header.header;
        if header.dealer != dealer || header.round != context.round() {
            return Err(Violation::Misdirected);
        }
        if header.roll_digest != self.roll.digest {
            return Err(Violation::DigestMismatch);
        }
        let key = context.key(dealer).ok_or(Violation::Membership)?;
        let header_digest = share.header.verify(key)?;
        let receivers = self
            .roll
            .members
            .keys()
            .copied()
            .filter(|index| *index != dealer);
        if receivers.clone().count() != share.envelopes.len() {
            return Err(Violation::Length);
        }
        for (receiver, signed) in receivers.zip(&share.envelopes) {
            let envelope = &signed.envelope;
            if envelope.receiver != receiver || envelope.header_digest != header_digest {
                return Err(Violation::Misdirected);
            }
            let lengths_fit = envelope.channel_ciphertext.as_ref().len() == CIPHERTEXT_BYTES
                && envelope.mask_ciphertext.as_ref().len()
                    == mask_ciphertext_bytes(dealer, receiver)
                && envelope.sealed.as_ref().len() == 2 * SECRET_BYTES + TAG_BYTES;
            if !lengths_fit {
                return Err(Violation::Length);
            }
            signed.verify(key)?;
        }
        Ok(Dealt {
            header_digest,
            share,
        })
    }

    /// The delivery of each dealer, and the phase that collects masked vectors.
    pub(super) fn close(self, context: &RoundContext) -> (BTreeMap<u8, DeliveryBody>, Masking) {
        let dealt: BTreeMap<u8, Dealt> = self
            .dealt
            .into_iter()
            .map(|(index, (_, dealt))| (index, dealt))
            .collect();
        let headers: Vec<_> = dealt
            .values()
            .map(|dealt| dealt.share.header.clone())
            .collect();
        let digests: Vec<(u8, Digest)> = dealt
            .iter()
            .map(|(index, dealt)| (*index, dealt.header_digest))
            .collect();
        let digest = dealers_digest(&context.round(), &self.roll.digest, &digests);
        let delivery = |receiver: u8| DeliveryBody {
            headers: headers.clone(),
            envelopes: dealt
                .values()
                .filter_map(|dealt| dealt.envelope(receiver).cloned())
                .collect(),
        };
        let deliveries = dealt
            .keys()
            .map(|index| (*index, delivery(*index)))
            .collect();
        (deliveries, Masking::new(self.roll, dealt, digest))
    }
}
