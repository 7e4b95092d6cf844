//! Phase 4: shares are collected until every seed the sum needs can be recovered.

use std::collections::BTreeMap;

use super::collect::{Authentic, Slot, check_slot};
use super::masking::Masking;
use crate::crypto::{Digest, Secret};
use crate::secagg::checks::{Check, Fault, Violation};
use crate::secagg::context::RoundContext;
use crate::secagg::messages::{
    ConfirmBody, Confirmation, RevealedShare, SeedKind, SignedMessage, UnmaskBody, commit_share,
};
use crate::secagg::params::MOST_INVITED;
use crate::wire::decode;

/// Longest encoding of one revealed share.
const REVEALED_SHARE_BYTES: usize = 33;
/// Room for the two list lengths of an Unmask body.
const UNMASK_BODY_OVERHEAD_BYTES: usize = 16;
/// Longest Unmask body: two list lengths and a share of each of 255 dealers.
pub(super) const MAX_UNMASK_BODY_BYTES: usize =
    UNMASK_BODY_OVERHEAD_BYTES + REVEALED_SHARE_BYTES * MOST_INVITED;

pub(super) struct Unmasking {
    pub(super) masking: Masking,
    pub(super) confirm: ConfirmBody,
    pub(super) confirmations: Vec<Confirmation>,
    pub(super) revealed: BTreeMap<u8, (SignedMessage, Revealed)>,
}

/// The shares one holder gave up, by dealer.
#[derive(Default)]
pub(super) struct Revealed(pub(super) BTreeMap<u8, Secret>);

impl Unmasking {
    pub(super) fn new(
        masking: Masking,
        confirm: ConfirmBody,
        confirmations: Vec<Confirmation>,
    ) -> Self {
        Self {
            masking,
            confirm,
            confirmations,
            revealed: BTreeMap::new(),
        }
    }

    /// Which seed of `dealer` the survivor set asks for.
    pub(super) fn kind(&self, dealer: u8) -> SeedKind {
        if self.confirm.survivors.contains(&dealer) {
            SeedKind::Own
        } else {
            SeedKind::Mask
        }
    }

    /// C1 (a member), C2, C3 and C5 on an Unmask: every share matches its commitment.
    pub(super) fn accept(
        &mut self,
        context: &RoundContext,
        message: Authentic,
    ) -> Result<Slot, Fault> {
        let slot = check_slot(&self.revealed, &message)?;
        if !self.confirm.survivors.contains(&message.sender) {
            return Err(Fault::partner(
                Check::C1,
                message.sender,
                Violation::Membership,
            ));
        }
        if slot == Slot::Free {
            let revealed = self.check(context, &message)?;
            self.revealed
                .insert(message.sender, (message.into_message(), revealed));
        }
        Ok(slot)
    }

    fn check(&self, context: &RoundContext, message: &Authentic) -> Result<Revealed, Fault> {
        let holder = message.sender;
        let refused = |violation| Fault::partner(Check::C2, holder, violation);
        // Tighter than the limit of the phase, which was set before anybody had dealt.
        let limit = UNMASK_BODY_OVERHEAD_BYTES + REVEALED_SHARE_BYTES * self.masking.dealt.len();
        let body: UnmaskBody =
            decode(message.body.as_ref(), limit).map_err(|_| refused(Violation::Encoding))?;
        let dealers = |shares: &[RevealedShare]| -> Vec<u8> {
            shares.iter().map(|share| share.dealer).collect()
        };
        let (own, mask) = (dealers(&body.self_shares), dealers(&body.mask_shares));
        if own.iter().any(|dealer| mask.contains(dealer)) {
            return Err(refused(Violation::BothShares));
        }
        if own != self.expected(holder, SeedKind::Own)
            || mask != self.expected(holder, SeedKind::Mask)
        {
            return Err(refused(Violation::WrongShares));
        }
        let mut revealed = Revealed::default();
        for share in body.self_shares.iter().chain(&body.mask_shares) {
            let commitment = self
                .commitment(share.dealer, holder)
                .ok_or(refused(Violation::Length))?;
            let (round, kind) = (context.round(), self.kind(share.dealer));
            let opened = commit_share(&round, share.dealer, holder, kind, share.share.as_bytes());
            if opened != commitment {
                return Err(Fault::partner(
                    Check::C5,
                    holder,
                    Violation::ShareCommitment,
                ));
            }
            revealed
                .0
                .insert(share.dealer, Secret::from_bytes(share.share.0));
        }
        Ok(revealed)
    }

    /// Dealers whose share of this kind `holder` must reveal: all of U₂ of that kind but those it listed.
    fn expected(&self, holder: u8, kind: SeedKind) -> Vec<u8> {
        let listed = self
            .masking
            .masked
            .get(&holder)
            .map(|(_, body)| body.bad_dealers.as_slice());
        let listed = listed.unwrap_or_default();
        let dealers = self.masking.dealt.keys().copied();
        dealers
            .filter(|dealer| self.kind(*dealer) == kind && !listed.contains(dealer))
            .collect()
    }

    /// The commitment to the share of `dealer`'s seed that `holder` has.
    fn commitment(&self, dealer: u8, holder: u8) -> Option<Digest> {
        let dealt = self.masking.dealt.get(&dealer)?;
        let commitments = if dealer == holder {
            &dealt.share.header.header.own_shares
        } else {
            &dealt.envelope(holder)?.envelope.shares
        };
        Some(*commitments.of(self.kind(dealer)))
    }

    /// Whether every dealer has t revealed shares.
    pub(super) fn can_open(&self, context: &RoundContext) -> bool {
        let threshold = usize::from(context.params().threshold());
        let shares_of = |dealer: &u8| {
            self.revealed
                .values()
                .filter(|(_, shares)| shares.0.contains_key(dealer))
                .count()
        };
        self.masking
            .dealt
            .keys()
            .all(|dealer| shares_of(dealer) >= threshold)
    }
}
