//! Oracles 1 and 7: what is in a sum.
//!
//! Each partner counts one record, in a cell of its own, so that counts are one-hot vectors. With the noise drawn
//! known, a sum must be exactly the survivors' vectors and the survivors' draws, each once.

use std::collections::BTreeMap;

use super::{Oracle, Oracles};
use crate::crypto::Digest;
use crate::rational::Rational;
use crate::secagg::coordinator::Opened;

/// The noise each partner drew for each round, by its latest draw: an earlier one was never frozen.
#[derive(Default)]
pub(super) struct Sums {
    draws: BTreeMap<(Digest, u8), Vec<i64>>,
}

impl Oracles {
    /// A partner drew its noise share for a round.
    pub(in super::super) fn noise_drawn(&mut self, round: Digest, partner: u8, draws: Vec<i64>) {
        self.sums.draws.insert((round, partner), draws);
    }

    pub(super) fn sum_opened(&mut self, round: &Digest, opened: &Opened) {
        let survivors = &opened.confirm.survivors;
        // A cell a partner, and one for records of nobody known.
        let partners = usize::from(self.params.invited()) + 1;
        let mut noiseless = opened.sum.clone();
        let mut undrawn = Vec::new();
        for survivor in survivors {
            let Some(draws) = self.sums.draws.get(&(*round, *survivor)) else {
                undrawn.push(*survivor);
                continue;
            };
            for (cell, draw) in noiseless.iter_mut().zip(draws) {
                *cell -= draw;
            }
        }
        let who = noiseless.get(..partners).unwrap_or_default();
        let once = who.len() == partners
            && who
                .iter()
                .zip(1_u8..)
                .all(|(count, partner)| *count == i64::from(survivors.contains(&partner)));
        if !once {
            let what = format!("the sum over {survivors:?} shows {who:?}");
            self.found(Oracle::EachSurvivorOnce, what);
        }
        let rest = noiseless.get(partners..).unwrap_or_default();
        let survivors_counted = i64::try_from(survivors.len()).unwrap_or(i64::MAX);
        let mut rest = rest.iter();
        let noise_is_drawn = rest.next() == Some(&survivors_counted) && rest.all(|cell| *cell == 0);
        if !undrawn.is_empty() || !noise_is_drawn {
            let what =
                format!("noise in the sum is not what its survivors drew (undrawn: {undrawn:?})");
            self.found(Oracle::EnoughNoise, what);
        }
        self.check_shape(round, survivors.len());
    }

    /// Survivors but the c that may have given theirs away, each with a share of the announced shape: at least 1.
    fn check_shape(&mut self, round: &Digest, survivors: usize) {
        let honest = survivors.saturating_sub(usize::from(self.params.colluders()));
        let shape = self.rounds.get(round).map_or_else(Rational::zero, |facts| {
            facts
                .share_shape
                .times(&Rational::from_integer(honest as u64))
        });
        if shape < Rational::one() {
            let what = format!("the honest noise of {survivors} survivors has shape {shape}");
            self.found(Oracle::EnoughNoise, what);
        }
    }
}
