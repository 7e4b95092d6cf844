//! Charges that come back: abort certificates, and releases without a partner.
//!
//! With five partners t = 4 and c = 1: three statements make a certificate.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use msht_node::agent::{Agent, AgentEvent, Stopped};
use msht_node::node::Node;
use msht_node::surroundings::Surroundings;
use serde_json::Value;
use sqlx::Connection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

use crate::world::{LONG, World};

const EVERYBODY: [&str; 5] = ["p1", "p2", "p3", "p4", "p5"];
const BEFORE_CONFIRM: [&str; 3] = ["join", "share", "mask"];

/// Steps these partners until each of the phases has closed, closing what waits for others.
fn through(world: &World, round: &str, partners: &[&str], phases: &[&str]) {
    for phase in phases {
        for partner in partners {
            if world.status(round)["phase"] == *phase {
                world.step(partner);
            }
        }
        if world.status(round)["phase"] == *phase {
            world.coordinator(["round", "close", round]).ok();
        }
    }
}

fn abort(world: &World, round: &str) {
    world.coordinator(["round", "close", round, "--abort"]).ok();
}

/// What the partner's ledger says happened, oldest first, decisions left out.
fn events(world: &World, partner: &str) -> Vec<String> {
    let ledger = world.node(partner, &["ledger", "--json"]).ok().json();
    let entries = ledger["entries"].as_array().unwrap().clone();
    let name = |entry: &Value| {
        entry["event"]
            .as_object()
            .unwrap()
            .keys()
            .next()
            .unwrap()
            .clone()
    };
    entries
        .iter()
        .map(name)
        .filter(|name| !["approval", "governance"].contains(&name.as_str()))
        .collect()
}

/// Why the last charge came back.
fn ground(world: &World, partner: &str) -> String {
    let ledger = world.node(partner, &["ledger", "--json"]).ok().json();
    let last = ledger["entries"]
        .as_array()
        .unwrap()
        .last()
        .unwrap()
        .clone();
    let ground = last["event"]["returned"]["ground"]
        .as_object()
        .unwrap()
        .clone();
    ground.keys().next().unwrap().clone()
}

/// The statements that are in, and whether there is a certificate.
fn statements(world: &World, round: &str) -> (Vec<String>, bool) {
    let status = world
        .coordinator(["round", "status", round, "--json"])
        .ok()
        .json();
    let statements = &status["abort_statements"];
    assert_eq!(statements["needed"], 3);
    let received = statements["received"].as_array().unwrap().iter();
    let received = received.map(|id| id.as_str().unwrap().to_owned());
    (received.collect(), statements["certificate"] == true)
}

#[test]
fn an_aborted_rounds_charges_come_back_and_pay_for_a_second_attempt_within_the_same_caps() {
    let mut world = World::with_partners(5);
    let round = world.open("2025-Q1", LONG);
    world.approve(&EVERYBODY, &round);
    through(&world, &round, &EVERYBODY, &BEFORE_CONFIRM);
    assert_eq!(world.status(&round)["phase"], "confirm");
    abort(&world, &round);
    let charged = ["reservation", "charged", "tombstone"];
    for partner in ["p1", "p2"] {
        world.step(partner).ok();
        assert_eq!(events(&world, partner), charged);
    }
    assert_eq!(
        statements(&world, &round),
        (vec!["p1".to_owned(), "p2".to_owned()], false)
    );
    let told = world.coordinator(["round", "status", &round]).ok().out;
    assert!(told.contains("abort statements (2 of 3): p1, p2"), "{told}");

    // Two are not enough: the second attempt at the period cannot be paid for, and what is in survives a restart.
    world.kill_and_restart_coordinator();
    let again = world.open("2025-Q1", LONG);
    world.approve(&EVERYBODY, &again);
    world.step("p1").fails(7, &["cap"]);
    assert_eq!(events(&world, "p1"), charged);

    // The third makes the certificate, and takes its own charge back in the same step.
    let returned = [&charged[..], &["returned"]].concat();
    world.step("p3").ok();
    assert!(statements(&world, &round).1);
    for partner in EVERYBODY {
        world.step(partner).ok();
        let (first_round, second) = (&events(&world, partner)[..4], &events(&world, partner)[4..]);
        assert_eq!(first_round, returned, "{partner}");
        assert_eq!(
            second.first().map(String::as_str),
            Some("reservation"),
            "{partner}"
        );
    }
    assert_eq!(statements(&world, &round).0, EVERYBODY);
    let told = world.node("p1", &["status", "--json"]).ok().json();
    assert_eq!(told["rounds"][0]["budget"], "returned");
    assert_eq!(told["rounds"][0]["abort_statement"], true);
    let told = world.node("p1", &["ledger"]).ok().out;
    assert!(told.contains("abort certificate"), "{told}");

    through(
        &world,
        &again,
        &EVERYBODY,
        &["share", "mask", "confirm", "unmask"],
    );
    assert_eq!(world.ended(&again)["state"], "released");
    for partner in EVERYBODY {
        world.step(partner).ok();
        let all = events(&world, partner);
        let once = all.iter().filter(|name| *name == "returned").count();
        assert_eq!(
            (once, all.last().map(String::as_str)),
            (1, Some("released")),
            "{all:?}"
        );
    }
}

#[test]
fn where_partners_have_unmasked_they_sign_nothing_and_no_charge_comes_back() {
    let world = World::with_partners(5);
    let round = world.open("2025-Q1", LONG);
    world.approve(&EVERYBODY, &round);
    through(
        &world,
        &round,
        &EVERYBODY,
        &["join", "share", "mask", "confirm"],
    );
    let unmasked = ["p1", "p2", "p3"];
    for partner in unmasked {
        world.step(partner).ok();
    }
    abort(&world, &round);
    for partner in EVERYBODY {
        world.step(partner).ok();
        world.step(partner).ok();
        let last = events(&world, partner).pop();
        let expected = if unmasked.contains(&partner) {
            "unmasked"
        } else {
            "tombstone"
        };
        assert_eq!(last.as_deref(), Some(expected), "{partner}");
    }
    assert_eq!(
        statements(&world, &round),
        (vec!["p4".to_owned(), "p5".to_owned()], false)
    );
}

#[test]
fn a_charge_comes_back_from_a_release_without_the_partner() {
    let world = World::with_partners(5);
    let round = world.open("2025-Q1", LONG);
    world.approve(&EVERYBODY, &round);
    through(&world, &round, &EVERYBODY, &["join", "share"]);
    through(&world, &round, &EVERYBODY[..4], &["mask"]);
    assert_eq!(world.status(&round)["phase"], "confirm");
    // Its Mask is made, charged and refused: the phase has closed without it.
    world.step("p5");
    assert_eq!(events(&world, "p5"), ["reservation", "charged"]);
    through(&world, &round, &EVERYBODY[..4], &["confirm", "unmask"]);
    assert_eq!(world.ended(&round)["state"], "released");
    for partner in ["p5", "p1"] {
        world.step(partner).ok();
        world.step(partner).ok();
    }
    let all = ["reservation", "charged", "tombstone", "returned"];
    assert_eq!(events(&world, "p5"), all);
    assert_eq!(ground(&world, "p5"), "confirmed-without");
    assert_eq!(
        events(&world, "p1"),
        ["reservation", "charged", "unmasked", "released"]
    );
}

/// Runs the agent in this process, with a clock that many seconds ahead, and stops it dead at an event.
fn run_here(
    world: &World,
    partner: &str,
    ahead: i64,
    stop: impl Fn(&AgentEvent) -> bool + Send + Sync + 'static,
) -> Stopped {
    let home = world.path(partner);
    let observer = Arc::new(move |event: &AgentEvent| match stop(event) {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    });
    let system = Surroundings::system();
    let clock = system.clone();
    let surroundings = Surroundings::new(move || clock.now() + ahead, move || system.generator());
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let node = Node::open(&home, surroundings).await.unwrap();
        let mut agent = Agent::observed(Arc::new(node), observer);
        agent.run_once().await.unwrap()
    })
}

fn stopped_at(world: &World, partner: &str, stop: fn(&AgentEvent) -> bool) {
    assert_eq!(run_here(world, partner, 0, stop), Stopped::ByObserver);
}

/// Runs a statement on the partner's vault, as nobody but a test does.
fn tamper(vault: PathBuf, statement: &'static str) {
    // On a thread of its own, because an agent may be at work on this one.
    let done = std::thread::spawn(move || {
        tokio::runtime::Runtime::new().unwrap().block_on(async {
            let options = SqliteConnectOptions::new().filename(vault);
            let mut vault = SqliteConnection::connect_with(&options).await.unwrap();
            sqlx::query(statement).execute(&mut vault).await.unwrap();
            vault.close().await.unwrap();
        });
    });
    done.join().unwrap();
}

fn vault(world: &World, partner: &str) -> PathBuf {
    world.path(partner).join("vault.sqlite")
}

#[test]
fn no_statement_leaves_before_the_tombstone_is_durable_and_one_does_after_a_crash_in_between() {
    let world = World::with_partners(5);
    let round = world.open("2025-Q1", LONG);
    world.approve(&EVERYBODY, &round);
    through(&world, &round, &EVERYBODY, &BEFORE_CONFIRM);
    abort(&world, &round);

    // The disk refuses the tombstone: nothing is signed, nothing is sent.
    tamper(
        vault(&world, "p1"),
        "CREATE TRIGGER full BEFORE INSERT ON ledger BEGIN SELECT RAISE(ABORT, 'full'); END",
    );
    world.step("p1");
    assert_eq!(events(&world, "p1"), ["reservation", "charged"]);
    assert!(statements(&world, &round).0.is_empty());
    tamper(vault(&world, "p1"), "DROP TRIGGER full");

    // Killed when the tombstone is durable and the statement not sent: sent when it is back.
    let tombstoned = ["reservation", "charged", "tombstone"];
    stopped_at(&world, "p1", |event| {
        matches!(event, AgentEvent::Ended { .. })
    });
    assert_eq!(events(&world, "p1"), tombstoned);
    assert!(statements(&world, &round).0.is_empty());
    world.step("p1").ok();
    assert_eq!(statements(&world, &round).0, ["p1"]);

    // Killed when the statement has arrived: it counts once, and the charge still comes back once.
    stopped_at(&world, "p2", |event| {
        matches!(event, AgentEvent::Stated { .. })
    });
    world.step("p2").ok();
    world.step("p3").ok();
    assert_eq!(
        statements(&world, &round),
        (vec!["p1".to_owned(), "p2".into(), "p3".into()], true)
    );
    stopped_at(&world, "p1", |event| {
        matches!(event, AgentEvent::Returned { .. })
    });
    for partner in ["p1", "p2", "p3", "p1", "p2", "p3"] {
        world.step(partner).ok();
        let all = [&tombstoned[..], &["returned"]].concat();
        assert_eq!(events(&world, partner), all, "{partner}");
        assert_eq!(ground(&world, partner), "abort-certificate");
    }
}

#[test]
fn a_partner_that_gives_up_at_its_last_deadline_signs_and_pays_if_its_figures_are_released_after_all()
 {
    let world = World::with_partners(5);
    let round = world.open("2025-Q1", LONG);
    world.approve(&EVERYBODY, &round);
    through(&world, &round, &EVERYBODY, &BEFORE_CONFIRM);
    // Six hours ahead the round is over for this partner; the coordinator and the others have time.
    let six_hours = 6 * 3_600;
    assert_eq!(run_here(&world, "p5", six_hours, |_| false), Stopped::Done);
    assert_eq!(
        events(&world, "p5"),
        ["reservation", "charged", "tombstone"]
    );
    assert_eq!(statements(&world, &round), (vec!["p5".to_owned()], false));
    through(&world, &round, &EVERYBODY[..4], &["confirm", "unmask"]);
    assert_eq!(world.ended(&round)["state"], "released");
    for _ in 0..2 {
        world.step("p5").ok();
        let all = ["reservation", "charged", "tombstone", "released"];
        assert_eq!(events(&world, "p5"), all);
    }
}

/// Two agents at work on one vault: whoever gave the round up may have signed that it never unmasks.
#[test]
fn a_round_that_was_given_up_meanwhile_is_not_joined_any_more() {
    let world = World::with_partners(3);
    let first = world.open("2025-Q1", LONG);
    world
        .node("p1", &["approve", &first, "--by", "the test", "--standing"])
        .ok();
    abort(&world, &first);
    let joins = |given_up_meanwhile: bool, period| {
        let round = world.open(period, LONG);
        let path = vault(&world, "p1");
        let meanwhile = move |event: &AgentEvent| {
            let announced =
                matches!(event, AgentEvent::Waiting { note, .. } if note == "announced");
            if announced && given_up_meanwhile {
                tamper(path.clone(), "UPDATE rounds SET stage = 'left-out'");
            }
            false
        };
        assert_eq!(run_here(&world, "p1", 0, meanwhile), Stopped::Done);
        let joined = events(&world, "p1") == ["reservation"];
        abort(&world, &round);
        joined
    };
    assert!(!joins(true, "2025-Q2"));
    assert!(joins(false, "2025-Q3"));
}
