//! Proof of misbehaviour that anybody can check who knows the accused's key.
//!
//! Evidence holds what the accused itself signed, and nothing else decides: no roster, no witness, no coordinator.
//! An honest node or coordinator signs one message a slot, one header and one envelope a receiver, one document an
//! identity, and deals shares that fit, so that none of these proofs can be made against it. A node or coordinator
//! that was restored to an earlier state, or that runs twice, is not honest in this sense.
//!
//! What is left out: two different Mask or Unmask messages of one partner. Their signatures cover a masked vector or
//! the shares of other partners, which nobody may keep after the round (C7); of those only digests are kept, and they
//! prove nothing to others. A share that does not match the commitment of *another* dealer is left out too: it cannot
//! be told whether the holder or the dealer lied. Two releases of one round need no form of their own: each is signed
//! whole, and the two files are the proof.

mod dealing;
mod slots;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use dealing::{FalseSeed, InconsistentShares, OpenedShare};

use super::announcement::Announcement;
use super::messages::{Phase, SeedKind, SignedEnvelope, SignedHeader, SignedMessage};
use super::roster::Roster;
use super::signed::Signed;
use super::terms::ProgrammeDocument;
use crate::crypto::{Digest, IdentityKey};
use crate::wire::{DecodeError, MAX_ENCODED_BYTES, decode, encode};

/// What a file of evidence begins with; the number is the version of what follows.
const FILE_HEADER: &[u8] = b"msht-evidence-1\n";

/// Longest content of a file of evidence. The longest there is, two deliveries or the roll of 255 partners, is a few
/// megabytes; nothing longer than the codec's own limit can be written.
pub const MAX_EVIDENCE_BYTES: usize = MAX_ENCODED_BYTES;

/// A proof, and whom it accuses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// The key whose holder is accused. Compare its fingerprint with the one known from elsewhere: whose key it is
    /// is not proven here.
    pub accused: IdentityKey,
    /// What the accused signed.
    pub proof: Proof,
}

/// Things an honest party never signs both of. The order of the forms is part of the format.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Proof {
    /// Two messages for one slot: (round, phase, sender).
    Messages(Box<[SignedMessage; 2]>),
    /// Two headers of one dealer in one round.
    Headers(Box<[SignedHeader; 2]>),
    /// Two envelopes to one receiver under one header.
    Envelopes {
        /// The header.
        header: Box<SignedHeader>,
        /// The envelopes.
        envelopes: Box<[SignedEnvelope; 2]>,
    },
    /// Shares of one seed that do not give the seed their dealer committed to.
    Shares(Box<InconsistentShares>),
    /// A `mask_seed` that matches its commitment but not the keys or ciphertexts of its dealer.
    Seed(Box<FalseSeed>),
    /// Two announcements of one attempt at one period of one programme.
    Announcements(Box<[Signed<Announcement>; 2]>),
    /// Two rosters of one version.
    Rosters(Box<[Signed<Roster>; 2]>),
    /// Two programmes of one id and version.
    Programmes(Box<[Signed<ProgrammeDocument>; 2]>),
}

impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proof(of {})", self.word())
    }
}

/// What is proven, and against whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accusation {
    /// The key whose holder did it.
    pub accused: IdentityKey,
    /// The round it was done in; none for what belongs to no round.
    pub round: Option<Digest>,
    /// What was done.
    pub offence: Offence,
}

/// What somebody did that no honest party does.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Offence {
    /// The coordinator sent different nodes, or one node twice, different messages of one phase.
    #[error("a coordinator signed two different answers of phase {}", phase.word())]
    CoordinatorEquivocation {
        /// The phase.
        phase: Phase,
    },
    /// A partner sent two different messages of one phase.
    #[error("partner number {sender} signed two different messages of phase {}", phase.word())]
    PartnerEquivocation {
        /// The phase.
        phase: Phase,
        /// Its index in the invited list.
        sender: u8,
    },
    /// A dealer committed itself twice.
    #[error("partner number {dealer} signed two different headers")]
    TwoHeaders {
        /// Its index in the invited list.
        dealer: u8,
    },
    /// A dealer sent one receiver two different envelopes.
    #[error("partner number {dealer} signed two different envelopes to partner number {receiver}")]
    TwoEnvelopes {
        /// The dealer's index in the invited list.
        dealer: u8,
        /// The receiver's.
        receiver: u8,
    },
    /// A dealer's shares do not fit together.
    #[error("partner number {dealer} dealt shares that do not give the seed it committed to ({})", kind_word(*kind))]
    InconsistentDealing {
        /// Its index in the invited list.
        dealer: u8,
        /// Which seed.
        kind: SeedKind,
    },
    /// A dealer committed to a seed that is not the one of its keys.
    #[error(
        "partner number {dealer} committed to a mask seed that does not make its keys or ciphertexts"
    )]
    FalseSeed {
        /// Its index in the invited list.
        dealer: u8,
    },
    /// The coordinator announced one attempt twice, on different terms.
    #[error(
        "a coordinator signed two different announcements of attempt {attempt} at {period} of `{programme}`"
    )]
    TwoAnnouncements {
        /// Id of the programme.
        programme: String,
        /// The period.
        period: String,
        /// The attempt.
        attempt: u32,
    },
    /// The coordinator signed two different rosters of one version.
    #[error("a coordinator signed two different rosters of version {version}")]
    TwoRosters {
        /// The version.
        version: u64,
    },
    /// The coordinator signed two different programmes of one version.
    #[error("a coordinator signed two different programmes `{programme}` of version {version}")]
    TwoProgrammes {
        /// Id of the programme.
        programme: String,
        /// The version.
        version: u32,
    },
}

fn kind_word(kind: SeedKind) -> &'static str {
    match kind {
        SeedKind::Mask => "mask seed",
        SeedKind::Own => "self seed",
    }
}

/// Why something proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EvidenceError {
    /// Not a file of evidence of this version, or damaged.
    #[error("this is not evidence that this version can read")]
    Encoding,
    /// The accused did not sign one of the things shown.
    #[error("a signature is not by the accused")]
    Signature,
    /// The things shown do not belong to one slot, dealing or identity.
    #[error("what is shown does not belong together")]
    Unrelated,
    /// The things shown agree: an honest party may have signed them all.
    #[error("what is shown is no contradiction")]
    NoContradiction,
    /// It would carry a masked vector or other partners' shares.
    #[error(
        "messages of this phase carry a masked vector or shares, which are never kept as evidence"
    )]
    Private,
}

impl Evidence {
    /// Evidence that `accused` signed both messages for one slot, where that is proven by what may be shown.
    #[must_use]
    pub fn of_messages(
        accused: IdentityKey,
        first: &SignedMessage,
        second: &SignedMessage,
    ) -> Option<Self> {
        Self::proven(accused, slots::between(first, second)?)
    }

    /// The evidence, where `proof` holds against `accused`.
    #[must_use]
    pub fn proven(accused: IdentityKey, proof: Proof) -> Option<Self> {
        let evidence = Self { accused, proof };
        evidence.verify().is_ok().then_some(evidence)
    }

    /// Checks every signature by the accused and the contradiction between what was signed. Nothing else is
    /// needed: not the roster, not the coordinator.
    ///
    /// # Errors
    /// [`EvidenceError`] says why it proves nothing.
    pub fn verify(&self) -> Result<Accusation, EvidenceError> {
        let key = &self.accused;
        let (round, offence) = match &self.proof {
            Proof::Messages(both) => slots::messages(key, both)?,
            Proof::Headers(both) => slots::headers(key, both)?,
            Proof::Envelopes { header, envelopes } => slots::envelopes(key, header, envelopes)?,
            Proof::Shares(shares) => shares.verify(key)?,
            Proof::Seed(seed) => seed.verify(key)?,
            Proof::Announcements(both) => slots::announcements(key, both)?,
            Proof::Rosters(both) => slots::rosters(key, both)?,
            Proof::Programmes(both) => slots::programmes(key, both)?,
        };
        Ok(Accusation {
            accused: *key,
            round,
            offence,
        })
    }

    /// The bytes of a file.
    ///
    /// # Errors
    /// [`DecodeError::TooLong`].
    pub fn to_bytes(&self) -> Result<Vec<u8>, DecodeError> {
        let mut bytes = FILE_HEADER.to_vec();
        bytes.extend(encode(self)?);
        Ok(bytes)
    }

    /// Reads a file; what it says is not checked yet.
    ///
    /// # Errors
    /// [`EvidenceError::Encoding`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, EvidenceError> {
        let content = bytes
            .strip_prefix(FILE_HEADER)
            .ok_or(EvidenceError::Encoding)?;
        decode(content, MAX_EVIDENCE_BYTES).map_err(|_| EvidenceError::Encoding)
    }
}

impl Proof {
    fn word(&self) -> &'static str {
        match self {
            Self::Messages(_) => "two messages",
            Self::Headers(_) => "two headers",
            Self::Envelopes { .. } => "two envelopes",
            Self::Shares(_) => "inconsistent shares",
            Self::Seed(_) => "a false seed",
            Self::Announcements(_) => "two announcements",
            Self::Rosters(_) => "two rosters",
            Self::Programmes(_) => "two programmes",
        }
    }
}
