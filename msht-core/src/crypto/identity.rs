//! Long-lived Ed25519 identities of partners and coordinators.
//!
//! What is signed always begins with `msht/1/sign/`, so no signature can be taken for a TLS 1.3 one (which
//! begins with 0x20) or for a DER structure (0x30).

use std::fmt;

use rand::CryptoRng;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use serde::{Deserialize, Serialize};

use super::digest::{Digest, HexBytes, digest};
use super::secret::Secret;

/// Bytes of an Ed25519 public key.
pub const IDENTITY_KEY_BYTES: usize = 32;
/// Bytes of an Ed25519 signature.
pub const SIGNATURE_BYTES: usize = 64;

/// DER of a PKCS #8 version 1 Ed25519 private key up to the 32-byte seed (RFC 8410, section 7).
const PKCS8_PREFIX: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

/// An Ed25519 signature.
pub type Signature = HexBytes<SIGNATURE_BYTES>;

/// What a signature is about; one label for one kind of content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignLabel {
    /// A message of a round.
    Message,
    /// A dealer's header.
    Header,
    /// A dealer's envelope.
    Envelope,
    /// A programme.
    Programme,
    /// A roster version.
    Roster,
    /// An announcement.
    Announcement,
    /// The notice that a round was aborted.
    Abort,
    /// A release.
    Release,
    /// A partner's statement that it never unmasked in a round.
    NeverUnmasked,
    /// A partner's change of key, by both keys.
    KeyChange,
    /// The coordinator's change of key, by both keys.
    Handover,
    /// A partner saw another one's key.
    Endorsement,
    /// Where a node's ledger ends.
    LedgerHead,
}

impl SignLabel {
    const fn text(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Header => "header",
            Self::Envelope => "envelope",
            Self::Programme => "programme",
            Self::Roster => "roster",
            Self::Announcement => "announcement/2",
            Self::Abort => "abort",
            Self::Release => "release/2",
            Self::NeverUnmasked => "never-unmasked",
            Self::KeyChange => "key-change",
            Self::Handover => "handover",
            Self::Endorsement => "endorsement",
            Self::LedgerHead => "ledger-head",
        }
    }

    fn signed_bytes(self, content: &Digest) -> Vec<u8> {
        let mut bytes = b"msht/1/sign/".to_vec();
        bytes.extend_from_slice(self.text().as_bytes());
        bytes.push(0);
        bytes.extend_from_slice(content.as_bytes());
        bytes
    }
}

/// The public half of an identity, as pinned in every roster.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IdentityKey(HexBytes<IDENTITY_KEY_BYTES>);

impl IdentityKey {
    /// Wraps the 32 bytes of a public key; a malformed point fails at the first verification.
    #[must_use]
    pub fn from_bytes(bytes: [u8; IDENTITY_KEY_BYTES]) -> Self {
        Self(HexBytes(bytes))
    }

    /// The 32 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; IDENTITY_KEY_BYTES] {
        self.0.as_bytes()
    }

    /// The key's fingerprint, to be compared by people.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        let full = digest("fingerprint", &[self.0.as_bytes()]);
        let mut half = [0; FINGERPRINT_BYTES];
        for (to, from) in half.iter_mut().zip(full.as_bytes()) {
            *to = *from;
        }
        Fingerprint(HexBytes(half))
    }

    /// Checks `signature` on `content` under `label`.
    ///
    /// # Errors
    /// [`BadSignature`].
    pub fn verify(
        &self,
        label: SignLabel,
        content: &Digest,
        signature: &Signature,
    ) -> Result<(), BadSignature> {
        let signed = label.signed_bytes(content);
        let verify = || {
            let key = UnparsedPublicKey::new(&ED25519, self.as_bytes());
            key.verify(&signed, signature.as_bytes()).is_ok()
        };
        #[cfg(feature = "testkit")]
        let valid = super::memory::verifies(self, &signed, signature, verify);
        #[cfg(not(feature = "testkit"))]
        let valid = verify();
        valid.then_some(()).ok_or(BadSignature)
    }
}

impl fmt::Debug for IdentityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IdentityKey({})", self.fingerprint())
    }
}

/// A signature does not match its key and content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not verify")]
pub struct BadSignature;

/// Bytes of a fingerprint: 128 bits, enough that nobody finds a second key for it.
pub const FINGERPRINT_BYTES: usize = 16;

/// A short form of an identity key that people compare over the telephone: `1a2b-3c4d-…`, eight groups.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(HexBytes<FINGERPRINT_BYTES>);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, pair) in self.0.as_bytes().chunks(2).enumerate() {
            let separator = if position == 0 { "" } else { "-" };
            write!(f, "{separator}{}", hex::encode(pair))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::str::FromStr for Fingerprint {
    type Err = super::digest::HexError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.replace(['-', ' '], "")
            .to_lowercase()
            .parse()
            .map(Self)
    }
}

/// A private identity.
pub struct Identity {
    seed: Secret,
    pair: Ed25519KeyPair,
}

/// Ed25519 key generation failed for this seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the seed does not make an Ed25519 key")]
pub struct BadSeed;

impl Identity {
    /// The identity of a 32-byte seed.
    ///
    /// # Errors
    /// [`BadSeed`] where the key pair cannot be computed.
    pub fn from_seed(seed: Secret) -> Result<Self, BadSeed> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.expose()).map_err(|_| BadSeed)?;
        Ok(Self { seed, pair })
    }

    /// A fresh identity.
    ///
    /// # Errors
    /// [`BadSeed`], which no seed is known to cause.
    pub fn generate<R: CryptoRng + ?Sized>(rng: &mut R) -> Result<Self, BadSeed> {
        Self::from_seed(Secret::random(rng))
    }

    /// The public half.
    #[must_use]
    pub fn key(&self) -> IdentityKey {
        let mut bytes = [0; IDENTITY_KEY_BYTES];
        for (to, from) in bytes.iter_mut().zip(self.pair.public_key().as_ref()) {
            *to = *from;
        }
        IdentityKey::from_bytes(bytes)
    }

    /// The seed, for sealing at rest.
    #[must_use]
    pub fn seed(&self) -> &Secret {
        &self.seed
    }

    /// Signs `content` under `label`.
    #[must_use]
    pub fn sign(&self, label: SignLabel, content: &Digest) -> Signature {
        let signature = self.pair.sign(&label.signed_bytes(content));
        let mut bytes = [0; SIGNATURE_BYTES];
        for (to, from) in bytes.iter_mut().zip(signature.as_ref()) {
            *to = *from;
        }
        HexBytes(bytes)
    }

    /// The private key as PKCS #8 DER, for the TLS certificate.
    #[must_use]
    pub fn to_pkcs8(&self) -> zeroize::Zeroizing<Vec<u8>> {
        let mut der = PKCS8_PREFIX.to_vec();
        der.extend_from_slice(self.seed.expose());
        zeroize::Zeroizing::new(der)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", self.key().fingerprint())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_holds_only_for_its_key_label_and_content() {
        let identity = Identity::from_seed(Secret::from_bytes([7; 32])).unwrap();
        let other = Identity::from_seed(Secret::from_bytes([8; 32])).unwrap();
        let content = digest("t", &[b"content"]);
        let signature = identity.sign(SignLabel::Message, &content);
        assert!(
            identity
                .key()
                .verify(SignLabel::Message, &content, &signature)
                .is_ok()
        );
        assert!(
            identity
                .key()
                .verify(SignLabel::Header, &content, &signature)
                .is_err()
        );
        assert!(
            other
                .key()
                .verify(SignLabel::Message, &content, &signature)
                .is_err()
        );
        let changed = digest("t", &[b"changed"]);
        assert!(
            identity
                .key()
                .verify(SignLabel::Message, &changed, &signature)
                .is_err()
        );
    }

    #[test]
    fn a_fingerprint_reads_back_as_it_is_spoken() {
        let identity = Identity::from_seed(Secret::from_bytes([7; 32])).unwrap();
        let fingerprint = identity.key().fingerprint();
        let spoken = fingerprint.to_string().to_uppercase().replace('-', " ");
        assert_eq!(spoken.parse::<Fingerprint>(), Ok(fingerprint));
        assert!("1a2b-3c4d".parse::<Fingerprint>().is_err());
    }
}
