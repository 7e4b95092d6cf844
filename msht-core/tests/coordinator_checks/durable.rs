//! C4: accepted, then durable, then acknowledged or served; and the same round again from what was durable.

use std::sync::Arc;

use msht_core::secagg::coordinator::{CoordinatorRecord, CoordinatorSession, Progress};
use msht_core::secagg::messages::Phase;
use msht_core::secagg::{Check, Fault, Violation};
use msht_core::testkit::stepwise::Stepwise;

use super::{aborted, assert_ends_right, options, round_at};

fn resumed(round: &Stepwise) -> CoordinatorSession {
    let context = Arc::clone(&round.cohort.context);
    let identity = Arc::clone(&round.cohort.coordinator);
    CoordinatorSession::resume(context, identity, round.records.iter().cloned()).unwrap()
}

#[test]
fn c4_every_accepted_message_leaves_its_own_bytes_as_a_record() {
    for phase in Phase::ALL {
        let mut round = round_at(phase);
        let bytes = round.outgoing(1);
        round.coordinator.handle_message(&bytes).unwrap();
        let records = round.coordinator.take_records();
        assert_eq!(
            records,
            [CoordinatorRecord::Accepted(bytes.as_slice().into())]
        );
        assert!(round.coordinator.take_records().is_empty(), "given once");
    }
}

#[test]
fn c4_nothing_is_served_while_a_record_waits() {
    let mut round = round_at(Phase::Share);
    for index in 1..=5 {
        let bytes = round.outgoing(index);
        round.coordinator.handle_message(&bytes).unwrap();
    }
    assert!(round.coordinator.message_for(Phase::Join, 1).is_none());
    round.coordinator.close_now().unwrap();
    assert!(round.coordinator.message_for(Phase::Share, 1).is_none());
    assert!(!round.coordinator.take_records().is_empty());
    assert!(round.coordinator.message_for(Phase::Share, 1).is_some());
}

#[test]
fn c4_a_coordinator_restored_at_every_phase_sends_the_same_bytes_and_ends_right() {
    for phase in Phase::ALL {
        for closed in [false, true] {
            let mut round = Stepwise::new(&options(5), 32);
            round.advance_to(phase);
            round.collect();
            if closed {
                round.close();
            }
            let mut again = resumed(&round);
            assert!(again.take_records().is_empty());
            assert_eq!(again.progress(), round.coordinator.progress());
            for earlier in Phase::ALL {
                for index in round.cohort.context.indices() {
                    assert_eq!(
                        again.message_for(earlier, index),
                        round.coordinator.message_for(earlier, index),
                        "{} of {index}",
                        earlier.word()
                    );
                }
            }
            assert_eq!(again.opened(), round.coordinator.opened());
            round.coordinator = again;
            if !closed {
                assert_ends_right(&mut round, phase, &[1, 2, 3, 4, 5]);
            }
        }
    }
}

#[test]
fn c4_an_aborted_round_stays_aborted_and_damaged_records_are_refused() {
    let mut round = round_at(Phase::Mask);
    round.lose(1);
    round.lose(2);
    round.collect();
    round.close();
    let abort = aborted(&round);
    assert_eq!(abort.missing, ["partner-001", "partner-002"]);
    assert_eq!(resumed(&round).progress(), Progress::Aborted(abort));

    let (context, identity) = (
        Arc::clone(&round.cohort.context),
        Arc::clone(&round.cohort.coordinator),
    );
    let mut misnamed = round.records.clone();
    let closed = misnamed
        .iter_mut()
        .find(|record| **record == CoordinatorRecord::Closed(Phase::Join));
    *closed.unwrap() = CoordinatorRecord::Closed(Phase::Share);
    let misnamed = CoordinatorSession::resume(context, identity, misnamed);
    let expected = Fault::caller(Check::C4, Violation::PhaseNotOpen);
    assert_eq!(misnamed.map(|_| ()), Err(expected));

    round.records.remove(2);
    let context = Arc::clone(&round.cohort.context);
    let identity = Arc::clone(&round.cohort.coordinator);
    let damaged = CoordinatorSession::resume(context, identity, round.records.clone());
    assert!(damaged.is_err(), "a join is missing from the store");
}
