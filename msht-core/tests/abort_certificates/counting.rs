//! Counted through for every cohort up to seven, every t and c that the rules allow, every set of liars and every
//! set of signers: with a certificate made, fewer than t partners can ever give a share.

use super::*;

/// Most partners that can ever give a share, once `signers` have signed and `liars` among all do what they like:
/// the liars, and every honest partner that has not signed.
fn can_give_shares(everybody: u32, signers: u32, liars: u32) -> u32 {
    (everybody & (liars | !signers)).count_ones()
}

/// Sets of signers that the real check accepts as a certificate.
fn accepted_sets(cohort: &Cohort, everybody: u32) -> Vec<u32> {
    let is_certificate = |set: &u32| {
        let certificate = certificate(cohort, &members(*set));
        certificate.verify(&cohort.context).is_ok()
    };
    (0..=everybody).filter(is_certificate).collect()
}

fn liars_within(everybody: u32, colluders: u8) -> impl Iterator<Item = u32> {
    (0..=everybody).filter(move |liars| liars.count_ones() <= u32::from(colluders))
}

#[test]
fn no_certificate_of_any_small_round_leaves_t_partners_that_could_give_shares() {
    let mut counted = 0u32;
    for partners in 3..=MOST_COUNTED {
        let everybody = (1u32 << partners) - 1;
        for thresholds in legal_thresholds(partners) {
            let cohort = cohort(partners, Some(thresholds));
            let threshold = u32::from(thresholds.threshold);
            let accepted = accepted_sets(&cohort, everybody);
            // One can be made without somebody, whoever that is: a round is not lost with one partner.
            let needed = cohort.context.params().statements_needed();
            assert!(needed < partners, "{partners} {thresholds:?}");
            assert!(!accepted.is_empty());
            for signers in accepted {
                assert!(signers.count_ones() >= u32::from(needed));
                for liars in liars_within(everybody, thresholds.colluders) {
                    let could = can_give_shares(everybody, signers, liars);
                    assert!(
                        could < threshold,
                        "{partners} {thresholds:?} {signers:b} {liars:b}"
                    );
                    counted += 1;
                }
            }
        }
    }
    println!("{counted} certificates and sets of liars counted");
    assert!(counted > 10_000, "{counted}");
}

/// The twin: one statement fewer is not enough, so the number is the least that is safe.
#[test]
fn one_statement_fewer_would_leave_t_partners_that_could_give_shares() {
    for partners in 3..=MOST_COUNTED {
        let everybody = (1u32 << partners) - 1;
        for thresholds in legal_thresholds(partners) {
            let cohort = cohort(partners, Some(thresholds));
            let fewer = u32::from(cohort.context.params().statements_needed()) - 1;
            let signers = (1u32 << fewer) - 1;
            assert!(
                certificate(&cohort, &members(signers))
                    .verify(&cohort.context)
                    .is_err()
            );
            let opened = liars_within(everybody, thresholds.colluders).any(|liars| {
                can_give_shares(everybody, signers, liars) >= u32::from(thresholds.threshold)
            });
            assert!(opened, "{partners} {thresholds:?}");
        }
    }
}
