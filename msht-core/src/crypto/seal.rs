//! ChaCha20-Poly1305 (RFC 8439) with keys that seal exactly one message, and sealing at rest built on it.

use rand::CryptoRng;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use zeroize::Zeroizing;

use super::kdf::{KdfLabel, derive};
use super::secret::Secret;

/// Bytes a seal adds to its plaintext.
pub const TAG_BYTES: usize = 16;
/// Bytes of the random salt in front of what is sealed at rest.
pub const REST_SALT_BYTES: usize = 32;

/// What is sealed was changed, or the key or its context is another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("sealed content does not open with this key and context")]
pub struct OpenError;

#[expect(
    clippy::expect_used,
    reason = "32 bytes is the key length of ChaCha20-Poly1305, the only error"
)]
fn single_use_key(key: &Secret) -> LessSafeKey {
    let unbound = UnboundKey::new(&CHACHA20_POLY1305, key.expose());
    LessSafeKey::new(unbound.expect("32-byte key"))
}

fn zero_nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}

/// Seals `plaintext` with a key that seals nothing else, bound to `associated`.
#[must_use]
#[expect(
    clippy::expect_used,
    reason = "sealing fails only beyond 2^38 bytes, which no buffer here reaches"
)]
pub fn seal_once(key: &Secret, associated: &[u8], plaintext: &[u8]) -> Vec<u8> {
    // Room for the tag, so that the buffer does not move.
    let mut buffer = Vec::with_capacity(plaintext.len() + TAG_BYTES);
    buffer.extend_from_slice(plaintext);
    single_use_key(key)
        .seal_in_place_append_tag(zero_nonce(), Aad::from(associated), &mut buffer)
        .expect("plaintext within the limit of RFC 8439");
    buffer
}

/// Opens what [`seal_once`] made.
///
/// # Errors
/// [`OpenError`].
pub fn open_once(
    key: &Secret,
    associated: &[u8],
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let mut buffer = Zeroizing::new(sealed.to_vec());
    let length = single_use_key(key)
        .open_in_place(zero_nonce(), Aad::from(associated), &mut buffer)
        .map_err(|_| OpenError)?
        .len();
    buffer.truncate(length);
    Ok(buffer)
}

/// Seals `plaintext` for storage under a long-lived `key`: a fresh salt gives each record its own key.
#[must_use]
pub fn seal_at_rest<R: CryptoRng + ?Sized>(
    key: &Secret,
    associated: &[u8],
    plaintext: &[u8],
    rng: &mut R,
) -> Vec<u8> {
    let mut salt = [0; REST_SALT_BYTES];
    rng.fill_bytes(&mut salt);
    let record_key = derive(key.expose(), &salt, KdfLabel::AtRest, &[]);
    let mut sealed = salt.to_vec();
    sealed.extend_from_slice(&seal_once(&record_key, associated, plaintext));
    sealed
}

/// Opens what [`seal_at_rest`] made.
///
/// # Errors
/// [`OpenError`].
pub fn open_at_rest(
    key: &Secret,
    associated: &[u8],
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let (salt, body) = sealed.split_at_checked(REST_SALT_BYTES).ok_or(OpenError)?;
    let record_key = derive(key.expose(), salt, KdfLabel::AtRest, &[]);
    open_once(&record_key, associated, body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    #[test]
    fn at_rest_opens_only_with_its_key_and_context() {
        let mut rng = StdRng::seed_from_u64(1);
        let key = Secret::random(&mut rng);
        let sealed = seal_at_rest(&key, b"ctx", b"plain", &mut rng);
        assert_eq!(
            open_at_rest(&key, b"ctx", &sealed).unwrap().as_slice(),
            b"plain"
        );
        assert!(open_at_rest(&key, b"other", &sealed).is_err());
        assert!(open_at_rest(&Secret::random(&mut rng), b"ctx", &sealed).is_err());
        for position in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[position] ^= 1;
            assert!(
                open_at_rest(&key, b"ctx", &changed).is_err(),
                "byte {position}"
            );
        }
        assert!(open_at_rest(&key, b"ctx", &sealed[..20]).is_err());
        assert_ne!(sealed, seal_at_rest(&key, b"ctx", b"plain", &mut rng));
    }
}
