//! N5: the roll.

use super::*;

fn forged_join(
    round: &Stepwise,
    join: &SignedMessage,
    change: impl FnOnce(&mut JoinBody),
) -> SignedMessage {
    opened(&forged(&round.cohort, &encoded(join), change))
}

/// Who is on the roll.
fn membership_cases(round: &Stepwise) -> Vec<Case> {
    let honest = round.incoming(Phase::Join, VICTIM);
    let roll = |change: &dyn Fn(&mut RollBody)| forged(&round.cohort, &honest, |b| change(b));
    let stranger = Identity::from_seed(Secret::from_bytes([9; 32])).unwrap();
    vec![
        (
            "a member who was not invited",
            roll(&|b| {
                let mut join = b.joins[0].clone();
                join.sender = 6;
                join.signature = sign_message(
                    &stranger,
                    &join.round,
                    join.phase,
                    join.sender,
                    join.body.as_ref(),
                );
                b.joins.push(join);
            }),
            Violation::Membership,
        ),
        (
            "the coordinator as a member",
            roll(&|b| b.joins[0].sender = COORDINATOR_INDEX),
            Violation::Membership,
        ),
        (
            "ourselves missing",
            roll(&|b| {
                b.joins.remove(1);
            }),
            Violation::SelfMissing,
        ),
        (
            "a partner twice",
            roll(&|b| b.joins.insert(0, b.joins[0].clone())),
            Violation::Membership,
        ),
        (
            "out of order",
            roll(&|b| b.joins.swap(3, 4)),
            Violation::Membership,
        ),
        (
            "fewer than m",
            roll(&|b| b.joins.truncate(3)),
            Violation::TooFew,
        ),
    ]
}

/// What its members joined with.
fn join_cases(round: &Stepwise) -> Vec<Case> {
    let honest = round.incoming(Phase::Join, VICTIM);
    let roll = |change: &dyn Fn(&mut RollBody)| forged(&round.cohort, &honest, |b| change(b));
    let second_attempt = CohortOptions {
        attempt: 2,
        ..options(5)
    };
    let old = Stepwise::new(&second_attempt, 21);
    let (replayed, ours_elsewhere) = (opened(&old.outgoing(1)), opened(&old.outgoing(VICTIM)));
    vec![
        (
            "our own join changed, as by a copy of this machine",
            roll(&|b| b.joins[1] = forged_join(round, &b.joins[1], |join| join.ledger_length += 1)),
            Violation::SelfChanged,
        ),
        (
            "our own join of another attempt",
            roll(&|b| b.joins[1] = ours_elsewhere.clone()),
            Violation::Misdirected,
        ),
        (
            "a join with a bad signature",
            roll(&|b| b.joins[0].signature = flipped(b.joins[0].signature)),
            Violation::Signature,
        ),
        (
            "two joins swapped",
            roll(&|b| {
                let first = b.joins[0].body.clone();
                b.joins[0].body = b.joins[2].body.clone();
                b.joins[2].body = first;
            }),
            Violation::Signature,
        ),
        (
            "a join of another round replayed",
            roll(&|b| b.joins[0] = replayed.clone()),
            Violation::Misdirected,
        ),
        (
            "a key of low order",
            roll(&|b| {
                b.joins[0] = forged_join(round, &b.joins[0], |join| {
                    join.mask.x25519 = HexBytes([0; 32]);
                });
            }),
            Violation::KeyMaterial,
        ),
        (
            "a malformed encapsulation key",
            roll(&|b| {
                b.joins[0] = forged_join(round, &b.joins[0], |join| {
                    join.channel.ml_kem = vec![0xff; 1184].into();
                });
            }),
            Violation::KeyMaterial,
        ),
    ]
}

#[test]
fn n5_refuses_every_roll_but_the_right_one() {
    let mut round = round_at_reply(Phase::Join);
    let mut cases = outer_cases(&round, Phase::Join);
    cases.extend(membership_cases(&round));
    cases.extend(join_cases(&round));
    assert_refused(&mut round, Phase::Join, Check::N5, cases);
}
