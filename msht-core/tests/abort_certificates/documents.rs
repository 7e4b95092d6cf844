//! What is a statement and what is a certificate, each with its rejected twins.

use msht_core::dp::accountant::{Outcome, ReturnGround, TombstoneReason};
use msht_core::secagg::{
    Blame, CertificateFault, Check, MAX_CERTIFICATE_BYTES, MAX_STATEMENT_BYTES, Violation,
    check_statement,
};
use msht_core::testkit::forge::{encoded, flipped};

use super::*;

/// The same partners in another attempt at the period: another round.
fn other_round() -> Cohort {
    let options = CohortOptions {
        attempt: 2,
        ..CohortOptions::default()
    };
    let other = Cohort::new(&options, 71);
    assert_ne!(other.context.round(), cohort(5, None).context.round());
    assert_eq!(other.identity(1).key(), cohort(5, None).identity(1).key());
    other
}

/// Something done to a good certificate.
type Change<'a> = &'a dyn Fn(&mut AbortCertificate);

/// With five partners t = 4 and c = 1.
const ENOUGH: [u8; 3] = [1, 3, 5];

#[test]
fn a_statement_that_is_not_its_senders_own_on_this_round_is_refused() {
    let cohort = cohort(5, None);
    let good = statement(&cohort, 2);
    let mut trailing = encoded(&good);
    trailing.push(0);
    let mut tampered = good.clone();
    tampered.signature = flipped(tampered.signature);
    let mut renamed = statement(&cohort, 3);
    renamed.content.partner = 2;
    let cases = [
        (
            "cut short",
            encoded(&good)[1..].to_vec(),
            Check::C2,
            Violation::Encoding,
        ),
        ("longer", trailing, Check::C2, Violation::Encoding),
        (
            "signature changed",
            encoded(&tampered),
            Check::C1,
            Violation::Signature,
        ),
        (
            "another's",
            encoded(&statement(&cohort, 3)),
            Check::C1,
            Violation::Misdirected,
        ),
        (
            "another's, renamed",
            encoded(&renamed),
            Check::C1,
            Violation::Signature,
        ),
        (
            "another round's",
            encoded(&statement(&other_round(), 2)),
            Check::C1,
            Violation::Misdirected,
        ),
    ];
    for (label, bytes, check, violation) in cases {
        let fault = check_statement(&cohort.context, 2, &bytes).unwrap_err();
        assert_eq!(
            (fault.check, fault.violation, fault.blame),
            (check, violation, Blame::Partner(2)),
            "{label}"
        );
    }
    assert!(check_statement(&cohort.context, 2, &encoded(&good)).is_ok());
    assert_eq!(encoded(&good).len(), MAX_STATEMENT_BYTES);
    // Of somebody who is not on the list there is no statement.
    let fault = check_statement(&cohort.context, 6, &encoded(&good)).unwrap_err();
    assert_eq!(fault.check, Check::C1);
}

#[test]
fn a_signature_under_another_label_is_no_statement() {
    let cohort = cohort(5, None);
    let mut forged = statement(&cohort, 2);
    let content = msht_core::secagg::Document::digest(&forged.content).unwrap();
    let label = msht_core::crypto::SignLabel::Abort;
    forged.signature = cohort.identity(2).sign(label, &content);
    let fault = check_statement(&cohort.context, 2, &encoded(&forged)).unwrap_err();
    assert_eq!(fault.violation, Violation::Signature);
}

#[test]
fn a_certificate_with_anything_wrong_in_it_is_refused() {
    let cohort = cohort(5, None);
    let good = certificate(&cohort, &ENOUGH);
    let with = |change: Change<'_>| {
        let mut changed = good.clone();
        change(&mut changed);
        changed.verify(&cohort.context).unwrap_err()
    };
    let (found, needed) = (2, 3);
    let cases: [(&str, CertificateFault, Change<'_>); 9] = [
        (
            "one too few",
            CertificateFault::TooFew { found, needed },
            &|c| {
                c.statements.truncate(2);
            },
        ),
        (
            "nobody",
            CertificateFault::TooFew { found: 0, needed },
            &|c| c.statements.clear(),
        ),
        ("a partner twice", CertificateFault::Membership, &|c| {
            c.statements[1] = c.statements[0].clone();
        }),
        ("out of order", CertificateFault::Membership, &|c| {
            c.statements.swap(0, 1)
        }),
        ("a stranger", CertificateFault::Membership, &|c| {
            c.statements[2].partner = 6
        }),
        ("the coordinator", CertificateFault::Membership, &|c| {
            c.statements[0].partner = 0
        }),
        (
            "one partner's for another",
            CertificateFault::Signature { partner: 4 },
            &|c| {
                c.statements[2].partner = 4;
            },
        ),
        (
            "a signature changed",
            CertificateFault::Signature { partner: 3 },
            &|c| {
                c.statements[1].signature = flipped(c.statements[1].signature);
            },
        ),
        ("another round", CertificateFault::OtherRound, &|c| {
            c.round = other_round().context.round();
        }),
    ];
    for (label, fault, change) in cases {
        assert_eq!(with(change), fault, "{label}");
    }
    // Statements on another round, under this round's name.
    let mut moved = certificate(&other_round(), &ENOUGH);
    moved.round = cohort.context.round();
    let fault = moved.verify(&cohort.context).unwrap_err();
    assert_eq!(fault, CertificateFault::Signature { partner: 1 });
    // An invalid one beside enough valid ones.
    let mut more = certificate(&cohort, &[1, 2, 3, 5]);
    more.statements[1].signature = flipped(more.statements[1].signature);
    let fault = more.verify(&cohort.context).unwrap_err();
    assert_eq!(fault, CertificateFault::Signature { partner: 2 });
    assert!(good.verify(&cohort.context).is_ok());
}

#[test]
fn the_bytes_of_a_certificate_are_read_strictly() {
    let cohort = cohort(5, None);
    let read = |bytes: &[u8]| AbortCertificate::from_bytes(bytes, &cohort.context);
    let bytes = certificate(&cohort, &ENOUGH).to_bytes().unwrap();
    assert!(read(&bytes).is_ok());
    let trailing = [&bytes[..], &[0]].concat();
    let longest = vec![0; MAX_CERTIFICATE_BYTES + 1];
    for wrong in [&bytes[1..], &trailing, &longest, &[]] {
        assert_eq!(read(wrong), Err(CertificateFault::Encoding));
    }
    // The largest cohort's certificate is within the limit, and all of it may sign.
    let everybody: Vec<u8> = (1..=255).collect();
    let large = super::cohort(255, None);
    let bytes = certificate(&large, &everybody).to_bytes().unwrap();
    assert_eq!(bytes.len(), MAX_CERTIFICATE_BYTES);
    assert!(AbortCertificate::from_bytes(&bytes, &large.context).is_ok());
}

#[test]
fn statements_make_a_certificate_once_there_are_enough_in_whatever_order_they_came() {
    let cohort = cohort(5, None);
    let assemble = |partners: &[u8]| {
        let statements = partners.iter().map(|partner| statement(&cohort, *partner));
        AbortCertificate::assemble(&cohort.context, statements)
    };
    assert_eq!(assemble(&[5, 1]).unwrap(), None);
    let made = assemble(&[5, 1, 3]).unwrap().unwrap();
    assert_eq!(*made.certificate(), certificate(&cohort, &ENOUGH));
    assert_eq!(assemble(&[1, 1, 3]), Err(CertificateFault::Membership));
    let other = [statement(&other_round(), 1)];
    let assembled = AbortCertificate::assemble(&cohort.context, other);
    assert_eq!(assembled, Err(CertificateFault::OtherRound));
}

#[test]
fn a_certificate_returns_the_charge_of_its_round_once_and_pays_for_another_attempt() {
    let cohort = cohort(5, None);
    let (round, next) = (cohort.context.round(), other_round().context.round());
    let mut books = Books::charged(round);
    books.keep(books.ledger.tombstone(round, TombstoneReason::Aborted, NOW));
    assert_eq!(books.ledger.outcome(&round), Some(Outcome::Abandoned));
    assert!(!books.can_pay(next));
    let verified = certificate(&cohort, &ENOUGH)
        .verify(&cohort.context)
        .unwrap();
    let evidence = verified.evidence();
    assert_eq!(
        evidence.ground(),
        ReturnGround::AbortCertificate(verified.digest())
    );
    books.keep(books.ledger.give_back(&evidence, NOW));
    assert_eq!(books.ledger.outcome(&round), Some(Outcome::Returned));
    assert!(books.can_pay(next));
    assert!(books.ledger.give_back(&evidence, NOW).is_err(), "twice");
    assert!(books.ledger.charge(round, NOW).is_err(), "the round again");
    assert!(books.ledger.unmask(round, NOW).is_err(), "Unmask after it");

    let mut unmasked = Books::charged(round);
    unmasked.keep(unmasked.ledger.unmask(round, NOW));
    assert!(unmasked.ledger.give_back(&evidence, NOW).is_err());
    let mut other = Books::charged(next);
    other.keep(other.ledger.tombstone(next, TombstoneReason::Aborted, NOW));
    assert!(other.ledger.give_back(&evidence, NOW).is_err());
}
