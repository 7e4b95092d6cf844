//! N6: headers and envelopes.

use msht_core::secagg::messages::Header;

use super::*;

/// Header cases: which dealers there are.
fn header_cases(round: &Stepwise) -> Vec<Case> {
    let honest = round.incoming(Phase::Share, VICTIM);
    let delivery =
        |change: &dyn Fn(&mut DeliveryBody)| forged(&round.cohort, &honest, |b| change(b));
    let rehead = |b: &mut DeliveryBody, place: usize, change: fn(&mut Header)| {
        let mut header = b.headers[place].header.clone();
        change(&mut header);
        let dealer = round.cohort.identity(header.dealer);
        b.headers[place] = signed_header(header, &dealer);
    };
    vec![
        (
            "our header missing",
            delivery(&|b| {
                b.headers.remove(1);
            }),
            Violation::SelfMissing,
        ),
        (
            "our header changed",
            delivery(&|b| rehead(b, 1, |h| h.seeds.mask = flipped(h.seeds.mask))),
            Violation::SelfChanged,
        ),
        (
            "a header on another roll",
            delivery(&|b| rehead(b, 0, |h| h.roll_digest = HexBytes([7; 32]))),
            Violation::DigestMismatch,
        ),
        (
            "a header of another round",
            delivery(&|b| rehead(b, 0, |h| h.round = flipped(h.round))),
            Violation::DigestMismatch,
        ),
        (
            "an unsigned header",
            delivery(&|b| b.headers[0].signature = HexBytes([0; 64])),
            Violation::Signature,
        ),
        (
            "a commitment swapped to frame a dealer",
            delivery(&|b| b.headers[0].header.seeds.own = HexBytes([7; 32])),
            Violation::Signature,
        ),
        (
            "a dealer twice",
            delivery(&|b| b.headers.insert(0, b.headers[0].clone())),
            Violation::Membership,
        ),
        (
            "dealers out of order",
            delivery(&|b| b.headers.swap(3, 4)),
            Violation::Membership,
        ),
        (
            "fewer dealers than m",
            delivery(&|b| {
                b.headers.truncate(3);
                b.envelopes.truncate(2);
            }),
            Violation::TooFew,
        ),
        (
            "a dealer without an envelope",
            delivery(&|b| {
                b.envelopes.pop();
            }),
            Violation::Length,
        ),
    ]
}

/// Envelope cases: what the dealers sent us.
fn envelope_cases(round: &Stepwise) -> Vec<Case> {
    let honest = round.incoming(Phase::Share, VICTIM);
    let for_another: DeliveryBody = body_of(&round.incoming(Phase::Share, 3));
    let delivery =
        |change: &dyn Fn(&mut DeliveryBody)| forged(&round.cohort, &honest, |b| change(b));
    let reseal = |b: &mut DeliveryBody, length: usize| {
        let mut envelope = b.envelopes[0].envelope.clone();
        envelope.mask_ciphertext = vec![0; length].into();
        b.envelopes[0] = signed_envelope(envelope, &round.cohort.identity(1));
    };
    vec![
        (
            "an unsigned envelope",
            delivery(&|b| b.envelopes[0].signature = HexBytes([0; 64])),
            Violation::Signature,
        ),
        (
            "the envelope of another receiver",
            delivery(&|b| b.envelopes[0] = for_another.envelopes[0].clone()),
            Violation::Misdirected,
        ),
        (
            "two dealers' envelopes swapped",
            delivery(&|b| b.envelopes.swap(0, 1)),
            Violation::Misdirected,
        ),
        (
            "an envelope under another header",
            delivery(&|b| {
                let mut envelope = b.envelopes[0].envelope.clone();
                envelope.header_digest = flipped(envelope.header_digest);
                b.envelopes[0] = signed_envelope(envelope, &round.cohort.identity(1));
            }),
            Violation::Misdirected,
        ),
        (
            "an envelope signed by another partner",
            delivery(&|b| {
                let envelope = b.envelopes[0].envelope.clone();
                b.envelopes[0] = signed_envelope(envelope, &round.cohort.identity(3));
            }),
            Violation::Signature,
        ),
        (
            "the mask ciphertext swapped on the way",
            delivery(&|b| {
                let other = b.envelopes[0].envelope.channel_ciphertext.clone();
                b.envelopes[0].envelope.mask_ciphertext = other;
            }),
            Violation::Signature,
        ),
        (
            "a mask ciphertext of another length",
            delivery(&|b| reseal(b, 12)),
            Violation::Length,
        ),
        (
            "no mask ciphertext",
            delivery(&|b| reseal(b, 0)),
            Violation::Length,
        ),
    ]
}

#[test]
fn n6_refuses_every_delivery_an_honest_coordinator_would_not_send() {
    let mut round = round_at_reply(Phase::Share);
    let mut cases = outer_cases(&round, Phase::Share);
    cases.extend(header_cases(&round));
    cases.extend(envelope_cases(&round));
    assert_refused(&mut round, Phase::Share, Check::N6, cases);
}

#[test]
fn n6_refuses_a_dealer_who_is_not_on_the_roll() {
    let mut round = Stepwise::new(&options(5), 22);
    let absent = round.nodes.remove(&5).unwrap();
    round.advance_to_reply(Phase::Share);
    drop(absent);
    let honest = round.incoming(Phase::Share, VICTIM);
    let bytes = forged(&round.cohort, &honest, |b: &mut DeliveryBody| {
        let mut header = b.headers[0].header.clone();
        header.dealer = 5;
        b.headers
            .push(signed_header(header, &round.cohort.identity(5)));
    });
    let cases = vec![("a dealer who never joined", bytes, Violation::Membership)];
    assert_refused(&mut round, Phase::Share, Check::N6, cases);
}

#[test]
fn n6_lists_an_envelope_that_does_not_open_or_match_and_gives_up_no_share_of_its_dealer() {
    type Spoil = fn(&mut msht_core::secagg::messages::Envelope);
    let spoils: [(&str, Spoil); 6] = [
        ("sealed box changed", |e| {
            let mut bytes = e.sealed.clone().into_vec();
            bytes[3] ^= 1;
            e.sealed = bytes.into();
        }),
        ("channel ciphertext of another length", |e| {
            e.channel_ciphertext = vec![0; 3].into();
        }),
        (
            "another mask ciphertext under the dealer's signature",
            |e| {
                e.mask_ciphertext = e.channel_ciphertext.clone();
            },
        ),
        ("commitment to another mask_seed share", |e| {
            e.shares.mask = flipped(e.shares.mask);
        }),
        ("commitment to another self_seed share", |e| {
            e.shares.own = flipped(e.shares.own);
        }),
        ("an empty box", |e| e.sealed = Vec::new().into()),
    ];
    for (name, spoil) in spoils {
        let mut round = round_at_reply(Phase::Share);
        let bytes = forged(
            &round.cohort,
            &round.incoming(Phase::Share, VICTIM),
            |b: &mut DeliveryBody| {
                let mut envelope = b.envelopes[0].envelope.clone();
                spoil(&mut envelope);
                b.envelopes[0] = signed_envelope(envelope, &round.cohort.identity(1));
            },
        );
        let mut node = round.nodes.remove(&VICTIM).unwrap();
        let event = node.handle_message(&bytes);
        assert_eq!(event, Ok(NodeEvent::Advanced(Phase::Mask)), "{name}");
        node.record_stored();
        let body: MaskBody = body_of(node.poll_transmit().unwrap());
        assert_eq!(body.bad_dealers, [1], "{name}");
        node.acknowledged();
        let survivors = survivors_message(&round.cohort, &[1, 2, 3, 4, 5]);
        node.handle_message(&survivors).unwrap();
        let unmask = unmasked_by(&round.cohort, &mut node, &[1, 2, 3, 4]);
        let dealers: Vec<u8> = unmask.self_shares.iter().map(|s| s.dealer).collect();
        assert_eq!(dealers, [2, 3, 4, 5], "{name}");
        assert!(unmask.mask_shares.is_empty(), "{name}");
    }
}
