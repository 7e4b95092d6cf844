//! When phases close, and what becomes of the messages that are late for it.

use msht_core::secagg::coordinator::{Progress, Receipt};
use msht_core::secagg::messages::{ConfirmBody, MaskBody, Phase, UnmaskBody, sign_message};
use msht_core::secagg::{AbortReason, Check, Fault, Violation};
use msht_core::testkit::cohort::PHASE_SECONDS;
use msht_core::testkit::forge::{forged, tampered};

use super::{aborted, put, round_at};

#[test]
fn a_phase_closes_at_its_deadline_with_enough_messages_and_earlier_only_where_no_more_are_needed() {
    for phase in Phase::ALL {
        let deadline = PHASE_SECONDS * (i64::from(phase.number()) + 1);
        let mut round = round_at(phase);
        assert_eq!(round.coordinator.deadline(), deadline);
        // Four of five: m, and t, with which Confirm and Unmask are complete.
        round.collect_all_but(5);
        let at_once = phase >= Phase::Confirm;
        let before = round.coordinator.handle_timeout(deadline - 1);
        assert_eq!(before, Ok(at_once), "{}", phase.word());
        let at = round.coordinator.handle_timeout(deadline);
        assert_eq!(at, Ok(!at_once), "{}", phase.word());
        match round.coordinator.progress() {
            Progress::Collecting { phase: next, .. } => {
                assert_eq!(next.number(), phase.number() + 1);
            }
            ended => assert_eq!((phase, ended), (Phase::Unmask, Progress::Opened)),
        }
    }
}

#[test]
fn a_phase_with_too_few_messages_ends_the_round_at_its_deadline() {
    for phase in Phase::ALL {
        let deadline = PHASE_SECONDS * (i64::from(phase.number()) + 1);
        let mut round = round_at(phase);
        for index in 1..=3 {
            let bytes = round.outgoing(index);
            put(&mut round, &bytes).unwrap();
        }
        let before = round.coordinator.handle_timeout(deadline - 1);
        assert_eq!(before, Ok(false), "{}", phase.word());
        assert_eq!(round.coordinator.handle_timeout(deadline), Ok(true));
        let expected = AbortReason::TooFew {
            received: 3,
            needed: 4,
        };
        let abort = aborted(&round);
        assert_eq!(abort.reason, expected, "{}", phase.word());
        assert_eq!(abort.missing, ["partner-004", "partner-005"]);
    }
}

#[test]
fn c5_t_unmask_messages_do_not_open_the_sum_while_a_dealer_has_fewer_shares() {
    let mut round = round_at(Phase::Mask);
    let slander = forged(&round.cohort, &round.outgoing(3), |b: &mut MaskBody| {
        b.bad_dealers = vec![1];
    });
    put(&mut round, &slander).unwrap();
    round.collect_all_but(3);
    round.close();
    round.deliver(Phase::Mask);
    round.collect();
    round.close();
    round.deliver(Phase::Confirm);
    let consistent = forged(&round.cohort, &round.outgoing(3), |b: &mut UnmaskBody| {
        b.self_shares.retain(|share| share.dealer != 1);
    });
    put(&mut round, &consistent).unwrap();
    round.lose(3);
    round.lose(5);
    round.collect();
    let deadline = 5 * PHASE_SECONDS;
    assert_eq!(round.coordinator.handle_timeout(deadline - 1), Ok(false));
    assert_eq!(round.coordinator.handle_timeout(deadline), Ok(true));
    let expected = AbortReason::TooFew {
        received: 4,
        needed: 4,
    };
    assert_eq!(aborted(&round).reason, expected);
}

#[test]
fn c1_a_late_confirmation_or_unmask_counts_for_nothing_and_only_a_survivors_is_answered() {
    let mut round = round_at(Phase::Mask);
    round.lose(5);
    round.advance_to(Phase::Confirm);
    let late = round.outgoing(4);
    // Partner 5 confirms the set it is not in, in the very words of a survivor.
    let outsider = tampered(&late, |m| {
        let identity = round.cohort.identity(5);
        m.sender = 5;
        m.signature = sign_message(&identity, &m.round, m.phase, 5, m.body.as_ref());
    });
    let other_set = forged(&round.cohort, &late, |b: &mut ConfirmBody| {
        b.survivors.remove(0);
    });
    let too_late = Err(Fault::partner(Check::C1, 5, Violation::PhaseNotOpen));
    round.collect();
    round.close();
    assert_eq!(put(&mut round, &outsider), too_late, "after Confirm");
    round.deliver(Phase::Confirm);
    let unmask = tampered(&round.outgoing(4), |m| {
        let identity = round.cohort.identity(5);
        m.sender = 5;
        m.signature = sign_message(&identity, &m.round, m.phase, 5, m.body.as_ref());
    });
    round.collect();
    round.close();
    assert!(round.coordinator.opened().is_some());
    assert_eq!(put(&mut round, &outsider), too_late, "after Unmask");
    assert_eq!(put(&mut round, &unmask), too_late, "an outsider's Unmask");
    let second = Err(Fault::partner(Check::C3, 4, Violation::Equivocation));
    assert_eq!(put(&mut round, &other_set), second);
}

#[test]
fn a_survivors_first_confirmation_or_unmask_after_the_sum_is_open_is_not_needed_but_still_checked()
{
    let mut round = round_at(Phase::Confirm);
    let confirm = round.outgoing(5);
    round.collect_all_but(5);
    round.close();
    round.deliver(Phase::Confirm);
    let unmask = round.outgoing(5);
    round.collect_all_but(5);
    round.close();
    assert!(round.coordinator.opened().is_some());
    assert_eq!(put(&mut round, &confirm), Ok(Receipt::NotNeeded));
    assert_eq!(put(&mut round, &unmask), Ok(Receipt::NotNeeded));
    let other_set = forged(&round.cohort, &confirm, |b: &mut ConfirmBody| {
        b.survivors.remove(0);
    });
    let expected = Fault::partner(Check::C2, 5, Violation::DigestMismatch);
    assert_eq!(put(&mut round, &other_set), Err(expected));
}
