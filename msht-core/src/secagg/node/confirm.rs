//! Phase 3: our signature on the survivor set out, everybody's in.

use zeroize::Zeroize;

use super::Common;
use super::share::{Dealers, reveal};
use super::step::{NodeRecord, Step};
use super::unmask::{Confirmed, Unmasked};
use crate::secagg::checks::{Check, Fault, Violation};
use crate::secagg::messages::{
    ConfirmBody, ConfirmationsBody, Phase, RevealedShare, UnmaskBody, verify_message,
};
use crate::wire::{Blob, encode, encode_secret};

/// The node has confirmed a survivor set and waits for t confirmations of the same set.
pub struct Confirming {
    common: Common,
    dealers: Dealers,
    confirm: ConfirmBody,
}

/// Confirmations that passed N8.
pub struct VerifiedConfirmations(());

impl Confirming {
    pub(super) fn new(common: Common, dealers: Dealers, confirm: ConfirmBody) -> Self {
        Self {
            common,
            dealers,
            confirm,
        }
    }

    /// N8: at least t valid signatures by distinct members of U₃ on *my own* (round id, roll digest, H(U₂), U₃).
    ///
    /// # Errors
    /// The coordinator is at fault.
    pub fn check_confirmations(&self, bytes: &[u8]) -> Result<VerifiedConfirmations, Fault> {
        let refused = |violation| Fault::coordinator(Check::N8, violation);
        let ConfirmationsBody { confirmations } =
            self.common.open(bytes, Phase::Confirm, Check::N8)?;
        let body = encode(&self.confirm).map_err(|_| refused(Violation::Encoding))?;
        let partners: Vec<u8> = confirmations.iter().map(|each| each.partner).collect();
        let members = partners
            .iter()
            .all(|index| self.confirm.survivors.contains(index));
        if !partners.is_sorted_by(|a, b| a < b) || !members {
            return Err(refused(Violation::Membership));
        }
        if partners.len() < usize::from(self.common.context.params().threshold()) {
            return Err(refused(Violation::TooFew));
        }
        for each in &confirmations {
            let key = self.common.context.key(each.partner);
            let key = key.ok_or(refused(Violation::Membership))?;
            let round = self.common.round();
            verify_message(
                key,
                &round,
                Phase::Confirm,
                each.partner,
                &body,
                &each.signature,
            )
            .map_err(|_| refused(Violation::Signature))?;
        }
        Ok(VerifiedConfirmations(()))
    }

    /// Gives up one kind of share for each dealer of U₂: `self_seed` for survivors, `mask_seed` for the others,
    /// nothing for a dealer listed in Mask. Once: the record erases every seed and share.
    ///
    /// # Errors
    /// None that a caller can cause.
    pub fn unmask(self, verified: VerifiedConfirmations) -> Result<Step<Unmasked>, Fault> {
        let VerifiedConfirmations(()) = verified;
        let too_long = |_| Fault::caller(Check::N8, Violation::Length);
        let mut body = UnmaskBody {
            self_shares: Vec::new(),
            mask_shares: Vec::new(),
        };
        for dealer in self.dealers.members.iter().copied() {
            let Some(shares) = self.dealers.shares.get(&dealer) else {
                continue;
            };
            if self.confirm.survivors.contains(&dealer) {
                body.self_shares.push(RevealedShare {
                    dealer,
                    share: reveal(&shares.own),
                });
            } else {
                body.mask_shares.push(RevealedShare {
                    dealer,
                    share: reveal(&shares.mask),
                });
            }
        }
        let message = self.common.sign(Phase::Unmask, &body)?;
        for revealed in body.self_shares.iter_mut().chain(&mut body.mask_shares) {
            revealed.share.0.zeroize();
        }
        let confirmed = Confirmed::new(self.common.round(), self.confirm, message.clone());
        let record = encode_secret(&confirmed).map_err(too_long)?;
        let unmasked = Unmasked::new(self.common.context, confirmed);
        Ok(Step::new(
            NodeRecord::Unmasked(Blob::from(record.as_slice())),
            message,
            unmasked,
        ))
    }
}
