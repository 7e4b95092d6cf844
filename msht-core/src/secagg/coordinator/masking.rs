//! Phase 2: masked vectors are collected; who sent one is the survivor set.

use std::collections::BTreeMap;

use super::collect::{Authentic, Slot, check_slot};
use super::confirming::Confirming;
use super::sharing::Dealt;
use crate::crypto::Digest;
use crate::secagg::abort::AbortReason;
use crate::secagg::checks::{Check, Fault, Violation};
use crate::secagg::context::RoundContext;
use crate::secagg::messages::{MaskBody, SignedMessage, SurvivorsBody};
use crate::secagg::roll::Roll;

/// Room for everything in a Mask body but the vector.
pub(super) const MASK_BODY_OVERHEAD_BYTES: usize = 512;

pub(super) struct Masking {
    pub(super) roll: Roll,
    pub(super) dealt: BTreeMap<u8, Dealt>,
    pub(super) dealers_digest: Digest,
    pub(super) masked: BTreeMap<u8, (SignedMessage, MaskBody)>,
}

impl Masking {
    pub(super) fn new(roll: Roll, dealt: BTreeMap<u8, Dealt>, dealers_digest: Digest) -> Self {
        Self {
            roll,
            dealt,
            dealers_digest,
            masked: BTreeMap::new(),
        }
    }

    /// C1 (a member), C2, C3 on a Mask.
    pub(super) fn accept(
        &mut self,
        context: &RoundContext,
        message: Authentic,
    ) -> Result<Slot, Fault> {
        let slot = check_slot(&self.masked, &message)?;
        if !self.dealt.contains_key(&message.sender) {
            return Err(Fault::partner(
                Check::C1,
                message.sender,
                Violation::Membership,
            ));
        }
        if slot == Slot::Free {
            let body = self
                .check(context, &message)
                .map_err(|violation| Fault::partner(Check::C2, message.sender, violation))?;
            self.masked
                .insert(message.sender, (message.into_message(), body));
        }
        Ok(slot)
    }

    fn check(&self, context: &RoundContext, message: &Authentic) -> Result<MaskBody, Violation> {
        let vector_bytes = context.cells() * context.word_size().bytes();
        let body: MaskBody = message.body(context)?;
        if body.vector.as_ref().len() != vector_bytes {
            return Err(Violation::Length);
        }
        if body.dealers_digest != self.dealers_digest {
            return Err(Violation::DigestMismatch);
        }
        let listed_others = body
            .bad_dealers
            .iter()
            .all(|dealer| *dealer != message.sender && self.dealt.contains_key(dealer));
        if !body.bad_dealers.is_sorted_by(|a, b| a < b) || !listed_others {
            return Err(Violation::Membership);
        }
        Ok(body)
    }

    /// Members of U₃ that can give a good share of `dealer`'s seed.
    fn good_holders(&self, dealer: u8) -> usize {
        let good = |(holder, (_, body)): (&u8, &(SignedMessage, MaskBody))| {
            *holder == dealer || !body.bad_dealers.contains(&dealer)
        };
        self.masked.iter().filter(|entry| good(*entry)).count()
    }

    /// A dealer with fewer than t good holders, and who listed it.
    pub(super) fn undealt(&self, context: &RoundContext) -> Option<AbortReason> {
        let threshold = usize::from(context.params().threshold());
        let dealer = self
            .dealt
            .keys()
            .copied()
            .find(|dealer| self.good_holders(*dealer) < threshold)?;
        let complainants: Vec<u8> = self
            .masked
            .iter()
            .filter(|(_, (_, body))| body.bad_dealers.contains(&dealer))
            .map(|(holder, _)| *holder)
            .collect();
        Some(AbortReason::BadEnvelopes {
            dealer: context.ids(&[dealer]),
            complainants: context.ids(&complainants),
        })
    }

    /// The survivor set, and the phase that collects its confirmations.
    pub(super) fn close(self) -> (SurvivorsBody, Confirming) {
        let survivors: Vec<u8> = self.masked.keys().copied().collect();
        let body = SurvivorsBody {
            survivors: survivors.clone(),
        };
        (body, Confirming::new(self, survivors))
    }
}
