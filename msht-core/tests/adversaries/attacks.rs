//! The attacks that `docs/security.md` lists, played whole: an adversary between honest sessions, and what came of it.

use std::cell::RefCell;
use std::collections::BTreeMap;

use msht_core::secagg::coordinator::Progress;
use msht_core::secagg::evidence::{Evidence, Offence, Proof};
use msht_core::secagg::messages::{
    DeliveryBody, MaskBody, Phase, RollBody, ShareBody, SignedMessage, UnmaskBody, sign_message,
};
use msht_core::secagg::{AbortReason, Blame, Check, Fault, Violation};
use msht_core::testkit::adversary::{
    Adversary, Coordinator, Honest, Partner, Played, Replaying, SplitSurvivors, Vanishing, play,
    signed_survivors,
};
use msht_core::testkit::cohort::{Cohort, CohortOptions};
use msht_core::testkit::forge::{body_of, flipped, forged, opened, signed_envelope, tampered};
use msht_core::testkit::stepwise::Stepwise;

use super::options;

/// The partner that lies, or that is lied to.
const ONE: u8 = 2;

fn played(partners: u8, adversary: &mut dyn Adversary) -> Played {
    play(Stepwise::new(&options(partners), 81), adversary)
}

/// The round ended as an honest one does, over these survivors.
fn assert_right(played: &Played, survivors: &[u8]) {
    let opened = played.opened.as_ref().unwrap();
    assert_eq!(opened.confirm.survivors, survivors);
    assert_eq!(opened.sum, played.round.cohort.expected_sum(survivors));
}

/// Everybody who was lied to says so, and gave nothing up.
fn assert_refused_by(played: &Played, nodes: &[u8], check: Check, violation: Violation) {
    let expected: Vec<(u8, Fault)> = nodes
        .iter()
        .map(|node| (*node, Fault::coordinator(check, violation)))
        .collect();
    assert_eq!(played.node_refusals, expected);
    assert!(nodes.iter().all(|node| !played.unmasked.contains_key(node)));
}

/// A coordinator that changes its message of a phase to one partner, and signs it again.
fn to_one<B>(phase: Phase, mut change: impl FnMut(&Cohort, &mut B)) -> impl Adversary
where
    B: serde::Serialize + serde::de::DeserializeOwned,
{
    Coordinator(move |cohort: &Cohort, at, to, honest: Option<Vec<u8>>| {
        let changed = |bytes: Vec<u8>| match (to, at == phase) {
            (ONE, true) => forged(cohort, &bytes, |body: &mut B| change(cohort, body)),
            _ => bytes,
        };
        Vec::from_iter(honest.map(changed))
    })
}

/// A partner that changes its message of a phase, and signs it again.
fn from_one<B>(phase: Phase, mut change: impl FnMut(&Cohort, &mut B)) -> impl Adversary
where
    B: serde::Serialize + serde::de::DeserializeOwned,
{
    let sends = move |cohort: &Cohort, at, honest: Vec<u8>| {
        if at != phase {
            return vec![honest];
        }
        vec![forged(cohort, &honest, |body: &mut B| change(cohort, body))]
    };
    Partner { index: ONE, sends }
}

#[test]
fn without_an_adversary_everybody_is_in_the_sum_and_nobody_is_blamed() {
    let played = played(5, &mut Honest);
    assert_right(&played, &[1, 2, 3, 4, 5]);
    assert!(played.node_refusals.is_empty() && played.coordinator_refusals.is_empty());
    assert!(played.evidence.is_empty() && played.contradictions.is_empty());
}

#[test]
fn survivor_set_equivocation_gathers_t_confirmations_of_neither_set_and_opens_nothing() {
    // n = 9, t = m = 7, c = 2: the colluders sign both sets, the honest seven are divided.
    for honest_shown_first in 0..=7u8 {
        let sets = [(1..=8).collect(), (2..=9).collect()];
        let second: Vec<u8> = (3 + honest_shown_first..=9).chain([2]).collect();
        let mut adversary = SplitSurvivors::new(sets, &second, &[1, 2]);
        let played = played(9, &mut adversary);
        let confirmed = adversary.gathered().map(|count| count >= 7);
        assert!(confirmed != [true, true], "{:?}", adversary.gathered());
        // Whoever unmasked did so for the one set that t confirmed.
        let mut sets: Vec<Vec<u8>> = played
            .unmasked
            .keys()
            .map(|node| played.confirmed[node].survivors.clone())
            .collect();
        sets.dedup();
        assert!(sets.len() <= 1, "{sets:?}");
    }
}

#[test]
fn two_rolls_for_different_nodes_open_nothing_and_two_for_one_node_are_proven() {
    let mut divided = Coordinator(|cohort: &Cohort, phase, to, honest: Option<Vec<u8>>| {
        let shorter = |bytes: Vec<u8>| match (phase, to) {
            (Phase::Join, 3 | 4) => forged(cohort, &bytes, |b: &mut RollBody| b.joins.truncate(4)),
            _ => bytes,
        };
        Vec::from_iter(honest.map(shorter))
    });
    let result = played(5, &mut divided);
    assert!(matches!(result.progress, Progress::Aborted(_)));
    assert!(result.unmasked.is_empty() && result.confirmed.is_empty());

    let mut twice = Coordinator(|cohort: &Cohort, phase, to, honest: Option<Vec<u8>>| {
        let mut sent = Vec::from_iter(honest);
        if let ((Phase::Join, ONE), Some(first)) = ((phase, to), sent.first()) {
            let second = forged(cohort, first, |b: &mut RollBody| b.joins.truncate(4));
            sent.push(second);
        }
        sent
    });
    let result = played(5, &mut twice);
    let cohort = &result.round.cohort;
    let [(ONE, evidence)] = result.contradictions.as_slice() else {
        panic!("{} contradictions", result.contradictions.len());
    };
    let accusation = evidence.verify().unwrap();
    assert_eq!(accusation.accused, cohort.coordinator.key());
    let phase = Phase::Join;
    assert_eq!(
        accusation.offence,
        Offence::CoordinatorEquivocation { phase }
    );
}

#[test]
fn roll_member_not_invited_is_refused() {
    let mut adversary = to_one(Phase::Join, |cohort, b: &mut RollBody| {
        let mut join = b.joins[0].clone();
        let body = join.body.as_ref();
        join.signature = sign_message(&cohort.coordinator, &join.round, join.phase, 6, body);
        join.sender = 6;
        b.joins.push(join);
    });
    let played = played(5, &mut adversary);
    assert_refused_by(&played, &[ONE], Check::N5, Violation::Membership);
    assert_right(&played, &[1, 3, 4, 5]);
}

#[test]
fn join_swapped_replayed_or_missing_is_refused() {
    let other = Stepwise::new(
        &CohortOptions {
            attempt: 2,
            ..options(5)
        },
        81,
    );
    let replayed = opened(&other.outgoing(1));
    type Change<'a> = &'a dyn Fn(&Cohort, &mut RollBody);
    let cases: [(&str, Change, Violation); 4] = [
        (
            "another's in its place",
            &|_, b| b.joins[0] = b.joins[2].clone(),
            Violation::Membership,
        ),
        (
            "ours in its place",
            &|_, b| b.joins[0].body = b.joins[1].body.clone(),
            Violation::Signature,
        ),
        (
            "of another attempt",
            &|_, b| b.joins[0] = replayed.clone(),
            Violation::Misdirected,
        ),
        (
            "ours missing",
            &|_, b| drop(b.joins.remove(1)),
            Violation::SelfMissing,
        ),
    ];
    for (name, change, violation) in cases {
        let played = played(5, &mut to_one(Phase::Join, change));
        println!("{name}");
        assert_refused_by(&played, &[ONE], Check::N5, violation);
        assert_right(&played, &[1, 3, 4, 5]);
    }
}

#[test]
fn ciphertext_swapped_on_the_way_is_refused_and_by_a_colluding_dealer_does_not_open() {
    let swap = |signed: &mut msht_core::secagg::messages::SignedEnvelope| {
        signed.envelope.mask_ciphertext = signed.envelope.channel_ciphertext.clone();
    };
    let mut alone = to_one(Phase::Share, |_, b: &mut DeliveryBody| {
        swap(&mut b.envelopes[0]);
    });
    let result = played(5, &mut alone);
    assert_refused_by(&result, &[ONE], Check::N6, Violation::Signature);
    assert_right(&result, &[1, 3, 4, 5]);

    let mut together = to_one(Phase::Share, |cohort, b: &mut DeliveryBody| {
        swap(&mut b.envelopes[0]);
        let envelope = b.envelopes[0].envelope.clone();
        b.envelopes[0] = signed_envelope(envelope, &cohort.identity(1));
    });
    let result = played(5, &mut together);
    assert!(result.node_refusals.is_empty());
    let given: Vec<u8> = result.unmasked[&ONE]
        .self_shares
        .iter()
        .map(|s| s.dealer)
        .collect();
    assert_eq!(given, [2, 3, 4, 5], "no share of the dealer it listed");
}

#[test]
fn a_dealer_framed_by_a_swapped_commitment_is_not_the_one_that_is_blamed() {
    let mut adversary = to_one(Phase::Share, |_, b: &mut DeliveryBody| {
        b.headers[0].header.seeds.own = flipped(b.headers[0].header.seeds.own);
    });
    let played = played(5, &mut adversary);
    assert_refused_by(&played, &[ONE], Check::N6, Violation::Signature);
    // Nor can what was shown be made into evidence against the dealer.
    let cohort = &played.round.cohort;
    let genuine: DeliveryBody = body_of(&played.round.incoming(Phase::Share, 3));
    let mut swapped = genuine.headers[0].clone();
    swapped.header.seeds.own = flipped(swapped.header.seeds.own);
    let proof = Proof::Headers(Box::new([genuine.headers[0].clone(), swapped]));
    assert_eq!(Evidence::proven(cohort.identity(1).key(), proof), None);
}

#[test]
fn both_shares_of_one_partner_are_never_given_up_and_never_taken() {
    let result = played(
        9,
        &mut Vanishing {
            index: 9,
            from: Phase::Mask,
        },
    );
    assert_right(&result, &[1, 2, 3, 4, 5, 6, 7, 8]);
    for (node, body) in &result.unmasked {
        let own: Vec<u8> = body.self_shares.iter().map(|s| s.dealer).collect();
        let mask: Vec<u8> = body.mask_shares.iter().map(|s| s.dealer).collect();
        assert_eq!((own, mask), ((1..=8).collect(), vec![9]), "node {node}");
    }
    let mut both = from_one(Phase::Unmask, |_, b: &mut UnmaskBody| {
        b.self_shares.pop();
        b.mask_shares.push(b.self_shares[0].clone());
    });
    let result = played(5, &mut both);
    let fault = Fault::partner(Check::C2, ONE, Violation::BothShares);
    assert_eq!(result.coordinator_refusals, [(ONE, fault)]);
    assert_right(&result, &[1, 2, 3, 4, 5]);
}

#[test]
fn restored_between_confirm_and_unmask_a_node_gives_up_the_same_shares_and_no_others() {
    let mut round = Stepwise::new(&options(5), 82);
    round.advance_to_reply(Phase::Confirm);
    let before = round.node_records[&ONE].clone();
    let confirmations = round.incoming(Phase::Confirm, ONE);
    round.deliver(Phase::Confirm);
    let given = round.outgoing(ONE);
    let mut restored = round.restored_from(ONE, &before);
    restored.acknowledged();
    let other = signed_survivors(&round.cohort, &[1, 2, 3, 4]);
    let refused = restored.handle_message(&other).unwrap_err();
    assert_eq!(refused.violation, Violation::Equivocation);
    restored.handle_message(&confirmations).unwrap();
    restored.record_stored();
    assert_eq!(restored.poll_transmit(), Some(given.as_slice()));
}

/// The coordinator's answers of an attempt, by phase and partner.
fn answers_of(attempt: u32) -> BTreeMap<(Phase, u8), Vec<u8>> {
    let options = CohortOptions {
        attempt,
        ..options(5)
    };
    let answers = RefCell::new(BTreeMap::new());
    let mut recording = Coordinator(|_: &Cohort, phase, to, honest: Option<Vec<u8>>| {
        let kept = honest.clone().map(|bytes| ((phase, to), bytes));
        answers.borrow_mut().extend(kept);
        Vec::from_iter(honest)
    });
    let played = play(Stepwise::new(&options, 81), &mut recording);
    assert!(played.opened.is_some());
    answers.into_inner()
}

#[test]
fn an_old_round_replayed_is_refused_in_every_phase() {
    let old = answers_of(2);
    for (from, check) in [
        (Phase::Join, Check::N5),
        (Phase::Share, Check::N6),
        (Phase::Mask, Check::N7),
        (Phase::Confirm, Check::N8),
    ] {
        let old = old.clone();
        let played = played(5, &mut Replaying { old, from });
        assert_refused_by(&played, &[1, 2, 3, 4, 5], check, Violation::Misdirected);
        assert!(played.unmasked.is_empty());
    }
}

#[test]
fn a_cohort_below_m_is_refused_as_roll_as_u2_and_as_u3() {
    let mut roll = to_one(Phase::Join, |_, b: &mut RollBody| b.joins.truncate(3));
    let result = played(5, &mut roll);
    assert_refused_by(&result, &[ONE], Check::N5, Violation::TooFew);
    let mut dealers = to_one(Phase::Share, |_, b: &mut DeliveryBody| {
        b.headers.truncate(3);
        b.envelopes.truncate(2);
    });
    let result = played(5, &mut dealers);
    assert_refused_by(&result, &[ONE], Check::N6, Violation::TooFew);
    let mut survivors = Coordinator(|cohort: &Cohort, phase, _, honest: Option<Vec<u8>>| {
        if phase == Phase::Mask {
            return vec![signed_survivors(cohort, &[1, 2, 3])];
        }
        Vec::from_iter(honest)
    });
    let result = played(5, &mut survivors);
    assert!(result.unmasked.is_empty() && result.confirmed.is_empty());
    let all_n7 = result
        .node_refusals
        .iter()
        .all(|(_, fault)| fault.check == Check::N7 && fault.blame == Blame::Coordinator);
    assert!(all_n7 && result.node_refusals.len() == 5);
}

#[test]
fn different_tables_for_different_nodes_are_different_rounds_and_proven() {
    // The same coordinator, partners and attempt; another number of cells.
    let other = Cohort::new(
        &CohortOptions {
            cells: 9,
            ..options(5)
        },
        81,
    );
    let mut round = Stepwise::new(&options(5), 81);
    assert_ne!(other.context.round(), round.cohort.context.round());
    let mut stray = other.node(ONE);
    stray.record_stored();
    let join = stray.poll_transmit().unwrap().to_vec();
    let refused = round.coordinator.handle_message(&join);
    let expected = Fault::caller(Check::C1, Violation::Misdirected);
    assert_eq!(refused, Err(expected));
    round.advance_to_reply(Phase::Join);
    stray.acknowledged();
    let refused = stray.handle_message(&round.incoming(Phase::Join, ONE));
    let expected = Fault::coordinator(Check::N5, Violation::Misdirected);
    assert_eq!(refused, Err(expected));

    let announced = |cohort: &Cohort| cohort.context.announcement().as_signed().clone();
    let both = Box::new([announced(&round.cohort), announced(&other)]);
    let coordinator = round.cohort.coordinator.key();
    assert!(Evidence::proven(coordinator, Proof::Announcements(both)).is_some());
}

#[test]
fn a_wrong_length_or_oversized_vector_is_refused_and_a_wrapped_one_fails_loudly() {
    for by in [-4i64, 4, 2, 1 << 20] {
        let mut adversary = from_one(Phase::Mask, |_, b: &mut MaskBody| {
            let mut bytes = b.vector.clone().into_vec();
            let length = i64::try_from(bytes.len()).unwrap() + by;
            bytes.resize(usize::try_from(length).unwrap(), 0);
            b.vector = bytes.into();
        });
        let played = played(5, &mut adversary);
        let [(ONE, fault)] = played.coordinator_refusals.as_slice() else {
            panic!("{by}: {:?}", played.coordinator_refusals);
        };
        assert_eq!(fault.check, Check::C2, "{by}");
        assert_right(&played, &[1, 3, 4, 5]);
    }
    let mut wrapped = from_one(Phase::Mask, |_, b: &mut MaskBody| {
        let mut bytes = b.vector.clone().into_vec();
        bytes[3] ^= 0x80;
        b.vector = bytes.into();
    });
    let Progress::Aborted(abort) = played(5, &mut wrapped).progress else {
        panic!("the sum is 2^31 off");
    };
    let table = "cells".to_owned();
    assert_eq!(abort.reason, AbortReason::OutOfRange { table });
}

#[test]
fn a_mask_that_arrives_after_u3_closed_is_refused_and_in_no_sum() {
    let mut round = Stepwise::new(&options(5), 83);
    round.advance_to(Phase::Mask);
    let late = round.outgoing(5);
    round.lose(5);
    round.collect();
    round.close();
    let refused = round.coordinator.handle_message(&late);
    let expected = Fault::partner(Check::C1, 5, Violation::PhaseNotOpen);
    assert_eq!(refused, Err(expected));
    round.deliver(Phase::Mask);
    let played = play(round, &mut Honest);
    assert_right(&played, &[1, 2, 3, 4]);
}

#[test]
fn a_partner_that_shares_and_vanishes_is_recovered_and_left_out() {
    let mut adversary = Vanishing {
        index: 5,
        from: Phase::Mask,
    };
    let played = played(5, &mut adversary);
    assert_right(&played, &[1, 2, 3, 4]);
}

#[test]
fn a_liar_and_a_vanishing_partner_together_change_no_honest_figure() {
    let liar = from_one(Phase::Mask, |_, b: &mut MaskBody| b.bad_dealers = vec![1]);
    let mut both = (
        liar,
        Vanishing {
            index: 9,
            from: Phase::Confirm,
        },
    );
    let played = played(9, &mut both);
    // The slanderer's own Unmask contradicts its complaint, and t others are enough.
    let fault = Fault::partner(Check::C2, ONE, Violation::WrongShares);
    assert!(played.coordinator_refusals.contains(&(ONE, fault)));
    assert_right(&played, &[1, 2, 3, 4, 5, 6, 7, 8, 9]);
}

#[test]
fn messages_in_another_partners_name_blame_nobody() {
    let mut adversary = Partner {
        index: ONE,
        sends: |_: &Cohort, _, honest: Vec<u8>| {
            let framed = tampered(&honest, |m: &mut SignedMessage| m.sender = 3);
            vec![framed, honest]
        },
    };
    let played = played(5, &mut adversary);
    assert_right(&played, &[1, 2, 3, 4, 5]);
    assert_eq!(played.coordinator_refusals.len(), 5, "one a phase");
    let nobody = |(_, fault): &(u8, Fault)| fault.blame == Blame::Caller;
    assert!(played.coordinator_refusals.iter().all(nobody));
}

#[test]
fn a_share_message_of_another_round_under_a_true_signature_is_refused() {
    let mut adversary = from_one(Phase::Share, |_, b: &mut ShareBody| {
        b.header.header.round = flipped(b.header.header.round);
    });
    let played = played(5, &mut adversary);
    let fault = Fault::partner(Check::C2, ONE, Violation::Misdirected);
    assert_eq!(played.coordinator_refusals, [(ONE, fault)]);
    assert_right(&played, &[1, 3, 4, 5]);
}
