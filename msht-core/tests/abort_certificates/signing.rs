//! Who may sign that it never unmasked, and when.

use msht_core::dp::accountant::TombstoneReason;
use msht_core::secagg::{NotSigned, Standing, check_statement, may_sign_abort};

use super::*;

fn standing(ledger: &Ledger) -> Standing<'_> {
    Standing {
        ledger,
        given_up: true,
        erased: true,
        quarantined: false,
    }
}

fn tombstone(books: &mut Books, round: Digest) {
    let reason = TombstoneReason::Aborted;
    books.keep(books.ledger.tombstone(round, reason, NOW));
}

#[test]
fn a_node_signs_once_tombstone_and_erasure_are_durable_and_not_before() {
    let cohort = cohort(5, None);
    let round = cohort.context.round();
    let ask = |standing: &Standing<'_>| {
        may_sign_abort(&cohort.context, "partner-002", standing).map(|_| ())
    };
    for mut books in [Books::reserved(round), Books::charged(round)] {
        // Not even where the shell says that all is done: the ledger is the judge.
        assert_eq!(ask(&standing(&books.ledger)), Err(NotSigned::StillGoing));
        tombstone(&mut books, round);
        let done = standing(&books.ledger);
        let (given_up, erased) = (false, false);
        assert_eq!(
            ask(&Standing { given_up, ..done }),
            Err(NotSigned::StillGoing)
        );
        assert_eq!(ask(&Standing { erased, ..done }), Err(NotSigned::NotErased));
        assert_eq!(ask(&done), Ok(()));
    }
    // A node that never joined has nothing to tombstone, and gives the round up for good.
    let nothing = Ledger::default();
    assert_eq!(ask(&standing(&nothing)), Ok(()));
    let given_up = false;
    let may_join = Standing {
        given_up,
        ..standing(&nothing)
    };
    assert_eq!(ask(&may_join), Err(NotSigned::StillGoing));
}

#[test]
fn a_node_that_unmasked_never_signs() {
    let cohort = cohort(5, None);
    let round = cohort.context.round();
    let mut books = Books::charged(round);
    books.keep(books.ledger.unmask(round, NOW));
    let ask =
        |ledger: &Ledger| may_sign_abort(&cohort.context, "partner-002", &standing(ledger)).err();
    assert_eq!(ask(&books.ledger), Some(NotSigned::Unmasked));
    books.keep(books.ledger.release(round, Digest::ZERO, NOW));
    assert_eq!(ask(&books.ledger), Some(NotSigned::Released));
}

#[test]
fn a_node_that_was_restored_from_a_copy_never_signs() {
    let cohort = cohort(5, None);
    let mut books = Books::charged(cohort.context.round());
    tombstone(&mut books, cohort.context.round());
    let quarantined = Standing {
        quarantined: true,
        ..standing(&books.ledger)
    };
    let ask = |standing| may_sign_abort(&cohort.context, "partner-002", standing).err();
    assert_eq!(ask(&quarantined), Some(NotSigned::Quarantined));
    assert_eq!(ask(&standing(&books.ledger)), None);
}

#[test]
fn a_partner_that_is_not_invited_does_not_sign() {
    let cohort = cohort(5, None);
    let ledger = Ledger::default();
    let asked = may_sign_abort(&cohort.context, "partner-006", &standing(&ledger));
    assert_eq!(asked.err(), Some(NotSigned::NotInvited));
}

#[test]
fn a_statement_has_the_same_bytes_each_time_and_is_the_coordinators_to_accept() {
    let cohort = cohort(5, None);
    let ledger = Ledger::default();
    let sign = || {
        let may = may_sign_abort(&cohort.context, "partner-002", &standing(&ledger)).unwrap();
        may.sign(&cohort.identity(2)).unwrap()
    };
    assert_eq!(sign(), sign());
    let accepted = check_statement(&cohort.context, 2, &sign()).unwrap();
    assert_eq!(*accepted.as_signed(), statement(&cohort, 2));
}
