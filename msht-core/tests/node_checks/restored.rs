//! A node that is restored to an earlier state, by accident or on purpose.

use super::*;

#[test]
fn a_node_restored_at_any_phase_sends_the_same_bytes() {
    for phase in Phase::ALL {
        let mut round = Stepwise::new(&options(4), 26);
        round.advance_to(phase);
        for index in round.cohort.context.indices() {
            let restored = round.restored(index);
            assert_eq!(restored.phase(), phase);
            assert_eq!(
                restored.poll_transmit(),
                Some(round.outgoing(index).as_slice()),
                "{}",
                phase.word()
            );
        }
    }
}

#[test]
fn nothing_is_transmitted_or_handled_while_a_record_waits() {
    let cohort = Cohort::new(&options(3), 27);
    let mut node = cohort.node(1);
    assert!(node.poll_transmit().is_none());
    let caller = Fault::caller(Check::N1, Violation::PhaseNotOpen);
    assert_eq!(node.handle_message(b"anything"), Err(caller));
    assert!(matches!(node.poll_record(), Some(NodeRecord::Frozen(_))));
    node.record_stored();
    assert!(node.poll_transmit().is_some());
}

#[test]
fn two_rolls_to_one_restored_node_give_unrelated_masks_and_shares() {
    let round = round_at_reply(Phase::Join);
    let honest = round.incoming(Phase::Join, VICTIM);
    let shorter = forged(&round.cohort, &honest, |b: &mut RollBody| {
        b.joins.truncate(4);
    });
    let share_under = |roll: &[u8]| -> ShareBody {
        let mut node = round.restored(VICTIM);
        node.handle_message(roll).unwrap();
        node.record_stored();
        body_of(node.poll_transmit().unwrap())
    };
    let (one, two) = (share_under(&honest), share_under(&shorter));
    assert_eq!(one.header.header.seeds, two.header.header.seeds);
    assert_ne!(one.header.header.own_shares, two.header.header.own_shares);
    for (left, right) in one.envelopes.iter().zip(&two.envelopes) {
        let (left, right) = (&left.envelope, &right.envelope);
        assert_eq!(left.receiver, right.receiver);
        assert_ne!(
            left.shares.mask, right.shares.mask,
            "points on one polynomial"
        );
        assert_ne!(
            left.shares.own, right.shares.own,
            "points on one polynomial"
        );
        assert_ne!(left.channel_ciphertext, right.channel_ciphertext);
        if left.receiver > VICTIM {
            assert_ne!(
                left.mask_ciphertext, right.mask_ciphertext,
                "the message of one encapsulation reveals the other"
            );
        }
    }
}

#[test]
fn two_u2_to_one_restored_node_give_unrelated_vectors() {
    let wide = CohortOptions {
        cells: 64,
        ..options(9)
    };
    let mut round = Stepwise::new(&wide, 28);
    round.advance_to_reply(Phase::Share);
    let honest = round.incoming(Phase::Share, VICTIM);
    let vector_without = |dropped: &[u8]| -> Vec<u32> {
        let delivery = forged(&round.cohort, &honest, |b: &mut DeliveryBody| {
            let others: Vec<u8> = (1..=9).filter(|index| *index != VICTIM).collect();
            let mut dealer = others.iter();
            b.envelopes
                .retain(|_| !dropped.contains(dealer.next().unwrap()));
            b.headers.retain(|h| !dropped.contains(&h.header.dealer));
        });
        let mut node = round.restored(VICTIM);
        node.handle_message(&delivery).unwrap();
        node.record_stored();
        let body: MaskBody = body_of(node.poll_transmit().unwrap());
        let words = body.vector.as_ref().chunks(4);
        words
            .map(|word| u32::from_le_bytes(word.try_into().unwrap()))
            .collect()
    };
    let (all, no_eight) = (vector_without(&[]), vector_without(&[8]));
    let (no_nine, neither) = (vector_without(&[9]), vector_without(&[8, 9]));
    let contribution = round.cohort.contribution(VICTIM);
    for cell in 0..64 {
        let small = |difference: u32| difference.cast_signed().unsigned_abs() < 4096;
        assert!(!small(all[cell].wrapping_sub(no_nine[cell])));
        // Were masks not bound to U₂, the terms of every pair would cancel here.
        let crossed = all[cell]
            .wrapping_sub(no_eight[cell])
            .wrapping_sub(no_nine[cell])
            .wrapping_add(neither[cell]);
        assert!(!small(crossed), "cell {cell}");
        let plain = u32::try_from(contribution[cell].unsigned_abs()).unwrap();
        assert_ne!(all[cell], plain);
    }
}
