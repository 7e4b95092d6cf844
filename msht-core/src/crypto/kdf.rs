//! HKDF-SHA-256 (RFC 5869) under the protocol's labels.

use ring::hkdf::{HKDF_SHA256, KeyType, Salt};

use super::secret::{SECRET_BYTES, Secret};

/// Most bytes one derivation can give: 255 blocks of SHA-256 (RFC 5869, section 2.3).
pub const MAX_DERIVED_BYTES: usize = 255 * 32;

/// What a derived key is for; one label for one purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KdfLabel {
    /// X25519 secret of a mask or channel seed.
    X25519Secret,
    /// ML-KEM-768 key pair (64-byte `d ‖ z`) of a mask or channel seed.
    MlKemSeed,
    /// Encapsulation message of a pairwise mask.
    MaskEncapsulation,
    /// Encapsulation message of a sealing channel.
    ChannelEncapsulation,
    /// Key of a pairwise mask stream.
    PairMask,
    /// Key of a partner's self mask stream.
    SelfMask,
    /// Key that seals one envelope.
    Channel,
    /// Shamir coefficients of one seed.
    ShamirCoefficients,
    /// Key that seals one record at rest.
    AtRest,
    /// Keys by which a coordinator that was started again tells nodes that it forgot their connections.
    ConnectionReset,
}

impl KdfLabel {
    const fn text(self) -> &'static str {
        match self {
            Self::X25519Secret => "msht/1/kdf/x25519-secret",
            Self::MlKemSeed => "msht/1/kdf/ml-kem-seed",
            Self::MaskEncapsulation => "msht/1/kdf/mask-encapsulation",
            Self::ChannelEncapsulation => "msht/1/kdf/channel-encapsulation",
            Self::PairMask => "msht/1/kdf/pair-mask",
            Self::SelfMask => "msht/1/kdf/self-mask",
            Self::Channel => "msht/1/kdf/channel",
            Self::ShamirCoefficients => "msht/1/kdf/shamir-coefficients",
            Self::AtRest => "msht/1/kdf/at-rest",
            Self::ConnectionReset => "msht/1/kdf/connection-reset",
        }
    }
}

struct OutputLength(usize);

impl KeyType for OutputLength {
    fn len(&self) -> usize {
        self.0
    }
}

/// Fills `output` with key material from `input_key`, bound to `salt`, `label` and `context`.
///
/// Each part of `context` is length-prefixed, so different lists never collide.
///
/// # Errors
/// [`OutputTooLong`] where `output` is longer than [`MAX_DERIVED_BYTES`].
pub fn derive_into(
    input_key: &[u8],
    salt: &[u8],
    label: KdfLabel,
    context: &[&[u8]],
    output: &mut [u8],
) -> Result<(), OutputTooLong> {
    let mut info = label.text().as_bytes().to_vec();
    for part in context {
        let length = part.len() as u64;
        info.extend_from_slice(&length.to_le_bytes());
        info.extend_from_slice(part);
    }
    let pseudo_random_key = Salt::new(HKDF_SHA256, salt).extract(input_key);
    pseudo_random_key
        .expand(&[&info], OutputLength(output.len()))
        .and_then(|okm| okm.fill(output))
        .map_err(|_| OutputTooLong)
}

/// More key material was asked for than HKDF can give.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("HKDF gives at most {MAX_DERIVED_BYTES} bytes")]
pub struct OutputTooLong;

/// A 32-byte secret from `input_key`, bound to `salt`, `label` and `context`.
#[must_use]
#[expect(
    clippy::expect_used,
    reason = "32 bytes are always within MAX_DERIVED_BYTES, the only error"
)]
pub fn derive(input_key: &[u8], salt: &[u8], label: KdfLabel, context: &[&[u8]]) -> Secret {
    let mut bytes = [0; SECRET_BYTES];
    derive_into(input_key, salt, label, context, &mut bytes).expect("32 bytes are in range");
    let secret = Secret::from_bytes(bytes);
    zeroize::Zeroize::zeroize(&mut bytes);
    secret
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_input_changes_the_output() {
        let base = derive(b"ikm", b"salt", KdfLabel::PairMask, &[b"a", b"b"]);
        for other in [
            derive(b"ikn", b"salt", KdfLabel::PairMask, &[b"a", b"b"]),
            derive(b"ikm", b"salu", KdfLabel::PairMask, &[b"a", b"b"]),
            derive(b"ikm", b"salt", KdfLabel::SelfMask, &[b"a", b"b"]),
            derive(b"ikm", b"salt", KdfLabel::PairMask, &[b"ab"]),
        ] {
            assert!(!base.ct_eq(&other));
        }
    }

    #[test]
    fn more_than_hkdf_can_give_is_refused() {
        let mut long = vec![0; MAX_DERIVED_BYTES + 1];
        let label = KdfLabel::ShamirCoefficients;
        assert_eq!(
            derive_into(b"k", b"s", label, &[], &mut long),
            Err(OutputTooLong)
        );
    }
}
