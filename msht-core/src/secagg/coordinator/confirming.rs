//! Phase 3: confirmations of the survivor set are collected and shown to everybody.

use std::collections::BTreeMap;

use super::collect::{Authentic, Slot, check_slot};
use super::masking::Masking;
use super::unmasking::Unmasking;
use crate::secagg::checks::{Check, Fault, Violation};
use crate::secagg::context::RoundContext;
use crate::secagg::messages::{ConfirmBody, Confirmation, ConfirmationsBody, SignedMessage};

/// Longest Confirm body: two digests and at most 255 indices.
pub(super) const MAX_CONFIRM_BODY_BYTES: usize = 512;

pub(super) struct Confirming {
    pub(super) masking: Masking,
    pub(super) confirm: ConfirmBody,
    pub(super) confirmed: BTreeMap<u8, (SignedMessage, ())>,
}

impl Confirming {
    pub(super) fn new(masking: Masking, survivors: Vec<u8>) -> Self {
        let confirm = ConfirmBody {
            roll_digest: masking.roll.digest,
            dealers_digest: masking.dealers_digest,
            survivors,
        };
        Self {
            masking,
            confirm,
            confirmed: BTreeMap::new(),
        }
    }

    /// C1 (a member), C2, C3 on a Confirm.
    pub(super) fn accept(
        &mut self,
        context: &RoundContext,
        message: Authentic,
    ) -> Result<Slot, Fault> {
        let slot = check_slot(&self.confirmed, &message)?;
        let refused = |check, violation| Err(Fault::partner(check, message.sender, violation));
        if !self.confirm.survivors.contains(&message.sender) {
            return refused(Check::C1, Violation::Membership);
        }
        if slot == Slot::Free {
            match message.body::<ConfirmBody>(context) {
                Err(violation) => return refused(Check::C2, violation),
                Ok(body) if body != self.confirm => {
                    return refused(Check::C2, Violation::DigestMismatch);
                }
                Ok(_) => {}
            }
            self.confirmed
                .insert(message.sender, (message.into_message(), ()));
        }
        Ok(slot)
    }

    /// Everybody's signatures, and the phase that collects shares.
    pub(super) fn close(self) -> (ConfirmationsBody, Unmasking) {
        let confirmations: Vec<Confirmation> = self
            .confirmed
            .values()
            .map(|(message, ())| Confirmation {
                partner: message.sender,
                signature: message.signature,
            })
            .collect();
        let body = ConfirmationsBody {
            confirmations: confirmations.clone(),
        };
        (
            body,
            Unmasking::new(self.masking, self.confirm, confirmations),
        )
    }
}
