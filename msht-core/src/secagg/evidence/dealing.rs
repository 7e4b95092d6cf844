//! Dealings that do not hold together, shown by what their dealer signed and by what opens it.
//!
//! What is shown beside that are secrets of the accused alone: shares of its own seed, or the seed.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{EvidenceError, Offence};
use crate::crypto::{
    AgreementSecret, Digest, HexBytes, IdentityKey, SECRET_BYTES, Secret, recover,
};
use crate::secagg::announcement::Announcement;
use crate::secagg::derive::encapsulate_mask;
use crate::secagg::messages::{
    JoinBody, SeedKind, SignedEnvelope, SignedHeader, SignedMessage, commit_seed, commit_share,
    roll_digest,
};
use crate::secagg::roll::MAX_JOIN_BODY_BYTES;
use crate::secagg::signed::Document;
use crate::wire::decode;

type Proven = Result<(Option<Digest>, Offence), EvidenceError>;

/// A share, and the dealer's signed commitment that it opens.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenedShare {
    /// Index of the holder.
    pub holder: u8,
    /// The dealer's envelope to the holder; none for the share the dealer kept, which its header commits to.
    pub envelope: Option<SignedEnvelope>,
    /// The share.
    pub share: HexBytes<SECRET_BYTES>,
}

/// t shares that open a dealer's own commitments, and join into another seed than it committed to.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InconsistentShares {
    /// The announcement, for t; its digest is the round that the header names.
    pub announcement: Announcement,
    /// The dealer's header.
    pub header: SignedHeader,
    /// Which seed.
    pub kind: SeedKind,
    /// t shares of different holders.
    pub shares: Vec<OpenedShare>,
}

/// A `mask_seed` that its dealer committed to, and that does not make the key in its Join or a ciphertext it sent.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FalseSeed {
    /// The dealer's header.
    pub header: SignedHeader,
    /// The joins of the roll whose digest the header names.
    pub roll: Vec<SignedMessage>,
    /// An envelope with a mask ciphertext that the seed does not make; none where the key is wrong already.
    pub envelope: Option<SignedEnvelope>,
    /// The seed.
    pub seed: HexBytes<SECRET_BYTES>,
}

fn header_digest(header: &SignedHeader, key: &IdentityKey) -> Result<Digest, EvidenceError> {
    header.verify(key).map_err(|_| EvidenceError::Signature)
}

/// An envelope of the accused under this very header.
fn check_envelope(
    envelope: &SignedEnvelope,
    header: &Digest,
    key: &IdentityKey,
) -> Result<(), EvidenceError> {
    if envelope.envelope.header_digest != *header {
        return Err(EvidenceError::Unrelated);
    }
    envelope.verify(key).map_err(|_| EvidenceError::Signature)
}

impl InconsistentShares {
    pub(super) fn verify(&self, key: &IdentityKey) -> Proven {
        let digest = header_digest(&self.header, key)?;
        let header = &self.header.header;
        let (round, dealer, kind) = (header.round, header.dealer, self.kind);
        let announced = self
            .announcement
            .digest()
            .map_err(|_| EvidenceError::Encoding)?;
        let holders: BTreeSet<u8> = self.shares.iter().map(|share| share.holder).collect();
        let threshold = usize::from(self.announcement.thresholds.threshold);
        // More than t shares could be joined in many ways, fewer in none.
        if announced != round || holders.len() != threshold || self.shares.len() != threshold {
            return Err(EvidenceError::Unrelated);
        }
        let mut secrets = Vec::with_capacity(threshold);
        for opened in &self.shares {
            let commitments = match &opened.envelope {
                None if opened.holder == dealer => &header.own_shares,
                Some(envelope) if envelope.envelope.receiver == opened.holder => {
                    check_envelope(envelope, &digest, key)?;
                    &envelope.envelope.shares
                }
                _ => return Err(EvidenceError::Unrelated),
            };
            let opening =
                commit_share(&round, dealer, opened.holder, kind, opened.share.as_bytes());
            if opening != *commitments.of(kind) {
                return Err(EvidenceError::Unrelated);
            }
            secrets.push((opened.holder, Secret::from_bytes(opened.share.0)));
        }
        let shares: Vec<(u8, &Secret)> = secrets.iter().map(|(holder, s)| (*holder, s)).collect();
        let seed = recover(&shares).map_err(|_| EvidenceError::Unrelated)?;
        if commit_seed(&round, dealer, kind, seed.expose()) == *header.seeds.of(kind) {
            return Err(EvidenceError::NoContradiction);
        }
        Ok((Some(round), Offence::InconsistentDealing { dealer, kind }))
    }
}

impl FalseSeed {
    pub(super) fn verify(&self, key: &IdentityKey) -> Proven {
        let digest = header_digest(&self.header, key)?;
        let header = &self.header.header;
        let (round, dealer) = (header.round, header.dealer);
        let committed = commit_seed(&round, dealer, SeedKind::Mask, self.seed.as_bytes());
        let roll = roll_digest(&round, &self.roll).map_err(|_| EvidenceError::Encoding)?;
        if committed != header.seeds.mask || roll != header.roll_digest {
            return Err(EvidenceError::Unrelated);
        }
        let seed = Secret::from_bytes(self.seed.0);
        let fits = match &self.envelope {
            None => self.join_of(dealer)?.mask == AgreementSecret::from_seed(&seed).public(),
            Some(envelope) => {
                check_envelope(envelope, &digest, key)?;
                self.made_ciphertext(&seed, &roll, envelope)?
            }
        };
        if fits {
            return Err(EvidenceError::NoContradiction);
        }
        Ok((Some(round), Offence::FalseSeed { dealer }))
    }

    /// The Join of a member of the roll the dealer dealt under: it checked every one before.
    fn join_of(&self, index: u8) -> Result<JoinBody, EvidenceError> {
        let join = self.roll.iter().find(|join| join.sender == index);
        let join = join.ok_or(EvidenceError::Unrelated)?;
        decode(join.body.as_ref(), MAX_JOIN_BODY_BYTES).map_err(|_| EvidenceError::Encoding)
    }

    fn made_ciphertext(
        &self,
        seed: &Secret,
        roll: &Digest,
        envelope: &SignedEnvelope,
    ) -> Result<bool, EvidenceError> {
        let receiver = envelope.envelope.receiver;
        // Of a pair the lower index encapsulates; the other sends nothing.
        if receiver <= self.header.header.dealer {
            return Ok(envelope.envelope.mask_ciphertext.as_ref().is_empty());
        }
        let theirs = self.join_of(receiver)?.mask.check();
        let theirs = theirs.map_err(|_| EvidenceError::Unrelated)?;
        let (expected, _) = encapsulate_mask(seed, roll, receiver, &theirs);
        Ok(expected == envelope.envelope.mask_ciphertext)
    }
}
