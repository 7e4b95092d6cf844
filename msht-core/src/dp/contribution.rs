//! What a node freezes: its bounded counts with its own share of the noise on them.
//!
//! To each cell of table T the node adds a Pólya share of the announced shape r = R/(m − c) at the table's rate
//! a_T ([`super::sampler::PolyaShare`]). Over m − c honest nodes the shares add up to a discrete Laplace of scale 1/a_T; the sum
//! of one node alone promises nothing and must never leave unmasked.
//!
//! Assumes that the tables were checked against the programme the counts were made for (N2). Zeroizing covers the
//! vector returned; for what the sampler leaves behind see there.

use rand::CryptoRng;
use zeroize::Zeroizing;

use super::pool::NoiseDraw;
use super::sampler::SamplerError;
use crate::crypto::Digest;
use crate::rational::Rational;
use crate::tally::Counts;

/// One table as a contribution needs it.
#[derive(Debug, Clone, Copy)]
pub struct NoisyTable<'a> {
    /// Cells of the table.
    pub cells: usize,
    /// a_T: privacy loss per unit of a cell.
    pub rate: &'a Rational,
}

/// Why no contribution can be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContributionError {
    /// The tables do not add up to the cells that were counted.
    #[error("the counts have {counted} cells where the announced tables have {announced}")]
    Cells {
        /// Cells counted.
        counted: usize,
        /// Cells of the tables together.
        announced: usize,
    },
    /// The counts were made for another programme than the round's.
    #[error(
        "the counts were made for another programme; count again with the programme of the round"
    )]
    OtherProgramme,
    /// The noise was drawn for another round.
    #[error("the noise was drawn for another round; a draw is used in its own round, once")]
    OtherRound,
    /// The noise of a table cannot be drawn.
    #[error(transparent)]
    Sampler(#[from] SamplerError),
}

/// The counts of every table, in the order of the vector, each with a fresh noise share of shape `share_shape`.
///
/// Draw it once for a round and freeze it: a second draw on the same counts, if both came out, would spend the
/// budget twice. A node on a network draws ahead of time instead ([`NoiseDraw`]), because the time this takes
/// depends on the noise.
///
/// # Errors
/// [`ContributionError`]; nothing is drawn where the cells do not fit.
pub fn noisy_contribution<'a, R: CryptoRng + ?Sized>(
    counts: &Counts,
    tables: impl IntoIterator<Item = NoisyTable<'a>>,
    share_shape: &Rational,
    rng: &mut R,
) -> Result<Zeroizing<Vec<i64>>, ContributionError> {
    let tables: Vec<NoisyTable<'a>> = tables.into_iter().collect();
    let (counted, announced) = (
        counts.cells().len(),
        tables.iter().map(|table| table.cells).sum(),
    );
    if counted != announced {
        return Err(ContributionError::Cells { counted, announced });
    }
    NoiseDraw::draw(Digest::ZERO, tables, share_shape, rng)?.add_to(Digest::ZERO, counts)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;
    use crate::programme::{Programme, shipped};
    use crate::tally::Tally;

    fn tables(programme: &Programme) -> impl Iterator<Item = NoisyTable<'_>> {
        programme.tables().iter().map(|table| NoisyTable {
            cells: table.cells(),
            rate: table.noise_rate(),
        })
    }

    #[test]
    fn each_table_gets_noise_of_its_own_rate_around_its_counts() {
        let programme = Programme::parse(shipped("msin").unwrap()).unwrap();
        let shape: Rational = "1/8".parse().unwrap();
        let counts = Tally::new(&programme).finish();
        let mut rng = StdRng::seed_from_u64(6);
        let mut squares = vec![0.0; programme.tables().len()];
        let rounds = 400;
        for _ in 0..rounds {
            let values = noisy_contribution(&counts, tables(&programme), &shape, &mut rng).unwrap();
            for (sum, table) in squares.iter_mut().zip(programme.tables()) {
                let cells = &values[table.range()];
                *sum += cells.iter().map(|v| (*v as f64).powi(2)).sum::<f64>();
            }
        }
        for (sum, table) in squares.iter().zip(programme.tables()) {
            let p = (-table.noise_rate().to_f64_lossy()).exp();
            let expected = 2.0 * p / (1.0 - p).powi(2) / 8.0;
            let draws = f64::from(rounds) * table.cells() as f64;
            // A share of shape 1/8 has heavy tails: excess kurtosis is about 6/(2·r) = 24, so is the variance's error.
            let error = expected * (26.0 / draws).sqrt();
            let found = sum / draws;
            assert!(
                (found - expected).abs() < 6.0 * error,
                "{}: variance {found}, not {expected}",
                table.id()
            );
        }
    }

    #[test]
    fn tables_that_do_not_fit_the_counts_or_the_samplers_are_refused() {
        let programme = Programme::parse(shipped("msin").unwrap()).unwrap();
        let counts = Tally::new(&programme).finish();
        let mut rng = StdRng::seed_from_u64(7);
        let one = Rational::one();
        let fewer = tables(&programme).skip(1);
        assert!(matches!(
            noisy_contribution(&counts, fewer, &one, &mut rng),
            Err(ContributionError::Cells { .. })
        ));
        let too_large: Rational = "3/2".parse().unwrap();
        assert!(matches!(
            noisy_contribution(&counts, tables(&programme), &too_large, &mut rng),
            Err(ContributionError::Sampler(SamplerError::Shape(_)))
        ));
    }
}
