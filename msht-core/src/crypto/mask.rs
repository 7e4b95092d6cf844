//! Mask streams: AES-256-CTR read as little-endian words, added to or subtracted from a vector.
//!
//! Every key makes one stream, so the counter starts at zero. Vectors are worked in tiles small enough for the
//! first-level cache, every stream over one tile before the next.

use aes::Aes256;
use aes::cipher::{Array, BlockCipherEncrypt, KeyInit};
use zeroize::{Zeroize, Zeroizing};

use super::secret::Secret;

/// Bytes of an AES block.
const BLOCK_BYTES: usize = 16;
/// Bytes worked on at a time.
const TILE_BYTES: usize = 8192;
/// Blocks in a tile.
const TILE_BLOCKS: usize = TILE_BYTES / BLOCK_BYTES;

/// A word that sums wrap around in.
pub trait Word: Copy + Zeroize {
    /// Words in one AES block.
    const WORDS_PER_BLOCK: usize;

    /// Adds (or subtracts) the words of one keystream block to `words`, modulo 2^w.
    fn absorb(words: &mut [Self], block: &[u8; BLOCK_BYTES], sign: Sign);
}

macro_rules! impl_word {
    ($word:ty, $bytes:literal) => {
        impl Word for $word {
            const WORDS_PER_BLOCK: usize = BLOCK_BYTES / $bytes;

            fn absorb(words: &mut [Self], block: &[u8; BLOCK_BYTES], sign: Sign) {
                for (word, bytes) in words.iter_mut().zip(block.as_chunks::<$bytes>().0) {
                    let mask = <$word>::from_le_bytes(*bytes);
                    *word = match sign {
                        Sign::Add => word.wrapping_add(mask),
                        Sign::Subtract => word.wrapping_sub(mask),
                    };
                }
            }
        }
    };
}

impl_word!(u32, 4);
impl_word!(u64, 8);

/// Whether a stream is added or taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// Added modulo 2^w.
    Add,
    /// Subtracted modulo 2^w.
    Subtract,
}

impl Sign {
    /// The sign that undoes this one.
    #[must_use]
    pub fn inverse(self) -> Self {
        match self {
            Self::Add => Self::Subtract,
            Self::Subtract => Self::Add,
        }
    }
}

/// One keyed stream and what to do with it.
pub struct MaskStream {
    cipher: Aes256,
    sign: Sign,
}

impl MaskStream {
    /// The stream of `key`.
    #[must_use]
    pub fn new(key: &Secret, sign: Sign) -> Self {
        Self {
            cipher: Aes256::new(&Array::from(*key.expose())),
            sign,
        }
    }
}

/// Applies every stream to the whole of `words`.
pub fn apply_masks<W: Word>(words: &mut [W], streams: &[MaskStream]) {
    let mut keystream = Zeroizing::new([[0u8; BLOCK_BYTES]; TILE_BLOCKS]);
    let mut counter: u128 = 0;
    for tile in words.chunks_mut(TILE_BLOCKS * W::WORDS_PER_BLOCK) {
        for stream in streams {
            apply_tile(tile, stream, counter, &mut keystream);
        }
        counter += TILE_BLOCKS as u128;
    }
}

fn apply_tile<W: Word>(
    tile: &mut [W],
    stream: &MaskStream,
    counter: u128,
    keystream: &mut [[u8; BLOCK_BYTES]; TILE_BLOCKS],
) {
    let blocks = tile.len().div_ceil(W::WORDS_PER_BLOCK);
    let (keystream, _) = keystream.split_at_mut(blocks.min(TILE_BLOCKS));
    for (block, number) in keystream.iter_mut().zip(counter..) {
        *block = number.to_le_bytes();
    }
    stream
        .cipher
        .encrypt_blocks(Array::cast_slice_from_core_mut(keystream));
    for (words, block) in tile.chunks_mut(W::WORDS_PER_BLOCK).zip(keystream.iter()) {
        W::absorb(words, block, stream.sign);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> Secret {
        Secret::from_bytes([byte; 32])
    }

    #[test]
    fn masks_cancel_and_do_not_repeat_across_tiles() {
        for length in [1, 3, 4, 5, 2047, 2048, 2049, 6001] {
            let mut words = vec![7u32; length];
            apply_masks(&mut words, &[MaskStream::new(&key(1), Sign::Add)]);
            if length > 4096 {
                assert_ne!(words[..2048], words[2048..4096]);
            }
            let undo = [MaskStream::new(&key(1), Sign::Add.inverse())];
            apply_masks(&mut words, &undo);
            assert!(words.iter().all(|word| *word == 7));
        }
    }

    #[test]
    fn words_of_both_sizes_read_one_stream_little_endian() {
        let mut narrow = vec![0u32; 10];
        let mut wide = vec![0u64; 5];
        apply_masks(&mut narrow, &[MaskStream::new(&key(2), Sign::Add)]);
        apply_masks(&mut wide, &[MaskStream::new(&key(2), Sign::Add)]);
        for (pair, word) in narrow.chunks(2).zip(&wide) {
            assert_eq!(u64::from(pair[0]) | (u64::from(pair[1]) << 32), *word);
        }
    }

    #[test]
    fn the_first_block_is_aes_of_counter_zero() {
        let mut block = Array::from([0u8; 16]);
        Aes256::new(&Array::from([3u8; 32])).encrypt_block(&mut block);
        let mut words = vec![0u32; 1];
        apply_masks(&mut words, &[MaskStream::new(&key(3), Sign::Add)]);
        assert_eq!(words[0].to_le_bytes(), block[..4]);
    }
}
