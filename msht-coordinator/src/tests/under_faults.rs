//! Whole rounds over the real transport of both sides, under a simulated network that fails.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use msht_core::crypto::{Digest, HexBytes};
use msht_core::dp::accountant::Ledger;
use msht_core::secagg::messages::Phase;
use msht_core::secagg::node::{Anchor, Cleared, Durable, NodeSession, Reached};
use msht_core::wire::{Item, Request, Response};
use msht_node::error::NodeError;
use msht_node::transport::{Delivered, IDLE_TIMEOUT, KEEP_ALIVE, Link};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::simulated::*;

/// A Mask of two pieces.
const CELLS: u32 = 70_000;
/// Seeds of one test run; each is a round.
const SEEDS: std::ops::Range<u64> = 0..8;
/// Longest round in virtual time.
const LONGEST: Duration = Duration::from_secs(300);
/// Pause before connecting again.
const PAUSE: Duration = Duration::from_millis(250);

fn host_of(index: u8) -> String {
    format!("node-{index}")
}

async fn connect(round: &OneRound, index: u8) -> Result<Link, NodeError> {
    let (identity, key) = (round.cohort.identity(index), round.cohort.coordinator.key());
    Link::over(client_endpoint().await, target(), &identity, key).await
}

/// What a vault and an anchor of their own would allow: the message of the phase that is stored.
fn cleared(round: Digest, phase: Phase, message: &[u8]) -> Cleared {
    let ledger = Ledger::default();
    let rounds = BTreeMap::from([(round, Reached::Stored(phase))]);
    let durable = Durable {
        enrolment: None,
        ledger: &ledger,
        entries: &[],
        rounds: &rounds,
    };
    let anchor = Anchor::of(HexBytes([0; 16]), &durable);
    let step = anchor.clear(&durable, round, phase, message);
    step.unwrap().made_durable()
}

/// One step onward over this connection; false once nothing is left to do.
async fn step(link: &Link, session: &mut NodeSession, seen: &mut u64) -> Result<bool, NodeError> {
    session.record_stored();
    let (round, phase) = (session.context().round(), session.phase());
    if let Some(message) = session.poll_transmit() {
        let delivered = link.put(&cleared(round, phase, message)).await?;
        assert_eq!(delivered, Delivered::Accepted, "{phase:?}");
        session.acknowledged();
        return Ok(phase != Phase::Unmask);
    }
    let phase = session.awaiting().unwrap().number();
    if let Some(bytes) = link.fetch(&Item::Message { round, phase }).await? {
        session.handle_message(&bytes).unwrap();
        return Ok(true);
    }
    if let Response::News { number, .. } = link.request(&Request::Poll { seen: *seen }).await? {
        *seen = number;
    }
    Ok(true)
}

/// Takes part in the round to its end, whatever happens to the connection.
async fn take_part(round: Arc<OneRound>, index: u8, reconnected: Rc<Cell<u32>>) -> turmoil::Result {
    let mut session = round.cohort.node(index);
    loop {
        if let Ok(link) = connect(&round, index).await {
            let mut seen = 0;
            loop {
                match step(&link, &mut session, &mut seen).await {
                    Ok(true) => {}
                    Ok(false) => return Ok(()),
                    Err(_) => break,
                }
            }
        }
        reconnected.set(reconnected.get() + 1);
        tokio::time::sleep(PAUSE).await;
    }
}

fn simulation(seed: u64, loss: f64) -> turmoil::Sim<'static> {
    turmoil::Builder::new()
        .rng_seed(seed)
        .simulation_duration(LONGEST)
        .min_message_latency(Duration::from_millis(1))
        .max_message_latency(Duration::from_millis(80))
        .fail_rate(loss)
        .repair_rate(0.5)
        .udp_capacity(4_096)
        .enable_random_order()
        .build()
}

fn with_all_nodes(simulation: &mut turmoil::Sim, round: &Arc<OneRound>) -> Rc<Cell<u32>> {
    host(simulation, round);
    let reconnected = Rc::new(Cell::new(0));
    for index in round.partners() {
        let taking = take_part(Arc::clone(round), index, Rc::clone(&reconnected));
        simulation.client(host_of(index), taking);
    }
    reconnected
}

/// Something that happens to a link, or to the coordinator, at a virtual time.
#[derive(Debug)]
enum Fault {
    Cut(u8),
    CutOneWay(u8),
    Hold(u8),
    Mend(u8),
    KillCoordinator,
}

fn faults(seed: u64, partners: u8) -> Vec<(Duration, Fault)> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut faults = Vec::new();
    for _ in 0..8 {
        let at = Duration::from_millis(rng.random_range(0..3_000));
        let index = rng.random_range(1..=partners);
        let mend = at + Duration::from_millis(rng.random_range(100..15_000));
        faults.push(match rng.random_range(0..4) {
            0 => (at, Fault::Cut(index)),
            1 => (at, Fault::CutOneWay(index)),
            2 => (at, Fault::Hold(index)),
            _ => (at, Fault::KillCoordinator),
        });
        faults.push((mend, Fault::Mend(index)));
    }
    faults.sort_by_key(|(at, _)| *at);
    faults
}

fn make(simulation: &mut turmoil::Sim, fault: &Fault) {
    match fault {
        Fault::Cut(index) => simulation.partition(COORDINATOR, host_of(*index)),
        Fault::CutOneWay(index) => simulation.partition_oneway(COORDINATOR, host_of(*index)),
        Fault::Hold(index) => simulation.hold(COORDINATOR, host_of(*index)),
        Fault::Mend(index) => {
            simulation.release(COORDINATOR, host_of(*index));
            simulation.repair(COORDINATOR, host_of(*index));
        }
        Fault::KillCoordinator => simulation.bounce(COORDINATOR),
    }
}

#[test]
fn rounds_end_right_over_links_that_are_cut_held_and_lossy_and_a_coordinator_that_is_killed() {
    let mut reconnections = 0;
    for seed in SEEDS {
        println!("seed {seed}");
        let round = OneRound::new(CELLS, seed);
        let mut simulation = simulation(seed, 0.02);
        let reconnected = with_all_nodes(&mut simulation, &round);
        let mut faults = faults(seed, 5).into_iter().peekable();
        loop {
            while let Some((_, fault)) = faults.next_if(|(at, _)| simulation.elapsed() >= *at) {
                make(&mut simulation, &fault);
            }
            if simulation.step().unwrap() {
                break;
            }
        }
        let (survivors, sum) = round.opened().unwrap();
        assert_eq!(survivors, [1, 2, 3, 4, 5]);
        assert_eq!(sum, round.cohort.expected_sum(&survivors));
        println!("ended after {:.1?} of virtual time", simulation.elapsed());
        reconnections += reconnected.get();
    }
    println!("{reconnections} connections lost and made again");
    assert!(reconnections > 0, "the faults did nothing");
}

#[test]
fn a_partner_whose_link_is_cut_for_good_is_left_out() {
    for cut_after_ms in [0, 200, 400, 600, 800, 1_000] {
        let round = OneRound::new(8, cut_after_ms);
        let mut simulation = simulation(cut_after_ms, 0.0);
        host(&mut simulation, &round);
        let reconnected = Rc::new(Cell::new(0));
        for index in 1..=4 {
            let taking = take_part(Arc::clone(&round), index, Rc::clone(&reconnected));
            simulation.client(host_of(index), taking);
        }
        let lost = Arc::clone(&round);
        simulation.host(host_of(5), move || {
            let (round, reconnected) = (Arc::clone(&lost), Rc::new(Cell::new(0)));
            take_part(round, 5, reconnected)
        });
        let mut closed_at = Duration::ZERO;
        let mut is_cut = false;
        while !simulation
            .step()
            .unwrap_or_else(|e| panic!("{e} {:?}", round.progress()))
        {
            let now = simulation.elapsed();
            if !is_cut && now >= Duration::from_millis(cut_after_ms) {
                simulation.partition(COORDINATOR, host_of(5));
                is_cut = true;
            }
            // Deadlines: whatever is open closes every ten seconds.
            if now - closed_at >= Duration::from_secs(10) {
                round.close_phase();
                closed_at = now;
            }
        }
        let (survivors, sum) = round.opened().unwrap();
        assert_eq!(survivors[..4], [1, 2, 3, 4]);
        assert_eq!(sum, round.cohort.expected_sum(&survivors));
        if cut_after_ms == 0 {
            assert_eq!(survivors.len(), 4);
        }
    }
}

/// The keys of stateless resets follow from the identity; else the connection would only end when it has been idle.
#[test]
fn a_node_notices_a_restarted_coordinator_long_before_the_connection_is_idle() {
    let round = OneRound::new(8, 1);
    let mut simulation = simulation(1, 0.0);
    host(&mut simulation, &round);
    let client = Arc::clone(&round);
    simulation.client("node-1", async move {
        let link = connect(&client, 1).await?;
        link.request(&Request::Poll { seen: 0 }).await?;
        let asked = tokio::time::Instant::now();
        assert!(link.request(&Request::Poll { seen: 99 }).await.is_err());
        let noticed = asked.elapsed();
        assert!(noticed < KEEP_ALIVE * 2, "{noticed:?}");
        assert!(noticed < IDLE_TIMEOUT, "{noticed:?}");
        connect(&client, 1).await?;
        Ok(())
    });
    let mut is_killed = false;
    while !simulation.step().unwrap() {
        if !is_killed && simulation.elapsed() >= Duration::from_secs(2) {
            simulation.bounce(COORDINATOR);
            is_killed = true;
        }
    }
    assert!(is_killed);
}
