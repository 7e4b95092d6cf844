//! Recovering seeds, removing masks, checking the range of the sum.

use std::ops::Bound;

use super::masking::Masking;
use super::unmasking::Unmasking;
use crate::crypto::{AgreementSecret, HexBytes, MaskStream, Secret, Sign, recover};
use crate::secagg::abort::AbortReason;
use crate::secagg::context::RoundContext;
use crate::secagg::derive::{Binding, encapsulate_mask, pair_mask_key_of, self_mask_key};
use crate::secagg::evidence::{FalseSeed, InconsistentShares, OpenedShare, Proof};
use crate::secagg::messages::{ConfirmBody, Confirmation, SeedKind, SignedEnvelope, commit_seed};
use crate::secagg::node::pair_sign;
use crate::secagg::range::table_range;
use crate::secagg::words::Words;
use crate::wire::Blob;

/// The opened sum, and the evidence for the set it is the sum of.
#[derive(Clone, PartialEq, Eq)]
pub struct Opened {
    /// The noisy sum of the survivors' vectors, in announcement order.
    pub sum: Vec<i64>,
    /// Roll digest, H(U₂) and U₃.
    pub confirm: ConfirmBody,
    /// Signatures of members of U₃ on it.
    pub confirmations: Vec<Confirmation>,
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Opened({} cells, {} survivors)",
            self.sum.len(),
            self.confirm.survivors.len()
        )
    }
}

/// Why a sum could not be opened, and the proof of whose fault that is where there is one.
pub(super) struct Unopened {
    pub(super) reason: AbortReason,
    /// The dealer and the proof against it. A [`FalseSeed`] in it lacks the roll, which only the session still has.
    pub(super) proof: Option<(u8, Proof)>,
}

impl From<AbortReason> for Unopened {
    fn from(reason: AbortReason) -> Self {
        Self {
            reason,
            proof: None,
        }
    }
}

impl Unmasking {
    /// Opens the sum: C5 on every recovered seed, C6 on every cell.
    pub(super) fn open(&self, context: &RoundContext) -> Result<Opened, Unopened> {
        let sum = self.unmasked_sum(context)?.to_signed();
        check_range(context, &sum, self.confirm.survivors.len())?;
        Ok(Opened {
            sum,
            confirm: self.confirm.clone(),
            confirmations: self.confirmations.clone(),
        })
    }

    fn unmasked_sum(&self, context: &RoundContext) -> Result<Words, Unopened> {
        let binding = Binding {
            round: context.round(),
            roll: self.confirm.roll_digest,
            dealers: self.confirm.dealers_digest,
        };
        let mut streams = Vec::new();
        for dealer in self.masking.dealt.keys().copied() {
            let seed = self.recover_seed(context, dealer)?;
            match self.kind(dealer) {
                SeedKind::Own => {
                    let key = self_mask_key(&binding, &seed);
                    streams.push(MaskStream::new(&key, Sign::Subtract));
                }
                SeedKind::Mask => {
                    self.lost_masks(context, &binding, dealer, &seed, &mut streams)?
                }
            }
        }
        let mut sum = Words::zeros(context.word_size(), context.cells());
        for (_, body) in self.masking.masked.values() {
            if !sum.add_le_bytes(body.vector.as_ref()) {
                return Err(AbortReason::Internal.into());
            }
        }
        sum.apply(&streams);
        Ok(sum)
    }

    /// C5: the recovered seed matches the dealer's commitment.
    fn recover_seed(&self, context: &RoundContext, dealer: u8) -> Result<Secret, Unopened> {
        let shares: Vec<(u8, &Secret)> = self
            .revealed
            .iter()
            .filter_map(|(holder, (_, shares))| Some((*holder, shares.0.get(&dealer)?)))
            .take(usize::from(context.params().threshold()))
            .collect();
        let seed = recover(&shares).map_err(|_| AbortReason::Internal)?;
        let kind = self.kind(dealer);
        let opened = commit_seed(&context.round(), dealer, kind, seed.expose());
        let committed = self
            .masking
            .dealt
            .get(&dealer)
            .is_some_and(|dealt| *dealt.share.header.header.seeds.of(kind) == opened);
        if !committed {
            let proof = self.inconsistent_shares(context, dealer, &shares);
            return Err(bad_dealer(context, dealer, proof));
        }
        Ok(seed)
    }

    /// The shares that were joined, each with the dealer's own commitment to it.
    fn inconsistent_shares(
        &self,
        context: &RoundContext,
        dealer: u8,
        shares: &[(u8, &Secret)],
    ) -> Option<Proof> {
        let dealt = self.masking.dealt.get(&dealer)?;
        let opened = shares.iter().map(|(holder, share)| OpenedShare {
            holder: *holder,
            envelope: dealt.envelope(*holder).cloned(),
            share: HexBytes(*share.expose()),
        });
        let shares = InconsistentShares {
            announcement: context.announcement().as_signed().content.clone(),
            header: dealt.share.header.clone(),
            kind: self.kind(dealer),
            shares: opened.collect(),
        };
        Some(Proof::Shares(Box::new(shares)))
    }

    /// A recovered `mask_seed` that makes another key, or another ciphertext than the one in `envelope`.
    fn false_seed(
        &self,
        dealer: u8,
        seed: &Secret,
        envelope: Option<&SignedEnvelope>,
    ) -> Option<Proof> {
        Some(Proof::Seed(Box::new(FalseSeed {
            header: self.masking.dealt.get(&dealer)?.share.header.clone(),
            roll: Vec::new(),
            envelope: envelope.cloned(),
            seed: HexBytes(*seed.expose()),
        })))
    }

    /// The streams that take a lost partner's pairwise masks out of the survivors' vectors.
    ///
    /// C5: its `mask_seed` reproduces the roll's public keys and all its mask ciphertexts.
    fn lost_masks(
        &self,
        context: &RoundContext,
        binding: &Binding,
        lost: u8,
        mask_seed: &Secret,
        streams: &mut Vec<MaskStream>,
    ) -> Result<(), Unopened> {
        let accused = |envelope: Option<&SignedEnvelope>| {
            let proof = self.false_seed(lost, mask_seed, envelope);
            bad_dealer(context, lost, proof)
        };
        let Masking { roll, dealt, .. } = &self.masking;
        let secret = AgreementSecret::from_seed(mask_seed);
        if roll
            .members
            .get(&lost)
            .is_none_or(|member| member.join.mask != secret.public())
        {
            return Err(accused(None));
        }
        let lost_dealt = dealt.get(&lost).ok_or(AbortReason::Internal)?;
        for (receiver, member) in roll.members.range(higher_than(lost)) {
            let (expected, _) = encapsulate_mask(mask_seed, &binding.roll, *receiver, &member.mask);
            let sent = lost_dealt
                .envelope(*receiver)
                .ok_or(AbortReason::Internal)?;
            if sent.envelope.mask_ciphertext != expected {
                return Err(accused(Some(sent)));
            }
        }
        let nothing = Blob::default();
        for survivor in self.confirm.survivors.iter().copied() {
            let member = roll.members.get(&survivor).ok_or(AbortReason::Internal)?;
            let received = dealt
                .get(&survivor)
                .and_then(|dealt| dealt.envelope(lost))
                .map_or(&nothing, |signed| &signed.envelope.mask_ciphertext);
            let ours = (lost, mask_seed, &secret);
            let key = pair_mask_key_of(binding, ours, (survivor, &member.mask), received)
                .map_err(|_| bad_dealer(context, survivor, None))?;
            streams.push(MaskStream::new(&key, pair_sign(survivor, lost).inverse()));
        }
        Ok(())
    }
}

/// The indices that a partner encapsulates to; none for 255.
fn higher_than(index: u8) -> (Bound<u8>, Bound<u8>) {
    (Bound::Excluded(index), Bound::Unbounded)
}

fn bad_dealer(context: &RoundContext, dealer: u8, proof: Option<Proof>) -> Unopened {
    Unopened {
        reason: AbortReason::InconsistentDealer {
            dealer: context.ids(&[dealer]),
        },
        proof: proof.map(|proof| (dealer, proof)),
    }
}

/// C6: cells lie in the possible range given bounds and noise tail; else the round fails loudly, naming the
/// table and nothing more.
fn check_range(
    context: &RoundContext,
    sum: &[i64],
    contributors: usize,
) -> Result<(), AbortReason> {
    let announcement = context.announcement();
    let mut rest = sum;
    for table in &announcement.tables {
        let (cells, after) = rest
            .split_at_checked(table.cells as usize)
            .ok_or(AbortReason::Internal)?;
        rest = after;
        let range = table_range(table, announcement, context.params(), contributors);
        let (lowest, highest) = range.ok_or(AbortReason::Internal)?;
        if cells.iter().any(|cell| !(lowest..=highest).contains(cell)) {
            return Err(AbortReason::OutOfRange {
                table: table.name.clone(),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_highest_index_encapsulates_to_nobody() {
        let members: BTreeSet<u8> = (1..=255).collect();
        assert_eq!(members.range(higher_than(255)).count(), 0);
        assert_eq!(members.range(higher_than(254)).count(), 1);
        assert_eq!(members.range(higher_than(1)).count(), 254);
    }
}
