//! What a transition asks of the shell, in the order it must happen.

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::secagg::messages::Phase;
use crate::wire::Blob;

/// Something that must be durable before the node goes on. Replayed in order, the records of a round rebuild its
/// state and, byte for byte, its messages.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum NodeRecord {
    /// Contribution and seeds; secret. Made together with the budget reservation, before Join.
    Frozen(Blob),
    /// The roll, before Share.
    Roll(Blob),
    /// Headers and envelopes, before Mask; made together with the budget charge.
    Delivery(Blob),
    /// The survivor set, before Confirm.
    Survivors(Blob),
    /// The Unmask message and what the release must match, before Unmask; everything before it is erased.
    Unmasked(Blob),
}

/// Erases what is secret: the contribution and seeds, and the shares in an Unmask message.
impl Drop for NodeRecord {
    fn drop(&mut self) {
        if let Self::Frozen(bytes) | Self::Unmasked(bytes) = self {
            bytes.zeroize();
        }
    }
}

impl ZeroizeOnDrop for NodeRecord {}

/// What the ledger must show in the same transaction as a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LedgerDuty {
    /// Nothing.
    None,
    /// The reservation of the round.
    Reserve,
    /// The charge of the round.
    Charge,
    /// That the charge is final.
    Unmask,
}

impl NodeRecord {
    /// A number that is unique in a round and grows with its phases: a second record for a slot is a fault.
    #[must_use]
    pub fn slot(&self) -> u8 {
        match self {
            Self::Frozen(_) => 0,
            Self::Roll(_) => 1,
            Self::Delivery(_) => 2,
            Self::Survivors(_) => 3,
            Self::Unmasked(_) => 4,
        }
    }

    /// What the ledger must show together with this record.
    #[must_use]
    pub fn ledger_duty(&self) -> LedgerDuty {
        match self {
            Self::Frozen(_) => LedgerDuty::Reserve,
            Self::Delivery(_) => LedgerDuty::Charge,
            Self::Unmasked(_) => LedgerDuty::Unmask,
            Self::Roll(_) | Self::Survivors(_) => LedgerDuty::None,
        }
    }

    /// Whether the round's earlier records must be erased in the same transaction (seeds and shares).
    #[must_use]
    pub fn erases_earlier(&self) -> bool {
        matches!(self, Self::Unmasked(_))
    }

    /// The phase whose message may be sent once this record is durable.
    #[must_use]
    pub fn releases(&self) -> Phase {
        match self {
            Self::Frozen(_) => Phase::Join,
            Self::Roll(_) => Phase::Share,
            Self::Delivery(_) => Phase::Mask,
            Self::Survivors(_) => Phase::Confirm,
            Self::Unmasked(_) => Phase::Unmask,
        }
    }

    /// The encoding, to be sealed at rest.
    ///
    /// # Errors
    /// [`crate::wire::DecodeError::TooLong`].
    pub fn to_bytes(&self) -> Result<Zeroizing<Vec<u8>>, crate::wire::DecodeError> {
        crate::wire::encode_secret(self)
    }

    /// Decodes a stored record.
    ///
    /// # Errors
    /// [`crate::wire::DecodeError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, crate::wire::DecodeError> {
        crate::wire::decode(bytes, crate::wire::MAX_ENCODED_BYTES)
    }
}

impl std::fmt::Debug for NodeRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NodeRecord(slot {}, redacted)", self.slot())
    }
}

/// A record that must be made durable, and behind it the message and the next phase.
#[must_use = "the message may be sent only after the record is durable"]
pub struct Step<N> {
    record: NodeRecord,
    message: Vec<u8>,
    next: N,
}

impl<N> Step<N> {
    pub(crate) fn new(record: NodeRecord, message: Vec<u8>, next: N) -> Self {
        Self {
            record,
            message,
            next,
        }
    }

    /// What must be made durable first.
    #[must_use]
    pub fn record(&self) -> &NodeRecord {
        &self.record
    }

    /// Record, message and next phase, for the session, which hands the message out only once the record is stored.
    pub(super) fn into_parts(self) -> (NodeRecord, Vec<u8>, N) {
        (self.record, self.message, self.next)
    }

    /// States that the record is durable; gives the message that may now be sent, and the next phase.
    #[must_use]
    pub fn made_durable(self) -> (Vec<u8>, N) {
        (self.message, self.next)
    }
}
