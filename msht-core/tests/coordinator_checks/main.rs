//! The coordinator's checks C1 to C6 against partners that hold real keys and lie.
//!
//! Every refused message leaves the round as it was: the right one is accepted afterwards and the sum is exact.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod closing;
mod dealing;
mod durable;
mod messages;

use msht_core::secagg::coordinator::{Progress, Receipt};
use msht_core::secagg::messages::Phase;
use msht_core::secagg::{Abort, Fault};
use msht_core::testkit::cohort::CohortOptions;
use msht_core::testkit::stepwise::Stepwise;

fn options(partners: u8) -> CohortOptions {
    CohortOptions {
        partners,
        ..CohortOptions::default()
    }
}

fn round_at(phase: Phase) -> Stepwise {
    let mut round = Stepwise::new(&options(5), 31);
    round.advance_to(phase);
    round
}

/// Hands a message in; a refused one must leave no record.
fn put(round: &mut Stepwise, bytes: &[u8]) -> Result<Receipt, Fault> {
    let result = round.coordinator.handle_message(bytes);
    let records = round.coordinator.take_records();
    assert_eq!(records.is_empty(), result != Ok(Receipt::Stored));
    round.records.extend(records);
    result
}

/// Goes on honestly from wherever the round is; the sum must be that of whoever is still there.
fn assert_ends_right(round: &mut Stepwise, from: Phase, survivors: &[u8]) {
    for phase in Phase::ALL.into_iter().filter(|phase| *phase >= from) {
        round.collect();
        round.close();
        if phase != Phase::Unmask {
            round.deliver(phase);
        }
    }
    let opened = round.coordinator.opened().unwrap();
    assert_eq!(opened.confirm.survivors, survivors);
    assert_eq!(opened.sum, round.cohort.expected_sum(survivors));
}

fn aborted(round: &Stepwise) -> Abort {
    let Progress::Aborted(abort) = round.coordinator.progress() else {
        panic!("not aborted: {:?}", round.coordinator.progress());
    };
    abort
}
