//! What honest parties sign, and that none of it can be turned against them.

use msht_core::crypto::{HexBytes, IdentityKey};
use msht_core::secagg::evidence::{
    Evidence, EvidenceError, FalseSeed, InconsistentShares, OpenedShare, Proof,
};
use msht_core::secagg::messages::{
    Phase, RollBody, SeedKind, ShareBody, SignedMessage, UnmaskBody,
};
use msht_core::testkit::cohort::CohortOptions;
use msht_core::testkit::forge::{body_of, flipped, opened, seeds_of};
use msht_core::testkit::stepwise::Stepwise;

use super::evidence::{pair, refused};
use super::options;

/// Everything an honest round lets anybody see, by who signed it.
pub(super) struct Seen {
    messages: Vec<(IdentityKey, SignedMessage)>,
    shares: Vec<(u8, ShareBody)>,
    unmasked: Vec<(u8, UnmaskBody)>,
    seeds: Vec<[u8; 32]>,
    roll: Vec<SignedMessage>,
}

/// An honest round in which 5 is lost after Share, and every message is sent twice.
pub(super) fn seen_in(round: &mut Stepwise) -> Seen {
    let mut seen = Seen {
        messages: Vec::new(),
        shares: Vec::new(),
        unmasked: Vec::new(),
        seeds: Vec::new(),
        roll: Vec::new(),
    };
    let coordinator = round.cohort.coordinator.key();
    for records in round.node_records.values() {
        seen.seeds.push(*seeds_of(&records[0]).mask.expose());
    }
    for phase in Phase::ALL {
        if phase == Phase::Mask {
            round.lose(5);
        }
        let indices: Vec<u8> = round.nodes.keys().copied().collect();
        for index in indices.iter().copied() {
            let bytes = round.outgoing(index);
            match phase {
                Phase::Share => seen.shares.push((index, body_of(&bytes))),
                Phase::Unmask => seen.unmasked.push((index, body_of(&bytes))),
                _ => {}
            }
            let key = round.cohort.identity(index).key();
            seen.messages.push((key, opened(&bytes)));
            let again = round.restored(index).poll_transmit().unwrap().to_vec();
            seen.messages.push((key, opened(&again)));
        }
        round.collect();
        round.close();
        if phase == Phase::Unmask {
            break;
        }
        if phase == Phase::Join {
            let roll: RollBody = body_of(&round.incoming(phase, 1));
            seen.roll = roll.joins;
        }
        for index in indices {
            let bytes = round.incoming(phase, index);
            seen.messages.push((coordinator, opened(&bytes)));
        }
        round.deliver(phase);
    }
    assert!(round.coordinator.take_evidence().is_empty());
    seen
}

/// The shares that `kind` of `dealer` was opened with, as a false accuser would present them.
pub(super) fn presented(
    round: &Stepwise,
    seen: &Seen,
    dealer: u8,
    kind: SeedKind,
) -> InconsistentShares {
    let (_, dealt) = seen
        .shares
        .iter()
        .find(|(index, _)| *index == dealer)
        .unwrap();
    let shares = seen.unmasked.iter().filter_map(|(holder, body)| {
        let list = match kind {
            SeedKind::Own => &body.self_shares,
            SeedKind::Mask => &body.mask_shares,
        };
        let share = list.iter().find(|share| share.dealer == dealer)?.share;
        let mut envelopes = dealt.envelopes.iter();
        let envelope = envelopes.find(|each| each.envelope.receiver == *holder);
        Some(OpenedShare {
            holder: *holder,
            envelope: envelope.cloned(),
            share,
        })
    });
    InconsistentShares {
        announcement: round
            .cohort
            .context
            .announcement()
            .as_signed()
            .content
            .clone(),
        header: dealt.header.clone(),
        kind,
        shares: shares.take(4).collect(),
    }
}

#[test]
fn nothing_an_honest_party_signs_in_a_round_and_its_restarts_proves_anything_against_it() {
    let mut round = Stepwise::new(&options(5), 72);
    let seen = seen_in(&mut round);
    for (accused, first) in &seen.messages {
        for (_, second) in &seen.messages {
            assert_eq!(Evidence::of_messages(*accused, first, second), None);
            let both = Proof::Messages(pair(first.clone(), second.clone()));
            assert_eq!(Evidence::proven(*accused, both), None);
        }
    }
    for (dealer, share) in &seen.shares {
        let accused = round.cohort.identity(*dealer).key();
        for (_, other) in &seen.shares {
            let headers = pair(share.header.clone(), other.header.clone());
            assert_eq!(Evidence::proven(accused, Proof::Headers(headers)), None);
            for one in &share.envelopes {
                for two in &other.envelopes {
                    let header = Box::new(share.header.clone());
                    let envelopes = pair(one.clone(), two.clone());
                    let proof = Proof::Envelopes { header, envelopes };
                    assert_eq!(Evidence::proven(accused, proof), None);
                }
            }
        }
    }
}

#[test]
fn the_shares_of_an_honest_dealer_cannot_be_presented_as_inconsistent() {
    let mut round = Stepwise::new(&options(5), 73);
    let seen = seen_in(&mut round);
    for (dealer, kind) in [(1, SeedKind::Own), (4, SeedKind::Own), (5, SeedKind::Mask)] {
        let key = round.cohort.identity(dealer).key();
        let honest = || presented(&round, &seen, dealer, kind);
        let proof = |shares| Proof::Shares(Box::new(shares));
        assert_eq!(
            refused(key, proof(honest())),
            EvidenceError::NoContradiction
        );
        type Trick = fn(&mut InconsistentShares);
        let tricks: [(&str, Trick); 7] = [
            ("fewer than t", |s| {
                s.shares.pop();
            }),
            ("a smaller t", |s| {
                s.announcement.thresholds.threshold = 3;
                s.shares.pop();
            }),
            ("one twice", |s| s.shares[1] = s.shares[0].clone()),
            ("a share changed", |s| {
                s.shares[2].share = flipped(s.shares[2].share);
            }),
            ("under another's number", |s| s.shares[0].holder = 5),
            ("as the other seed", |s| {
                s.kind = match s.kind {
                    SeedKind::Own => SeedKind::Mask,
                    SeedKind::Mask => SeedKind::Own,
                };
            }),
            ("without its envelope", |s| s.shares[2].envelope = None),
        ];
        for (name, trick) in tricks {
            let mut shares = honest();
            trick(&mut shares);
            assert_eq!(
                refused(key, proof(shares)),
                EvidenceError::Unrelated,
                "{name}"
            );
        }
        // A commitment changed on the way carries no signature any more.
        let mut shares = honest();
        if let Some(envelope) = &mut shares.shares[2].envelope {
            envelope.envelope.shares.own = HexBytes([1; 32]);
            envelope.envelope.shares.mask = HexBytes([1; 32]);
        }
        assert_eq!(refused(key, proof(shares)), EvidenceError::Signature);
    }
}

/// The true `mask_seed` of a dealer beside its header, and one of its envelopes, as a false accuser would present them.
pub(super) fn seed_of(
    round: &Stepwise,
    seen: &Seen,
    dealer: u8,
    envelope: Option<usize>,
) -> FalseSeed {
    let place = usize::from(dealer) - 1;
    let (index, dealt) = &seen.shares[place];
    assert_eq!((*index, dealer), (dealer, dealt.header.header.dealer));
    assert_eq!(dealt.header.header.round, round.cohort.context.round());
    FalseSeed {
        header: dealt.header.clone(),
        roll: seen.roll.clone(),
        envelope: envelope.map(|place| dealt.envelopes[place].clone()),
        seed: HexBytes(seen.seeds[place]),
    }
}

#[test]
fn the_mask_seed_of_an_honest_dealer_cannot_be_presented_as_false() {
    let mut round = Stepwise::new(&options(5), 74);
    let seen = seen_in(&mut round);
    for dealer in 1..=5 {
        let key = round.cohort.identity(dealer).key();
        let proof = |seed| Proof::Seed(Box::new(seed));
        for envelope in [None, Some(0), Some(1), Some(2), Some(3)] {
            let honest = seed_of(&round, &seen, dealer, envelope);
            assert_eq!(refused(key, proof(honest)), EvidenceError::NoContradiction);
        }
        let true_one = || seed_of(&round, &seen, dealer, Some(3));
        let mut another_seed = true_one();
        another_seed.seed = flipped(another_seed.seed);
        let mut another_roll = true_one();
        another_roll.roll.swap(0, 1);
        for unrelated in [another_seed, another_roll] {
            assert_eq!(refused(key, proof(unrelated)), EvidenceError::Unrelated);
        }
        let mut another_envelope = true_one();
        another_envelope.envelope =
            Some(seen.shares[usize::from(dealer % 5)].1.envelopes[0].clone());
        let unrelated = refused(key, proof(another_envelope));
        assert_eq!(unrelated, EvidenceError::Unrelated, "another dealer's");
        let mut changed = true_one();
        if let Some(envelope) = &mut changed.envelope {
            envelope.envelope.mask_ciphertext = vec![1].into();
        }
        assert_eq!(refused(key, proof(changed)), EvidenceError::Signature);
    }
}

#[test]
fn what_an_honest_dealer_signs_in_two_rounds_is_no_contradiction() {
    let shares_of = |attempt| {
        let options = CohortOptions {
            attempt,
            ..options(5)
        };
        let mut round = Stepwise::new(&options, 75);
        round.advance_to(Phase::Share);
        let share: ShareBody = body_of(&round.outgoing(2));
        (round.cohort.identity(2).key(), share)
    };
    let ((accused, first), (_, second)) = (shares_of(1), shares_of(2));
    assert_ne!(first.header, second.header);
    let headers = Proof::Headers(pair(first.header.clone(), second.header));
    assert_eq!(refused(accused, headers), EvidenceError::Unrelated);
    let envelopes = pair(first.envelopes[0].clone(), second.envelopes[0].clone());
    let header = Box::new(first.header);
    let envelopes = Proof::Envelopes { header, envelopes };
    assert_eq!(refused(accused, envelopes), EvidenceError::Unrelated);
}
