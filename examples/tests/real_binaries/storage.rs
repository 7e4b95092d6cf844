//! Vaults and databases that are put back, copied, or have no room: nothing acknowledged is lost, nothing is sent
//! that is not durable, and what may be an older copy stops itself.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::world::{Done, LONG, World, finish, wait_for};

const EVERYBODY: [&str; 5] = ["p1", "p2", "p3", "p4", "p5"];

fn text(path: &std::path::Path) -> &str {
    path.to_str().unwrap()
}

fn received(world: &World, round: &str) -> Vec<String> {
    let stage = world.status(round);
    let list = stage["received"].as_array().cloned().unwrap_or_default();
    list.iter()
        .map(|id| id.as_str().unwrap().to_owned())
        .collect()
}

/// Steps `partners` while this phase is open.
fn through(world: &World, round: &str, phase: &str, partners: &[&str]) {
    for partner in partners {
        if world.status(round)["phase"] == phase {
            world.step(partner).ok();
        }
    }
}

/// Steps `partners` until the round has ended, and closes what nobody goes on with; returns how it ended.
fn to_the_end(world: &World, round: &str, partners: &[&str]) -> Value {
    let mut before = Value::Null;
    wait_for("the round to end", || {
        for partner in partners {
            world.step(partner);
        }
        let stage = world.status(round);
        if stage["state"] == "open" && stage == before {
            world.coordinator(["round", "close", round]).ok();
        }
        before = stage.clone();
        ["released", "aborted"]
            .contains(&stage["state"].as_str()?)
            .then_some(stage)
    })
}

fn events(world: &World, partner: &str) -> Vec<String> {
    let ledger = world.node(partner, &["ledger", "--json"]).ok().json();
    let entries = ledger["entries"].as_array().unwrap().clone();
    entries
        .iter()
        .flat_map(|entry| entry["event"].as_object().unwrap().keys().cloned())
        .collect()
}

fn backup(world: &World, partner: &str, file: &str) {
    let file = world.path(file);
    world.node(partner, &["backup", text(&file)]).ok();
}

fn restore(world: &World, partner: &str, file: &str) {
    let file = world.path(file);
    world
        .node(partner, &["restore", text(&file)])
        .fails(3, &["--replace"]);
    world
        .node(partner, &["restore", text(&file), "--replace"])
        .ok();
}

#[test]
fn a_node_restored_from_before_mask_stops_itself_and_the_round_ends_without_it() {
    let world = World::with_partners(5);
    let round = world.open("2025-Q1", LONG);
    world.approve(&EVERYBODY, &round);
    for phase in ["join", "share"] {
        through(&world, &round, phase, &["p5", "p4", "p3", "p2", "p1"]);
    }
    assert_eq!(world.status(&round)["phase"], "mask");
    backup(&world, "p5", "old.sqlite");
    world.step("p5").ok();
    assert!(received(&world, &round).contains(&"p5".to_owned()));
    assert_eq!(events(&world, "p5").last().unwrap(), "charged");

    restore(&world, "p5", "old.sqlite");
    assert_eq!(events(&world, "p5").last().unwrap(), "reservation");
    let before = received(&world, &round);
    world
        .step("p5")
        .fails(3, &["quarantine", "older copy", "resolve --by"]);
    world
        .node("p5", &["run"])
        .fails(3, &["quarantine", "older copy"]);
    world
        .node("p5", &["decline", &round, "--by", "somebody"])
        .fails(3, &["quarantine"]);
    assert_eq!(received(&world, &round), before);
    let told = world.node("p5", &["quarantine", "--json"]).ok().json();
    assert_eq!(told["quarantined"], true);
    let status = world.node("p5", &["status"]).ok();
    assert!(status.err.contains("IN QUARANTINE"), "{status:?}");
    world.node("p5", &["releases"]).ok();

    assert_eq!(
        to_the_end(&world, &round, &EVERYBODY[..4])["state"],
        "released"
    );
    world
        .node("p5", &["quarantine", "resolve", "--by", " "])
        .fails(2, &["--by"]);
    let resolve = ["quarantine", "resolve", "--by", "A. Officer"];
    world.node("p5", &resolve).ok();
    world.node("p5", &resolve).fails(2, &["not in quarantine"]);
    // The reservation of the copy is charged, because its vector had left.
    let after = events(&world, "p5");
    assert_eq!(
        after[after.len() - 3..],
        ["charged", "tombstone", "resolved"]
    );

    let next = world.open("2025-Q2", LONG);
    world.step("p5").fails(5, &["waits for a decision"]);
    world.approve(&EVERYBODY, &next);
    assert_eq!(to_the_end(&world, &next, &EVERYBODY)["state"], "released");
    world.step("p5").ok();
    let releases = world.node("p5", &["releases", "--json"]).ok().json();
    assert!(
        releases
            .as_array()
            .unwrap()
            .iter()
            .any(|each| each["round"] == next && each["ours"] == true),
        "{releases}"
    );
}

#[test]
fn a_node_restored_together_with_its_anchor_is_told_by_the_coordinator() {
    let world = World::with_partners(3);
    backup(&world, "p1", "old.sqlite");
    fs::copy(world.path("p1/vault.anchor"), world.path("old.anchor")).unwrap();
    let round = world.open("2025-Q1", LONG);
    world.approve(&["p1"], &round);
    world.step("p1").ok();
    assert_eq!(received(&world, &round), ["p1"]);

    restore(&world, "p1", "old.sqlite");
    fs::copy(world.path("old.anchor"), world.path("p1/vault.anchor")).unwrap();
    // Nothing here shows it.
    let told = world.node("p1", &["quarantine", "--json"]).ok().json();
    assert_eq!(told["quarantined"], false);
    world
        .step("p1")
        .fails(3, &["quarantine", "has signed a ledger of"]);
    world.step("p1").fails(3, &["quarantine"]);
    for shown in [
        world.coordinator(["roster"]).ok().out,
        world.coordinator(["round", "status", &round]).ok().out,
    ] {
        assert!(shown.contains("this node is an older copy"), "{shown}");
    }
    world
        .node("p1", &["quarantine", "resolve", "--by", "A. Officer"])
        .ok();
    // The vault does not know the round, and it is not joined a second time.
    world
        .node("p1", &["approve", &round, "--by", "A. Officer"])
        .fails(2, &["has ended"]);
    world.step("p1").ok();
    let status = world.node("p1", &["status"]).ok().out;
    assert!(status.contains("left-out"), "{status}");
    let roster = world.coordinator(["roster"]).ok().out;
    assert!(roster.contains("given up for one of"), "{roster}");
    assert_eq!(received(&world, &round), ["p1"]);
    // It may have gone further in that round than it knows, so it never signs that it did not.
    world
        .coordinator(["round", "close", &round, "--abort"])
        .ok();
    for partner in ["p1", "p2"] {
        world.step(partner).ok();
    }
    let status = world.coordinator(["round", "status", &round, "--json"]);
    let signed = status.ok().json()["abort_statements"]["received"].to_string();
    assert_eq!(signed, r#"["p2"]"#);
}

#[test]
fn two_clones_of_a_node_are_noticed_and_the_second_stops_itself() {
    let world = World::with_partners(3);
    let copied = Command::new("cp")
        .arg("-a")
        .args([world.path("p1"), world.path("clone")])
        .status();
    assert!(copied.unwrap().success());
    let round = world.open("2025-Q1", LONG);
    world.approve(&["p1"], &round);
    world.step("p1").ok();
    world
        .node("clone", &["approve", &round, "--by", "another person"])
        .fails(3, &["two copies of this node are running"]);
    world
        .node("clone", &["run", "--once"])
        .fails(3, &["quarantine"]);
    let roster = world.coordinator(["roster", "--json"]).ok().json();
    let noticed = roster["partners"][0]["noticed"].to_string();
    assert!(noticed.contains("older copy"), "{noticed}");
    world.step("p1").ok();
}

#[test]
fn an_anchor_that_is_missing_or_not_ours_stops_the_node_until_it_is_put_back() {
    let world = World::with_partners(2);
    let anchor = world.path("p1/vault.anchor");
    let ours = fs::read(&anchor).unwrap();
    world.step("p1").ok();
    fs::remove_file(&anchor).unwrap();
    world.step("p1").fails(3, &["the anchor is missing"]);
    assert!(!anchor.exists());
    fs::copy(world.path("p2/vault.anchor"), &anchor).unwrap();
    world.step("p1").fails(3, &["made with another key"]);
    let mut damaged = ours.clone();
    damaged[40] ^= 1;
    fs::write(&anchor, &damaged).unwrap();
    world.step("p1").fails(3, &["damaged"]);
    fs::write(&anchor, &ours).unwrap();
    world.step("p1").ok();
    assert_eq!(fs::metadata(&anchor).unwrap().len(), ours.len() as u64);
}

#[test]
fn nothing_is_sent_while_the_anchor_cannot_be_written() {
    let world = World::with_partners(3);
    let round = world.open("2025-Q1", LONG);
    world.approve(&["p1"], &round);
    let in_the_way = world.path("p1/vault.anchor.new");
    fs::create_dir(&in_the_way).unwrap();
    let _said_in_the_note = world.step("p1");
    assert!(received(&world, &round).is_empty());
    let status = world.node("p1", &["status"]).ok().out;
    assert!(status.contains("the anchor"), "{status}");
    fs::remove_dir(&in_the_way).unwrap();
    world.step("p1").ok();
    assert_eq!(received(&world, &round), ["p1"]);
}

#[test]
fn a_coordinator_restored_mid_round_ends_it_right_or_gives_it_up_and_the_next_one_works() {
    let mut world = World::with_partners(5);
    // Restored to Mask while others are in Confirm; and to Join while others are in Mask.
    for (period, copy_in, gone_on) in [("2025-Q1", "mask", "confirm"), ("2025-Q2", "join", "mask")]
    {
        let round = world.open(period, LONG);
        world.approve(&EVERYBODY, &round);
        let file = world.path(&format!("{copy_in}.sqlite"));
        for phase in ["join", "share", "mask", "confirm"] {
            if phase == gone_on {
                break;
            }
            through(&world, &round, phase, &["p1", "p2"]);
            if phase == copy_in {
                world.coordinator(["backup", text(&file)]).ok();
            }
            through(&world, &round, phase, &["p3", "p4", "p5"]);
        }
        assert_eq!(world.status(&round)["phase"], gone_on);
        world.step("p1").ok();
        world.step("p2").ok();
        let put_back = ["restore", text(&file), "--replace"];
        world.coordinator(put_back).fails(1, &["already running"]);
        world.stop();
        world
            .coordinator(["restore", text(&file)])
            .fails(3, &["--replace"]);
        world.coordinator(put_back).ok();
        world.serve();
        assert_eq!(world.status(&round)["phase"], copy_in);
        let end = to_the_end(&world, &round, &EVERYBODY);
        for partner in EVERYBODY {
            world.step(partner).ok();
        }
        // Whoever has a release has the same one.
        let mut releases = Vec::new();
        for partner in EVERYBODY {
            let shown = world.node(partner, &["releases", "--show", &round]);
            if shown.code == 0 {
                releases.push(shown.out);
            }
        }
        releases.dedup();
        assert_eq!(
            releases.len(),
            usize::from(end["state"] == "released"),
            "{end}"
        );
    }
    let next = world.open("2025-Q3", LONG);
    world.approve(&EVERYBODY, &next);
    assert_eq!(to_the_end(&world, &next, &EVERYBODY)["state"], "released");
}

#[test]
fn a_file_that_is_not_a_copy_is_not_restored_and_changes_nothing() {
    let world = World::with_partners(2);
    backup(&world, "p2", "other.sqlite");
    world.write("junk.sqlite", "not a database");
    let before = world.node("p1", &["ledger", "--json"]).ok().out;
    for file in ["other.sqlite", "junk.sqlite", "coordinator/store.sqlite"] {
        let file = world.path(file);
        world
            .node("p1", &["restore", text(&file), "--replace"])
            .fails(4, &["not a copy"]);
    }
    world
        .node("p1", &["restore", text(&world.path("none")), "--replace"])
        .fails(4, &["cannot read"]);
    let again = world.path("other.sqlite");
    world
        .node("p1", &["backup", text(&again)])
        .fails(3, &["never overwrites"]);
    assert_eq!(world.node("p1", &["ledger", "--json"]).ok().out, before);
    let running = world.run("p1");
    backup(&world, "p1", "own.sqlite");
    let own = world.path("own.sqlite");
    wait_for("the agent to hold its lock", || {
        let refused = world.node("p1", &["restore", text(&own), "--replace"]);
        (refused.code == 3 && refused.err.contains("running")).then_some(())
    });
    drop(running);
    world.node("p1", &["restore", text(&own), "--replace"]).ok();
    world.step("p1").ok();
}

/// A command whose files may not grow beyond so many blocks of 512 bytes: to it, the disk is full.
fn with_room_for(blocks: u32, command: &Command) -> Command {
    let script = format!("trap '' XFSZ; ulimit -S -f {blocks} || exit 99; exec \"$0\" \"$@\"");
    let mut limited = Command::new("sh");
    limited.args(["-c", &script]);
    limited.arg(command.get_program()).args(command.get_args());
    limited
}

#[test]
fn a_node_whose_disk_fills_up_at_any_point_loses_nothing_and_goes_on_when_there_is_room() {
    let world = World::with_partners(3);
    let round = world.open("2025-Q1", LONG);
    world.approve(&["p1", "p2", "p3"], &round);
    let mut failed = Vec::<Done>::new();
    // From no room at all to room for all: somewhere in between the disk fills up in the middle of a step.
    for phase in ["join", "share", "mask"] {
        for blocks in [8, 40, 66, 90, 120, 150, 190, 240] {
            let done = finish(with_room_for(
                blocks,
                &world.node_command("p1", &["run", "--once"]),
            ));
            if done.code != 0 {
                failed.push(done);
            }
            if received(&world, &round).contains(&"p1".to_owned()) {
                break;
            }
        }
        // What the coordinator has is in the vault, and in the anchor.
        let told = world.node("p1", &["quarantine", "--json"]).ok().json();
        assert_eq!(told["quarantined"], false, "{phase}: {told}");
        through(&world, &round, phase, &["p1", "p2", "p3"]);
    }
    assert!(!failed.is_empty());
    for done in &failed {
        done.fails(3, &[]);
    }
    assert_eq!(
        to_the_end(&world, &round, &["p1", "p2", "p3"])["state"],
        "released"
    );
    world.step("p1").ok();
    assert!(events(&world, "p1").contains(&"released".to_owned()));
}

#[test]
fn a_coordinator_whose_disk_is_full_acknowledges_nothing_and_goes_on_when_there_is_room() {
    let mut world = World::with_partners(3);
    let round = world.open("2025-Q1", LONG);
    world.approve(&["p1", "p2", "p3"], &round);
    world.stop();
    // Room to open the database, none to store a message.
    world.serve_with(|command| with_room_for(66, &command));
    for partner in ["p1", "p2", "p3"] {
        let _told_to_try_again = world.step(partner);
    }
    let stored = received(&world, &round);
    assert!(stored.len() < 3, "the limit is too wide: {stored:?}");
    let log = fs::read_to_string(world.serve_log(0)).unwrap();
    assert!(log.contains("database failed"), "{log}");
    let raised = Command::new("prlimit")
        .args([
            "--fsize=unlimited:",
            "--pid",
            &world.serving().unwrap().to_string(),
        ])
        .status();
    if !raised.is_ok_and(|status| status.success()) {
        eprintln!("the limit of a running program cannot be raised here: it is started again");
        world.kill_and_restart_coordinator();
    }
    // What was acknowledged is still there.
    for partner in stored {
        assert!(received(&world, &round).contains(&partner));
    }
    assert_eq!(
        to_the_end(&world, &round, &["p1", "p2", "p3"])["state"],
        "released"
    );
}

#[test]
fn a_restored_node_is_told_by_what_it_signed_for_the_coordinators_earlier_key() {
    let mut world = World::with_partners(3);
    backup(&world, "p1", "old.sqlite");
    fs::copy(world.path("p1/vault.anchor"), world.path("old.anchor")).unwrap();
    let round = world.open("2025-Q1", LONG);
    world.approve(&["p1"], &round);
    world.step("p1").ok();
    world
        .coordinator(["round", "close", &round, "--abort"])
        .ok();
    world.step("p1").ok();

    world.stop();
    world.coordinator(["rotate-key"]).ok();
    world.serve();
    restore(&world, "p1", "old.sqlite");
    fs::copy(world.path("old.anchor"), world.path("p1/vault.anchor")).unwrap();
    let accept = ["coordinator", "accept", "--by", "A. Officer"];
    world.node("p1", &accept).ok();
    world
        .step("p1")
        .fails(3, &["quarantine", "has signed a ledger of"]);
}
