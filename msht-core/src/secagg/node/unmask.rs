//! Phase 4: shares out, the release in.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

use crate::crypto::Digest;
use crate::secagg::checks::{Check, Fault, Violation};
use crate::secagg::context::RoundContext;
use crate::secagg::messages::ConfirmBody;
use crate::wire::{Blob, MAX_ENCODED_BYTES, decode};

/// What a node remembers of a round it has unmasked: nothing secret but the Unmask bytes, kept until
/// acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmed {
    round: Digest,
    confirm: ConfirmBody,
    message: Blob,
}

impl Confirmed {
    pub(super) fn new(round: Digest, confirm: ConfirmBody, message: Vec<u8>) -> Self {
        Self {
            round,
            confirm,
            message: message.into(),
        }
    }

    /// The roll digest, H(U₂) and U₃ that the release must carry.
    #[must_use]
    pub fn confirm(&self) -> &ConfirmBody {
        &self.confirm
    }

    /// The round id.
    #[must_use]
    pub fn round(&self) -> Digest {
        self.round
    }

    /// The Unmask message.
    #[must_use]
    pub fn message(&self) -> &[u8] {
        self.message.as_ref()
    }

    /// Forgets the Unmask bytes, once they were acknowledged.
    #[must_use]
    pub fn acknowledged(mut self) -> Self {
        self.message.zeroize();
        self
    }
}

/// The node has given up its shares; only the release is to come.
pub struct Unmasked {
    context: Arc<RoundContext>,
    confirmed: Confirmed,
}

impl Unmasked {
    pub(super) fn new(context: Arc<RoundContext>, confirmed: Confirmed) -> Self {
        Self { context, confirmed }
    }

    /// Reads the record back.
    pub(super) fn from_record(context: Arc<RoundContext>, bytes: &[u8]) -> Result<Self, Fault> {
        let refused = Fault::caller(Check::N1, Violation::Encoding);
        let confirmed: Confirmed = decode(bytes, MAX_ENCODED_BYTES).map_err(|_| refused)?;
        if confirmed.round != context.round() {
            return Err(Fault::caller(Check::N1, Violation::Misdirected));
        }
        Ok(Self { context, confirmed })
    }

    /// What the release must match.
    #[must_use]
    pub fn confirmed(&self) -> &Confirmed {
        &self.confirmed
    }

    /// The terms of the round.
    #[must_use]
    pub fn context(&self) -> &Arc<RoundContext> {
        &self.context
    }
}
