//! The one place that knows the binary encoding: fixed-width little-endian integers, nothing optional.
//!
//! `bincode` 2.0.1 accepts trailing bytes and more than one spelling of some values, so decoding re-encodes what
//! it read and compares: for each value there is exactly one byte string.

use bincode::config::{Configuration, Fixint, Limit, LittleEndian, standard};
use bincode::enc::write::{SizeWriter, Writer};
use bincode::error::EncodeError;
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

/// Longest encoding that is ever decoded, in bytes; the vector of a full-size programme in 64-bit words fits.
pub const MAX_ENCODED_BYTES: usize = 64 * 1024 * 1024;

/// What an encoding of at most this many bytes may claim: most messages but vectors and deliveries.
const SMALL_BYTES: usize = 4 * 1024;
/// The same for a frame or a message of a small round.
const MEDIUM_BYTES: usize = 512 * 1024;

type Format<const LIMIT: usize> = Configuration<LittleEndian, Fixint, Limit<LIMIT>>;

fn format<const LIMIT: usize>() -> Format<LIMIT> {
    standard()
        .with_little_endian()
        .with_fixed_int_encoding()
        .with_limit::<LIMIT>()
}

/// The value at the beginning of `bytes`, and how many of them it took. A byte string is allocated in the length it
/// claims before that is held against what is there, so the limit follows the length of the input.
fn read_value<T: DeserializeOwned>(bytes: &[u8]) -> Result<(T, usize), DecodeError> {
    fn read<T: DeserializeOwned, const LIMIT: usize>(
        bytes: &[u8],
    ) -> Result<(T, usize), DecodeError> {
        bincode::serde::decode_from_slice::<T, _>(bytes, format::<LIMIT>())
            .map_err(|_| DecodeError::Malformed)
    }
    if bytes.len() <= SMALL_BYTES {
        read::<T, SMALL_BYTES>(bytes)
    } else if bytes.len() <= MEDIUM_BYTES {
        read::<T, MEDIUM_BYTES>(bytes)
    } else {
        read::<T, MAX_ENCODED_BYTES>(bytes)
    }
}

/// Why bytes are not the encoding of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Longer than the limit for what is expected here.
    #[error("{length} bytes, more than the {limit} allowed here")]
    TooLong {
        /// Bytes received.
        length: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// Not an encoding of the expected type.
    #[error("malformed encoding")]
    Malformed,
    /// Bytes follow the value.
    #[error("bytes follow the end of the value")]
    Trailing,
    /// The value has another, canonical encoding.
    #[error("not the canonical encoding")]
    NotCanonical,
}

/// The encoding of `value`.
///
/// # Errors
/// [`DecodeError::TooLong`] where it would be longer than [`MAX_ENCODED_BYTES`], so that nothing is encoded
/// which nobody could decode.
pub fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, DecodeError> {
    let too_long = |length| DecodeError::TooLong {
        length,
        limit: MAX_ENCODED_BYTES,
    };
    let bytes = bincode::serde::encode_to_vec(value, format::<MAX_ENCODED_BYTES>())
        .map_err(|_| too_long(usize::MAX))?;
    if bytes.len() > MAX_ENCODED_BYTES {
        return Err(too_long(bytes.len()));
    }
    Ok(bytes)
}

/// The encoding of a value that holds secrets, in one buffer that never moves and is erased when it is dropped.
///
/// # Errors
/// As [`encode`].
pub(crate) fn encode_secret<T: Serialize>(value: &T) -> Result<Zeroizing<Vec<u8>>, DecodeError> {
    let too_long = |length| DecodeError::TooLong {
        length,
        limit: MAX_ENCODED_BYTES,
    };
    let mut size = SizeWriter::default();
    bincode::serde::encode_into_writer(value, &mut size, format::<MAX_ENCODED_BYTES>())
        .map_err(|_| too_long(usize::MAX))?;
    if size.bytes_written > MAX_ENCODED_BYTES {
        return Err(too_long(size.bytes_written));
    }
    let mut bytes = Zeroizing::new(vec![0; size.bytes_written]);
    bincode::serde::encode_into_slice(value, &mut bytes, format::<MAX_ENCODED_BYTES>())
        .map_err(|_| too_long(usize::MAX))?;
    Ok(bytes)
}

/// A writer that compares what is written with what is expected, so that no copy of it is made.
struct Comparing<'a> {
    expected: &'a [u8],
}

impl Writer for Comparing<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        let rest = self.expected.strip_prefix(bytes);
        self.expected = rest.ok_or(EncodeError::Other("another encoding"))?;
        Ok(())
    }
}

/// The value that `bytes`, at most `limit` long, encode.
///
/// # Errors
/// [`DecodeError`]. What an encoding claims is allocated only as far as its own length makes it possible: up to
/// 4 KiB, 512 KiB or [`MAX_ENCODED_BYTES`].
pub fn decode<T: Serialize + DeserializeOwned>(
    bytes: &[u8],
    limit: usize,
) -> Result<T, DecodeError> {
    let limit = limit.min(MAX_ENCODED_BYTES);
    if bytes.len() > limit {
        return Err(DecodeError::TooLong {
            length: bytes.len(),
            limit,
        });
    }
    let (value, read) = read_value::<T>(bytes)?;
    if read != bytes.len() {
        return Err(DecodeError::Trailing);
    }
    let mut comparing = Comparing { expected: bytes };
    bincode::serde::encode_into_writer(&value, &mut comparing, format::<MAX_ENCODED_BYTES>())
        .map_err(|_| DecodeError::NotCanonical)?;
    if !comparing.expected.is_empty() {
        return Err(DecodeError::NotCanonical);
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::super::Blob;
    use super::*;

    type Sample = (u32, Option<u8>, Blob, Vec<u64>);

    fn sample() -> Sample {
        (5, Some(1), Blob::from([1u8, 2].as_slice()), vec![3])
    }

    #[test]
    fn the_encoding_is_fixed_width_little_endian() {
        let bytes = encode(&sample()).unwrap();
        let expected = "05000000".to_owned()
            + "0101"
            + "02000000000000000102"
            + "0100000000000000"
            + "0300000000000000";
        assert_eq!(hex::encode(&bytes), expected);
        assert_eq!(decode::<Sample>(&bytes, 100).unwrap(), sample());
        assert_eq!(*encode_secret(&sample()).unwrap(), bytes);
    }

    /// Reads any byte and writes its lowest bit: a value with more than one spelling.
    #[derive(Debug, PartialEq)]
    struct Loose(u8);

    impl Serialize for Loose {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_u8(self.0 & 1)
        }
    }

    impl<'de> serde::Deserialize<'de> for Loose {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            u8::deserialize(deserializer).map(Self)
        }
    }

    #[test]
    fn a_second_spelling_of_a_value_is_refused() {
        assert_eq!(decode::<Loose>(&[1], 10), Ok(Loose(1)));
        assert_eq!(decode::<Loose>(&[3], 10), Err(DecodeError::NotCanonical));
        assert_eq!(
            decode::<(Loose, u8)>(&[2, 9], 10),
            Err(DecodeError::NotCanonical)
        );
    }

    #[test]
    fn encodings_as_long_as_each_limit_and_one_byte_longer_are_read() {
        // The length of a byte string takes eight bytes.
        for limit in [SMALL_BYTES, MEDIUM_BYTES] {
            for length in [limit - 8, limit - 7] {
                let blob = Blob::from(vec![7; length]);
                let bytes = encode(&blob).unwrap();
                assert_eq!(decode::<Blob>(&bytes, MAX_ENCODED_BYTES), Ok(blob));
            }
        }
    }

    #[test]
    fn the_longest_encoding_is_written_and_read_and_one_byte_more_is_not() {
        let longest = Blob::from(vec![7; MAX_ENCODED_BYTES - 8]);
        let bytes = encode(&longest).unwrap();
        assert_eq!(bytes.len(), MAX_ENCODED_BYTES);
        assert_eq!(encode_secret(&longest).unwrap().len(), MAX_ENCODED_BYTES);
        assert_eq!(decode::<Blob>(&bytes, usize::MAX), Ok(longest));
        let over = Blob::from(vec![7; MAX_ENCODED_BYTES - 7]);
        let too_long = Err(DecodeError::TooLong {
            length: MAX_ENCODED_BYTES + 1,
            limit: MAX_ENCODED_BYTES,
        });
        assert_eq!(encode(&over), too_long);
        assert_eq!(encode_secret(&over).map(|bytes| bytes.to_vec()), too_long);
        let bytes = encode(&sample()).unwrap();
        assert!(decode::<Sample>(&bytes, bytes.len()).is_ok());
        let limited = decode::<Sample>(&bytes, bytes.len() - 1);
        assert!(matches!(limited, Err(DecodeError::TooLong { .. })));
    }

    #[test]
    fn other_byte_strings_are_refused() {
        let bytes = encode(&sample()).unwrap();
        let mut longer = bytes.clone();
        longer.push(0);
        assert_eq!(decode::<Sample>(&longer, 100), Err(DecodeError::Trailing));
        assert_eq!(
            decode::<Sample>(&bytes[..bytes.len() - 1], 100),
            Err(DecodeError::Malformed)
        );
        let limited = decode::<Sample>(&bytes, 10);
        assert!(matches!(
            limited,
            Err(DecodeError::TooLong { limit: 10, .. })
        ));
        let huge_claim = u64::MAX.to_le_bytes();
        assert_eq!(
            decode::<Vec<u64>>(&huge_claim, 100),
            Err(DecodeError::Malformed)
        );
        assert_eq!(decode::<bool>(&[2], 100), Err(DecodeError::Malformed));
    }
}
