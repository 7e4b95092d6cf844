//! The checks of the chaos run hold for a run that was right, and each catches a fault that is planted in it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::verdict::{
    Books, Ended, LONGEST_ROUND, OWN_MANY, Observed, PARTNERS, Verdict, check_end, check_run,
    has_ended, knows_the_end,
};

const EVERYBODY: &str = "released-by-all";
const WITHOUT_P5: &str = "released-without-p5";
const IN_SHARE: &str = "aborted-in-share";
const IN_CONFIRM: &str = "aborted-in-confirm";
const IN_UNMASK: &str = "aborted-in-unmask";

/// The release of these survivors with a little noise on it.
fn release(survivors: &[&str]) -> Value {
    let number = i64::try_from(survivors.len()).unwrap();
    let kinds = OWN_MANY.map(|own| own * number - 3);
    let total = OWN_MANY.iter().sum::<i64>() * number + 4;
    json!({
        "survivors": survivors,
        "tables": [
            { "name": "total", "raw": [total], "interval95": 3.7 },
            { "name": "kind", "raw": kinds, "interval95": 3.7 },
        ],
    })
}

fn released(period: &str, survivors: &[&str]) -> Ended {
    let shown = PARTNERS.map(|partner| (partner.to_owned(), release(survivors)));
    Ended {
        period: period.to_owned(),
        stage: json!({ "state": "released" }),
        releases: shown.into(),
    }
}

fn aborted(period: &str, phase: &str) -> Ended {
    Ended {
        period: period.to_owned(),
        stage: json!({ "state": "aborted", "phase": phase, "missing": ["p4", "p5"] }),
        releases: BTreeMap::new(),
    }
}

fn entry(name: &str, round: &str) -> Value {
    match name {
        "reservation" => json!({ "event": { name: { "charge": { "round": round } } } }),
        _ => json!({ "event": { name: { "round": round } } }),
    }
}

/// What a partner has after the five rounds.
fn books(partner: &str) -> Books {
    let left_out = partner == "p5";
    let took_part = ["reservation", "charged", "unmasked", "released"];
    let lives: [(&str, &[&str]); 5] = [
        (EVERYBODY, &took_part),
        (
            WITHOUT_P5,
            if left_out {
                &["reservation", "tombstone"]
            } else {
                &took_part
            },
        ),
        (IN_SHARE, &["reservation", "tombstone"]),
        (
            IN_CONFIRM,
            &["reservation", "charged", "tombstone", "returned"],
        ),
        (
            IN_UNMASK,
            match partner {
                "p1" | "p2" | "p3" => &["reservation", "charged", "unmasked"],
                _ => &["reservation", "charged", "tombstone"],
            },
        ),
    ];
    let mut entries = vec![json!({ "event": { "approval": { "round": null } } })];
    for (round, life) in lives {
        entries.extend(life.iter().map(|name| entry(name, round)));
    }
    // Both releases and the round that was given up in Unmask cost 2; the next year's round does not count.
    let spent = if left_out { 2 } else { 4 };
    let mut log = format!("Sent {{ round: {EVERYBODY}, phase: Mask }}\n");
    if !left_out {
        log += &format!("Sent {{ round: {WITHOUT_P5}, phase: Mask }}\n");
    }
    Books {
        ledger: json!({ "entries": entries, "spent_this_year": spent }),
        log,
    }
}

fn right() -> Observed {
    let rounds = [
        (EVERYBODY, released("2026-Q1", &PARTNERS)),
        (WITHOUT_P5, released("2026-Q2", &PARTNERS[..4])),
        (IN_SHARE, aborted("2026-Q3", "share")),
        (IN_CONFIRM, aborted("2026-Q3", "confirm")),
        (IN_UNMASK, aborted("2027-Q1", "unmask")),
    ];
    Observed {
        year: "2026".to_owned(),
        rounds: rounds
            .map(|(round, ended)| (round.to_owned(), ended))
            .into(),
        partners: PARTNERS
            .map(|partner| (partner.to_owned(), books(partner)))
            .into(),
    }
}

fn in_every_release(seen: &mut Observed, round: &str, change: impl Fn(&mut Value)) {
    let ended = seen.rounds.get_mut(round).unwrap();
    ended.releases.values_mut().for_each(change);
}

fn entries<'a>(seen: &'a mut Observed, partner: &str) -> &'a mut Vec<Value> {
    let ledger = &mut seen.partners.get_mut(partner).unwrap().ledger;
    ledger["entries"].as_array_mut().unwrap()
}

/// Takes the last entry with this name on a round out of a ledger.
fn forget(seen: &mut Observed, partner: &str, name: &str, round: &str) {
    let list = entries(seen, partner);
    let place = list
        .iter()
        .rposition(|each| *each == entry(name, round))
        .unwrap();
    list.remove(place);
}

fn write(seen: &mut Observed, partner: &str, name: &str, round: &str) {
    entries(seen, partner).push(entry(name, round));
}

fn spent(seen: &mut Observed, partner: &str, by: i64) {
    let counted = &mut seen.partners.get_mut(partner).unwrap().ledger["spent_this_year"];
    *counted = json!(counted.as_i64().unwrap() + by);
}

/// A fault, what it changes in what was seen, and what the check that catches it says.
type Plant = (&'static str, fn(&mut Observed), &'static str);

const RELEASES: [Plant; 8] = [
    (
        "a release below m",
        |seen| in_every_release(seen, WITHOUT_P5, |shown| *shown = release(&PARTNERS[..3])),
        "below m",
    ),
    (
        "a survivor's figures are not in the sum",
        |seen| {
            in_every_release(seen, EVERYBODY, |shown| {
                shown["tables"] = release(&PARTNERS[..4])["tables"].clone();
            });
        },
        "total",
    ),
    (
        "one contribution is in the sum twice",
        |seen| {
            in_every_release(seen, WITHOUT_P5, |shown| {
                shown["tables"] = release(&PARTNERS)["tables"].clone();
            });
        },
        "total",
    ),
    (
        "one cell lacks one partner",
        |seen| {
            in_every_release(seen, EVERYBODY, |shown| {
                shown["tables"][1]["raw"][2] = json!(OWN_MANY[2] * 4);
            });
        },
        "kind",
    ),
    (
        "a survivor twice",
        |seen| {
            in_every_release(seen, WITHOUT_P5, |shown| {
                shown["survivors"][3] = json!("p1")
            })
        },
        "no cohort",
    ),
    (
        "a survivor nobody knows",
        |seen| {
            in_every_release(seen, WITHOUT_P5, |shown| {
                shown["survivors"][3] = json!("p9")
            })
        },
        "no cohort",
    ),
    (
        "two partners have different releases",
        |seen| {
            let shown = &mut seen.rounds.get_mut(EVERYBODY).unwrap().releases;
            *shown.get_mut("p3").unwrap() = release(&PARTNERS[..4]);
        },
        "two releases",
    ),
    (
        "the release of a round that was given up",
        |seen| {
            let ended = seen.rounds.get_mut(IN_CONFIRM).unwrap();
            ended.releases.insert("p1".to_owned(), release(&PARTNERS));
        },
        "a release of",
    ),
];

const ENDS: [Plant; 4] = [
    (
        "a round that was released has no release",
        |seen| seen.rounds.get_mut(EVERYBODY).unwrap().releases.clear(),
        "no release of",
    ),
    (
        "a round that is open at the end of the run",
        |seen| seen.rounds.get_mut(IN_SHARE).unwrap().stage["state"] = json!("open"),
        "no release of",
    ),
    (
        "given up though nobody was missing",
        |seen| seen.rounds.get_mut(IN_CONFIRM).unwrap().stage["missing"] = json!([]),
        "without need or names",
    ),
    (
        "given up for want of somebody nobody knows",
        |seen| seen.rounds.get_mut(IN_CONFIRM).unwrap().stage["missing"] = json!(["p9"]),
        "without need or names",
    ),
];

const BUDGETS: [Plant; 14] = [
    (
        "a round charged twice",
        |seen| write(seen, "p2", "charged", IN_CONFIRM),
        "charged after returned",
    ),
    (
        "a round reserved twice",
        |seen| write(seen, "p2", "reservation", EVERYBODY),
        "reservation after released",
    ),
    (
        "a charge counted twice",
        |seen| spent(seen, "p2", 2),
        "counts 6 as spent, and spent 4",
    ),
    (
        "a charge counted not at all",
        |seen| spent(seen, "p2", -2),
        "counts 2 as spent, and spent 4",
    ),
    (
        "a charge given back after Unmask",
        |seen| write(seen, "p1", "returned", IN_UNMASK),
        "returned after unmasked",
    ),
    (
        "a charge given back though the figures are in the release",
        |seen| {
            forget(seen, "p1", "released", EVERYBODY);
            forget(seen, "p1", "unmasked", EVERYBODY);
            write(seen, "p1", "returned", EVERYBODY);
            spent(seen, "p1", -2);
        },
        "returned in released-by-all",
    ),
    (
        "a charge given back though three of five have unmasked",
        |seen| write(seen, "p4", "returned", IN_UNMASK),
        "3 unmasked, and a charge came back",
    ),
    (
        "the charge of a round in which no Mask was possible stays",
        |seen| {
            forget(seen, "p2", "tombstone", IN_SHARE);
            write(seen, "p2", "charged", IN_SHARE);
            write(seen, "p2", "tombstone", IN_SHARE);
        },
        "abandoned in aborted-in-share",
    ),
    (
        "a reservation stays open",
        |seen| forget(seen, "p3", "tombstone", IN_SHARE),
        "reserved in aborted-in-share",
    ),
    (
        "a charge stays open",
        |seen| {
            forget(seen, "p3", "returned", IN_CONFIRM);
            forget(seen, "p3", "tombstone", IN_CONFIRM);
        },
        "charged in aborted-in-confirm",
    ),
    (
        "a partner in the release never learns of it",
        |seen| forget(seen, "p3", "released", EVERYBODY),
        "unmasked in released-by-all",
    ),
    (
        "a partner in the release has no charge for it",
        |seen| {
            let list = entries(seen, "p4");
            list.retain(|each| !each.to_string().contains(EVERYBODY));
        },
        "none in released-by-all",
    ),
    (
        "budget spent on a round that never was",
        |seen| write(seen, "p4", "reservation", "elsewhere"),
        "never was",
    ),
    (
        "a partner unmasked in a round given up before Unmask",
        |seen| {
            forget(seen, "p1", "returned", IN_CONFIRM);
            forget(seen, "p1", "tombstone", IN_CONFIRM);
            write(seen, "p1", "unmasked", IN_CONFIRM);
        },
        "unmasked in aborted-in-confirm",
    ),
];

const LOSSES: [Plant; 2] = [
    (
        "an acknowledged Mask is not in the sum",
        |seen| {
            let log = &mut seen.partners.get_mut("p5").unwrap().log;
            *log += &format!("Sent {{ round: {WITHOUT_P5}, phase: Mask }}\n");
        },
        "acknowledged Mask of released-without-p5 is lost",
    ),
    (
        "a log in which no Mask is ever seen, so that none could be missed",
        |seen| seen.partners.get_mut("p5").unwrap().log.clear(),
        "never sent a Mask",
    ),
];

#[test]
fn the_checks_of_the_chaos_run_pass_a_right_run_and_catch_every_planted_fault() {
    assert_eq!(check_run(&right()), Ok(()));
    let plants = RELEASES.iter().chain(&ENDS).chain(&BUDGETS).chain(&LOSSES);
    for (fault, plant, says) in plants {
        let mut seen = right();
        plant(&mut seen);
        let caught: Verdict = check_run(&seen);
        assert!(
            caught.as_ref().is_err_and(|why| why.contains(says)),
            "{fault}: {caught:?}, and not: {says}"
        );
    }
}

#[test]
fn a_round_that_never_ends_or_that_a_partner_never_sees_end_is_caught() {
    let open = json!({ "state": "open", "phase": "mask" });
    let soon = LONGEST_ROUND - Duration::from_millis(1);
    assert_eq!(has_ended(&open, soon), Ok(false));
    assert!(
        has_ended(&open, LONGEST_ROUND)
            .unwrap_err()
            .contains("stuck")
    );
    for state in ["released", "aborted"] {
        assert_eq!(
            has_ended(&json!({ "state": state }), LONGEST_ROUND),
            Ok(true)
        );
    }

    let row = |stage: &str, note: &str| json!({ "stage": stage, "note": note });
    let knows = |row: Value, has_end: bool, elapsed| knows_the_end(Some(&row), || has_end, elapsed);
    for (stage, has_end, known) in [
        ("released", false, true),
        ("aborted", false, true),
        ("left-out", true, true),
        ("left-out", false, false),
        ("charged", true, false),
    ] {
        assert_eq!(knows(row(stage, ""), has_end, soon), Ok(known), "{stage}");
        let late = knows(row(stage, ""), has_end, LONGEST_ROUND);
        assert_eq!(late.is_ok(), known, "{stage}: {late:?}");
    }
    assert_eq!(knows_the_end(None, || true, soon), Ok(false));
    assert!(knows_the_end(None, || true, LONGEST_ROUND).is_err());
    for accuses in [row("refused", ""), row("released", "ALARM: two rosters")] {
        assert!(
            knows(accuses, true, soon)
                .unwrap_err()
                .contains("honest coordinator")
        );
    }
}

#[test]
fn the_end_of_a_round_is_checked_as_soon_as_it_has_come() {
    let stage = json!({ "state": "released" });
    assert_eq!(check_end(&stage, Some(&release(&PARTNERS[..4]))), Ok(()));
    assert!(check_end(&stage, Some(&release(&PARTNERS[..3]))).is_err());
    assert!(check_end(&stage, None).is_err());
}
