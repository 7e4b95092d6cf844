//! Who may join, and whose key is whose, with the programs as people run them.

use std::fs;

use msht_core::governance::Statement;
use msht_core::wire::{Blob, Request, Response, encode};
use msht_node::node::Node;
use msht_node::surroundings::Surroundings;
use serde_json::Value;

use crate::world::{LONG, PROGRAMME, World, names, wait_for};

/// Standing approvals of everybody.
fn approve_standing(world: &World, partners: &[&str], round: &str) {
    for partner in partners {
        let approval = ["approve", round, "--by", "A. Officer", "--standing"];
        world.node(partner, &approval).ok();
    }
}

fn set_policy(world: &World, partner: &str, line: &str) {
    let file = format!("{partner}/node.toml");
    let settings = fs::read_to_string(world.path(&file)).unwrap();
    let changed = settings.replacen("[policy]", &format!("[policy]\n{line}"), 1);
    assert_ne!(changed, settings);
    world.write(&file, &changed);
}

fn roster(world: &World, partner: &str) -> Value {
    world.node(partner, &["roster", "--json"]).ok().json()
}

fn fingerprint(world: &World, of: &str) -> String {
    let roster = world.coordinator(["roster", "--json"]).ok().json();
    let partners = roster["partners"].as_array().unwrap().clone();
    let found = partners.into_iter().find(|each| each["id"] == of).unwrap();
    found["fingerprint"].as_str().unwrap().to_owned()
}

/// What waits at a partner, as (kind, id).
fn waiting(world: &World, partner: &str) -> Vec<(String, String)> {
    let roster = roster(world, partner);
    let changes = roster["waiting"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    changes
        .map(|each| {
            (
                text(&each["change"]["kind"]),
                text(&each["change"]["partner"]),
            )
        })
        .collect()
}

fn decided(world: &World, partner: &str, act: &str) -> Vec<Value> {
    let ledger = world.node(partner, &["ledger", "--json"]).ok().json();
    let entries = ledger["entries"].as_array().unwrap().clone();
    let acts = entries
        .into_iter()
        .map(|each| each["event"]["governance"].clone());
    acts.filter(|each| each["act"] == act).collect()
}

fn releases(world: &World, partner: &str) -> Vec<Value> {
    let listed = world.node(partner, &["releases", "--json"]).ok().json();
    listed.as_array().unwrap().clone()
}

fn survivors(world: &World, partner: &str, round: &str) -> Vec<String> {
    let shown = world
        .node(partner, &["releases", "--show", round])
        .ok()
        .json();
    let found = names(&shown["survivors"]);
    found.into_iter().map(str::to_owned).collect()
}

fn fails_with(world: &World, partner: &str, arguments: &[&str], code: i32, words: &[&str]) {
    world.node(partner, arguments).fails(code, words);
}

/// Cannot go on by itself, and says why.
fn waits(world: &World, partner: &str, words: &[&str]) {
    fails_with(world, partner, &["run", "--once"], 5, words);
}

/// Everybody's standing approval of a round, which is then finished.
fn first_round(world: &World, partners: &[&str]) -> String {
    let round = world.open("2025-Q1", LONG);
    approve_standing(world, partners, &round);
    world.finish(partners, &round);
    round
}

#[test]
fn a_new_partner_takes_part_once_as_many_partners_vouch_as_the_programme_asks_for() {
    let world = World::with_partners(3);
    let founders = ["p1", "p2", "p3"];
    first_round(&world, &founders);

    // A changed programme is a new version, and decisions on the old one do not hold for it.
    let changed = PROGRAMME.replacen("version = 1", "version = 2", 1);
    world.publish(&changed.replacen("[cohort]", "[cohort]\nendorsements = 2", 1));
    let second = world.open("2025-Q2", LONG);
    waits(&world, "p1", &["waits for a decision"]);
    approve_standing(&world, &founders, &second);
    world.finish(&founders, &second);

    world.enrol("p4");
    set_policy(&world, "p3", "accept_new_partners = \"endorsed\"");
    let third = world.open("2025-Q3", LONG);
    for partner in founders {
        waits(&world, partner, &["waits for a decision"]);
    }
    let approve = ["approve", &third, "--by", "A. Officer"];
    fails_with(
        &world,
        "p1",
        &approve,
        5,
        &["N4", "2 endorsements", "`p4` has 0"],
    );
    // A person may accept the key; the programme still asks that others vouch for it.
    let accept = ["roster", "accept", "--by", "A. Officer", "--partner", "p4"];
    world.node("p2", &accept).ok();
    waits(&world, "p2", &["refused until enough partners vouch", "N4"]);

    let print = fingerprint(&world, "p4");
    let endorse = ["endorse", "p4", "--by", "A. Officer", "--fingerprint"];
    let other = fingerprint(&world, "p1");
    fails_with(
        &world,
        "p1",
        &endorse[..4],
        2,
        &["nobody here has accepted"],
    );
    fails_with(
        &world,
        "p1",
        &[&endorse[..], &[&other]].concat(),
        2,
        &[&print],
    );
    world.node("p1", &[&endorse[..], &[&print]].concat()).ok();
    waits(&world, "p3", &["waits for a decision"]);
    fails_with(&world, "p2", &approve, 5, &["`p4` has 1"]);
    world.node("p2", &endorse[..4]).ok();
    assert_eq!(
        roster(&world, "p3")["waiting"][0]["endorsed_by"],
        serde_json::json!(["p1", "p2"])
    );

    world.node("p4", &approve).ok();
    let everybody = ["p1", "p2", "p3", "p4"];
    world.finish(&everybody, &third);
    assert_eq!(survivors(&world, "p3", &third), everybody);
    let by_policy = decided(&world, "p3", "partner-accepted");
    assert_eq!(by_policy.last().unwrap()["by"], "the policy in node.toml");
    assert_eq!(decided(&world, "p1", "endorsed").len(), 1);
}

/// Begins a change of the key and is stopped before the statement is sent, or before its answer is there.
fn interrupted_key_change(world: &World, partner: &str, after_sending: bool) {
    let home = world.path(partner);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let node = Node::open(&home, Surroundings::system()).await.unwrap();
        node.prepare_key_change("A. Officer").await.unwrap();
        if after_sending {
            let statement = Statement::KeyChange(node.key_change().await.unwrap().unwrap());
            let statement = Blob::from(encode(&statement).unwrap());
            let link = node.connect().await.unwrap();
            let answer = link.request(&Request::State { statement }).await.unwrap();
            assert_eq!(answer, Response::Accepted);
            link.close().await;
        }
    });
}

#[test]
fn a_partner_changes_its_key_between_rounds_though_it_is_stopped_at_each_point() {
    let world = World::with_partners(3);
    let everybody = ["p1", "p2", "p3"];
    set_policy(&world, "p3", "accept_key_changes = \"signed-by-old-key\"");
    let first = world.open("2025-Q1", LONG);
    approve_standing(&world, &everybody, &first);
    world.step("p1").ok();
    fails_with(
        &world,
        "p1",
        &["rotate-key", "--by", "A. Officer"],
        2,
        &["is open"],
    );
    world.finish(&everybody, &first);

    let before = everybody.map(|partner| fingerprint(&world, partner));
    // An agent that runs meanwhile goes on with the new key.
    let mut live = world.run("p1");
    wait_for("the agent to connect", || {
        let log = fs::read_to_string(world.path("p1.log")).ok()?;
        log.contains("connected").then_some(())
    });
    world.node("p1", &["rotate-key", "--by", "A. Officer"]).ok();
    interrupted_key_change(&world, "p2", false);
    assert_eq!(fingerprint(&world, "p2"), before[1], "nothing was sent yet");
    world.step("p2").ok();
    interrupted_key_change(&world, "p3", true);
    world.step("p3").ok();
    for (partner, before) in everybody.into_iter().zip(&before) {
        assert_ne!(fingerprint(&world, partner), *before, "{partner}");
        assert_eq!(
            decided(&world, partner, "own-key-changed").len(),
            1,
            "{partner}"
        );
    }

    let second = world.open("2025-Q2", LONG);
    wait_for("the agent to learn of the round", || {
        let note = world.note("p1", &second)?;
        note.contains("waits for a decision").then_some(())
    });
    live.kill();
    let rotated = |id: &str| ("key-rotated".to_owned(), id.to_owned());
    assert_eq!(waiting(&world, "p1"), [rotated("p2"), rotated("p3")]);
    let told = world.node("p1", &["roster"]).ok().out;
    assert!(told.contains("signed by the key accepted here"), "{told}");
    for partner in ["p1", "p2"] {
        world
            .node(partner, &["roster", "accept", "--by", "A. Officer"])
            .ok();
    }
    world.finish(&everybody, &second);
    assert_eq!(survivors(&world, "p1", &second), everybody);
    assert_eq!(decided(&world, "p3", "key-accepted").len(), 2);
}

#[test]
fn a_revoked_partner_is_missed_by_the_others_and_comes_back_with_a_key_they_accept() {
    let world = World::with_partners(4);
    let (everybody, others) = (["p1", "p2", "p3", "p4"], ["p1", "p2", "p3"]);
    first_round(&world, &everybody);
    // Left out of one round, though on the roster: the standing approvals do not cover that.
    let without = [
        "round", "open", "small", "2025-Q4", "--phases", LONG, "--invite", "p1,p2,p3",
    ];
    let without = world.coordinator(without).ok().out.trim().to_owned();
    waits(&world, "p1", &["no longer with us: p4"]);
    let left_out = ("not-invited".to_owned(), "p4".to_owned());
    assert_eq!(waiting(&world, "p1"), [left_out]);
    world
        .coordinator(["round", "close", &without, "--abort"])
        .ok();
    world.step("p1").ok();

    world
        .coordinator(["revoke", "p9", "--reason", "stolen"])
        .fails(2, &["p9"]);
    world
        .coordinator(["revoke", "p4", "--reason", "stolen"])
        .ok();
    waits(&world, "p4", &["revoked or replaced"]);
    let second = world.open("2025-Q2", LONG);
    for partner in others {
        waits(&world, partner, &["no longer with us: p4"]);
    }
    set_policy(&world, "p3", "accept_smaller_cohorts = \"within-limits\"");
    world
        .node("p1", &["roster", "accept", "--by", "A. Officer"])
        .ok();
    world.approve(&["p2"], &second);
    world.finish(&others, &second);
    assert_eq!(decided(&world, "p2", "removal-accepted").len(), 1);

    let invite = world.invite("p4");
    fails_with(&world, "p4", &["enrol", &invite], 4, &["revoked"]);
    world.node("p4", &["enrol", "--new-key", &invite]).ok();
    assert_eq!(releases(&world, "p4").len(), 1, "what it had stays");
    let third = world.open("2025-Q3", LONG);
    // No policy takes a key that nobody vouches for, in a programme that asks nobody to.
    set_policy(&world, "p3", "accept_new_partners = \"endorsed\"");
    set_policy(&world, "p3", "accept_key_changes = \"signed-by-old-key\"");
    waits(&world, "p3", &["waits for a decision"]);
    waits(&world, "p1", &["waits for a decision"]);
    assert_eq!(
        waiting(&world, "p1"),
        [("key-changed".to_owned(), "p4".to_owned())]
    );
    world
        .node(
            "p1",
            &["roster", "reject", "--by", "B. Officer", "--partner", "p4"],
        )
        .ok();
    waits(&world, "p1", &["rejected here by B. Officer"]);
    let approve = ["approve", &third, "--by", "A. Officer"];
    fails_with(&world, "p1", &approve, 5, &["B. Officer rejected"]);
    world
        .node(
            "p1",
            &["roster", "accept", "--by", "B. Officer", "--partner", "p4"],
        )
        .ok();
    world.approve(&["p2", "p3"], &third);
    world.finish(&everybody, &third);
    assert_eq!(survivors(&world, "p2", &third), everybody);
}

/// The release of a round as a file, and its digest.
fn release_file(world: &World, partner: &str, round: &str, name: &str) -> String {
    let shown = world.node(partner, &["releases", "--show", round]).ok();
    world.write(name, &shown.out);
    world.path(name).to_str().unwrap().to_owned()
}

/// Both releases verify with the first and the last fingerprint and the handovers between them, and not without those.
fn check_chain(world: &World, rounds: (&str, &str), (before, after): (&str, &str)) {
    let (one, two) = (
        release_file(world, "p1", rounds.0, "first.json"),
        release_file(world, "p1", rounds.1, "second.json"),
    );
    let chain = world.coordinator(["handovers", "--json"]).ok();
    assert_eq!(
        chain.json(),
        world.node("p2", &["coordinator", "handovers"]).ok().json()
    );
    world.write("handovers.json", &chain.out);
    let handovers = world.path("handovers.json").to_str().unwrap().to_owned();
    for (file, previous) in [(&one, None), (&two, Some(&one))] {
        for known in [before, after] {
            let mut line = vec![
                "verify",
                file,
                "--coordinator",
                known,
                "--handovers",
                &handovers,
            ];
            line.extend(
                previous
                    .iter()
                    .flat_map(|previous| ["--previous", previous.as_str()]),
            );
            world.coordinator(line.clone()).ok();
            world.node("nobody", &line).ok();
        }
    }
    let alone = ["verify", &two, "--coordinator", before];
    world.coordinator(alone).fails(4, &["another coordinator"]);
    fails_with(world, "nobody", &alone, 4, &["not by the coordinator"]);
    let unlinked = ["verify", &two, "--coordinator", after, "--previous", &one];
    world
        .coordinator(unlinked)
        .fails(4, &["does not follow on"]);
    fails_with(world, "nobody", &unlinked, 4, &["does not follow on"]);
}

#[test]
fn a_coordinator_changes_its_key_and_its_releases_stay_one_chain() {
    let mut world = World::with_partners(3);
    let everybody = ["p1", "p2", "p3"];
    let first = first_round(&world, &everybody);
    let before = world.node("p1", &["coordinator", "--json"]).ok().json();
    let before = before["fingerprint"].as_str().unwrap().to_owned();

    world
        .coordinator(["rotate-key"])
        .fails(1, &["already running"]);
    world.stop();
    let after = world.coordinator(["rotate-key"]).ok().out.trim().to_owned();
    world.serve();
    for partner in everybody {
        waits(&world, partner, &["has another key now", &after]);
        let accept = [
            "coordinator",
            "accept",
            "--by",
            "A. Officer",
            "--fingerprint",
        ];
        fails_with(
            &world,
            partner,
            &[&accept[..], &[&before]].concat(),
            2,
            &[&after],
        );
        world.node(partner, &[&accept[..], &[&after]].concat()).ok();
        assert_eq!(decided(&world, partner, "coordinator-accepted").len(), 1);
    }
    // Programme and roster are the same documents under another signature: nobody has to decide again.
    let second = world.open("2025-Q2", LONG);
    world.finish(&everybody, &second);

    check_chain(&world, (&first, &second), (&before, &after));

    // Who comes later knows the last key only, and follows the chain back to the first release.
    world.enrol("p4");
    world.step("p4").ok();
    assert_eq!(releases(&world, "p4").len(), 2);
}

#[test]
fn a_revoked_coordinator_is_not_asked_again_and_another_one_does_not_change_a_programme_silently() {
    let mut world = World::with_partners(3);
    let everybody = ["p1", "p2", "p3"];
    first_round(&world, &everybody);
    let second = world.open("2025-Q2", LONG);
    world.step("p1").ok();

    let mut other = World::start();
    let changed = PROGRAMME.replacen("All", "Everything", 1);
    let invite = other.invite("p1");
    // Another coordinator at the address of the accepted one: nothing is sent, and there is nothing to accept.
    world.stop();
    let address = other.move_to(world.quic());
    let told = ["is not the coordinator with fingerprint"];
    fails_with(&world, "p1", &["run", "--once"], 6, &told);
    let accept = ["coordinator", "accept", "--by", "A. Officer"];
    fails_with(&world, "p1", &accept, 2, &["has not handed over"]);
    other.move_to(address);
    world.serve();
    fails_with(
        &world,
        "p1",
        &["enrol", &invite],
        2,
        &["is enrolled with the coordinator"],
    );
    world
        .node("p1", &["coordinator", "revoke", "--by", "A. Officer"])
        .ok();
    waits(&world, "p1", &["was revoked here"]);
    let note = world.note("p1", &second).unwrap();
    assert!(note.contains("not trusted any more"), "{note}");
    let ledger = world.node("p1", &["ledger", "--json"]).ok().json();
    assert!(
        ledger["entries"].to_string().contains("withdrawn"),
        "the reservation is freed"
    );
    // Nobody is invited twice by the old coordinator, but its invites of any kind are refused.
    let same = world.invite("p9");
    fails_with(&world, "p1", &["enrol", &same], 2, &["was revoked here"]);

    world.node("p1", &["enrol", &invite]).ok();
    assert_eq!(releases(&world, "p1").len(), 1, "releases stay");
    let kept = world.node("p1", &["ledger", "--json"]).ok().json();
    let count = |ledger: &Value| ledger["entries"].as_array().unwrap().len();
    assert_eq!(count(&kept), count(&ledger) + 1, "the ledger goes on");
    world.step("p1").ok();

    // The other coordinator serves another text under a version that p1 has seen.
    let third = World::start_with(&changed);
    world
        .node("p1", &["coordinator", "revoke", "--by", "A. Officer"])
        .ok();
    world.node("p1", &["enrol", &third.invite("p1")]).ok();
    fails_with(&world, "p1", &["run", "--once"], 4, &["N1", "another text"]);
}
