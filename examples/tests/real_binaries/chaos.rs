//! Many rounds in which the coordinator and the nodes are killed at random times over a bad network.
//!
//! Nobody repairs anything: a killed process is started again with the command it was started with. Every round must
//! end by itself in a legal way, and every ledger must say what that way justifies: `verdict` has the checks.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;

use crate::relay::{Relay, Tally, Weather};
use crate::rounds::{content_of, verified_release};
use crate::verdict::{
    Books, Ended, OWN_MANY, Observed, PARTNERS, check_end, check_run, has_ended, knows_the_end,
};
use crate::world::{LONG, PROGRAMME, Process, World, names, records_on};

/// Join may have to wait for a node that was just started; a phase closes early when everybody has sent.
const PHASES: &str = "6s,5s,5s,5s,5s";
/// Most rounds of a run; those of one world have distinct quarters within a century.
const MAX_ROUNDS: usize = 4_000;
/// When in a round something is killed, and how long it stays down, in milliseconds.
const KILL_AFTER_MS: std::ops::Range<u64> = 0..2_500;
const DOWN_MS: std::ops::Range<u64> = 0..1_200;
/// How long the whole network is silent when it is, in milliseconds.
const SILENCE_MS: std::ops::Range<u64> = 300..2_000;
/// Pause between two looks at a round; each is a process.
const LOOK: Duration = Duration::from_millis(250);

/// A number from the environment.
fn setting(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{name} is not a number")),
        Err(_) => default,
    }
}

/// What happens at a time of a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    KillCoordinator,
    StartCoordinator,
    KillNode(usize),
    StartNode(usize),
    Silence,
    Sound,
}

/// What happens in one round, by milliseconds from its opening.
fn plan(rng: &mut StdRng) -> Vec<(u64, Event)> {
    let mut events = Vec::new();
    let mut kill = |rng: &mut StdRng, at: u64, who: Option<usize>, for_good: bool| {
        let (down, up) = match who {
            None => (Event::KillCoordinator, Event::StartCoordinator),
            Some(node) => (Event::KillNode(node), Event::StartNode(node)),
        };
        events.push((at, down));
        if !for_good {
            events.push((at + rng.random_range(DOWN_MS), up));
        }
    };
    for _ in 0..rng.random_range(1..=3) {
        let at = rng.random_range(KILL_AFTER_MS);
        let who = (!rng.random_bool(0.4)).then(|| rng.random_range(0..PARTNERS.len()));
        let for_good = who.is_some() && rng.random_bool(0.3);
        kill(rng, at, who, for_good);
    }
    if rng.random_bool(0.05) {
        // A power cut: everything at once.
        let at = rng.random_range(KILL_AFTER_MS);
        for who in std::iter::once(None).chain((0..PARTNERS.len()).map(Some)) {
            kill(rng, at, who, false);
        }
    }
    if rng.random_bool(0.1) {
        let at = rng.random_range(KILL_AFTER_MS);
        events.push((at, Event::Silence));
        events.push((at + rng.random_range(SILENCE_MS), Event::Sound));
    }
    events.sort_unstable();
    events
}

/// Figures of a run.
#[derive(Debug, Default)]
struct Figures {
    coordinator_killed: usize,
    nodes_killed: usize,
    silences: usize,
    released: usize,
    left_out: usize,
    aborted: BTreeMap<String, usize>,
    longest: Duration,
}

impl Figures {
    fn add(&mut self, other: Self) {
        self.coordinator_killed += other.coordinator_killed;
        self.nodes_killed += other.nodes_killed;
        self.silences += other.silences;
        self.released += other.released;
        self.left_out += other.left_out;
        for (phase, number) in other.aborted {
            *self.aborted.entry(phase).or_default() += number;
        }
        self.longest = self.longest.max(other.longest);
    }
}

/// A coordinator behind a bad network with its nodes, all killed and started as the plan has it.
struct Chaos {
    world: World,
    relay: Relay,
    weather: Weather,
    nodes: Vec<Option<Process>>,
    coordinator_is_up: bool,
    figures: Figures,
    /// What became of each round, for the ledgers: period and the coordinator's word.
    ended: BTreeMap<String, (String, Value)>,
}

impl Chaos {
    fn start(seed: u64, periods: &[String], tally: &Arc<Tally>) -> Self {
        let mut relay = None;
        let first = periods[0].clone();
        let programme = PROGRAMME.replace("2025-Q1", &first);
        let world = World::behind(&programme, |quic| {
            relay.insert(Relay::start(quic, seed, tally)).address
        });
        let dates: Vec<String> = periods.iter().map(|period| middle_of(period)).collect();
        let records = records_on(&dates, OWN_MANY);
        for partner in PARTNERS {
            world.enrol_with(partner, &records);
        }
        let round = world.open(&first, LONG);
        for partner in PARTNERS {
            let approve = ["approve", &round, "--by", "the test", "--standing"];
            world.node(partner, &approve).ok();
        }
        world
            .coordinator(["round", "close", &round, "--abort"])
            .ok();
        let stage = world.ended(&round);
        let nodes = PARTNERS.map(|partner| Some(world.run_logged(partner)));
        Self {
            world,
            relay: relay.unwrap(),
            weather: Weather::default(),
            nodes: nodes.into(),
            coordinator_is_up: true,
            figures: Figures::default(),
            ended: BTreeMap::from([(round, (first, stage))]),
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::KillCoordinator => {
                self.figures.coordinator_killed += usize::from(self.coordinator_is_up);
                self.world.stop();
                self.coordinator_is_up = false;
            }
            Event::StartCoordinator if self.coordinator_is_up => {}
            Event::StartCoordinator => {
                self.world.serve();
                self.coordinator_is_up = true;
            }
            Event::KillNode(node) => {
                self.figures.nodes_killed += usize::from(self.nodes[node].is_some());
                self.nodes[node] = None;
            }
            Event::StartNode(node) => {
                let start = || self.world.run_logged(PARTNERS[node]);
                self.nodes[node].get_or_insert_with(start);
            }
            Event::Silence => {
                self.figures.silences += 1;
                self.relay.set(Weather::cut());
            }
            Event::Sound => self.relay.set(self.weather),
        }
    }

    /// One round from its opening until everybody knows its end.
    fn round(&mut self, rng: &mut StdRng, period: &str) -> Value {
        self.weather = Weather::draw(rng);
        self.relay.set(self.weather);
        let events = plan(rng);
        let round = self.world.open(period, PHASES);
        let begun = Instant::now();
        let stage = self.live_through(&round, &events, begun);
        // What was killed for good comes back, and whatever else was still to happen does not.
        self.happen(Event::StartCoordinator);
        self.happen(Event::Sound);
        for node in 0..PARTNERS.len() {
            self.happen(Event::StartNode(node));
        }
        for partner in PARTNERS {
            self.wait_until_known(partner, &round, begun);
        }
        self.figures.longest = self.figures.longest.max(begun.elapsed());
        self.check(&round, &stage, rng);
        self.ended.insert(round, (period.to_owned(), stage.clone()));
        stage
    }

    /// Makes the events of a round happen until it has ended; how it ended.
    fn live_through(&mut self, round: &str, events: &[(u64, Event)], begun: Instant) -> Value {
        let mut events = events.iter().peekable();
        let mut looked = begun;
        loop {
            while let Some((_, event)) =
                events.next_if(|(at, _)| begun.elapsed() >= Duration::from_millis(*at))
            {
                self.happen(*event);
            }
            if looked.elapsed() >= LOOK {
                let stage = self.world.status(round);
                match has_ended(&stage, begun.elapsed()) {
                    Ok(true) => return stage,
                    Ok(false) => looked = Instant::now(),
                    Err(why) => panic!("{round}: {why}"),
                }
            }
            sleep(Duration::from_millis(10));
        }
    }

    fn wait_until_known(&self, partner: &str, round: &str, begun: Instant) {
        loop {
            let status = self.world.node(partner, &["status", "--json"]).ok().json();
            let rounds = status["rounds"].as_array().unwrap();
            let own = rounds.iter().find(|each| each["round"] == round);
            let has_end = || self.has_the_end(partner, round);
            match knows_the_end(own, has_end, begun.elapsed()) {
                Ok(true) => return,
                Ok(false) => {}
                Err(why) => panic!("{partner}, {round}: {why}"),
            }
            sleep(LOOK);
        }
    }

    /// A node that left a round by its own deadline still gets the release.
    fn has_the_end(&self, partner: &str, round: &str) -> bool {
        if self.world.status(round)["state"] != "released" {
            return true;
        }
        let releases = self
            .world
            .node(partner, &["releases", "--json"])
            .ok()
            .json();
        releases
            .as_array()
            .unwrap()
            .iter()
            .any(|each| each["round"] == round)
    }

    fn check(&mut self, round: &str, stage: &Value, rng: &mut StdRng) {
        let release = (stage["state"] == "released").then(|| {
            let reader = PARTNERS[rng.random_range(0..PARTNERS.len())];
            verified_release(&self.world, reader, round)
        });
        check_end(stage, release.as_ref()).unwrap_or_else(|why| panic!("{round}: {why}"));
        match release {
            Some(release) => {
                self.figures.released += 1;
                self.figures.left_out += PARTNERS.len() - names(&release["survivors"]).len();
            }
            None => {
                let phase = stage["phase"].as_str().unwrap();
                *self.figures.aborted.entry(phase.to_owned()).or_default() += 1;
            }
        }
    }

    /// What everybody has on disk at the end of the run.
    fn observed(&self) -> Observed {
        let rounds = self.ended.iter().map(|(round, (period, stage))| {
            let shown = |partner: &str| {
                let show = ["releases", "--show", round];
                content_of(self.world.node(partner, &show).ok().json())
            };
            let is_released = stage["state"] == "released";
            let releases = PARTNERS.iter().filter(|_| is_released);
            let releases = releases.map(|partner| ((*partner).to_owned(), shown(partner)));
            let ended = Ended {
                period: period.clone(),
                stage: stage.clone(),
                releases: releases.collect(),
            };
            (round.clone(), ended)
        });
        let books = PARTNERS.map(|partner| {
            let books = Books {
                ledger: self.world.node(partner, &["ledger", "--json"]).ok().json(),
                log: std::fs::read_to_string(self.world.log_of(partner)).unwrap(),
            };
            (partner.to_owned(), books)
        });
        Observed {
            year: middle_of_today()[..4].to_owned(),
            rounds: rounds.collect(),
            partners: books.into(),
        }
    }
}

/// A day of a quarter, as in `2026-Q3`.
fn middle_of(period: &str) -> String {
    let (year, quarter) = period.split_once("-Q").unwrap();
    let month = quarter.parse::<u32>().unwrap() * 3 - 1;
    format!("{year}-{month:02}-15")
}

fn middle_of_today() -> String {
    let today = time::OffsetDateTime::now_utc().date();
    today.to_string()
}

/// So many quarters from the first one of this year on.
fn quarters(number: usize) -> Vec<String> {
    let year: usize = middle_of_today()[..4].parse().unwrap();
    let name = |each: usize| format!("{}-Q{}", year + each / 4, each % 4 + 1);
    (0..number).map(name).collect()
}

/// Rounds of one world, one after the other.
fn run_world(seed: u64, rounds: usize, tally: &Arc<Tally>) -> Figures {
    let mut rng = StdRng::seed_from_u64(seed);
    let periods = quarters(rounds);
    let mut chaos = Chaos::start(seed, &periods, tally);
    let mut next = 0;
    for number in 0..rounds {
        let period = &periods[next];
        let begun = Instant::now();
        let stage = chaos.round(&mut rng, period);
        let mut line = format!("world {seed}, round {number}, {period}: ");
        let _ = write!(
            line,
            "{} after {:.1?}",
            stage["state"].as_str().unwrap(),
            begun.elapsed()
        );
        eprintln!("{line} {}", stage["phase"].as_str().unwrap_or_default());
        // Before Mask an attempt costs nothing and the same quarter is tried again; after it the budget is spent.
        let is_free = ["join", "share"].contains(&stage["phase"].as_str().unwrap_or("released"));
        next += usize::from(!is_free);
    }
    check_run(&chaos.observed()).unwrap_or_else(|why| panic!("world {seed}: {why}"));
    std::mem::take(&mut chaos.figures)
}

#[test]
#[ignore = "minutes of processes being killed: tests/chaos runs it"]
fn rounds_end_right_or_are_given_up_with_names_though_anything_is_killed_at_any_time() {
    let rounds = usize::try_from(setting("MSHT_ROUNDS", 20)).unwrap();
    let worlds = usize::try_from(setting("MSHT_WORLDS", 4)).unwrap().max(1);
    let seed = setting("MSHT_SEED", u64::from(std::process::id()));
    assert!(rounds <= MAX_ROUNDS, "at most {MAX_ROUNDS} rounds");
    println!("chaos: MSHT_SEED={seed} MSHT_ROUNDS={rounds} MSHT_WORLDS={worlds}");
    let begun = Instant::now();
    let tally = Arc::new(Tally::default());
    let worlds = (0..worlds).map(|world| {
        let share = rounds / worlds + usize::from(world < rounds % worlds);
        let (seed, tally) = (seed.wrapping_add(world as u64), Arc::clone(&tally));
        std::thread::spawn(move || run_world(seed, share, &tally))
    });
    let worlds: Vec<_> = worlds.collect();
    let mut all = Figures::default();
    let mut failed = false;
    for world in worlds {
        match world.join() {
            Ok(figures) => all.add(figures),
            Err(_) => failed = true,
        }
    }
    let passed = |number: &std::sync::atomic::AtomicU64| number.load(Ordering::Relaxed);
    let aborted: usize = all.aborted.values().sum();
    println!(
        "killed: coordinator {}, nodes {}; network silent {} times",
        all.coordinator_killed, all.nodes_killed, all.silences
    );
    println!(
        "packets: {} passed, {} dropped, {} delayed, {} reordered, {} duplicated",
        passed(&tally.passed),
        passed(&tally.lost),
        passed(&tally.delayed),
        passed(&tally.late),
        passed(&tally.doubled)
    );
    println!(
        "rounds: {} released (partners left out: {}), {aborted} aborted {:?}; longest {:.1} s; all {:.0} s",
        all.released,
        all.left_out,
        all.aborted,
        all.longest.as_secs_f64(),
        begun.elapsed().as_secs_f64()
    );
    assert!(!failed, "failed with MSHT_SEED={seed}");
    assert_eq!(all.released + aborted, rounds);
    assert!(
        all.released * 2 >= rounds,
        "most rounds should survive such faults"
    );
}
