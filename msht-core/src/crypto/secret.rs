//! Secret byte strings that cannot be printed, copied by accident, or left in freed memory.
//!
//! Zeroizing covers the buffer a secret owns when it is dropped. It does not cover copies the compiler spills
//! to the stack, swap, or core dumps.

use std::fmt;

use rand::CryptoRng;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Bytes of every seed, share and symmetric key.
pub const SECRET_BYTES: usize = 32;

/// A 32-byte seed, share or key.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Secret([u8; SECRET_BYTES]);

impl Secret {
    /// Wraps bytes that are already secret; the caller's copy is the caller's to erase.
    #[must_use]
    pub fn from_bytes(bytes: [u8; SECRET_BYTES]) -> Self {
        Self(bytes)
    }

    /// A copy of `bytes`, or `None` where they are not 32; the caller's are the caller's to erase.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        let mut secret = Self([0; SECRET_BYTES]);
        (bytes.len() == SECRET_BYTES).then(|| secret.0.copy_from_slice(bytes))?;
        Some(secret)
    }

    /// A fresh secret from `rng`.
    #[must_use]
    pub fn random<R: CryptoRng + ?Sized>(rng: &mut R) -> Self {
        let mut secret = Self([0; SECRET_BYTES]);
        rng.fill_bytes(&mut secret.0);
        secret
    }

    /// The bytes, for key derivation and sealing.
    #[must_use]
    pub fn expose(&self) -> &[u8; SECRET_BYTES] {
        &self.0
    }

    /// A second copy, made on purpose.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self(self.0)
    }

    /// Constant-time equality.
    #[must_use]
    pub fn ct_eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(redacted)")
    }
}
