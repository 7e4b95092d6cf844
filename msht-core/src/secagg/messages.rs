//! The messages of a round. Each is signed over (label, round id, phase, body).

use serde::{Deserialize, Serialize};

use super::checks::Violation;
use crate::crypto::{
    AgreementKey, Digest, HexBytes, Identity, IdentityKey, SECRET_BYTES, SignLabel, Signature,
    digest,
};
use crate::wire::{Blob, DecodeError, decode, encode};

/// Index that stands for the coordinator where a partner's index is expected.
pub const COORDINATOR_INDEX: u8 = 0;

/// Bytes around the body of a message: round, phase, sender, body length, signature.
pub const MESSAGE_OVERHEAD_BYTES: usize = 32 + 4 + 1 + 8 + 64;

/// The five phases. The node's message of a phase is answered by the coordinator's message of the same phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Phase {
    /// Public keys in; the roll out.
    Join,
    /// Header and envelopes in; headers and envelopes out.
    Share,
    /// Masked vector in; survivors out.
    Mask,
    /// Confirmation in; confirmations out.
    Confirm,
    /// Shares in; the release out.
    Unmask,
}

impl Phase {
    /// All phases in order.
    pub const ALL: [Self; 5] = [
        Self::Join,
        Self::Share,
        Self::Mask,
        Self::Confirm,
        Self::Unmask,
    ];

    /// A stable number for storage, 0…4.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Join => 0,
            Self::Share => 1,
            Self::Mask => 2,
            Self::Confirm => 3,
            Self::Unmask => 4,
        }
    }

    /// The word people read.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Join => "join",
            Self::Share => "share",
            Self::Mask => "mask",
            Self::Confirm => "confirm",
            Self::Unmask => "unmask",
        }
    }
}

/// A message as received: nothing about it is checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedMessage {
    /// The round id.
    pub round: Digest,
    /// The phase.
    pub phase: Phase,
    /// Index of the sender, [`COORDINATOR_INDEX`] for the coordinator.
    pub sender: u8,
    /// Encoding of the phase's body.
    pub body: Blob,
    /// Signature over all of the above.
    pub signature: Signature,
}

fn message_digest(round: &Digest, phase: Phase, sender: u8, body: &[u8]) -> Digest {
    digest(
        "message",
        &[round.as_bytes(), &[phase.number()], &[sender], body],
    )
}

/// The signature on a message with this content.
#[must_use]
pub fn sign_message(
    identity: &Identity,
    round: &Digest,
    phase: Phase,
    sender: u8,
    body: &[u8],
) -> Signature {
    identity.sign(
        SignLabel::Message,
        &message_digest(round, phase, sender, body),
    )
}

/// Checks a signature that was taken apart from its message, as the release carries it.
///
/// # Errors
/// [`crate::crypto::BadSignature`].
pub fn verify_message(
    key: &IdentityKey,
    round: &Digest,
    phase: Phase,
    sender: u8,
    body: &[u8],
    signature: &Signature,
) -> Result<(), crate::crypto::BadSignature> {
    key.verify(
        SignLabel::Message,
        &message_digest(round, phase, sender, body),
        signature,
    )
}

impl SignedMessage {
    /// Encodes and signs `body`.
    ///
    /// # Errors
    /// [`DecodeError::TooLong`].
    pub fn sign<B: Serialize>(
        identity: &Identity,
        round: Digest,
        phase: Phase,
        sender: u8,
        body: &B,
    ) -> Result<Self, DecodeError> {
        let body = encode(body)?;
        let signature = sign_message(identity, &round, phase, sender, &body);
        Ok(Self {
            round,
            phase,
            sender,
            body: body.into(),
            signature,
        })
    }

    /// Decodes a message of at most `limit` bytes.
    ///
    /// # Errors
    /// [`Violation::Encoding`].
    pub fn from_bytes(bytes: &[u8], limit: usize) -> Result<Self, Violation> {
        decode(bytes, limit).map_err(|_| Violation::Encoding)
    }

    /// The encoding.
    ///
    /// # Errors
    /// [`DecodeError::TooLong`].
    pub fn to_bytes(&self) -> Result<Vec<u8>, DecodeError> {
        encode(self)
    }

    /// Checks that this is `sender`'s message of `phase` in `round`, signed with `key`.
    ///
    /// # Errors
    /// [`Violation::Misdirected`] or [`Violation::Signature`].
    pub fn verify(
        &self,
        round: &Digest,
        phase: Phase,
        sender: u8,
        key: &IdentityKey,
    ) -> Result<(), Violation> {
        if self.round != *round || self.phase != phase || self.sender != sender {
            return Err(Violation::Misdirected);
        }
        verify_message(
            key,
            round,
            phase,
            sender,
            self.body.as_ref(),
            &self.signature,
        )
        .map_err(|_| Violation::Signature)
    }
}

/// Phase 0, node → coordinator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinBody {
    /// Key that envelopes to this partner are sealed to.
    pub channel: AgreementKey,
    /// Key that pairwise masks are agreed with.
    pub mask: AgreementKey,
    /// Entries in the node's ledger.
    pub ledger_length: u64,
    /// Digest of the ledger's last entry.
    pub ledger_head: Digest,
}

/// Phase 0, coordinator → node: every join, in list order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RollBody {
    /// Join messages.
    pub joins: Vec<SignedMessage>,
}

/// What a dealer commits itself to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The round id.
    pub round: Digest,
    /// Digest of the roll the dealer was given.
    pub roll_digest: Digest,
    /// Index of the dealer.
    pub dealer: u8,
    /// Commitments to the dealer's `mask_seed` and `self_seed`.
    pub seeds: Commitments,
    /// Commitments to the shares the dealer keeps of its own seeds.
    pub own_shares: Commitments,
}

/// SHA-256 commitments to one value of each kind. The values are uniform 32-byte strings, so the digests hide
/// them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commitments {
    /// To the `mask_seed`, or a share of it.
    pub mask: Digest,
    /// To the `self_seed`, or a share of it.
    pub own: Digest,
}

/// A header under the dealer's signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedHeader {
    /// The header.
    pub header: Header,
    /// The dealer's signature on its digest.
    pub signature: Signature,
}

impl Header {
    /// H(header).
    ///
    /// # Errors
    /// [`DecodeError::TooLong`], which no header reaches.
    pub fn digest(&self) -> Result<Digest, DecodeError> {
        Ok(digest("header", &[&encode(self)?]))
    }
}

impl SignedHeader {
    /// Checks the dealer's signature; returns H(header).
    ///
    /// # Errors
    /// [`Violation::Signature`].
    pub fn verify(&self, key: &IdentityKey) -> Result<Digest, Violation> {
        let digest = self.header.digest().map_err(|_| Violation::Encoding)?;
        key.verify(SignLabel::Header, &digest, &self.signature)
            .map_err(|_| Violation::Signature)?;
        Ok(digest)
    }
}

/// What a dealer sends one receiver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// H(header) of the dealer.
    pub header_digest: Digest,
    /// Index of the receiver.
    pub receiver: u8,
    /// ML-KEM ciphertext of the channel.
    pub channel_ciphertext: Blob,
    /// ML-KEM ciphertext of the pairwise mask; empty where the dealer's index is the larger one.
    pub mask_ciphertext: Blob,
    /// The sealed shares.
    pub sealed: Blob,
    /// Commitments to those shares.
    pub shares: Commitments,
}

/// An envelope under the dealer's signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedEnvelope {
    /// The envelope.
    pub envelope: Envelope,
    /// The dealer's signature on its digest.
    pub signature: Signature,
}

impl SignedEnvelope {
    /// Signs `envelope`.
    ///
    /// # Errors
    /// [`DecodeError::TooLong`].
    pub fn sign(envelope: Envelope, identity: &Identity) -> Result<Self, DecodeError> {
        let digest = digest("envelope", &[&encode(&envelope)?]);
        Ok(Self {
            signature: identity.sign(SignLabel::Envelope, &digest),
            envelope,
        })
    }

    /// Checks the dealer's signature.
    ///
    /// # Errors
    /// [`Violation::Signature`].
    pub fn verify(&self, key: &IdentityKey) -> Result<(), Violation> {
        let bytes = encode(&self.envelope).map_err(|_| Violation::Encoding)?;
        key.verify(
            SignLabel::Envelope,
            &digest("envelope", &[&bytes]),
            &self.signature,
        )
        .map_err(|_| Violation::Signature)
    }
}

/// Phase 1, node → coordinator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShareBody {
    /// The dealer's header.
    pub header: SignedHeader,
    /// One envelope for each other member of the roll, in list order.
    pub envelopes: Vec<SignedEnvelope>,
}

/// Phase 1, coordinator → node: all headers, which are U₂ in order, and the envelopes addressed to the node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryBody {
    /// Headers of U₂ in list order.
    pub headers: Vec<SignedHeader>,
    /// The envelope of each dealer in U₂ but the receiver, in list order.
    pub envelopes: Vec<SignedEnvelope>,
}

/// Phase 2, node → coordinator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MaskBody {
    /// H(U₂) the masks are bound to.
    pub dealers_digest: Digest,
    /// The masked vector as little-endian words.
    pub vector: Blob,
    /// Dealers whose envelope did not open or match, in list order.
    pub bad_dealers: Vec<u8>,
}

/// Phase 2, coordinator → node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SurvivorsBody {
    /// U₃ in list order.
    pub survivors: Vec<u8>,
}

/// Phase 3, node → coordinator: what is signed is what is confirmed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfirmBody {
    /// Digest of the roll.
    pub roll_digest: Digest,
    /// H(U₂).
    pub dealers_digest: Digest,
    /// U₃ in list order.
    pub survivors: Vec<u8>,
}

/// Phase 3, coordinator → node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfirmationsBody {
    /// Index and signature of each partner that confirmed, in list order.
    pub confirmations: Vec<Confirmation>,
}

/// One partner's signature on the [`ConfirmBody`] everybody has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmation {
    /// Index of the partner.
    pub partner: u8,
    /// Its signature.
    pub signature: Signature,
}

/// Phase 4, node → coordinator.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnmaskBody {
    /// Shares of the `self_seed` of dealers in U₃, in list order.
    pub self_shares: Vec<RevealedShare>,
    /// Shares of the `mask_seed` of dealers in U₂ ∖ U₃, in list order.
    pub mask_shares: Vec<RevealedShare>,
}

/// A share that its holder gives up.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevealedShare {
    /// Index of the dealer.
    pub dealer: u8,
    /// The holder's share.
    pub share: HexBytes<SECRET_BYTES>,
}

/// Digest of the roll: of every join message, in list order.
///
/// # Errors
/// [`DecodeError::TooLong`].
pub fn roll_digest(round: &Digest, joins: &[SignedMessage]) -> Result<Digest, DecodeError> {
    let mut hash = crate::crypto::LabelledHash::new("roll");
    hash.part(round.as_bytes());
    for join in joins {
        hash.part(&join.to_bytes()?);
    }
    Ok(hash.finish())
}

/// H(U₂): digest of the ordered (index, H(header)) under the round and roll.
#[must_use]
pub fn dealers_digest(round: &Digest, roll: &Digest, headers: &[(u8, Digest)]) -> Digest {
    let mut hash = crate::crypto::LabelledHash::new("dealers");
    hash.part(round.as_bytes()).part(roll.as_bytes());
    for (index, header) in headers {
        hash.part(&[*index]).part(header.as_bytes());
    }
    hash.finish()
}

/// Which of a dealer's seeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum SeedKind {
    /// The seed of the pairwise masks.
    Mask,
    /// The seed of the self mask.
    Own,
}

impl SeedKind {
    /// The word that keeps the kinds apart in derivations.
    #[must_use]
    pub fn word(self) -> &'static [u8] {
        match self {
            Self::Mask => b"mask-seed",
            Self::Own => b"self-seed",
        }
    }
}

impl Commitments {
    /// The commitment to a value of this kind.
    #[must_use]
    pub fn of(&self, kind: SeedKind) -> &Digest {
        match kind {
            SeedKind::Mask => &self.mask,
            SeedKind::Own => &self.own,
        }
    }
}

/// Commitment to the seed of `dealer`.
#[must_use]
pub fn commit_seed(round: &Digest, dealer: u8, kind: SeedKind, seed: &[u8; 32]) -> Digest {
    digest(
        "seed-commitment",
        &[round.as_bytes(), &[dealer], kind.word(), seed],
    )
}

/// Commitment to the share that `holder` has of the seed of `dealer`.
#[must_use]
pub fn commit_share(
    round: &Digest,
    dealer: u8,
    holder: u8,
    kind: SeedKind,
    share: &[u8; 32],
) -> Digest {
    digest(
        "share-commitment",
        &[round.as_bytes(), &[dealer], &[holder], kind.word(), share],
    )
}
