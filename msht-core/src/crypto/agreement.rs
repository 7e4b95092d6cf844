//! Hybrid key agreement: X25519 (RFC 7748) and ML-KEM-768 (FIPS 203), both from one 32-byte seed.
//!
//! Whoever knows the seed can redo every step, which is what lets a round recover a lost partner from shares of
//! a single secret. Encapsulation is therefore deterministic: its message is derived by the caller.

use ml_kem::kem::{Decapsulate, KeyExport, TryKeyInit};
use ml_kem::{B32, Seed, ml_kem_768};
use serde::{Deserialize, Serialize};
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::{Zeroize, Zeroizing};

use super::digest::{Digest, HexBytes, digest};
use super::kdf::{KdfLabel, derive};
use super::secret::Secret;
use crate::wire::Blob;

/// Bytes of an ML-KEM-768 encapsulation key.
pub const ENCAPSULATION_KEY_BYTES: usize = 1184;
/// Bytes of an ML-KEM-768 ciphertext.
pub const CIPHERTEXT_BYTES: usize = 1088;

/// The public half of an agreement key.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct AgreementKey {
    /// X25519 public key.
    pub x25519: HexBytes<32>,
    /// ML-KEM-768 encapsulation key, [`ENCAPSULATION_KEY_BYTES`] long.
    pub ml_kem: Blob,
}

/// An agreement key that was found well formed, ready to be used any number of times.
///
/// The matrix of an ML-KEM key is expanded once, here: that is half the work of an encapsulation.
#[derive(Clone, Debug)]
pub struct CheckedKey {
    x25519: PublicKey,
    ml_kem: ml_kem_768::EncapsulationKey,
    ml_kem_digest: Digest,
}

/// Why a peer's key or ciphertext cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AgreementError {
    /// The encapsulation key is not one (FIPS 203, section 7.2).
    #[error("the ML-KEM key is malformed")]
    MalformedKey,
    /// The ciphertext has the wrong length.
    #[error("the ML-KEM ciphertext has the wrong length")]
    MalformedCiphertext,
    /// The X25519 key has low order, so the shared secret would not depend on us (RFC 7748, section 6.1).
    #[error("the X25519 key has low order")]
    LowOrder,
}

impl AgreementKey {
    /// Checks that both keys are well formed: an encapsulation key, and an X25519 key that is not of low order.
    ///
    /// # Errors
    /// [`AgreementError::MalformedKey`] or [`AgreementError::LowOrder`].
    pub fn check(&self) -> Result<CheckedKey, AgreementError> {
        #[cfg(feature = "testkit")]
        return super::memory::checked(self, || self.expand());
        #[cfg(not(feature = "testkit"))]
        self.expand()
    }

    fn expand(&self) -> Result<CheckedKey, AgreementError> {
        if has_low_order(self.x25519.as_bytes()) {
            return Err(AgreementError::LowOrder);
        }
        let ml_kem = ml_kem_768::EncapsulationKey::new_from_slice(self.ml_kem.as_ref())
            .map_err(|_| AgreementError::MalformedKey)?;
        Ok(CheckedKey {
            x25519: PublicKey::from(*self.x25519.as_bytes()),
            ml_kem,
            ml_kem_digest: digest("ml-kem-key", &[self.ml_kem.as_ref()]),
        })
    }
}

/// The u-coordinates of every point whose order divides 8, on Curve25519 and its twist, as X25519 reads them: without
/// the highest bit, and not reduced (D. J. Bernstein, "Curve25519: new Diffie-Hellman speed records", PKC 2006, and
/// its web page on validation). Any clamped scalar takes just these to zero.
const LOW_ORDER: [[u8; 32]; 7] = [
    // 0, of order 2.
    [0; 32],
    // 1, of order 4.
    one(),
    // Of order 8.
    [
        0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4,
        0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49,
        0xb8, 0x00,
    ],
    // Of order 8.
    [
        0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef,
        0x5b, 0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f,
        0x11, 0x57,
    ],
    // p − 1, of order 4 on the twist; then p and p + 1, which are 0 and 1 again.
    field_prime_ending(0xec),
    field_prime_ending(0xed),
    field_prime_ending(0xee),
];

const fn one() -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[0] = 1;
    bytes
}

/// The 32 bytes of p = 2²⁵⁵ − 19, which end in 0xed, with another lowest byte.
const fn field_prime_ending(lowest: u8) -> [u8; 32] {
    let mut bytes = [0xff; 32];
    bytes[0] = lowest;
    bytes[31] = 0x7f;
    bytes
}

/// Whether X25519 with this key gives zero, whatever the secret. Keys are public: nothing here is constant-time.
fn has_low_order(key: &[u8; 32]) -> bool {
    let mut read = *key;
    if let Some(highest) = read.last_mut() {
        *highest &= 0x7f;
    }
    LOW_ORDER.contains(&read)
}

impl CheckedKey {
    /// Digest of the encapsulation key.
    #[must_use]
    pub fn ml_kem_digest(&self) -> Digest {
        self.ml_kem_digest
    }

    /// Encapsulates to this key with the derived `message`; returns the ciphertext and the shared secret.
    #[must_use]
    pub fn encapsulate(&self, message: &Secret) -> (Blob, Secret) {
        #[cfg(feature = "testkit")]
        return super::memory::encapsulated(self.ml_kem_digest, message, || {
            self.encapsulate_afresh(message)
        });
        #[cfg(not(feature = "testkit"))]
        self.encapsulate_afresh(message)
    }

    fn encapsulate_afresh(&self, message: &Secret) -> (Blob, Secret) {
        let mut message = B32::from(*message.expose());
        let (ciphertext, mut shared) = self.ml_kem.encapsulate_deterministic(&message);
        message.zeroize();
        let secret = Secret::from_bytes(shared.into());
        shared.zeroize();
        (Blob::from(ciphertext.as_slice()), secret)
    }
}

/// The private half, derived from a seed.
#[cfg_attr(feature = "testkit", derive(Clone))]
pub struct AgreementSecret {
    x25519: StaticSecret,
    ml_kem: ml_kem_768::DecapsulationKey,
}

impl AgreementSecret {
    /// Derives both key pairs from `seed`.
    #[must_use]
    pub fn from_seed(seed: &Secret) -> Self {
        #[cfg(feature = "testkit")]
        return super::memory::of_seed(seed, || Self::derive_from(seed));
        #[cfg(not(feature = "testkit"))]
        Self::derive_from(seed)
    }

    fn derive_from(seed: &Secret) -> Self {
        let scalar = derive(seed.expose(), &[], KdfLabel::X25519Secret, &[]);
        let mut kem_seed = Zeroizing::new([0; 64]);
        let (first, second) = kem_seed.split_at_mut(32);
        first.copy_from_slice(derive(seed.expose(), &[], KdfLabel::MlKemSeed, &[b"d"]).expose());
        second.copy_from_slice(derive(seed.expose(), &[], KdfLabel::MlKemSeed, &[b"z"]).expose());
        Self {
            x25519: StaticSecret::from(*scalar.expose()),
            ml_kem: ml_kem_768::DecapsulationKey::from_seed(Seed::from(*kem_seed)),
        }
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> AgreementKey {
        AgreementKey {
            x25519: HexBytes(PublicKey::from(&self.x25519).to_bytes()),
            ml_kem: Blob::from(self.ml_kem.encapsulation_key().to_bytes().as_slice()),
        }
    }

    /// Decapsulates a ciphertext made for this key. A ciphertext made for another key gives an unrelated secret
    /// (implicit rejection, FIPS 203 section 6.3).
    ///
    /// # Errors
    /// [`AgreementError::MalformedCiphertext`].
    pub fn decapsulate(&self, ciphertext: &Blob) -> Result<Secret, AgreementError> {
        let mut shared = self
            .ml_kem
            .decapsulate_slice(ciphertext.as_ref())
            .map_err(|_| AgreementError::MalformedCiphertext)?;
        let secret = Secret::from_bytes(shared.into());
        shared.zeroize();
        Ok(secret)
    }

    /// X25519 with a peer's key.
    ///
    /// # Errors
    /// [`AgreementError::LowOrder`], which the check of the key excludes.
    pub fn diffie_hellman(&self, peer: &CheckedKey) -> Result<Secret, AgreementError> {
        #[cfg(feature = "testkit")]
        return super::memory::agreed(self.x25519.to_bytes(), peer.x25519.to_bytes(), || {
            self.diffie_hellman_afresh(peer)
        });
        #[cfg(not(feature = "testkit"))]
        self.diffie_hellman_afresh(peer)
    }

    fn diffie_hellman_afresh(&self, peer: &CheckedKey) -> Result<Secret, AgreementError> {
        let shared = self.x25519.diffie_hellman(&peer.x25519);
        if !shared.was_contributory() {
            return Err(AgreementError::LowOrder);
        }
        Ok(Secret::from_bytes(shared.to_bytes()))
    }
}

/// Joins both shared secrets into one key bound to `salt`, `label` and `context`.
#[must_use]
pub fn combine(
    kem_secret: &Secret,
    dh_secret: &Secret,
    salt: &Digest,
    label: KdfLabel,
    context: &[&[u8]],
) -> Secret {
    let mut input = Zeroizing::new([0; 64]);
    let (first, second) = input.split_at_mut(32);
    first.copy_from_slice(kem_secret.expose());
    second.copy_from_slice(dh_secret.expose());
    derive(input.as_ref(), salt.as_bytes(), label, context)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_reach_one_key_and_the_seed_redoes_it() {
        let ours = AgreementSecret::from_seed(&Secret::from_bytes([1; 32]));
        let theirs = AgreementSecret::from_seed(&Secret::from_bytes([2; 32]));
        let message = Secret::from_bytes([3; 32]);
        let their_key = theirs.public().check().unwrap();
        let (ciphertext, sent) = their_key.encapsulate(&message);
        assert_eq!(ciphertext.as_ref().len(), CIPHERTEXT_BYTES);
        assert_eq!(
            theirs.public().ml_kem.as_ref().len(),
            ENCAPSULATION_KEY_BYTES
        );
        assert!(theirs.decapsulate(&ciphertext).unwrap().ct_eq(&sent));
        let dh = ours.diffie_hellman(&their_key).unwrap();
        let our_key = ours.public().check().unwrap();
        assert!(theirs.diffie_hellman(&our_key).unwrap().ct_eq(&dh));
        let again = AgreementSecret::from_seed(&Secret::from_bytes([2; 32]));
        assert_eq!(again.public(), theirs.public());
        let again = again.public().check().unwrap();
        assert_eq!(again.encapsulate(&message).0, ciphertext);
    }

    fn x25519_gives_zero(key: &[u8; 32]) -> bool {
        let product = StaticSecret::from([0x5a; 32]).diffie_hellman(&PublicKey::from(*key));
        !product.was_contributory()
    }

    /// Each key that is listed gives zero in the library too, and none beside it does: neither with one of its bits
    /// changed, nor among the smallest and the largest numbers, where the keys that are not reduced lie.
    #[test]
    fn just_the_listed_keys_have_low_order() {
        let ours = AgreementSecret::from_seed(&Secret::from_bytes([1; 32])).public();
        let check = |key: [u8; 32]| {
            let x25519 = HexBytes(key);
            let ml_kem = ours.ml_kem.clone();
            AgreementKey { x25519, ml_kem }.check().map(|_| ())
        };
        for listed in LOW_ORDER {
            for bit in 0..256 {
                let mut key = listed;
                key[bit / 8] ^= 1 << (bit % 8);
                let expected = if x25519_gives_zero(&key) {
                    Err(AgreementError::LowOrder)
                } else {
                    Ok(())
                };
                assert_eq!(check(key), expected, "{key:02x?}");
            }
            assert!(x25519_gives_zero(&listed));
            assert_eq!(check(listed), Err(AgreementError::LowOrder));
        }
        for lowest in 0..=255 {
            for key in [field_prime_ending(lowest), {
                let mut small = [0; 32];
                small[0] = lowest;
                small
            }] {
                assert_eq!(check(key).is_err(), x25519_gives_zero(&key), "{key:02x?}");
            }
        }
    }

    #[test]
    fn malformed_peer_input_is_refused() {
        let ours = AgreementSecret::from_seed(&Secret::from_bytes([1; 32]));
        let mut key = ours.public();
        let unchecked = CheckedKey {
            x25519: PublicKey::from([0; 32]),
            ..key.check().unwrap()
        };
        assert_eq!(
            ours.diffie_hellman(&unchecked).err(),
            Some(AgreementError::LowOrder)
        );
        key.x25519 = HexBytes([0; 32]);
        assert_eq!(key.check().err(), Some(AgreementError::LowOrder));
        key.x25519 = ours.public().x25519;
        key.ml_kem = Blob::from([0u8; 12].as_slice());
        assert_eq!(key.check().err(), Some(AgreementError::MalformedKey));
        key.ml_kem = Blob::from([0xff; ENCAPSULATION_KEY_BYTES].as_slice());
        assert_eq!(key.check().err(), Some(AgreementError::MalformedKey));
        let short = Blob::from([0u8; 3].as_slice());
        assert_eq!(
            ours.decapsulate(&short).err(),
            Some(AgreementError::MalformedCiphertext)
        );
    }
}
