//! Every key of a round as a function of its seeds: what a node computes for itself and what the coordinator
//! redoes for a recovered seed are the same functions.

use super::messages::SeedKind;
use crate::crypto::{
    AgreementError, AgreementSecret, CheckedKey, Digest, KdfLabel, Secret, ShamirError, Sharing,
    combine, derive, digest,
};
use crate::wire::Blob;

/// The round, roll and U₂ that masks are bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Binding {
    pub(crate) round: Digest,
    pub(crate) roll: Digest,
    pub(crate) dealers: Digest,
}

/// The lower and the higher of two indices; masks are added by the lower.
fn ordered(one: u8, other: u8) -> (u8, u8) {
    (one.min(other), one.max(other))
}

/// Encapsulation of the pairwise mask from `sender` to the higher index `receiver`.
pub(crate) fn encapsulate_mask(
    mask_seed: &Secret,
    roll: &Digest,
    receiver: u8,
    receiver_key: &CheckedKey,
) -> (Blob, Secret) {
    let message = derive(
        mask_seed.expose(),
        &[],
        KdfLabel::MaskEncapsulation,
        &[
            roll.as_bytes(),
            &[receiver],
            receiver_key.ml_kem_digest().as_bytes(),
        ],
    );
    receiver_key.encapsulate(&message)
}

/// s_ij: the key of the stream that the lower index of a pair adds and the higher subtracts.
pub(crate) fn pair_mask_key(
    binding: &Binding,
    pair: (u8, u8),
    kem_secret: &Secret,
    dh_secret: &Secret,
    ciphertext: &Blob,
) -> Secret {
    let (low, high) = ordered(pair.0, pair.1);
    let ciphertext_digest = digest("mask-ciphertext", &[ciphertext.as_ref()]);
    combine(
        kem_secret,
        dh_secret,
        &binding.roll,
        KdfLabel::PairMask,
        &[
            binding.round.as_bytes(),
            &[low],
            &[high],
            ciphertext_digest.as_bytes(),
            binding.dealers.as_bytes(),
        ],
    )
}

/// The pairwise mask key as seen by the partner with `mask_seed`, and the ciphertext where it is the lower one.
///
/// `received` is the mask ciphertext the other partner sent, used where the other one is the lower.
pub(crate) fn pair_mask_key_of(
    binding: &Binding,
    ours: (u8, &Secret, &AgreementSecret),
    theirs: (u8, &CheckedKey),
    received: &Blob,
) -> Result<Secret, AgreementError> {
    let (our_index, mask_seed, secret) = ours;
    let (their_index, their_key) = theirs;
    let dh_secret = secret.diffie_hellman(their_key)?;
    if our_index < their_index {
        let (ciphertext, kem) = encapsulate_mask(mask_seed, &binding.roll, their_index, their_key);
        let pair = (our_index, their_index);
        return Ok(pair_mask_key(binding, pair, &kem, &dh_secret, &ciphertext));
    }
    let kem = secret.decapsulate(received)?;
    Ok(pair_mask_key(
        binding,
        (their_index, our_index),
        &kem,
        &dh_secret,
        received,
    ))
}

/// The key of a partner's self mask.
pub(crate) fn self_mask_key(binding: &Binding, self_seed: &Secret) -> Secret {
    derive(
        self_seed.expose(),
        binding.roll.as_bytes(),
        KdfLabel::SelfMask,
        &[binding.round.as_bytes(), binding.dealers.as_bytes()],
    )
}

/// The polynomial that shares a seed of `dealer` under one roll.
pub(crate) fn sharing(
    seed: &Secret,
    kind: SeedKind,
    threshold: u8,
    round: &Digest,
    roll: &Digest,
    dealer: u8,
) -> Result<Sharing, ShamirError> {
    let context: [&[u8]; 4] = [kind.word(), round.as_bytes(), roll.as_bytes(), &[dealer]];
    Sharing::new(seed, threshold, &context)
}

/// One direction of a sealing channel.
pub(crate) struct ChannelEnds {
    pub(crate) round: Digest,
    pub(crate) roll: Digest,
    pub(crate) dealer: u8,
    pub(crate) receiver: u8,
}

impl ChannelEnds {
    /// The message a dealer encapsulates to a receiver with, derived so that a resend is byte-identical.
    pub(crate) fn encapsulation_message(
        &self,
        channel_seed: &Secret,
        receiver_key: &CheckedKey,
    ) -> Secret {
        derive(
            channel_seed.expose(),
            &[],
            KdfLabel::ChannelEncapsulation,
            &[
                self.roll.as_bytes(),
                &[self.receiver],
                receiver_key.ml_kem_digest().as_bytes(),
            ],
        )
    }

    /// The key that seals this envelope and no other.
    pub(crate) fn key(&self, kem: &Secret, dh: &Secret, ciphertext: &Blob) -> Secret {
        let ciphertext_digest = digest("channel-ciphertext", &[ciphertext.as_ref()]);
        combine(
            kem,
            dh,
            &self.roll,
            KdfLabel::Channel,
            &[
                self.round.as_bytes(),
                &[self.dealer],
                &[self.receiver],
                ciphertext_digest.as_bytes(),
            ],
        )
    }

    /// round id ‖ roll digest ‖ i ‖ j ‖ H(channel ciphertext) ‖ H(mask ciphertext).
    pub(crate) fn associated_data(&self, channel: &Blob, mask: &Blob) -> Vec<u8> {
        let mut bytes = self.round.as_bytes().to_vec();
        bytes.extend_from_slice(self.roll.as_bytes());
        bytes.extend_from_slice(&[self.dealer, self.receiver]);
        bytes.extend_from_slice(digest("channel-ciphertext", &[channel.as_ref()]).as_bytes());
        bytes.extend_from_slice(digest("mask-ciphertext", &[mask.as_ref()]).as_bytes());
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::HexBytes;

    fn binding() -> Binding {
        Binding {
            round: HexBytes([1; 32]),
            roll: HexBytes([2; 32]),
            dealers: HexBytes([3; 32]),
        }
    }

    fn other_bindings() -> [Binding; 3] {
        let other = HexBytes([9; 32]);
        [
            Binding {
                round: other,
                ..binding()
            },
            Binding {
                roll: other,
                ..binding()
            },
            Binding {
                dealers: other,
                ..binding()
            },
        ]
    }

    /// Else two U₂ shown to one restored node give vectors that differ by what is not masked.
    #[test]
    fn the_self_mask_is_bound_to_round_roll_and_u2() {
        let seed = Secret::from_bytes([4; 32]);
        let key = self_mask_key(&binding(), &seed);
        assert!(key.ct_eq(&self_mask_key(&binding(), &seed)));
        for other in other_bindings() {
            assert!(!key.ct_eq(&self_mask_key(&other, &seed)), "{other:?}");
        }
    }

    #[test]
    fn a_pair_mask_is_bound_to_round_roll_u2_pair_and_ciphertext() {
        let (kem, dh) = (Secret::from_bytes([5; 32]), Secret::from_bytes([6; 32]));
        let sent = Blob::from([7u8; 4].as_slice());
        let of =
            |binding: &Binding, pair, sent: &Blob| pair_mask_key(binding, pair, &kem, &dh, sent);
        let key = of(&binding(), (1, 2), &sent);
        assert!(
            key.ct_eq(&of(&binding(), (2, 1), &sent)),
            "of a pair, in any order"
        );
        for other in other_bindings() {
            assert!(!key.ct_eq(&of(&other, (1, 2), &sent)), "{other:?}");
        }
        assert!(!key.ct_eq(&of(&binding(), (1, 3), &sent)));
        let swapped = Blob::from([8u8; 4].as_slice());
        assert!(!key.ct_eq(&of(&binding(), (1, 2), &swapped)));
    }
}
