//! Two replicas of the coordinator on one PostgreSQL database, behind a load balancer, in good weather.

use std::sync::Arc;

use serde_json::Value;

use crate::postgres::{self, Database};
use crate::relay::Relay;
use crate::rounds::{checked_release, is_ours};
use crate::verdict::outcomes;
use crate::world::{LONG, PROGRAMME, Process, Store, World, names, wait_for};

const EVERYBODY: [&str; 5] = ["p1", "p2", "p3", "p4", "p5"];
/// Of the weather, which stays good.
const SEED: u64 = 1;

/// A coordinator of two replicas with all partners, and the load balancer in front.
fn two_replicas() -> (World, Relay) {
    let (mut relay, tally) = (None, Arc::default());
    let store = Store::Postgres(Database::create());
    let world = World::behind(store, PROGRAMME, |replicas| {
        relay.insert(Relay::start(replicas, SEED, &tally)).address
    });
    for partner in EVERYBODY {
        world.enrol(partner);
    }
    (world, relay.unwrap())
}

/// A round in Share in which everybody but the last has shared, over both replicas, with the agents of those who have.
fn in_share_without_the_last(world: &World, relay: &Relay, period: &str) -> (String, Vec<Process>) {
    let (last, others) = EVERYBODY.split_last().unwrap();
    let round = world.open(period, LONG);
    world.approve(&EVERYBODY, &round);
    // It joins before anybody else does, so that it cannot see Share begin.
    world.step(last).ok();
    let before = relay.given();
    let agents = others.iter().map(|partner| world.run(partner)).collect();
    wait_for("everybody else's Share", || {
        let stage = world.status(&round);
        (stage["phase"] == "share" && names(&stage["received"]) == others).then_some(())
    });
    let given = relay.given().into_iter().zip(before);
    let new: Vec<usize> = given.map(|(now, before)| now - before).collect();
    assert_eq!(new, [2, 2], "both replicas have worked on the round");
    (round, agents)
}

/// The round is released, everybody has the release, and it counts everybody once; so do the ledgers.
fn assert_right(world: &World, round: &str) {
    assert_eq!(world.ended(round)["state"], "released");
    for partner in EVERYBODY {
        wait_for("the agent to have the release", || {
            is_ours(world, partner, round).then_some(())
        });
        let release = checked_release(world, partner, round);
        assert_eq!(names(&release["survivors"]), EVERYBODY);
        let ledger: Value = world.node(partner, &["ledger", "--json"]).ok().json();
        let outcomes = outcomes(&ledger).unwrap();
        assert_eq!(outcomes[round], "released", "{partner}");
    }
}

#[test]
#[ignore = "needs a PostgreSQL server: tests/postgres/run starts one"]
fn either_replica_may_be_killed_mid_round_on_postgres() {
    let (mut world, relay) = two_replicas();
    for (killed, period) in [(0, "2025-Q1"), (1, "2025-Q2")] {
        let (round, mut agents) = in_share_without_the_last(&world, &relay, period);
        world.stop_replica(killed);
        relay.set_out(killed, true);
        assert_eq!(world.status(&round)["phase"], "share");
        agents.push(world.run(EVERYBODY[4]));
        assert_right(&world, &round);
        assert!(!world.is_serving(killed));
        drop(agents);
        world.serve_replica(killed);
        relay.set_out(killed, false);
    }
}

#[test]
#[ignore = "needs a PostgreSQL server that may be crashed: tests/postgres/run starts one"]
fn the_database_may_crash_mid_round_on_postgres() {
    let (world, relay) = two_replicas();
    let (round, mut agents) = in_share_without_the_last(&world, &relay, "2025-Q1");
    postgres::crash();
    let stage = world.status(&round);
    assert_eq!(names(&stage["received"]), EVERYBODY[..4], "{stage}");
    agents.push(world.run(EVERYBODY[4]));
    assert_right(&world, &round);
}
