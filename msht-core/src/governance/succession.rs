//! One key takes the place of another: both sign, so that neither a thief of the new key nor somebody who only
//! claims to hold it can bring it about alone.

use serde::{Deserialize, Serialize};

use crate::crypto::{BadSignature, Identity, IdentityKey, SignLabel, Signature};
use crate::secagg::Document;
use crate::wire::DecodeError;

/// Most changes of one key that are followed: one a week for five years.
pub const MAX_SUCCESSIONS: usize = 256;

/// A document by which a key follows another.
pub trait Succession: Document {
    /// The key that is given up.
    fn old_key(&self) -> &IdentityKey;
    /// The key that takes its place.
    fn new_key(&self) -> &IdentityKey;
}

/// A partner changes its identity key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyChange {
    /// Id of the partner.
    pub partner: String,
    /// The key given up.
    pub from: IdentityKey,
    /// The key that takes its place.
    pub to: IdentityKey,
}

impl Document for KeyChange {
    const LABEL: SignLabel = SignLabel::KeyChange;
    const DIGEST_LABEL: &'static str = "key-change";
}

impl Succession for KeyChange {
    fn old_key(&self) -> &IdentityKey {
        &self.from
    }

    fn new_key(&self) -> &IdentityKey {
        &self.to
    }
}

/// The coordinator changes its identity key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Handover {
    /// The key given up.
    pub from: IdentityKey,
    /// The key that takes its place.
    pub to: IdentityKey,
    /// When, seconds since 1970-01-01 UTC by the coordinator's clock; for people only.
    pub at: i64,
}

impl Document for Handover {
    const LABEL: SignLabel = SignLabel::Handover;
    const DIGEST_LABEL: &'static str = "handover";
}

impl Succession for Handover {
    fn old_key(&self) -> &IdentityKey {
        &self.from
    }

    fn new_key(&self) -> &IdentityKey {
        &self.to
    }
}

/// A succession under the signatures of both keys, as received: nothing is checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Countersigned<T> {
    /// What is signed.
    pub content: T,
    /// By the key given up.
    pub by_old: Signature,
    /// By the key that takes its place.
    pub by_new: Signature,
}

impl<T: Succession> Countersigned<T> {
    /// Signs with both keys, which must be those in `content`; [`Self::verify`] says whether they were.
    ///
    /// # Errors
    /// [`DecodeError::TooLong`].
    pub fn sign(content: T, old: &Identity, new: &Identity) -> Result<Self, DecodeError> {
        let digest = content.digest()?;
        Ok(Self {
            by_old: old.sign(T::LABEL, &digest),
            by_new: new.sign(T::LABEL, &digest),
            content,
        })
    }

    /// Checks both signatures, and that the key does change.
    ///
    /// # Errors
    /// [`BadSignature`].
    pub fn verify(&self) -> Result<&T, BadSignature> {
        let digest = self.content.digest().map_err(|_| BadSignature)?;
        let (old, new) = (self.content.old_key(), self.content.new_key());
        if old == new {
            return Err(BadSignature);
        }
        old.verify(T::LABEL, &digest, &self.by_old)?;
        new.verify(T::LABEL, &digest, &self.by_new)?;
        Ok(&self.content)
    }
}

/// Whether verified successions lead from `from` to `to`; a key leads to itself.
#[must_use]
pub fn succeeds<T: Succession>(
    chain: &[Countersigned<T>],
    from: &IdentityKey,
    to: &IdentityKey,
) -> bool {
    let mut current = from;
    for _ in 0..=MAX_SUCCESSIONS {
        if current == to {
            return true;
        }
        let next = chain
            .iter()
            .find(|each| each.content.old_key() == current && each.verify().is_ok());
        let Some(next) = next else { return false };
        current = next.content.new_key();
    }
    false
}

/// Whether one of two keys leads to the other.
#[must_use]
pub fn linked<T: Succession>(
    chain: &[Countersigned<T>],
    one: &IdentityKey,
    other: &IdentityKey,
) -> bool {
    succeeds(chain, one, other) || succeeds(chain, other, one)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::Secret;

    fn identity(byte: u8) -> Identity {
        Identity::from_seed(Secret::from_bytes([byte; 32])).unwrap()
    }

    fn handover(from: u8, to: u8) -> Countersigned<Handover> {
        let (old, new) = (identity(from), identity(to));
        let content = Handover {
            from: old.key(),
            to: new.key(),
            at: 7,
        };
        Countersigned::sign(content, &old, &new).unwrap()
    }

    #[test]
    fn a_handover_needs_the_signatures_of_both_keys() {
        let good = handover(1, 2);
        assert!(good.verify().is_ok());
        for (old, new) in [(1, 3), (3, 2), (2, 1)] {
            let content = good.content.clone();
            let forged = Countersigned::sign(content, &identity(old), &identity(new)).unwrap();
            assert!(forged.verify().is_err(), "signed by {old} and {new}");
        }
        let mut later = good.clone();
        later.content.at += 1;
        assert!(later.verify().is_err());
        assert!(handover(1, 1).verify().is_err(), "no change at all");
    }

    #[test]
    fn a_signature_on_a_partners_key_change_is_none_on_a_handover() {
        let (old, new) = (identity(1), identity(2));
        let change = KeyChange {
            partner: "p".to_owned(),
            from: old.key(),
            to: new.key(),
        };
        let change = Countersigned::sign(change, &old, &new).unwrap();
        let swapped = Countersigned {
            by_old: change.by_old,
            by_new: change.by_new,
            content: handover(1, 2).content,
        };
        assert!(change.verify().is_ok() && swapped.verify().is_err());
    }

    #[test]
    fn a_chain_leads_forward_only_and_ends_at_a_forged_link() {
        let keys = [1, 2, 3, 4].map(|byte| identity(byte).key());
        let chain = [handover(3, 4), handover(1, 2), handover(2, 3)];
        assert!(succeeds(&chain, &keys[0], &keys[3]));
        assert!(succeeds(&chain, &keys[2], &keys[2]));
        assert!(!succeeds(&chain, &keys[3], &keys[0]));
        assert!(linked(&chain, &keys[3], &keys[0]));
        let mut forged = chain.clone();
        forged[2].by_old = forged[1].by_old;
        assert!(!linked(&forged, &keys[0], &keys[3]));
        assert!(!linked(&chain[..2], &keys[0], &keys[3]));
        let circle = [handover(1, 2), handover(2, 1)];
        assert!(!succeeds(&circle, &keys[0], &keys[3]));
    }
}
