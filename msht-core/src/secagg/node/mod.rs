//! The partner's side of a round: one type a phase, each consumed by the next.
//!
//! A check gives a token with private fields; the transition consumes phase and token and returns a [`Step`]:
//! what must be made durable, and, only once it is, what may be sent.

mod anchor;
mod confirm;
mod frozen;
mod join;
mod mask;
mod session;
mod share;
mod step;
mod unmask;

pub use anchor::{
    Anchor, AnchorStep, AnchorUnreadable, Cleared, Doubt, Durable, EnrolmentId, MAX_ANCHOR_BYTES,
    NotCleared, Reached, Trusted,
};
pub use confirm::{Confirming, VerifiedConfirmations};
pub use frozen::{FreezeError, Frozen};
pub use join::{Joining, VerifiedRoll};
pub use mask::{Masking, VerifiedSurvivors};
pub(super) use mask::{mask_ciphertext_bytes, pair_sign};
pub use session::{NodeEvent, NodeSession, ResumeError};
pub use share::{Sharing, VerifiedDelivery};
pub use step::{LedgerDuty, NodeRecord, Step};
pub use unmask::{Confirmed, Unmasked};

use std::sync::Arc;

use zeroize::Zeroize;

use super::checks::{Check, Fault, Violation};
use super::context::RoundContext;
use super::messages::{COORDINATOR_INDEX, Phase, SignedMessage};
use crate::crypto::{Digest, Identity};
use crate::wire::{DecodeError, MAX_ENCODED_BYTES, decode};

/// What every phase of a node carries.
pub(crate) struct Common {
    pub(crate) context: Arc<RoundContext>,
    pub(crate) identity: Arc<Identity>,
    pub(crate) index: u8,
}

impl Common {
    /// Checks that `bytes` are the coordinator's signed message of `phase`, and decodes its body.
    fn open<B>(&self, bytes: &[u8], phase: Phase, check: Check) -> Result<B, Fault>
    where
        B: serde::Serialize + serde::de::DeserializeOwned,
    {
        let refused = |violation| Fault::coordinator(check, violation);
        let message = SignedMessage::from_bytes(bytes, MAX_ENCODED_BYTES).map_err(refused)?;
        message
            .verify(
                &self.context.round(),
                phase,
                COORDINATOR_INDEX,
                self.context.coordinator(),
            )
            .map_err(refused)?;
        decode(message.body.as_ref(), MAX_ENCODED_BYTES)
            .map_err(|_: DecodeError| refused(Violation::Encoding))
    }

    fn sign<B: serde::Serialize>(&self, phase: Phase, body: &B) -> Result<Vec<u8>, Fault> {
        let too_long = |_| Fault::caller(Check::C2, Violation::Encoding);
        let (round, index) = (self.context.round(), self.index);
        let mut message =
            SignedMessage::sign(&self.identity, round, phase, index, body).map_err(too_long)?;
        let bytes = message.to_bytes().map_err(too_long);
        if phase == Phase::Unmask {
            message.body.zeroize();
        }
        bytes
    }

    fn round(&self) -> Digest {
        self.context.round()
    }
}
