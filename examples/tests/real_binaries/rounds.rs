//! Rounds in which processes are killed and partners are lost.

use serde_json::Value;

use crate::world::{LONG, OWN, World, names, wait_for};

const EVERYBODY: [&str; 5] = ["p1", "p2", "p3", "p4", "p5"];
const PHASES: [&str; 5] = ["join", "share", "mask", "confirm", "unmask"];
/// Half-widths of 95 % that noise stays within but for less than once in 10⁹. Five shares of a third each have tails
/// that fall like x^(2/3)·e^(−ax), and a half-width is at least 2.9/a: nine are beyond 26/a.
const WIDTHS: f64 = 9.0;

/// The release as `partner` has it, accepted by both programs, with counts near the truth.
pub(crate) fn checked_release(world: &World, partner: &str, round: &str) -> Value {
    let release = verified_release(world, partner, round);
    check_sum(&release, OWN).unwrap();
    release
}

/// The release as `partner` has it, accepted by both programs.
pub(crate) fn verified_release(world: &World, partner: &str, round: &str) -> Value {
    let shown = world.node(partner, &["releases", "--show", round]).ok();
    world.write("release.json", &shown.out);
    let file = world.path("release.json");
    let file = file.to_str().unwrap();
    world.node(partner, &["verify", file]).ok();
    world.coordinator(["verify", file]).ok();
    content_of(shown.json())
}

/// What a release says, without its signature.
pub(crate) fn content_of(document: Value) -> Value {
    match document["tables"].is_array() {
        true => document,
        false => document["content"].clone(),
    }
}

/// Whether every table is near the sum of its survivors, each of whom has `own` records by category.
pub(crate) fn check_sum(release: &Value, own: [i64; 3]) -> Result<(), String> {
    let survivors = i64::try_from(names(&release["survivors"]).len()).unwrap();
    for (table, truth) in [("total", vec![own.iter().sum()]), ("kind", own.to_vec())] {
        let tables = release["tables"].as_array().unwrap();
        let found = tables.iter().find(|each| each["name"] == table).unwrap();
        let width = found["interval95"].as_f64().unwrap();
        let raw = found["raw"].as_array().unwrap();
        if raw.len() != truth.len() {
            return Err(format!("{table}: {} cells", raw.len()));
        }
        for (raw, own) in raw.iter().zip(truth) {
            let error = raw.as_f64().unwrap() - f64::from(i32::try_from(own * survivors).unwrap());
            if error.abs() > WIDTHS * width {
                return Err(format!("{table}: {error} with half-width {width}"));
            }
        }
    }
    Ok(())
}

pub(crate) fn is_ours(world: &World, partner: &str, round: &str) -> bool {
    let releases = world.node(partner, &["releases", "--json"]).ok().json();
    let releases = releases.as_array().unwrap().clone();
    releases
        .iter()
        .any(|each| each["round"] == round && each["ours"] == true)
}

#[test]
fn a_round_ends_right_though_both_sides_are_killed() {
    let mut world = World::with_partners(5);
    let round = world.open("2025-Q1", LONG);
    world.approve(&EVERYBODY, &round);
    let mut first = world.run("p1");
    for phase in PHASES {
        wait_for(phase, || {
            let stage = world.status(&round);
            (stage["phase"] == phase && names(&stage["received"]).contains(&"p1")).then_some(())
        });
        world.kill_and_restart_coordinator();
        first.kill();
        // Nobody else moves before this, so the phase is still open and nothing received is lost.
        assert_eq!(world.status(&round)["phase"], phase);
        assert!(names(&world.status(&round)["received"]).contains(&"p1"));
        first = world.run("p1");
        for partner in ["p5", "p4", "p3", "p2"] {
            if world.status(&round)["phase"] == phase {
                world.step(partner).ok();
            }
        }
    }
    assert_eq!(world.ended(&round)["state"], "released");
    wait_for("the agent to have the release", || {
        is_ours(&world, "p1", &round).then_some(())
    });
    for partner in EVERYBODY {
        world.step(partner).ok();
        assert!(is_ours(&world, partner, &round), "{partner}");
        let release = checked_release(&world, partner, &round);
        assert_eq!(names(&release["survivors"]), EVERYBODY);
    }
    let told = world.node("p1", &["releases"]).ok().out;
    assert!(told.contains("your figures were in it"), "{told}");
}

/// Steps `there` and, before them, `lost` for the first `kept` phases; then closes what waits for the lost alone.
fn drive(world: &World, round: &str, lost: &[&str], kept: usize) -> Value {
    let there: Vec<&str> = EVERYBODY
        .into_iter()
        .filter(|id| !lost.contains(id))
        .collect();
    let step = |partners: &[&str]| {
        for partner in partners {
            world.step(partner);
        }
    };
    for phase in PHASES.iter().take(kept) {
        assert_eq!(world.status(round)["phase"], *phase);
        // The lost go first and nobody moves once the phase has closed, so that at most one partner is a message
        // ahead: the lost send this phase's message and cannot see that it has closed.
        step(lost);
        for partner in &there {
            if world.status(round)["phase"] == *phase {
                step(&[partner]);
            }
        }
    }
    let mut waited = 0;
    wait_for("the round to end", || {
        step(&there);
        let stage = world.status(round);
        if stage["state"] != "open" {
            return (stage["state"] != "opened").then_some(stage);
        }
        let awaited = names(&stage["awaited"]);
        if !awaited.is_empty() && awaited.iter().all(|id| lost.contains(id)) {
            world.coordinator(["round", "close", round]).ok();
            waited += 1;
        }
        assert!(
            waited <= PHASES.len(),
            "closed more often than there are phases"
        );
        None
    })
}

#[test]
fn partners_lost_in_each_phase_one_after_the_other_end_right_or_abort_with_names() {
    let world = World::with_partners(5);
    // With five partners one may be lost, whenever that is. Who has sent Mask is in the sum.
    let periods = ["2025-Q1", "2025-Q2", "2025-Q3", "2025-Q4", "2026-Q1"];
    for (kept, period) in periods.iter().enumerate() {
        let round = world.open(period, LONG);
        world.approve(&EVERYBODY, &round);
        assert_eq!(
            drive(&world, &round, &["p5"], kept)["state"],
            "released",
            "{period}"
        );
        for partner in EVERYBODY {
            world.step(partner).ok();
        }
        let release = checked_release(&world, "p1", &round);
        let in_it = kept >= 3;
        let expected = if in_it {
            &EVERYBODY[..]
        } else {
            &EVERYBODY[..4]
        };
        assert_eq!(names(&release["survivors"]), expected, "{period}");
        assert_eq!(is_ours(&world, "p5", &round), in_it, "{period}");
    }
}

#[test]
fn a_round_that_loses_too_many_is_given_up_with_their_names() {
    let world = World::with_partners(5);
    let lost = ["p4", "p5"];
    // Before Mask is sent an attempt costs nothing, so the same period can be tried again.
    for (period, kept) in [
        ("2025-Q1", 0),
        ("2025-Q1", 1),
        ("2025-Q1", 2),
        ("2025-Q2", 3),
        ("2025-Q3", 4),
    ] {
        let round = world.open(period, LONG);
        world.approve(&EVERYBODY, &round);
        let stage = drive(&world, &round, &lost, kept);
        assert_eq!(stage["state"], "aborted", "{kept}: {stage}");
        assert_eq!(stage["phase"], PHASES[kept], "{stage}");
        assert_eq!(names(&stage["missing"]), lost, "{stage}");
        world
            .coordinator(["round", "close", &round])
            .fails(1, &["has ended"]);
        for partner in EVERYBODY {
            world.step(partner).ok();
            let told = world.node(partner, &["status"]).ok().out;
            assert!(told.contains("missing: p4, p5"), "{told}");
        }
    }
}
