//! For simulations only (`testkit`): what was computed once in a run is not computed again.
//!
//! In a simulation one process plays every partner, and starts each again and again from its records. It would verify
//! one signature, expand one key and agree on one secret as often as all of them together. Each is a function of its
//! arguments, and the whole arguments are what is compared here, so that a run comes out byte for byte the same with
//! and without this; a test compares them. What is refused is never remembered.
//!
//! Nothing is remembered but between [`remembering`] and the drop of what it gives, on the same thread.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use super::agreement::{AgreementError, AgreementKey, AgreementSecret, CheckedKey};
use super::digest::Digest;
use super::identity::{IdentityKey, Signature};
use super::secret::Secret;
use crate::wire::Blob;

#[derive(Default)]
struct Memory {
    verified: BTreeSet<(IdentityKey, Vec<u8>, Signature)>,
    keys: BTreeMap<AgreementKey, CheckedKey>,
    pairs: BTreeMap<[u8; 32], AgreementSecret>,
    encapsulated: BTreeMap<(Digest, [u8; 32]), (Blob, Secret)>,
    agreed: BTreeMap<([u8; 32], [u8; 32]), Secret>,
}

thread_local! {
    static MEMORY: RefCell<Option<Memory>> = const { RefCell::new(None) };
}

/// Forgets everything when it is dropped.
#[must_use]
pub(crate) struct Remembering(());

impl Drop for Remembering {
    fn drop(&mut self) {
        MEMORY.set(None);
    }
}

/// Remembers on this thread from now on, beginning with nothing.
pub(crate) fn remembering() -> Remembering {
    MEMORY.set(Some(Memory::default()));
    Remembering(())
}

/// Whether `signature` of `key` is on `signed`: remembered, or what `verify` says.
pub(super) fn verifies(
    key: &IdentityKey,
    signed: &[u8],
    signature: &Signature,
    verify: impl FnOnce() -> bool,
) -> bool {
    MEMORY.with_borrow_mut(|memory| {
        let Some(memory) = memory else {
            return verify();
        };
        let arguments = (*key, signed.to_vec(), *signature);
        if memory.verified.contains(&arguments) {
            return true;
        }
        let valid = verify();
        if valid {
            memory.verified.insert(arguments);
        }
        valid
    })
}

/// `key` as it was checked: remembered, or what `check` gives.
pub(super) fn checked(
    key: &AgreementKey,
    check: impl FnOnce() -> Result<CheckedKey, AgreementError>,
) -> Result<CheckedKey, AgreementError> {
    MEMORY.with_borrow_mut(|memory| {
        let Some(memory) = memory else {
            return check();
        };
        if let Some(checked) = memory.keys.get(key) {
            return Ok(checked.clone());
        }
        let checked = check()?;
        memory.keys.insert(key.clone(), checked.clone());
        Ok(checked)
    })
}

/// The key pairs of `seed`: remembered, or what `derive` gives.
pub(super) fn of_seed(seed: &Secret, derive: impl FnOnce() -> AgreementSecret) -> AgreementSecret {
    MEMORY.with_borrow_mut(|memory| {
        let Some(memory) = memory else {
            return derive();
        };
        let pair = memory.pairs.entry(*seed.expose());
        pair.or_insert_with(derive).clone()
    })
}

/// The encapsulation of `message` to the key with this digest: remembered, or what `encapsulate` gives.
pub(super) fn encapsulated(
    key: Digest,
    message: &Secret,
    encapsulate: impl FnOnce() -> (Blob, Secret),
) -> (Blob, Secret) {
    MEMORY.with_borrow_mut(|memory| {
        let Some(memory) = memory else {
            return encapsulate();
        };
        let made = memory.encapsulated.entry((key, *message.expose()));
        let (ciphertext, secret) = made.or_insert_with(encapsulate);
        (ciphertext.clone(), secret.duplicate())
    })
}

/// X25519 of a secret and a public key: remembered, or what `agree` gives.
pub(super) fn agreed(
    ours: [u8; 32],
    theirs: [u8; 32],
    agree: impl FnOnce() -> Result<Secret, AgreementError>,
) -> Result<Secret, AgreementError> {
    MEMORY.with_borrow_mut(|memory| {
        let Some(memory) = memory else {
            return agree();
        };
        if let Some(secret) = memory.agreed.get(&(ours, theirs)) {
            return Ok(secret.duplicate());
        }
        let secret = agree()?;
        let arguments = (ours, theirs);
        memory.agreed.insert(arguments, secret.duplicate());
        Ok(secret)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::{HexBytes, Identity, Secret, SignLabel, digest};

    #[test]
    fn nothing_but_what_was_verified_is_taken_for_verified() {
        let identity = |byte| Identity::from_seed(Secret::from_bytes([byte; 32])).unwrap();
        let (ours, other) = (identity(1), identity(2));
        let content = digest("content", &[b"one"]);
        let signature = ours.sign(SignLabel::Message, &content);
        let _remembering = remembering();
        for _ in 0..2 {
            let verify = |key: &Identity, label, content, signature: &Signature| {
                key.key().verify(label, content, signature).is_ok()
            };
            let mut changed = signature;
            changed.0[63] ^= 1;
            let elsewhere = digest("content", &[b"two"]);
            assert!(verify(&ours, SignLabel::Message, &content, &signature));
            assert!(!verify(&other, SignLabel::Message, &content, &signature));
            assert!(!verify(&ours, SignLabel::Header, &content, &signature));
            assert!(!verify(&ours, SignLabel::Message, &elsewhere, &signature));
            assert!(!verify(&ours, SignLabel::Message, &content, &changed));
        }
    }

    #[test]
    fn a_key_is_checked_again_where_anything_of_it_differs() {
        let key = AgreementSecret::from_seed(&Secret::from_bytes([3; 32])).public();
        let _remembering = remembering();
        for _ in 0..2 {
            assert!(key.check().is_ok());
            let x25519 = HexBytes([0; 32]);
            let low = AgreementKey {
                x25519,
                ..key.clone()
            };
            assert_eq!(low.check().err(), Some(AgreementError::LowOrder));
            let ml_kem = Blob::from([1u8; 5].as_slice());
            let short = AgreementKey {
                ml_kem,
                ..key.clone()
            };
            assert_eq!(short.check().err(), Some(AgreementError::MalformedKey));
        }
    }

    #[test]
    fn what_is_agreed_is_what_would_be_agreed_without_a_memory() {
        let secret = |byte| Secret::from_bytes([byte; 32]);
        let agree = || {
            let mut all = Vec::new();
            for (ours, theirs) in [(1, 2), (1, 3), (2, 3), (1, 2)] {
                let ours = AgreementSecret::from_seed(&secret(ours));
                let theirs = AgreementSecret::from_seed(&secret(theirs)).public();
                let theirs = theirs.check().unwrap();
                for message in [4, 5] {
                    let (ciphertext, kem) = theirs.encapsulate(&secret(message));
                    all.push((ciphertext, *kem.expose()));
                }
                let dh = ours.diffie_hellman(&theirs).unwrap();
                all.push((Blob::default(), *dh.expose()));
            }
            all
        };
        let without = agree();
        let _remembering = remembering();
        assert_eq!(agree(), without);
        assert_eq!(agree(), without, "remembered");
    }

    #[test]
    fn nothing_is_remembered_afterwards_nor_on_another_thread() {
        let signed = |answer| verifies(&key(), b"signed", &HexBytes([0; 64]), || answer);
        fn key() -> IdentityKey {
            IdentityKey::from_bytes([1; 32])
        }
        let remembering = remembering();
        assert!(signed(true) && signed(false), "remembered");
        std::thread::scope(|scope| {
            let elsewhere = scope.spawn(|| signed(false));
            assert!(!elsewhere.join().unwrap());
        });
        drop(remembering);
        assert!(!signed(false));
    }
}
