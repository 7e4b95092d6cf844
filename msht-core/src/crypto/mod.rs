//! Identities, key agreement, key derivation, sealing, mask streams and secret sharing.
//!
//! Primitives come from `ring`, `x25519-dalek`, `ml-kem` and `aes`; what is ours is their composition and the
//! secret sharing.

mod agreement;
mod digest;
mod identity;
mod kdf;
mod mask;
#[cfg(feature = "testkit")]
pub(crate) mod memory;
mod seal;
mod secret;
mod shamir;

pub use agreement::{
    AgreementError, AgreementKey, AgreementSecret, CIPHERTEXT_BYTES, CheckedKey,
    ENCAPSULATION_KEY_BYTES, combine,
};
pub use digest::{DIGEST_BYTES, Digest, HexBytes, HexError, LabelledHash, digest};
pub use identity::{
    BadSeed, BadSignature, FINGERPRINT_BYTES, Fingerprint, IDENTITY_KEY_BYTES, Identity,
    IdentityKey, SIGNATURE_BYTES, SignLabel, Signature,
};
pub use kdf::{KdfLabel, MAX_DERIVED_BYTES, OutputTooLong, derive, derive_into};
pub use mask::{MaskStream, Sign, Word, apply_masks};
pub use seal::{
    OpenError, REST_SALT_BYTES, TAG_BYTES, open_at_rest, open_once, seal_at_rest, seal_once,
};
pub use secret::{SECRET_BYTES, Secret};
pub use shamir::{ShamirError, Sharing, recover};
