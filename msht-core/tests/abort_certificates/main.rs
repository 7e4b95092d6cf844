//! Abort certificates: who may sign, what is one, and that no round with one is ever opened.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod counting;
mod documents;
mod sessions;
mod signing;

use msht_core::crypto::Digest;
use msht_core::dp::accountant::{Caps, Charge, ChargeTerms, DataWindow, Ledger, LedgerEntry};
use msht_core::dp::calibration::TableNoise;
use msht_core::rational::Rational;
use msht_core::secagg::{
    AbortCertificate, AbortStatement, LEAST_INVITED, Params, Signed, StatementSignature, Thresholds,
};
use msht_core::testkit::cohort::{Cohort, CohortOptions};
use time::macros::date;

const NOW: i64 = 1_790_000_000;
/// Cohorts up to this size are counted through.
const MOST_COUNTED: u8 = 7;

/// A cohort of `partners` with t = m unless the rules ask for more survivors, and c.
fn cohort(partners: u8, thresholds: Option<Thresholds>) -> Cohort {
    let options = CohortOptions {
        partners,
        thresholds,
        ..CohortOptions::default()
    };
    Cohort::new(&options, 71)
}

/// The statement of `partner`, whether or not it is true.
fn statement(cohort: &Cohort, partner: u8) -> Signed<AbortStatement> {
    let round = cohort.context.round();
    let content = AbortStatement { round, partner };
    Signed::sign(content, &cohort.identity(partner)).unwrap()
}

/// A certificate of these statements, whether or not they are enough.
fn certificate(cohort: &Cohort, partners: &[u8]) -> AbortCertificate {
    let signature_of = |partner: &u8| StatementSignature {
        partner: *partner,
        signature: statement(cohort, *partner).signature,
    };
    AbortCertificate {
        round: cohort.context.round(),
        statements: partners.iter().map(signature_of).collect(),
    }
}

/// Every t and c that the rules allow for n partners, with the smallest m.
fn legal_thresholds(partners: u8) -> Vec<Thresholds> {
    let mut legal = Vec::new();
    for colluders in 1..=partners {
        for threshold in 1..=partners {
            let least_survivors = (threshold..=partners).find(|survivors| {
                let thresholds = Thresholds {
                    threshold,
                    least_survivors: *survivors,
                    colluders,
                };
                Params::new(partners.into(), thresholds).is_ok()
            });
            legal.extend(least_survivors.map(|least_survivors| Thresholds {
                threshold,
                least_survivors,
                colluders,
            }));
        }
    }
    assert!(usize::from(partners) >= LEAST_INVITED && !legal.is_empty());
    legal
}

fn members(set: u32) -> Vec<u8> {
    (0..8u8)
        .filter(|place| set & (1 << place) != 0)
        .map(|place| place + 1)
        .collect()
}

/// A node's ledger, and the budget it holds a round against.
struct Books {
    ledger: Ledger,
}

fn caps() -> Caps {
    Caps {
        per_period: Rational::one(),
        per_year: Rational::one(),
    }
}

fn charge(round: Digest) -> Charge {
    let terms = ChargeTerms {
        data_source: "cases".to_owned(),
        window: DataWindow::new(date!(2026 - 07 - 01), date!(2026 - 09 - 30)).unwrap(),
        programme: "test".to_owned(),
        programme_version: 1,
        round,
        period: "2026-Q3".to_owned(),
        attempt: 1,
        tables: vec![TableNoise {
            name: "cells".to_owned(),
            a: Rational::one(),
            sensitivity: 1,
        }],
        epsilon: Rational::one(),
        total_shape: Rational::one(),
        invited: 5,
        colluders: 1,
        approver: "the test".to_owned(),
    };
    Charge::try_from(terms).unwrap()
}

impl Books {
    fn new() -> Self {
        Self {
            ledger: Ledger::default(),
        }
    }

    fn keep<E: std::fmt::Debug>(&mut self, entry: Result<LedgerEntry, E>) {
        self.ledger.append(&entry.unwrap()).unwrap();
    }

    fn can_pay(&self, round: Digest) -> bool {
        self.ledger.permit(&charge(round), &caps()).is_ok()
    }

    /// Budget set aside for the round.
    fn reserved(round: Digest) -> Self {
        let mut books = Self::new();
        let permit = books.ledger.permit(&charge(round), &caps()).unwrap();
        books.keep(books.ledger.reserve(permit, NOW));
        books
    }

    /// The first byte of Mask may have left.
    fn charged(round: Digest) -> Self {
        let mut books = Self::reserved(round);
        books.keep(books.ledger.charge(round, NOW));
        books
    }
}
