//! SHA-256 digests under labels, and fixed-size byte strings that read as hexadecimal in text formats.

use std::fmt;
use std::str::FromStr;

use ring::digest::{Context, SHA256};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Bytes of a SHA-256 digest.
pub const DIGEST_BYTES: usize = 32;

/// `N` bytes, shown and read as lower-case hexadecimal in human-readable formats.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HexBytes<const N: usize>(pub [u8; N]);

/// A SHA-256 digest of labelled content.
pub type Digest = HexBytes<DIGEST_BYTES>;

impl<const N: usize> HexBytes<N> {
    /// All zero; stands for "nothing before this" in a chain.
    pub const ZERO: Self = Self([0; N]);

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; N] {
        &self.0
    }

    /// The first eight hexadecimal digits, for people to tell ids apart.
    #[must_use]
    pub fn short(&self) -> String {
        self.to_string().chars().take(8).collect()
    }
}

impl<const N: usize> fmt::Display for HexBytes<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl<const N: usize> fmt::Debug for HexBytes<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not the expected number of hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected} hexadecimal digits")]
pub struct HexError {
    expected: usize,
}

impl<const N: usize> FromStr for HexBytes<N> {
    type Err = HexError;

    fn from_str(text: &str) -> Result<Self, HexError> {
        let mut bytes = [0; N];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| HexError { expected: 2 * N })?;
        Ok(Self(bytes))
    }
}

impl<const N: usize> Serialize for HexBytes<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            return serializer.collect_str(self);
        }
        use serde::ser::SerializeTuple;
        let mut tuple = serializer.serialize_tuple(N)?;
        for byte in &self.0 {
            tuple.serialize_element(byte)?;
        }
        tuple.end()
    }
}

struct BytesVisitor<const N: usize>;

impl<'de, const N: usize> serde::de::Visitor<'de> for BytesVisitor<N> {
    type Value = HexBytes<N>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} hexadecimal digits", 2 * N)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut bytes = [0; N];
        for (position, byte) in bytes.iter_mut().enumerate() {
            *byte = seq
                .next_element()?
                .ok_or_else(|| serde::de::Error::invalid_length(position, &self))?;
        }
        Ok(HexBytes(bytes))
    }
}

impl<'de, const N: usize> Deserialize<'de> for HexBytes<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            deserializer.deserialize_str(BytesVisitor)
        } else {
            deserializer.deserialize_tuple(N, BytesVisitor)
        }
    }
}

/// A running SHA-256 whose first input is a label and whose every part is length-prefixed, so that no two
/// different lists of parts hash alike.
pub struct LabelledHash(Context);

impl LabelledHash {
    /// Starts a hash under `label`; two labels never collide because the label is length-prefixed too.
    #[must_use]
    pub fn new(label: &str) -> Self {
        let mut hash = Self(Context::new(&SHA256));
        hash.0.update(b"msht/1/hash");
        hash.part(label.as_bytes());
        hash
    }

    /// Adds one length-prefixed part.
    pub fn part(&mut self, bytes: &[u8]) -> &mut Self {
        let length = bytes.len() as u64;
        self.0.update(&length.to_le_bytes());
        self.0.update(bytes);
        self
    }

    /// The digest of everything added.
    #[must_use]
    pub fn finish(self) -> Digest {
        let mut bytes = [0; DIGEST_BYTES];
        for (to, from) in bytes.iter_mut().zip(self.0.finish().as_ref()) {
            *to = *from;
        }
        HexBytes(bytes)
    }
}

/// The digest of `parts` under `label`.
#[must_use]
pub fn digest(label: &str, parts: &[&[u8]]) -> Digest {
    let mut hash = LabelledHash::new(label);
    for part in parts {
        hash.part(part);
    }
    hash.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_and_labels_are_kept_apart() {
        assert_ne!(digest("a", &[b"bc"]), digest("ab", &[b"c"]));
        assert_ne!(digest("a", &[b"b", b"c"]), digest("a", &[b"bc"]));
        assert_ne!(digest("a", &[b"", b"c"]), digest("a", &[b"c", b""]));
    }

    #[test]
    fn hexadecimal_round_trips_and_wrong_lengths_are_refused() {
        let value = digest("x", &[]);
        assert_eq!(value.to_string().parse::<Digest>(), Ok(value));
        assert!("00ff".parse::<Digest>().is_err());
        let json = serde_json::to_string(&value).unwrap();
        assert_eq!(serde_json::from_str::<Digest>(&json).unwrap(), value);
    }
}
