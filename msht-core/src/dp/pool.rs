//! Noise drawn ahead of time: one draw a round, bound to that round, used at most once.
//!
//! How long the sampler runs depends on the values it draws ([`super::sampler`]), so a node draws the noise of a
//! round before it counts, keeps the draw sealed, and adds it to the counts later in a time that depends on
//! nothing but the number of cells. What makes a draw single-use:
//!
//! 1. A [`NoiseDraw`] has no `Clone`, and [`NoiseDraw::add_to`] consumes it.
//! 2. It carries the id of its round and goes into no other round. The id commits to tables, rates and share shape,
//!    so it fits that round's cells too. A store that was put back to an older state can therefore not use a draw
//!    again in a later round, where the two sums would differ by the counts alone.
//! 3. The store keeps one draw a round and no second one, ever, and forgets it in the transaction that makes the
//!    frozen contribution durable. That is the shell's part; `msht-node` has it in its vault.
//!
//! A crash before that transaction leaves the draw for the same round, of which nothing has left the node.
//!
//! Left out: the moment of drawing. The shell must not let anything it sends wait for the sampler; `msht-node`
//! sends on a clock (`agent/pace.rs`). Zeroizing covers the cells and their encoding, not what the sampler leaves
//! on the stack.

use std::fmt;

use rand::CryptoRng;
use zeroize::Zeroizing;

use super::contribution::{ContributionError, NoisyTable};
use super::sampler::PolyaShare;
use crate::crypto::{DIGEST_BYTES, Digest, HexBytes};
use crate::rational::Rational;
use crate::tally::Counts;

/// Bytes of a cell's noise in the encoding.
const CELL_BYTES: usize = 8;

/// One node's noise share for every cell of one round.
pub struct NoiseDraw {
    round: Digest,
    cells: Zeroizing<Vec<i64>>,
}

impl fmt::Debug for NoiseDraw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (round, cells) = (self.round.short(), self.cells.len());
        write!(f, "NoiseDraw(round {round}, {cells} cells, redacted)")
    }
}

impl NoiseDraw {
    /// Draws a share of shape `share_shape` at each table's rate, for the round with this id.
    ///
    /// # Errors
    /// [`ContributionError::Sampler`].
    pub fn draw<'a, R: CryptoRng + ?Sized>(
        round: Digest,
        tables: impl IntoIterator<Item = NoisyTable<'a>>,
        share_shape: &Rational,
        rng: &mut R,
    ) -> Result<Self, ContributionError> {
        let mut shares = Vec::new();
        let mut total = 0;
        for table in tables {
            shares.push((table.cells, PolyaShare::new(table.rate, share_shape)?));
            total += table.cells;
        }
        let mut cells = Zeroizing::new(vec![0; total]);
        let mut rest = cells.as_mut_slice();
        for (length, share) in shares {
            let (table, after) = rest.split_at_mut(length.min(rest.len()));
            share.fill(table, rng);
            rest = after;
        }
        Ok(Self { round, cells })
    }

    /// The round it belongs to.
    #[must_use]
    pub fn round(&self) -> Digest {
        self.round
    }

    /// The counts with this noise on them, for the round with this id; uses the draw up.
    ///
    /// # Errors
    /// [`ContributionError::OtherRound`], [`ContributionError::Cells`]; the draw is gone in either case.
    pub fn add_to(
        self,
        round: Digest,
        counts: &Counts,
    ) -> Result<Zeroizing<Vec<i64>>, ContributionError> {
        let Self {
            round: own,
            cells: mut values,
        } = self;
        if own != round {
            return Err(ContributionError::OtherRound);
        }
        let (counted, announced) = (counts.cells().len(), values.len());
        if counted != announced {
            return Err(ContributionError::Cells { counted, announced });
        }
        for (value, count) in values.iter_mut().zip(counts.cells()) {
            // Numbers are at most MAX_UNITS_PER_CELL, 48 bits, and noise has 33: neither conversion nor sum saturates.
            *value = value.saturating_add(i64::try_from(*count).unwrap_or(i64::MAX));
        }
        Ok(values)
    }

    /// The encoding, to be sealed at rest: the round id, then each cell as eight little-endian bytes. Its length
    /// depends on the number of cells alone.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let length = DIGEST_BYTES + self.cells.len() * CELL_BYTES;
        let mut bytes = Zeroizing::new(Vec::with_capacity(length));
        bytes.extend_from_slice(self.round.as_bytes());
        for cell in self.cells.iter() {
            bytes.extend_from_slice(&cell.to_le_bytes());
        }
        bytes
    }

    /// Reads a draw back, or `None` where the bytes are not one.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (round, rest) = bytes.split_first_chunk::<DIGEST_BYTES>()?;
        let (cells, []) = rest.as_chunks::<CELL_BYTES>() else {
            return None;
        };
        let mut values = Zeroizing::new(Vec::with_capacity(cells.len()));
        values.extend(cells.iter().map(|cell| i64::from_le_bytes(*cell)));
        Some(Self {
            round: HexBytes(*round),
            cells: values,
        })
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;
    use crate::programme::{Programme, shipped};
    use crate::tally::Tally;

    const ROUND: Digest = HexBytes([7; DIGEST_BYTES]);

    fn programme() -> Programme {
        Programme::parse(shipped("msin").unwrap()).unwrap()
    }

    fn draw(programme: &Programme, seed: u64) -> NoiseDraw {
        let tables = programme.tables().iter().map(|table| NoisyTable {
            cells: table.cells(),
            rate: table.noise_rate(),
        });
        let shape = "1/8".parse().unwrap();
        NoiseDraw::draw(ROUND, tables, &shape, &mut StdRng::seed_from_u64(seed)).unwrap()
    }

    #[test]
    fn a_draw_read_back_is_the_draw_and_its_length_does_not_depend_on_its_values() {
        let programme = programme();
        let counts = Tally::new(&programme).finish();
        let mut lengths = Vec::new();
        for seed in 0..20 {
            let bytes = draw(&programme, seed).to_bytes();
            lengths.push(bytes.len());
            let again = NoiseDraw::from_bytes(&bytes).unwrap();
            let direct = draw(&programme, seed).add_to(ROUND, &counts).unwrap();
            assert_eq!(again.add_to(ROUND, &counts).unwrap(), direct);
            assert!(direct.iter().any(|value| *value != 0), "seed {seed}");
            assert!(NoiseDraw::from_bytes(&bytes[1..]).is_none());
            assert!(NoiseDraw::from_bytes(&bytes[..20]).is_none());
        }
        lengths.dedup();
        assert_eq!(lengths, [32 + 8 * programme.cells()]);
    }

    #[test]
    fn a_draw_goes_into_no_other_round_and_on_no_other_cells() {
        let programme = programme();
        let counts = Tally::new(&programme).finish();
        let other = HexBytes([8; DIGEST_BYTES]);
        assert_eq!(
            draw(&programme, 1).add_to(other, &counts),
            Err(ContributionError::OtherRound)
        );
        let nrm = Programme::parse(shipped("nrm").unwrap()).unwrap();
        let refused = draw(&programme, 1).add_to(ROUND, &Tally::new(&nrm).finish());
        assert!(matches!(refused, Err(ContributionError::Cells { .. })));
    }

    #[test]
    fn a_draw_does_not_show_its_values() {
        let shown = format!("{:?}", draw(&programme(), 3));
        assert_eq!(shown, "NoiseDraw(round 07070707, 61 cells, redacted)");
    }
}
