//! Bad input: each has an exit code by its kind, says what and what next, and loses nothing.

use std::fs;
use std::process::Command;

use msht_core::crypto::{IDENTITY_KEY_BYTES, IdentityKey};
use msht_core::wire::Invite;

use crate::world::{Done, LONG, MAPPING, World, finish};

/// A word that must not be repeated to a screen.
const PRIVATE: &str = "Zanzibar";
/// A period that nobody joins in: as short as the coordinator allows.
const SHORT: &str = "1s,1s,1s,1s,1s";

fn check(world: &World) -> Done {
    world.node("p1", &["check", "small"])
}

#[test]
fn records_and_files_that_are_not_right_are_located_and_cost_nothing() {
    let world = World::with_partners(1);
    check(&world).ok();
    let before = world.node("p1", &["ledger", "--json"]).ok().out;
    let good = fs::read_to_string(world.path("p1/records.csv")).unwrap();

    world.write(
        "p1/records.csv",
        &good.replacen("date,kind", "date,sort", 1),
    );
    check(&world).fails(4, &["kind", "records.csv"]);
    world.write("p1/records.csv", &good.replacen("labour", PRIVATE, 1));
    let unknown = check(&world);
    unknown.fails(4, &["records.csv", "line 2", "kind"]);
    assert!(!format!("{unknown:?}").contains(PRIVATE), "{unknown:?}");
    fs::remove_file(world.path("p1/records.csv")).unwrap();
    check(&world).fails(4, &["records.csv", "cannot be opened"]);
    world.write("p1/records.csv", &good);

    world.write("p1/mapping.toml", &MAPPING.replace("format =", "format"));
    check(&world).fails(4, &["mapping.toml", "line 3"]);
    world.write("p1/mapping.toml", &MAPPING.replace("\"iso\"", "\"julian\""));
    check(&world).fails(4, &["mapping.toml", "line 3", "julian"]);
    world.write("p1/mapping.toml", MAPPING);

    let settings = fs::read_to_string(world.path("p1/node.toml")).unwrap();
    world.write("p1/node.toml", &format!("[vault\n{settings}"));
    check(&world).fails(3, &["node.toml", "line 1"]);
    world.write("p1/node.toml", &format!("colour = 1\n{settings}"));
    world
        .node("p1", &["run", "--once"])
        .fails(3, &["node.toml", "line 1", "colour"]);
    world.write("p1/node.toml", &settings);

    check(&world).ok();
    assert_eq!(world.node("p1", &["ledger", "--json"]).ok().out, before);
}

#[test]
fn a_programme_that_is_not_right_is_not_published() {
    let world = World::start();
    let before = world.coordinator(["programme", "list"]).ok().out;
    let good = fs::read_to_string(world.path("programme.toml")).unwrap();
    let file = world.path("bad.toml");
    let publish = || world.coordinator(["programme", "publish", file.to_str().unwrap()]);
    world.write("bad.toml", &good.replace("[cohort]", "[cohort"));
    publish().fails(4, &["line"]);
    world.write(
        "bad.toml",
        &good.replace("dimensions = [\"kind\"]", "dimensions = [\"sort\"]"),
    );
    publish().fails(4, &["sort"]);
    world.write("bad.toml", &good.replace("A small", "Another small"));
    publish().fails(4, &["version 1"]);
    assert_eq!(world.coordinator(["programme", "list"]).ok().out, before);
}

#[test]
fn an_invite_that_is_not_right_enrols_nobody_and_a_right_one_still_does() {
    let world = World::start();
    let text = world.invite("p1");
    let good: Invite = text.parse().unwrap();
    let enrol = |invite: &str| world.node("p1", &["enrol", invite]);

    enrol("hello").fails(4, &["not an invite"]);
    enrol(&text[..text.len() - 3]).fails(4, &["damaged"]);
    let mut expired = good.clone();
    expired.expires_at = 1;
    enrol(&expired.to_string()).fails(4, &["expired"]);
    assert!(!world.path("p1").exists());

    let mut unknown = good.clone();
    unknown.token.0[0] ^= 1;
    enrol(&unknown.to_string()).fails(4, &["unknown or already used"]);
    let mut other = good.clone();
    other.coordinator = IdentityKey::from_bytes([4; IDENTITY_KEY_BYTES]);
    let fingerprint = other.coordinator.fingerprint().to_string();
    enrol(&other.to_string()).fails(6, &[&fingerprint, "nothing was sent"]);

    let all = world.coordinator(["roster"]).ok().out;
    assert!(!all.contains("p1"), "{all}");
    enrol(&text).ok();
    world
        .node("p2", &["enrol", &text])
        .fails(4, &["unknown or already used"]);
    world.node("p3", &["status"]).fails(3, &["node.toml"]);
}

#[test]
fn a_port_in_use_and_a_directory_in_use_are_told_apart() {
    let world = World::start();
    let again = ["serve", "--listen", "127.0.0.1:0"];
    world.coordinator(again).fails(1, &["already running"]);
    let quic = world.quic().to_string();
    world.other_coordinator(&["init", "--address", &quic]).ok();
    world
        .other_coordinator(&["serve", "--listen", &quic])
        .fails(6, &[&quic]);
}

#[test]
fn without_a_decision_a_round_waits_and_over_budget_it_is_not_joined() {
    let world = World::with_partners(3);
    let round = world.open("2025-Q1", LONG);
    world.step("p1").fails(5, &["waits for a decision"]);
    let settings = fs::read_to_string(world.path("p1/node.toml")).unwrap();
    let small = settings.replace("epsilon_per_period = 2", "epsilon_per_period = 0.5");
    world.write("p1/node.toml", &small);
    world.approve(&["p1"], &round);
    world.step("p1").fails(7, &["cap"]);
    let status = world.node("p1", &["status"]).ok().out;
    assert!(
        status.contains("announced") && status.contains("cap"),
        "{status}"
    );
    let reserves = || {
        let ledger = world.node("p1", &["ledger", "--json"]).ok().json();
        ledger["entries"].to_string().contains("eservation")
    };
    assert!(!reserves());
    world.write("p1/node.toml", &settings);
    world.step("p1").ok();
    assert!(reserves());
    assert!(world.status(&round)["received"].to_string().contains("p1"));
}

#[test]
fn a_round_that_nobody_joins_is_given_up_with_everybodys_name_and_can_be_tried_again() {
    let world = World::with_partners(3);
    let round = world.open("2025-Q1", SHORT);
    let stage = world.ended(&round);
    assert_eq!(stage["state"], "aborted");
    assert_eq!(stage["phase"], "join");
    assert_eq!(stage["missing"].to_string(), r#"["p1","p2","p3"]"#);
    let next = world.open("2025-Q1", LONG);
    let told = world
        .coordinator(["round", "status", &next, "--json"])
        .ok()
        .json();
    assert_eq!(told["attempt"], 2);
}

/// A command that sees this folder read-only, whoever runs it; none where the system allows no such view.
fn read_only(world: &World, folder: &str, command: &Command) -> Option<Done> {
    let script =
        "mount --bind \"$0\" \"$0\" && mount -o remount,ro,bind \"$0\" || exit 99; exec \"$@\"";
    ["-m", "-rm"].into_iter().find_map(|flags| {
        let mut view = Command::new("unshare");
        view.args([flags, "sh", "-c", script])
            .arg(world.path(folder));
        view.arg(command.get_program()).args(command.get_args());
        let done = finish(view);
        (done.code != 99 && !done.err.contains("unshare failed")).then_some(done)
    })
}

#[test]
fn a_read_only_disk_is_said_and_loses_nothing() {
    let world = World::with_partners(1);
    let before = world.node("p1", &["ledger", "--json"]).ok().out;
    let Some(node) = read_only(&world, "p1", &world.node_command("p1", &["run", "--once"])) else {
        eprintln!("not tested: this system allows no read-only view of a folder");
        return;
    };
    node.fails(3, &["vault"]);
    let invite = ["invite", "p9", "--name", "Nine", "--kind", "ngo"];
    let coordinator = read_only(&world, "coordinator", &world.coordinator_command(invite)).unwrap();
    coordinator.fails(3, &["readonly"]);
    let serve = ["serve", "--listen", "127.0.0.1:0"];
    let serve = read_only(&world, "coordinator", &world.coordinator_command(serve)).unwrap();
    serve.fails(3, &["coordinator"]);
    world.step("p1").ok();
    assert_eq!(world.node("p1", &["ledger", "--json"]).ok().out, before);
    world.invite("p9");
}
