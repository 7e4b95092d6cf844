//! N7 and N8: the survivor set, its confirmations, and shares given up once.

use super::*;

#[test]
fn n7_refuses_every_survivor_set_outside_the_rules() {
    let mut round = Stepwise::new(&options(9), 23);
    round.advance_to(Phase::Share);
    round.lose(9);
    round.advance_to_reply(Phase::Mask);
    let set = |survivors: &[u8]| survivors_message(&round.cohort, survivors);
    let mut cases = Vec::new();
    for (name, survivors, violation) in [
        (
            "one who never dealt",
            &[1, 2, 3, 4, 5, 6, 7, 9][..],
            Violation::Membership,
        ),
        (
            "one who was never invited",
            &[1, 2, 3, 4, 5, 6, 7, 10],
            Violation::Membership,
        ),
        ("without us", &[1, 3, 4, 5, 6, 7, 8], Violation::SelfMissing),
        ("fewer than m", &[1, 2, 3, 4, 5, 6], Violation::TooFew),
        (
            "one twice",
            &[1, 2, 2, 3, 4, 5, 6, 7],
            Violation::Membership,
        ),
        (
            "out of order",
            &[2, 1, 3, 4, 5, 6, 7, 8],
            Violation::Membership,
        ),
        ("nobody", &[], Violation::TooFew),
    ] {
        cases.push((name, set(survivors), violation));
    }
    assert_refused(&mut round, Phase::Mask, Check::N7, cases);
}

#[test]
fn n7_refuses_a_malformed_or_misdirected_survivor_message() {
    let mut round = round_at_reply(Phase::Mask);
    let cases = outer_cases(&round, Phase::Mask);
    assert_refused(&mut round, Phase::Mask, Check::N7, cases);
}

#[test]
fn n7_takes_no_survivor_set_before_our_mask_was_acknowledged() {
    let mut round = Stepwise::new(&options(5), 24);
    round.advance_to(Phase::Mask);
    let node = round.nodes.get_mut(&VICTIM).unwrap();
    let survivors = survivors_message(&round.cohort, &[1, 2, 3, 4, 5]);
    let early = Fault::caller(Check::N7, Violation::PhaseNotOpen);
    assert_eq!(node.handle_message(&survivors), Err(early));
    assert!(node.poll_transmit().is_some(), "Mask is still to be sent");
    node.acknowledged();
    assert!(node.handle_message(&survivors).is_ok());
}

#[test]
fn n7_never_signs_a_second_survivor_set_not_even_after_a_restart() {
    let mut round = round_at_reply(Phase::Mask);
    round.deliver(Phase::Mask);
    let second = survivors_message(&round.cohort, &[1, 2, 3, 4]);
    let equivocation = Err(Fault::coordinator(Check::N7, Violation::Equivocation));
    let signed = round.outgoing(VICTIM);
    let mut restored = round.restored(VICTIM);
    let node = round.nodes.get_mut(&VICTIM).unwrap();
    for node in [node, &mut restored] {
        assert_eq!(node.handle_message(&second), equivocation);
        assert_eq!(
            node.poll_transmit(),
            Some(signed.as_slice()),
            "the first set stands"
        );
        let first = round.coordinator.message_for(Phase::Mask, VICTIM).unwrap();
        assert_eq!(node.handle_message(&first), Ok(NodeEvent::Repeated));
    }
}

#[test]
fn a_second_different_roll_or_delivery_is_equivocation_after_a_restart_too() {
    for (phase, check) in [(Phase::Join, Check::N5), (Phase::Share, Check::N6)] {
        let mut round = round_at_reply(phase);
        let honest = round.incoming(phase, VICTIM);
        let second = if phase == Phase::Join {
            forged(&round.cohort, &honest, |b: &mut RollBody| {
                b.joins.truncate(4);
            })
        } else {
            forged(&round.cohort, &honest, |b: &mut DeliveryBody| {
                b.headers.truncate(4);
                b.envelopes.truncate(3);
            })
        };
        round.deliver(phase);
        let sent = round.outgoing(VICTIM);
        let mut restored = round.restored(VICTIM);
        let node = round.nodes.get_mut(&VICTIM).unwrap();
        for node in [node, &mut restored] {
            let refused = node.handle_message(&second);
            assert_eq!(
                refused,
                Err(Fault::coordinator(check, Violation::Equivocation))
            );
            assert_eq!(node.poll_transmit(), Some(sent.as_slice()));
        }
    }
}

/// Nine partners, 9 lost before Mask: everybody has confirmed U₃ = 1…8, t = 7.
fn confirmed_round() -> (Stepwise, ConfirmBody) {
    let mut round = Stepwise::new(&options(9), 25);
    round.advance_to(Phase::Mask);
    round.lose(9);
    round.advance_to_reply(Phase::Confirm);
    let confirm = ConfirmBody {
        survivors: (1..=8).collect(),
        ..confirm_of(&round)
    };
    (round, confirm)
}

fn confirm_of(round: &Stepwise) -> ConfirmBody {
    let mut round_copy = round.restored(VICTIM);
    let body = body_of(round_copy.poll_transmit().unwrap());
    round_copy.acknowledged();
    body
}

#[test]
fn n8_refuses_confirmations_that_are_too_few_or_of_another_set() {
    let (mut round, confirm) = confirmed_round();
    let all =
        |body: &ConfirmBody, signers: &[u8]| confirmations_message(&round.cohort, body, signers);
    let other_set = ConfirmBody {
        survivors: (1..=7).collect(),
        ..confirm.clone()
    };
    let other_dealers = ConfirmBody {
        dealers_digest: flipped(confirm.dealers_digest),
        ..confirm.clone()
    };
    let other_roll = ConfirmBody {
        roll_digest: flipped(confirm.roll_digest),
        ..confirm.clone()
    };
    let t: Vec<u8> = (1..=7).collect();
    let misattributed = forged(
        &round.cohort,
        &all(&confirm, &t),
        |b: &mut ConfirmationsBody| b.confirmations[0].signature = b.confirmations[1].signature,
    );
    let mut cases = vec![
        ("fewer than t", all(&confirm, &t[..6]), Violation::TooFew),
        ("nobody", all(&confirm, &[]), Violation::TooFew),
        (
            "one signer twice",
            all(&confirm, &[1, 2, 3, 4, 5, 6, 6]),
            Violation::Membership,
        ),
        (
            "a partner that is not in U₃",
            all(&confirm, &[1, 2, 3, 4, 5, 6, 9]),
            Violation::Membership,
        ),
        ("another U₃", all(&other_set, &t), Violation::Signature),
        ("another U₂", all(&other_dealers, &t), Violation::Signature),
        ("another roll", all(&other_roll, &t), Violation::Signature),
        (
            "one partner's signature for another",
            misattributed,
            Violation::Signature,
        ),
    ];
    for (name, bytes, violation) in outer_cases_of(&round) {
        cases.push((name, bytes, violation));
    }
    assert_refused(&mut round, Phase::Confirm, Check::N8, cases);
}

fn outer_cases_of(round: &Stepwise) -> Vec<Case> {
    let honest = round.incoming(Phase::Confirm, VICTIM);
    vec![
        (
            "signature changed",
            tampered(&honest, |m| m.signature = flipped(m.signature)),
            Violation::Signature,
        ),
        (
            "another phase's",
            tampered(&honest, |m| m.phase = Phase::Mask),
            Violation::Misdirected,
        ),
    ]
}

#[test]
fn n8_a_node_gives_up_one_kind_of_share_for_each_dealer() {
    let (mut round, confirm) = confirmed_round();
    round.deliver(Phase::Confirm);
    for index in confirm.survivors.clone() {
        let body: UnmaskBody = body_of(&round.outgoing(index));
        let own: Vec<u8> = body.self_shares.iter().map(|s| s.dealer).collect();
        let mask: Vec<u8> = body.mask_shares.iter().map(|s| s.dealer).collect();
        assert_eq!(own, confirm.survivors, "self seeds of U₃");
        assert_eq!(mask, [9], "mask seeds of U₂ without U₃");
    }
}

#[test]
fn n8_a_second_unmask_is_the_first_one_again_and_no_seed_is_kept() {
    let (mut round, confirm) = confirmed_round();
    let before = round.node_records[&VICTIM].clone();
    let seeds = seeds_of(&before[0]);
    round.deliver(Phase::Confirm);
    let sent = round.outgoing(VICTIM);

    let records = round.node_records[&VICTIM].clone();
    assert_eq!(records.len(), 1, "everything before Unmask is erased");
    let kept = records[0].to_bytes().unwrap();
    for secret in [&seeds.mask, &seeds.own, &seeds.channel] {
        let found = kept.windows(32).any(|window| window == secret.expose());
        assert!(!found, "a seed is kept");
    }

    let restarted_before = round.restored_from(VICTIM, &before);
    let more_signers = confirmations_message(&round.cohort, &confirm, &[1, 2, 3, 4, 5, 6, 7, 8]);
    let again = {
        let mut node = restarted_before;
        node.acknowledged();
        node.handle_message(&more_signers).unwrap();
        node.record_stored();
        node.poll_transmit().unwrap().to_vec()
    };
    assert_eq!(again, sent, "restored between Confirm and Unmask");

    let other = ConfirmBody {
        survivors: (1..=7).collect(),
        ..confirm
    };
    let second = confirmations_message(&round.cohort, &other, &[1, 2, 3, 4, 5, 6, 7]);
    let mut restored = round.restored(VICTIM);
    let node = round.nodes.get_mut(&VICTIM).unwrap();
    for node in [node, &mut restored] {
        assert!(node.handle_message(&second).is_err(), "a second Unmask");
        assert!(node.poll_record().is_none());
        assert_eq!(node.poll_transmit(), Some(sent.as_slice()));
    }
}

#[test]
fn n8_a_node_that_unmasked_cannot_be_wound_forward_again_from_mixed_records() {
    let (mut round, _) = confirmed_round();
    let mut mixed = round.node_records[&VICTIM].clone();
    round.deliver(Phase::Confirm);
    mixed.extend(round.node_records[&VICTIM].clone());
    let context = Arc::clone(&round.cohort.context);
    let identity = round.cohort.identity(VICTIM);
    assert!(NodeSession::resume(Arc::clone(&context), Arc::clone(&identity), &mixed).is_err());
    assert!(NodeSession::resume(Arc::clone(&context), Arc::clone(&identity), &[]).is_err());
    let headless = &mixed[1..2];
    assert!(NodeSession::resume(context, identity, headless).is_err());
}
