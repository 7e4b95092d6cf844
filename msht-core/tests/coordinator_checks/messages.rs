//! C1, C2 and C3: who may send what, of which size, and once.

use msht_core::crypto::{HexBytes, Identity, Secret};
use msht_core::secagg::coordinator::Receipt;
use msht_core::secagg::messages::{
    COORDINATOR_INDEX, ConfirmBody, Envelope, JoinBody, MaskBody, Phase, ShareBody, UnmaskBody,
    sign_message,
};
use msht_core::secagg::{Check, Fault, Violation};
use msht_core::testkit::cohort::CohortOptions;
use msht_core::testkit::forge::{
    flipped, forged, forged_bytes, signed_envelope, signed_header, tampered,
};
use msht_core::testkit::stepwise::Stepwise;

use super::{assert_ends_right, options, put, round_at};

/// The partner that lies.
const LIAR: u8 = 2;
const ALL: [u8; 5] = [1, 2, 3, 4, 5];

/// C3's second message of a phase: the same slot, other content, a true signature.
fn different(round: &Stepwise, phase: Phase, bytes: &[u8]) -> Vec<u8> {
    let cohort = &round.cohort;
    match phase {
        Phase::Join => forged(cohort, bytes, |b: &mut JoinBody| b.ledger_length += 1),
        Phase::Share => forged(cohort, bytes, |b: &mut ShareBody| {
            let mut header = b.header.header.clone();
            header.seeds.own = flipped(header.seeds.own);
            b.header = signed_header(header, &cohort.identity(LIAR));
        }),
        Phase::Mask => forged(cohort, bytes, |b: &mut MaskBody| b.bad_dealers.push(4)),
        Phase::Confirm => forged(cohort, bytes, |b: &mut ConfirmBody| {
            b.survivors.pop();
        }),
        Phase::Unmask => forged(cohort, bytes, |b: &mut UnmaskBody| {
            b.self_shares.pop();
        }),
    }
}

#[test]
fn c1_refuses_senders_that_are_not_who_they_say_and_blames_no_partner_for_it() {
    let other = Stepwise::new(
        &CohortOptions {
            attempt: 2,
            ..options(5)
        },
        31,
    );
    for phase in Phase::ALL {
        let mut round = round_at(phase);
        let honest = round.outgoing(LIAR);
        let stranger = Identity::from_seed(Secret::from_bytes([3; 32])).unwrap();
        let signed_by = |identity: &Identity, sender| {
            tampered(&honest, |m| {
                m.sender = sender;
                m.signature = sign_message(identity, &m.round, m.phase, sender, m.body.as_ref());
            })
        };
        let liar = round.cohort.identity(LIAR);
        let cases = [
            (
                "not invited",
                signed_by(&stranger, 6),
                Violation::Membership,
            ),
            (
                "as the coordinator",
                signed_by(&liar, COORDINATOR_INDEX),
                Violation::Membership,
            ),
            (
                "a stranger's key",
                signed_by(&stranger, LIAR),
                Violation::Signature,
            ),
            (
                "in another partner's name",
                signed_by(&liar, 3),
                Violation::Signature,
            ),
            (
                "of another round",
                tampered(&honest, |m| m.round = other.cohort.context.round()),
                Violation::Misdirected,
            ),
            (
                "changed on the way",
                tampered(&honest, |m| m.signature = flipped(m.signature)),
                Violation::Signature,
            ),
        ];
        for (name, bytes, violation) in cases {
            let refused = put(&mut round, &bytes);
            let expected = Err(Fault::caller(Check::C1, violation));
            assert_eq!(refused, expected, "{name}, {}", phase.word());
        }
        assert_ends_right(&mut round, phase, &ALL);
    }
}

#[test]
fn c1_refuses_a_join_of_another_attempt_replayed() {
    let mut round = round_at(Phase::Join);
    let other = Stepwise::new(
        &CohortOptions {
            attempt: 2,
            ..options(5)
        },
        31,
    );
    let refused = put(&mut round, &other.outgoing(LIAR));
    let expected = Fault::caller(Check::C1, Violation::Misdirected);
    assert_eq!(refused, Err(expected));
    assert_ends_right(&mut round, Phase::Join, &ALL);
}

#[test]
fn c1_refuses_messages_of_phases_that_are_not_open_yet() {
    for phase in [Phase::Join, Phase::Share, Phase::Mask, Phase::Confirm] {
        let mut round = round_at(phase);
        for later in Phase::ALL.into_iter().filter(|later| *later > phase) {
            let early = tampered(&round.outgoing(LIAR), |m| {
                let liar = round.cohort.identity(LIAR);
                m.phase = later;
                m.body = Vec::new().into();
                m.signature = sign_message(&liar, &m.round, later, m.sender, &[]);
            });
            let expected = Fault::partner(Check::C1, LIAR, Violation::PhaseNotOpen);
            assert_eq!(put(&mut round, &early), Err(expected));
        }
        assert_ends_right(&mut round, phase, &ALL);
    }
}

#[test]
fn c1_refuses_whoever_fell_out_before_and_messages_that_come_too_late() {
    for lost in [Phase::Join, Phase::Share, Phase::Mask] {
        let mut round = round_at(lost);
        let late = round.outgoing(5);
        round.lose(5);
        round.collect();
        round.close();
        let expected = Fault::partner(Check::C1, 5, Violation::PhaseNotOpen);
        assert_eq!(put(&mut round, &late), Err(expected), "{}", lost.word());
        round.deliver(lost);
        let next = Phase::ALL[usize::from(lost.number()) + 1];
        let uncalled = tampered(&round.outgoing(1), |m| {
            m.sender = 5;
            m.signature = sign_message(
                &round.cohort.identity(5),
                &m.round,
                m.phase,
                5,
                m.body.as_ref(),
            );
        });
        let expected = Fault::partner(Check::C1, 5, Violation::Membership);
        assert_eq!(put(&mut round, &uncalled), Err(expected), "{}", next.word());
        assert_eq!(put(&mut round, &late).unwrap_err().check, Check::C1);
        assert_ends_right(&mut round, next, &[1, 2, 3, 4]);
    }
}

#[test]
fn c2_refuses_malformed_and_oversized_messages_of_every_phase() {
    for phase in Phase::ALL {
        let mut round = round_at(phase);
        let honest = round.outgoing(LIAR);
        let limit = round.coordinator.message_limit(phase);
        assert!(honest.len() <= limit);
        let oversized = forged_bytes(&round.cohort, &honest, |body| body.resize(limit, 0));
        let outside = [
            ("trailing", [honest.as_slice(), &[0]].concat()),
            ("cut short", honest[..honest.len() - 1].to_vec()),
            ("empty", Vec::new()),
            ("oversized", oversized),
            ("far too large", vec![0; 1 << 20]),
        ];
        for (name, bytes) in outside {
            let expected = Fault::caller(Check::C2, Violation::Encoding);
            assert_eq!(put(&mut round, &bytes), Err(expected), "{name}");
        }
        let inside = [
            forged_bytes(&round.cohort, &honest, |body| body.push(0)),
            forged_bytes(&round.cohort, &honest, |body| {
                body.pop();
            }),
            forged_bytes(&round.cohort, &honest, Vec::clear),
        ];
        for bytes in inside {
            let expected = Fault::partner(Check::C2, LIAR, Violation::Encoding);
            assert_eq!(put(&mut round, &bytes), Err(expected), "{}", phase.word());
        }
        assert_ends_right(&mut round, phase, &ALL);
    }
}

/// A message with a body of `length` bytes that mean nothing, signed by the liar.
fn padded(round: &Stepwise, phase: Phase, length: usize) -> Vec<u8> {
    let liar = round.cohort.identity(LIAR);
    tampered(&round.outgoing(LIAR), |m| {
        m.body = vec![0xff; length].into();
        m.signature = sign_message(&liar, &m.round, phase, m.sender, m.body.as_ref());
    })
}

/// The limits as numbers, so that one that grows is seen: 109 bytes around a body; a share of each of 255 dealers;
/// two ML-KEM ciphertexts of 1,088 bytes in each of five envelopes; eight words of four bytes.
#[test]
fn c2_the_longest_message_of_each_phase_follows_from_what_was_announced() {
    let bodies = [
        4_096,
        512 + 5 * (2 * 1_088 + 512),
        512 + 8 * 4,
        512,
        16 + 255 * 33,
    ];
    for (phase, longest) in Phase::ALL.into_iter().zip(bodies) {
        let mut round = round_at(phase);
        assert_eq!(round.coordinator.message_limit(phase), 109 + longest);
        let bytes = padded(&round, phase, longest);
        assert_eq!(bytes.len(), 109 + longest, "what is around a body");
        let expected = Fault::partner(Check::C2, LIAR, Violation::Encoding);
        assert_eq!(put(&mut round, &bytes), Err(expected), "read, and is wrong");
        let bytes = padded(&round, phase, longest + 1);
        let expected = Fault::caller(Check::C2, Violation::Encoding);
        assert_eq!(put(&mut round, &bytes), Err(expected), "not even read");
    }
}

#[test]
fn c2_refuses_joins_with_unusable_keys() {
    let mut round = round_at(Phase::Join);
    let honest = round.outgoing(LIAR);
    let low_order = forged(&round.cohort, &honest, |b: &mut JoinBody| {
        b.mask.x25519 = HexBytes([0; 32]);
    });
    let short = forged(&round.cohort, &honest, |b: &mut JoinBody| {
        b.channel.ml_kem = vec![1; 12].into();
    });
    for bytes in [low_order, short] {
        let expected = Fault::partner(Check::C2, LIAR, Violation::KeyMaterial);
        assert_eq!(put(&mut round, &bytes), Err(expected));
    }
    assert_ends_right(&mut round, Phase::Join, &ALL);
}

#[test]
fn c2_refuses_shares_that_are_not_what_the_roll_asks_for() {
    let mut round = round_at(Phase::Share);
    let honest = round.outgoing(LIAR);
    let foreign: ShareBody = msht_core::testkit::forge::body_of(&round.outgoing(3));
    let share = |change: &dyn Fn(&mut ShareBody)| {
        forged(&round.cohort, &honest, |b: &mut ShareBody| change(b))
    };
    let liar = round.cohort.identity(LIAR);
    let resealed = |b: &mut ShareBody, change: fn(&mut Envelope)| {
        let mut envelope = b.envelopes[0].envelope.clone();
        change(&mut envelope);
        b.envelopes[0] = signed_envelope(envelope, &liar);
    };
    let cases = [
        (
            "an envelope missing",
            share(&|b| b.envelopes.truncate(3)),
            Violation::Length,
        ),
        (
            "an envelope too many",
            share(&|b| b.envelopes.push(b.envelopes[0].clone())),
            Violation::Length,
        ),
        (
            "envelopes out of order",
            share(&|b| b.envelopes.swap(0, 1)),
            Violation::Misdirected,
        ),
        (
            "another dealer's header",
            share(&|b| b.header = foreign.header.clone()),
            Violation::Misdirected,
        ),
        (
            "a header on another roll",
            share(&|b| {
                let mut header = b.header.header.clone();
                header.roll_digest = flipped(header.roll_digest);
                b.header = signed_header(header, &liar);
            }),
            Violation::DigestMismatch,
        ),
        (
            "an unsigned header",
            share(&|b| b.header.signature = HexBytes([0; 64])),
            Violation::Signature,
        ),
        (
            "an unsigned envelope",
            share(&|b| b.envelopes[2].signature = HexBytes([0; 64])),
            Violation::Signature,
        ),
        (
            "a box of another length",
            share(&|b| resealed(b, |envelope| envelope.sealed = vec![0; 3].into())),
            Violation::Length,
        ),
        (
            "a mask ciphertext where there is none",
            share(&|b| resealed(b, |e| e.mask_ciphertext = e.channel_ciphertext.clone())),
            Violation::Length,
        ),
    ];
    for (name, bytes, violation) in cases {
        let expected = Fault::partner(Check::C2, LIAR, violation);
        assert_eq!(put(&mut round, &bytes), Err(expected), "{name}");
    }
    assert_ends_right(&mut round, Phase::Share, &ALL);
}

#[test]
fn c2_refuses_vectors_and_lists_that_are_not_as_announced() {
    let mut round = round_at(Phase::Mask);
    let honest = round.outgoing(LIAR);
    let mask = |change: &dyn Fn(&mut MaskBody)| {
        forged(&round.cohort, &honest, |b: &mut MaskBody| change(b))
    };
    let resized = |b: &mut MaskBody, by: i64| {
        let mut bytes = b.vector.clone().into_vec();
        let length = i64::try_from(bytes.len()).unwrap() + by;
        bytes.resize(usize::try_from(length).unwrap(), 0);
        b.vector = bytes.into();
    };
    let cases = [
        (
            "a word too many",
            mask(&|b| resized(b, 4)),
            Violation::Length,
        ),
        (
            "a word too few",
            mask(&|b| resized(b, -4)),
            Violation::Length,
        ),
        ("half a word", mask(&|b| resized(b, 2)), Violation::Length),
        ("no vector", mask(&|b| resized(b, -32)), Violation::Length),
        (
            "masked for another U₂",
            mask(&|b| b.dealers_digest = flipped(b.dealers_digest)),
            Violation::DigestMismatch,
        ),
        (
            "naming itself",
            mask(&|b| b.bad_dealers = vec![LIAR]),
            Violation::Membership,
        ),
        (
            "naming a stranger",
            mask(&|b| b.bad_dealers = vec![6]),
            Violation::Membership,
        ),
        (
            "naming twice",
            mask(&|b| b.bad_dealers = vec![1, 1]),
            Violation::Membership,
        ),
        (
            "naming out of order",
            mask(&|b| b.bad_dealers = vec![3, 1]),
            Violation::Membership,
        ),
    ];
    for (name, bytes, violation) in cases {
        let expected = Fault::partner(Check::C2, LIAR, violation);
        assert_eq!(put(&mut round, &bytes), Err(expected), "{name}");
    }
    assert_ends_right(&mut round, Phase::Mask, &ALL);
}

#[test]
fn c2_refuses_confirmations_of_another_set_and_shares_nobody_asked_for() {
    let mut round = round_at(Phase::Confirm);
    let honest = round.outgoing(LIAR);
    let other_set = different(&round, Phase::Confirm, &honest);
    let expected = Fault::partner(Check::C2, LIAR, Violation::DigestMismatch);
    assert_eq!(put(&mut round, &other_set), Err(expected));
    round.collect();
    round.close();
    round.deliver(Phase::Confirm);

    let honest = round.outgoing(LIAR);
    let unmask = |change: &dyn Fn(&mut UnmaskBody)| {
        forged(&round.cohort, &honest, |b: &mut UnmaskBody| change(b))
    };
    let cases = [
        (
            "both kinds of one dealer",
            unmask(&|b| {
                b.self_shares.pop();
                b.mask_shares.push(b.self_shares[0].clone());
            }),
            Violation::BothShares,
        ),
        (
            "a share missing",
            unmask(&|b| {
                b.self_shares.pop();
            }),
            Violation::WrongShares,
        ),
        (
            "a share twice",
            unmask(&|b| b.self_shares[1] = b.self_shares[0].clone()),
            Violation::WrongShares,
        ),
        (
            "the other kind",
            unmask(&|b| {
                let share = b.self_shares.remove(0);
                b.mask_shares.push(share);
            }),
            Violation::WrongShares,
        ),
        (
            "none",
            unmask(&|b| b.self_shares.clear()),
            Violation::WrongShares,
        ),
    ];
    for (name, bytes, violation) in cases {
        let expected = Fault::partner(Check::C2, LIAR, violation);
        assert_eq!(put(&mut round, &bytes), Err(expected), "{name}");
    }
    assert_ends_right(&mut round, Phase::Unmask, &ALL);
}

#[test]
fn c3_answers_the_same_bytes_again_and_never_uses_different_ones() {
    for phase in Phase::ALL {
        let mut round = round_at(phase);
        let honest = round.outgoing(LIAR);
        let second = different(&round, phase, &honest);
        assert_eq!(put(&mut round, &honest), Ok(Receipt::Stored));
        assert_eq!(put(&mut round, &honest), Ok(Receipt::Repeated));
        let expected = Err(Fault::partner(Check::C3, LIAR, Violation::Equivocation));
        assert_eq!(put(&mut round, &second), expected, "{}", phase.word());
        assert_ends_right(&mut round, phase, &ALL);
        assert_eq!(put(&mut round, &honest), Ok(Receipt::NotNeeded));
        assert_eq!(put(&mut round, &second), expected, "after {}", phase.word());
    }
}

#[test]
fn a_confirmation_that_comes_after_t_others_is_not_needed_but_still_checked() {
    let mut round = round_at(Phase::Confirm);
    let late = round.outgoing(5);
    for index in 1..=4 {
        let bytes = round.outgoing(index);
        put(&mut round, &bytes).unwrap();
    }
    round.close();
    assert_eq!(put(&mut round, &late), Ok(Receipt::NotNeeded));
    let other_set = forged(&round.cohort, &late, |b: &mut ConfirmBody| {
        b.survivors.remove(0);
    });
    let expected = Fault::partner(Check::C2, 5, Violation::DigestMismatch);
    assert_eq!(put(&mut round, &other_set), Err(expected));
}
