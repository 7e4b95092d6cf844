//! Oracle 2: never t shares of both kinds of one partner, over everything that ever left any machine.

use std::collections::{BTreeMap, BTreeSet};

use super::{Oracle, Oracles};
use crate::crypto::Digest;
use crate::secagg::messages::{Phase, SignedMessage, UnmaskBody};
use crate::wire::{MAX_ENCODED_BYTES, decode};

/// Holders whose share of each kind of a dealer's seeds is known outside.
#[derive(Default)]
struct Holders {
    own: BTreeSet<u8>,
    mask: BTreeSet<u8>,
}

#[derive(Default)]
pub(super) struct Shares(BTreeMap<(Digest, u8), Holders>);

impl Oracles {
    pub(super) fn shares_left(&mut self, partner: u8, message: &SignedMessage) {
        if message.phase != Phase::Unmask {
            return;
        }
        let Ok(body) = decode::<UnmaskBody>(message.body.as_ref(), MAX_ENCODED_BYTES) else {
            return self.found(
                Oracle::OneKindOfShare,
                format!("partner {partner}: no Unmask"),
            );
        };
        for share in &body.self_shares {
            self.share_left(message.round, share.dealer, |holders| {
                holders.own.insert(partner)
            });
        }
        for share in &body.mask_shares {
            self.share_left(message.round, share.dealer, |holders| {
                holders.mask.insert(partner)
            });
        }
    }

    fn share_left(&mut self, round: Digest, dealer: u8, add: impl FnOnce(&mut Holders) -> bool) {
        let threshold = usize::from(self.params.threshold());
        let holders = self.shares.0.entry((round, dealer)).or_default();
        let is_new = add(holders);
        let (own, mask) = (holders.own.len(), holders.mask.len());
        if is_new && own >= threshold && mask >= threshold {
            let what =
                format!("{own} self shares and {mask} mask shares of partner {dealer} are out");
            self.found(Oracle::OneKindOfShare, what);
        }
    }
}
