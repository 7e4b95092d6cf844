//! The frozen contribution: everything random a node will ever put into a round.

use rand::CryptoRng;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use crate::crypto::{Digest, HexBytes, SECRET_BYTES, Secret};
use crate::secagg::context::RoundContext;
use crate::secagg::words::Words;
use crate::wire::{Blob, DecodeError, MAX_ENCODED_BYTES, decode, encode_secret};

/// A contribution (counts plus noise share), the round's seeds and the ledger state it was frozen at.
///
/// From here on the node's behaviour is a function of this and of the messages received.
pub struct Frozen {
    pub(crate) round: Digest,
    pub(crate) index: u8,
    pub(crate) channel_seed: Secret,
    pub(crate) mask_seed: Secret,
    pub(crate) self_seed: Secret,
    pub(crate) ledger_length: u64,
    pub(crate) ledger_head: Digest,
    pub(crate) contribution: Words,
}

/// What is stored of a [`Frozen`]; erased when dropped.
#[derive(Serialize, Deserialize)]
struct FrozenEncoding {
    round: Digest,
    index: u8,
    channel_seed: SeedEncoding,
    mask_seed: SeedEncoding,
    self_seed: SeedEncoding,
    ledger_length: u64,
    ledger_head: Digest,
    contribution: SecretBlob,
}

/// A seed as 32 bytes; [`Secret`] itself is not serialisable, so that none is written by accident.
struct SeedEncoding(Secret);

impl Serialize for SeedEncoding {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut bytes = HexBytes(*self.0.expose());
        let done = bytes.serialize(serializer);
        bytes.0.zeroize();
        done
    }
}

impl<'de> Deserialize<'de> for SeedEncoding {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut bytes = HexBytes::<SECRET_BYTES>::deserialize(deserializer)?;
        let secret = Secret::from_bytes(bytes.0);
        bytes.0.zeroize();
        Ok(Self(secret))
    }
}

/// A blob that is erased when it is dropped.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct SecretBlob(Blob);

impl Drop for SecretBlob {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// The contribution does not have the announced number of cells, or the partner is not invited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FreezeError {
    /// The vector has another length.
    #[error("the contribution has {cells} cells where the announcement has {announced}")]
    Cells {
        /// Cells handed in.
        cells: usize,
        /// Cells announced.
        announced: usize,
    },
    /// The partner is not on the invited list.
    #[error("this partner is not on the invited list")]
    NotInvited,
}

impl Frozen {
    /// Draws fresh seeds from `rng` around `noisy_counts` (counts plus noise share, in announcement order).
    ///
    /// # Errors
    /// [`FreezeError`].
    pub fn draw<R: CryptoRng + ?Sized>(
        context: &RoundContext,
        partner_id: &str,
        noisy_counts: &[i64],
        ledger: (u64, Digest),
        rng: &mut R,
    ) -> Result<Self, FreezeError> {
        let index = context
            .index_of(partner_id)
            .ok_or(FreezeError::NotInvited)?;
        let (cells, announced) = (noisy_counts.len(), context.cells());
        if cells != announced {
            return Err(FreezeError::Cells { cells, announced });
        }
        Ok(Self {
            round: context.round(),
            index,
            channel_seed: Secret::random(rng),
            mask_seed: Secret::random(rng),
            self_seed: Secret::random(rng),
            ledger_length: ledger.0,
            ledger_head: ledger.1,
            contribution: Words::from_signed(context.word_size(), noisy_counts),
        })
    }

    /// The round this contribution is for.
    #[must_use]
    pub fn round(&self) -> Digest {
        self.round
    }

    /// The encoding; secret.
    ///
    /// # Errors
    /// [`DecodeError::TooLong`].
    pub(crate) fn to_bytes(&self) -> Result<Zeroizing<Vec<u8>>, DecodeError> {
        let encoding = FrozenEncoding {
            round: self.round,
            index: self.index,
            channel_seed: SeedEncoding(self.channel_seed.duplicate()),
            mask_seed: SeedEncoding(self.mask_seed.duplicate()),
            self_seed: SeedEncoding(self.self_seed.duplicate()),
            ledger_length: self.ledger_length,
            ledger_head: self.ledger_head,
            contribution: SecretBlob(self.contribution.to_le_bytes().into()),
        };
        encode_secret(&encoding)
    }

    /// Reads a stored contribution back, or `None` where it does not belong to this round.
    pub(crate) fn from_bytes(context: &RoundContext, bytes: &[u8]) -> Option<Self> {
        let encoding: FrozenEncoding = decode(bytes, MAX_ENCODED_BYTES).ok()?;
        let contribution = encoding.contribution.0.as_ref();
        let words = Words::from_le_bytes(context.word_size(), context.cells(), contribution)?;
        (encoding.round == context.round()).then_some(Self {
            round: encoding.round,
            index: encoding.index,
            channel_seed: encoding.channel_seed.0,
            mask_seed: encoding.mask_seed.0,
            self_seed: encoding.self_seed.0,
            ledger_length: encoding.ledger_length,
            ledger_head: encoding.ledger_head,
            contribution: words,
        })
    }
}
