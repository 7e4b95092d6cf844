//! Each oracle notices a fault that is planted, and nothing where the same run has none.

use std::collections::BTreeMap;

use msht_core::secagg::Thresholds;
use msht_core::secagg::messages::Phase;
use msht_core::testkit::simulation::{
    HOUR, Hazard, Oracle, Plan, Planted, Report, RoundEnd, Simulation,
};

use crate::campaign::failure;

/// Seeds tried where a planted fault needs a crash at the right moment.
const TRIES: u64 = 40;

fn quiet(planted: Planted) -> Plan {
    Plan {
        planted: Some(planted),
        ..Plan::quiet(5, 21)
    }
}

/// Nodes are killed often, and messages lost, so that most are sent again after a restart.
fn with_kills(planted: Planted, seed: u64) -> Plan {
    let mut plan = Plan {
        seed,
        ..quiet(planted)
    };
    plan.node_kills = Hazard {
        per_mille: 250,
        most: 6,
        longest_s: HOUR,
    };
    plan.weather.lost_per_mille = 300;
    plan
}

fn run(plan: Plan) -> Report {
    Simulation::new(plan).run()
}

/// The oracle notices the planted fault, and says nothing of the same run without it.
fn assert_noticed(oracle: Oracle, plan: &Plan) -> Report {
    let healthy = run(Plan {
        planted: None,
        ..plan.clone()
    });
    assert!(healthy.findings.is_empty(), "{}", failure(&healthy));
    let report = run(plan.clone());
    assert!(
        report.found(oracle),
        "{:?}: {:?} not noticed",
        plan.planted,
        oracle
    );
    report
}

/// The same where it takes a kill at the right moment: in one of a few seeds.
fn assert_noticed_in_some(oracle: Oracle, planted: Planted) {
    let mut noticed = 0;
    for seed in 0..TRIES {
        let plan = with_kills(planted, seed);
        let healthy = run(Plan {
            planted: None,
            ..plan.clone()
        });
        assert!(healthy.findings.is_empty(), "{}", failure(&healthy));
        noticed += u32::from(run(plan).found(oracle));
        if noticed >= 3 {
            return;
        }
    }
    panic!("{planted:?}: {oracle:?} noticed it in {noticed} of {TRIES} seeds");
}

#[test]
fn oracle_1_notices_a_partner_that_is_counted_twice() {
    assert_noticed(Oracle::EachSurvivorOnce, &quiet(Planted::CountsTwice));
}

#[test]
fn oracle_2_notices_both_kinds_of_share_from_restored_copies() {
    assert_noticed(Oracle::OneKindOfShare, &quiet(Planted::RestoredCopies));
}

#[test]
fn oracle_3_notices_a_second_payload_after_a_restart() {
    assert_noticed_in_some(Oracle::OnePayload, Planted::CountsAgainAfterRestart);
}

#[test]
fn oracle_3_notices_fresh_seeds_after_sending_before_storing() {
    assert_noticed_in_some(Oracle::OnePayload, Planted::SendsBeforeStoring);
}

#[test]
fn oracle_4_notices_bytes_that_leave_before_the_budget_is_reserved() {
    assert_noticed(Oracle::BudgetFirst, &quiet(Planted::SendsBeforeStoring));
}

#[test]
fn oracle_4_notices_a_ledger_that_forgets_a_charge() {
    assert_noticed_in_some(Oracle::BudgetFirst, Planted::ForgetsCharge);
}

/// The coordinator gives a round up after Mask; its word is no certificate.
#[test]
fn oracle_4_notices_a_charge_that_comes_back_on_the_coordinators_word() {
    let lost = (1..=2).map(|partner| (partner, (0, Phase::Confirm)));
    let plan = Plan {
        fair: false,
        lost: lost.collect::<BTreeMap<_, _>>(),
        ..quiet(Planted::TakesChargeBack)
    };
    let report = assert_noticed(Oracle::BudgetFirst, &plan);
    assert!(matches!(report.rounds.as_slice(), [RoundEnd::Aborted(_)]));
}

/// Two of five are lost before Confirm or before Unmask: the round is given up, and the three that are left sign that
/// they never unmask where they never did. Three are needed for a certificate.
fn given_up(planted: Planted, phase: Phase) -> Plan {
    let lost = (1..=2).map(|partner| (partner, (0, phase)));
    Plan {
        fair: false,
        lost: lost.collect(),
        ..quiet(planted)
    }
}

#[test]
fn oracle_4_notices_a_charge_that_comes_back_on_too_few_statements() {
    let plan = given_up(Planted::AcceptsAnyCertificate, Phase::Confirm);
    let report = assert_noticed(Oracle::BudgetFirst, &plan);
    let back = |text: &str| report.findings.iter().any(|each| each.what.contains(text));
    assert!(back("has its charge of round"), "{}", failure(&report));
}

#[test]
fn oracle_4_notices_a_node_that_signs_after_unmask() {
    let plan = given_up(Planted::SignsAfterUnmask, Phase::Unmask);
    let report = assert_noticed(Oracle::BudgetFirst, &plan);
    let signed = |text: &str| report.findings.iter().any(|each| each.what.contains(text));
    assert!(
        signed("signed that it never unmasked"),
        "{}",
        failure(&report)
    );
}

/// Killed often, and put back to copies of before.
fn with_restores(planted: Option<Planted>, seed: u64) -> Plan {
    let mut plan = with_kills(Planted::RestoredGoesOn, seed);
    plan.planted = planted;
    plan.fair = false;
    plan.node_restores = Hazard {
        per_mille: 500,
        most: 1,
        longest_s: HOUR,
    };
    plan
}

#[test]
fn oracle_4_notices_a_restored_node_that_goes_on() {
    let noticed = (0..TRIES).any(|seed| {
        let healthy = run(with_restores(None, seed));
        assert!(healthy.findings.is_empty(), "{}", failure(&healthy));
        let report = run(with_restores(Some(Planted::RestoredGoesOn), seed));
        let findings = report.findings.iter();
        findings
            .filter(|each| each.oracle == Oracle::BudgetFirst)
            .any(|each| each.what.ends_with("left under an older ledger"))
    });
    assert!(noticed, "none of {TRIES} seeds");
}

/// Seven partners, m = 6 in the programme, two lost before Join.
fn below_least(planted: Planted) -> Plan {
    let thresholds = Thresholds {
        threshold: 5,
        least_survivors: 6,
        colluders: 2,
    };
    let lost = (1..=2).map(|partner| (partner, (0, Phase::Join)));
    Plan {
        thresholds: Some(thresholds),
        fair: false,
        lost: lost.collect(),
        planted: Some(planted),
        ..Plan::quiet(7, 22)
    }
}

#[test]
fn oracle_5_notices_a_release_below_m() {
    let report = assert_noticed(Oracle::OneRelease, &below_least(Planted::ClosesBelowLeast));
    assert_eq!(report.rounds, [RoundEnd::Released(vec![3, 4, 5, 6, 7])]);
}

#[test]
fn a_smaller_m_than_the_programmes_comes_to_nothing_where_nodes_compare() {
    let report = run(below_least(Planted::AnnouncesBelowLeast));
    assert!(report.findings.is_empty(), "{}", failure(&report));
    assert!(matches!(report.rounds.as_slice(), [RoundEnd::Aborted(_)]));
}

#[test]
fn oracle_5_notices_a_second_survivor_set() {
    let report = assert_noticed(Oracle::OneRelease, &quiet(Planted::RestoredCopies));
    let findings = report.findings.iter();
    let two_sets = findings.filter(|each| each.what.starts_with("one round opened over"));
    assert_eq!(two_sets.count(), 1);
}

#[test]
fn oracle_6_notices_a_scheduler_that_starves() {
    assert_noticed(Oracle::Liveness, &quiet(Planted::Starves));
}

#[test]
fn oracle_7_notices_a_contribution_without_noise() {
    assert_noticed(Oracle::EnoughNoise, &quiet(Planted::FreezesWithoutNoise));
}

#[test]
fn oracle_7_notices_noise_that_is_used_again() {
    let plan = Plan {
        rounds: 2,
        ..quiet(Planted::ReusesNoise)
    };
    assert_noticed(Oracle::EnoughNoise, &plan);
}

/// With m below programme's the shares are sized for more honest survivors than there are.
#[test]
fn oracle_7_notices_too_few_honest_shares() {
    assert_noticed(Oracle::EnoughNoise, &below_least(Planted::ClosesBelowLeast));
}
