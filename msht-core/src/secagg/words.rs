//! The vector of a round in words of 32 or 64 bits, summed modulo 2^w and read as two's complement.

use std::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::crypto::{MaskStream, apply_masks};
use crate::programme::WordSize;

/// A vector of words: a contribution, a masked vector or a sum.
#[derive(Zeroize, ZeroizeOnDrop, PartialEq, Eq)]
pub enum Words {
    /// Words of 32 bits.
    U32(Vec<u32>),
    /// Words of 64 bits.
    U64(Vec<u64>),
}

impl fmt::Debug for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Words({} cells, redacted)", self.len())
    }
}

impl Words {
    /// A vector of zeros.
    #[must_use]
    pub fn zeros(size: WordSize, cells: usize) -> Self {
        match size {
            WordSize::Bits32 => Self::U32(vec![0; cells]),
            WordSize::Bits64 => Self::U64(vec![0; cells]),
        }
    }

    /// Encodes signed values modulo 2^w.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "reduction modulo 2^w is the encoding"
    )]
    pub fn from_signed(size: WordSize, values: &[i64]) -> Self {
        match size {
            WordSize::Bits32 => Self::U32(values.iter().map(|value| *value as u32).collect()),
            WordSize::Bits64 => Self::U64(values.iter().map(|value| *value as u64).collect()),
        }
    }

    /// Reads each word as two's complement.
    #[must_use]
    pub fn to_signed(&self) -> Vec<i64> {
        match self {
            Self::U32(words) => words
                .iter()
                .map(|word| i64::from(word.cast_signed()))
                .collect(),
            Self::U64(words) => words.iter().map(|word| word.cast_signed()).collect(),
        }
    }

    /// Number of words.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::U32(words) => words.len(),
            Self::U64(words) => words.len(),
        }
    }

    /// Whether there is no word.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The words as little-endian bytes.
    #[must_use]
    pub fn to_le_bytes(&self) -> Vec<u8> {
        // One buffer of the right size: the words may be secret, and a buffer that grows leaves copies behind.
        match self {
            Self::U32(words) => {
                let mut bytes = Vec::with_capacity(words.len() * size_of::<u32>());
                bytes.extend(words.iter().flat_map(|word| word.to_le_bytes()));
                bytes
            }
            Self::U64(words) => {
                let mut bytes = Vec::with_capacity(words.len() * size_of::<u64>());
                bytes.extend(words.iter().flat_map(|word| word.to_le_bytes()));
                bytes
            }
        }
    }

    /// Reads exactly `cells` words, or `None` where the length is another.
    #[must_use]
    pub fn from_le_bytes(size: WordSize, cells: usize, bytes: &[u8]) -> Option<Self> {
        if Some(bytes.len()) != cells.checked_mul(size.bytes()) {
            return None;
        }
        Some(match size {
            WordSize::Bits32 => Self::U32(
                bytes
                    .as_chunks()
                    .0
                    .iter()
                    .map(|b| u32::from_le_bytes(*b))
                    .collect(),
            ),
            WordSize::Bits64 => Self::U64(
                bytes
                    .as_chunks()
                    .0
                    .iter()
                    .map(|b| u64::from_le_bytes(*b))
                    .collect(),
            ),
        })
    }

    /// Adds the words that `bytes` encode, modulo 2^w; `false`, and nothing added, where the length differs.
    #[must_use]
    pub fn add_le_bytes(&mut self, bytes: &[u8]) -> bool {
        match self {
            Self::U32(words) => {
                let (chunks, rest) = bytes.as_chunks();
                let fits = rest.is_empty() && chunks.len() == words.len();
                if fits {
                    for (word, chunk) in words.iter_mut().zip(chunks) {
                        *word = word.wrapping_add(u32::from_le_bytes(*chunk));
                    }
                }
                fits
            }
            Self::U64(words) => {
                let (chunks, rest) = bytes.as_chunks();
                let fits = rest.is_empty() && chunks.len() == words.len();
                if fits {
                    for (word, chunk) in words.iter_mut().zip(chunks) {
                        *word = word.wrapping_add(u64::from_le_bytes(*chunk));
                    }
                }
                fits
            }
        }
    }

    /// Applies mask streams to every word.
    pub fn apply(&mut self, streams: &[MaskStream]) {
        match self {
            Self::U32(words) => apply_masks(words, streams),
            Self::U64(words) => apply_masks(words, streams),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn negative_values_survive_the_round_trip_in_both_sizes() {
        for size in [WordSize::Bits32, WordSize::Bits64] {
            let values = [0, 1, -1, -500, i64::from(i32::MAX), i64::from(i32::MIN)];
            let words = Words::from_signed(size, &values);
            let bytes = words.to_le_bytes();
            let read = Words::from_le_bytes(size, values.len(), &bytes).unwrap();
            assert_eq!(read.to_signed(), values);
            assert!(Words::from_le_bytes(size, values.len() + 1, &bytes).is_none());
            assert!(Words::from_le_bytes(size, values.len(), &bytes[1..]).is_none());
            let mut sum = Words::zeros(size, values.len());
            assert!(sum.add_le_bytes(&bytes));
            assert!(sum.add_le_bytes(&Words::from_signed(size, &[1; 6]).to_le_bytes()));
            assert_eq!(sum.to_signed()[..4], [1, 2, 0, -499]);
            assert!(!sum.add_le_bytes(&bytes[1..]));
        }
    }
}
