//! Phase 0: public keys out, the roll in.

use std::sync::Arc;

use super::Common;
use super::frozen::Frozen;
use super::share::{self, Sharing};
use super::step::{NodeRecord, Step};
use crate::crypto::{AgreementSecret, Identity};
use crate::secagg::checks::{Check, Fault, Violation};
use crate::secagg::context::RoundContext;
use crate::secagg::messages::{JoinBody, Phase, RollBody};
use crate::secagg::roll::Roll;
use crate::wire::Blob;

/// The node has frozen its contribution and asks to join.
pub struct Joining {
    pub(super) common: Common,
    pub(super) frozen: Frozen,
    join: JoinBody,
}

/// A roll that passed N5.
pub struct VerifiedRoll {
    roll: Roll,
    bytes: Blob,
}

impl Joining {
    /// The first step of a round: the frozen contribution must be durable, its budget reserved, before Join.
    ///
    /// # Errors
    /// N4 where our own key or place in the invited list is not the announced one.
    pub fn start(
        context: Arc<RoundContext>,
        identity: Arc<Identity>,
        frozen: Frozen,
    ) -> Result<Step<Self>, Fault> {
        let record = frozen
            .to_bytes()
            .map_err(|_| Fault::caller(Check::C2, Violation::Length))?;
        let joining = Self::new(context, identity, frozen)?;
        let message = joining.message()?;
        Ok(Step::new(
            NodeRecord::Frozen(Blob::from(record.as_slice())),
            message,
            joining,
        ))
    }

    pub(super) fn new(
        context: Arc<RoundContext>,
        identity: Arc<Identity>,
        frozen: Frozen,
    ) -> Result<Self, Fault> {
        if frozen.round != context.round() {
            return Err(Fault::caller(Check::N1, Violation::Misdirected));
        }
        if context.key(frozen.index) != Some(&identity.key()) {
            return Err(Fault::coordinator(Check::N4, Violation::SelfMissing));
        }
        let join = JoinBody {
            channel: AgreementSecret::from_seed(&frozen.channel_seed).public(),
            mask: AgreementSecret::from_seed(&frozen.mask_seed).public(),
            ledger_length: frozen.ledger_length,
            ledger_head: frozen.ledger_head,
        };
        let common = Common {
            context,
            identity,
            index: frozen.index,
        };
        Ok(Self {
            common,
            frozen,
            join,
        })
    }

    /// The Join message; the same bytes every time.
    ///
    /// # Errors
    /// None that a caller can cause.
    pub fn message(&self) -> Result<Vec<u8>, Fault> {
        self.common.sign(Phase::Join, &self.join)
    }

    /// N5: roll ⊆ invited, every signature valid by the roster's keys, no partner twice, own join unchanged,
    /// size ≥ m.
    ///
    /// # Errors
    /// The coordinator is at fault in every case: an honest one checks each join before it passes it on.
    pub fn check_roll(&self, bytes: &[u8]) -> Result<VerifiedRoll, Fault> {
        let refused = |violation| Fault::coordinator(Check::N5, violation);
        let body: RollBody = self.common.open(bytes, Phase::Join, Check::N5)?;
        let roll = Roll::check(&self.common.context, &body.joins)
            .map_err(|(_, violation)| refused(violation))?;
        match roll.members.get(&self.common.index) {
            None => return Err(refused(Violation::SelfMissing)),
            Some(ours) if ours.join != self.join => return Err(refused(Violation::SelfChanged)),
            Some(_) => {}
        }
        if roll.members.len() < usize::from(self.common.context.params().least_survivors()) {
            return Err(refused(Violation::TooFew));
        }
        Ok(VerifiedRoll {
            roll,
            bytes: Blob::from(bytes),
        })
    }

    /// Deals shares to everybody on the roll.
    ///
    /// # Errors
    /// A key on the roll that cannot be used names its partner.
    pub fn share(self, verified: VerifiedRoll) -> Result<Step<Sharing>, Fault> {
        let dealt = share::deal(&self.common, &self.frozen, &verified.roll)?;
        let message = self.common.sign(Phase::Share, &dealt)?;
        let sharing = Sharing::new(self.common, self.frozen, verified.roll, dealt.header);
        Ok(Step::new(
            NodeRecord::Roll(verified.bytes),
            message,
            sharing,
        ))
    }
}
