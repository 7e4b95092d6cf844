//! Single rounds in which one thing goes wrong.

use std::collections::BTreeMap;

use msht_core::secagg::messages::Phase;
use msht_core::secagg::{AbortReason, Params};
use msht_core::testkit::simulation::{Plan, Report, RoundEnd, Simulation};

use crate::campaign::failure;

fn run(plan: Plan) -> Report {
    Simulation::new(plan).run()
}

/// The survivors of a round that held before every oracle.
fn survivors(report: &Report) -> Vec<u8> {
    assert!(report.findings.is_empty(), "{}", failure(report));
    match report.rounds.as_slice() {
        [RoundEnd::Released(survivors)] => survivors.clone(),
        other => panic!("seed {}: not released but {other:?}", report.seed),
    }
}

fn losing(partners: u8, lost: impl IntoIterator<Item = (u8, Phase)>, seed: u64) -> Plan {
    let lost = lost
        .into_iter()
        .map(|(partner, phase)| (partner, (0, phase)));
    Plan {
        lost: lost.collect::<BTreeMap<_, _>>(),
        ..Plan::quiet(partners, seed)
    }
}

#[test]
fn a_quiet_round_opens_the_exact_sum_in_both_word_sizes() {
    for word_bits in [32, 64] {
        for partners in [3, 4, 5, 9, 22] {
            let plan = Plan {
                word_bits,
                ..Plan::quiet(partners, 11)
            };
            let report = run(plan);
            assert_eq!(survivors(&report).len(), usize::from(partners));
            assert!(report.injected.is_empty(), "{:?}", report.injected);
        }
    }
}

#[test]
fn partners_lost_before_any_phase_are_left_out_or_recovered() {
    for phase in Phase::ALL {
        let survivors = survivors(&run(losing(9, [(2, phase), (7, phase)], 12)));
        let expected = phase > Phase::Mask;
        assert_eq!(
            survivors.contains(&2),
            expected,
            "lost before {}",
            phase.word()
        );
        assert_eq!(survivors.len(), if expected { 9 } else { 7 });
    }
}

#[test]
fn partners_lost_one_after_the_other_in_every_phase_end_right() {
    let lost = [
        (1, Phase::Join),
        (5, Phase::Share),
        (9, Phase::Mask),
        (13, Phase::Mask),
        (17, Phase::Confirm),
        (22, Phase::Unmask),
    ];
    assert_eq!(survivors(&run(losing(22, lost, 13))).len(), 18);
}

#[test]
fn one_partner_too_many_lost_aborts_with_the_names_of_the_missing() {
    for phase in Phase::ALL {
        let allowed = 5 - Params::defaults(5).unwrap().least_survivors();
        let gone = 1..=allowed + 1;
        let plan = Plan {
            fair: false,
            ..losing(5, gone.clone().map(|each| (each, phase)), 14)
        };
        let report = run(plan);
        assert!(report.findings.is_empty(), "{}", failure(&report));
        let [RoundEnd::Aborted(abort)] = report.rounds.as_slice() else {
            panic!("lost before {}: {:?}", phase.word(), report.rounds);
        };
        assert!(matches!(abort.reason, AbortReason::TooFew { .. }));
        assert_eq!(abort.phase, phase);
        let names: Vec<String> = gone.map(|each| format!("partner-{each:03}")).collect();
        assert_eq!(abort.missing, names);
    }
}

/// What came back of charges in a run, by what it came back on.
fn returned(report: &Report) -> [u64; 2] {
    [
        "charge returned on a certificate",
        "charge returned to a partner left out",
    ]
    .map(|kind| report.injected.get(kind).copied().unwrap_or_default())
}

/// n = 5, t = 4, c = 1: three statements make a certificate. Before Mask nothing is charged yet; once t − 1 have
/// unmasked too few are left that may sign.
#[test]
fn the_charges_of_a_round_that_was_given_up_come_back_where_enough_are_left_to_sign() {
    let expected = [
        (Phase::Join, [0, 0]),
        (Phase::Share, [0, 0]),
        (Phase::Mask, [3, 0]),
        (Phase::Confirm, [3, 0]),
        (Phase::Unmask, [0, 0]),
    ];
    for (phase, charges) in expected {
        let plan = Plan {
            fair: false,
            ..losing(5, (1..=2).map(|each| (each, phase)), 16)
        };
        let report = run(plan);
        assert!(report.findings.is_empty(), "{}", failure(&report));
        assert!(matches!(report.rounds.as_slice(), [RoundEnd::Aborted(_)]));
        assert_eq!(returned(&report), charges, "lost before {}", phase.word());
    }
}

#[test]
fn sixty_partners_with_every_kind_of_fault_end_right() {
    let mut plan = Plan::quiet(60, 15);
    plan.be_fair(&mut rand::SeedableRng::seed_from_u64(15));
    let report = run(plan);
    let survivors = survivors(&report).len();
    assert!(survivors >= usize::from(Params::defaults(60).unwrap().least_survivors()));
    assert!(!report.injected.is_empty());
}
