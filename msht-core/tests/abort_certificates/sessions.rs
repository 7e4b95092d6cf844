//! Real sessions: c liars unmask *and* sign; everybody else does one of the two. Where a certificate can be made the
//! round does not open, and where the round opens there is no certificate.

use std::sync::Arc;

use msht_core::secagg::coordinator::{CoordinatorSession, Progress};
use msht_core::secagg::messages::Phase;
use msht_core::testkit::stepwise::Stepwise;

use super::*;

/// A round in which everybody has confirmed: its Unmask messages, each still unsent.
fn confirmed(cohort: Cohort) -> (Stepwise, Vec<Vec<u8>>) {
    let mut round = Stepwise::of(cohort);
    round.advance_to(Phase::Unmask);
    let indices: Vec<u8> = round.nodes.keys().copied().collect();
    let unmasks = indices.iter().map(|index| round.outgoing(*index)).collect();
    (round, unmasks)
}

/// The round with the Unmask of these partners and of nobody else, at its last deadline.
fn opens_with(round: &Stepwise, unmasks: &[Vec<u8>], partners: &[u8]) -> bool {
    let cohort = &round.cohort;
    let mut coordinator = CoordinatorSession::resume(
        Arc::clone(&cohort.context),
        Arc::clone(&cohort.coordinator),
        round.records.iter().cloned(),
    )
    .unwrap();
    for partner in partners {
        let message = &unmasks[usize::from(*partner) - 1];
        coordinator.handle_message(message).unwrap();
    }
    coordinator.close_now().unwrap();
    match coordinator.progress() {
        Progress::Opened => true,
        Progress::Aborted(abort) => {
            assert_eq!(abort.phase, Phase::Unmask);
            false
        }
        Progress::Collecting { .. } => panic!("still open at its last deadline"),
    }
}

#[test]
fn no_round_with_a_certificate_is_opened_and_no_opened_round_has_one() {
    let (mut opened, mut certified, mut neither) = (0, 0, 0);
    for partners in 3..=MOST_COUNTED {
        for thresholds in legal_thresholds(partners) {
            let (round, unmasks) = confirmed(cohort(partners, Some(thresholds)));
            let liars: Vec<u8> = (1..=thresholds.colluders).collect();
            // Of the honest, the first `unmasking` unmask and the others sign.
            for unmasking in 0..=partners - thresholds.colluders {
                let last = thresholds.colluders + unmasking;
                let unmask: Vec<u8> = (1..=last).collect();
                let sign: Vec<u8> = liars.iter().copied().chain(last + 1..=partners).collect();
                let opens = opens_with(&round, &unmasks, &unmask);
                let forged = certificate(&round.cohort, &sign).verify(&round.cohort.context);
                match (opens, forged.is_ok()) {
                    (true, true) => panic!("{partners} {thresholds:?}, {unmasking} unmask"),
                    (true, false) => opened += 1,
                    (false, true) => certified += 1,
                    (false, false) => neither += 1,
                }
            }
        }
    }
    println!("{opened} rounds opened, {certified} with a certificate, {neither} with neither");
    assert!(opened > 0 && certified > 0);
    // The two conditions meet: there is no gap in which honest partners that all signed or all unmasked get neither.
    assert_eq!(neither, 0);
}
