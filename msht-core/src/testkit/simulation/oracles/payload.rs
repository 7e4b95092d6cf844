//! Oracle 3: one payload a mask key. The masks of a Mask message follow from the round, the roll and U₂, and H(U₂)
//! covers all three: under one H(U₂) a partner may send one sequence of bytes only, now and after any restart.
//! So may it in every other phase under the same round.

use std::collections::BTreeMap;

use super::{Oracle, Oracles};
use crate::crypto::{Digest, digest};
use crate::secagg::messages::{MaskBody, Phase, SignedMessage};
use crate::wire::{MAX_ENCODED_BYTES, decode};

#[derive(Default)]
pub(super) struct Payloads {
    masks: BTreeMap<(Digest, u8), Digest>,
    joins: BTreeMap<(Digest, u8), Digest>,
}

impl Oracles {
    pub(super) fn payload_left(&mut self, partner: u8, message: &SignedMessage, bytes: &[u8]) {
        let content = digest("oracle", &[bytes]);
        let first = match message.phase {
            Phase::Mask => {
                let body = decode::<MaskBody>(message.body.as_ref(), MAX_ENCODED_BYTES);
                let Ok(body) = body else {
                    return self.found(Oracle::OnePayload, format!("partner {partner}: no Mask"));
                };
                let key = (body.dealers_digest, partner);
                *self.payloads.masks.entry(key).or_insert(content)
            }
            // Its keys are those of the masks: two Joins are two sets of seeds under one reservation.
            Phase::Join => *self
                .payloads
                .joins
                .entry((message.round, partner))
                .or_insert(content),
            Phase::Share | Phase::Confirm | Phase::Unmask => return,
        };
        if first != content {
            let what = format!(
                "partner {partner} sent a second, different {}",
                message.phase.word()
            );
            self.found(Oracle::OnePayload, what);
        }
    }
}
