//! Many rounds in which the coordinator and the nodes are killed at random times over a bad network.
//!
//! Nobody repairs anything: a killed process is started again with the command it was started with. Every round must
//! end by itself in a legal way, and every ledger must say what that way justifies: `verdict` has the checks.
//!
//! On PostgreSQL two replicas of the coordinator serve at once, and the relay balances between them. In half of the
//! rounds one of them does not come back before the end, and the other one has to take over what it was doing.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;

use crate::postgres::{self, Database};
use crate::relay::{Relay, Tally, Weather};
use crate::rounds::{content_of, verified_release};
use crate::verdict::{
    Books, Ended, OWN_MANY, Observed, PARTNERS, check_end, check_run, has_ended, knows_the_end,
};
use crate::world::{LONG, PROGRAMME, Process, Store, World, names, records_on};

/// Join may have to wait for a node that was just started; a phase closes early when everybody has sent.
const PHASES: &str = "6s,5s,5s,5s,5s";
/// The same where another replica may have to wait first until the lease of a dead one has run out.
const PHASES_WITH_TAKEOVER: &str = "8s,8s,8s,8s,8s";
/// Most rounds of a run; those of one world have distinct quarters within a century.
const MAX_ROUNDS: usize = 4_000;
/// When in a round something is killed, and how long it stays down, in milliseconds.
const KILL_AFTER_MS: std::ops::Range<u64> = 0..2_500;
const DOWN_MS: std::ops::Range<u64> = 0..1_200;
/// How long the relay goes on sending to a replica that was killed, in milliseconds.
const UNNOTICED_MS: std::ops::Range<u64> = 0..1_500;
/// How long the whole network is silent when it is, in milliseconds.
const SILENCE_MS: std::ops::Range<u64> = 300..2_000;
/// Rounds that a short run may lose beyond its quarter: one database crash in Join can cost three in ten.
const LOST_BY_CHANCE: usize = 2;
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

/// What can be killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    Replica(usize),
    Node(usize),
}

/// What happens at a time of a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Kill(Who),
    Start(Who),
    /// The relay notices that a replica is dead.
    Noticed(usize),
    CrashDatabase,
    Silence,
    Sound,
}

/// What happens in one round, by milliseconds from its opening, to so many replicas and the nodes.
fn plan(rng: &mut StdRng, replicas: usize) -> Vec<(u64, Event)> {
    let mut events = Vec::new();
    let is_one_of_several = replicas > 1;
    let draw = |rng: &mut StdRng| match is_one_of_several {
        true => rng.random_range(0..replicas),
        false => 0,
    };
    // Who is killed and does not come back before the end of the round; never the last replica.
    let away = (is_one_of_several && rng.random_bool(0.5)).then(|| draw(rng));
    let mut kill = |rng: &mut StdRng, at: u64, who: Who, for_good: bool| {
        events.push((at, Event::Kill(who)));
        if let (Who::Replica(replica), true) = (who, is_one_of_several) {
            events.push((at + rng.random_range(UNNOTICED_MS), Event::Noticed(replica)));
        }
        if !for_good && Some(who) != away.map(Who::Replica) {
            events.push((at + rng.random_range(DOWN_MS), Event::Start(who)));
        }
    };
    if let Some(replica) = away {
        let at = rng.random_range(KILL_AFTER_MS);
        kill(rng, at, Who::Replica(replica), true);
    }
    for _ in 0..rng.random_range(1..=3) {
        let at = rng.random_range(KILL_AFTER_MS);
        let who = match rng.random_bool(0.4) {
            true => Who::Replica(draw(rng)),
            false => Who::Node(rng.random_range(0..PARTNERS.len())),
        };
        let for_good = matches!(who, Who::Node(_)) && rng.random_bool(0.3);
        kill(rng, at, who, for_good);
    }
    if rng.random_bool(0.05) {
        // A power cut: everything at once.
        let at = rng.random_range(KILL_AFTER_MS);
        let nodes = (0..PARTNERS.len()).map(Who::Node);
        for who in (0..replicas).map(Who::Replica).chain(nodes) {
            kill(rng, at, who, false);
        }
    }
    if is_one_of_several && rng.random_bool(0.1) {
        events.push((rng.random_range(KILL_AFTER_MS), Event::CrashDatabase));
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
    /// By replica.
    coordinator_killed: Vec<usize>,
    database_crashed: usize,
    /// Rounds at whose end one of several replicas was dead.
    ended_without_a_replica: usize,
    /// Connections that the relay gave each replica.
    given: Vec<usize>,
    nodes_killed: usize,
    silences: usize,
    released: usize,
    left_out: usize,
    aborted: BTreeMap<String, usize>,
    longest: Duration,
}

impl Figures {
    fn add(&mut self, other: Self) {
        add_each(&mut self.coordinator_killed, &other.coordinator_killed);
        add_each(&mut self.given, &other.given);
        self.database_crashed += other.database_crashed;
        self.ended_without_a_replica += other.ended_without_a_replica;
        self.nodes_killed += other.nodes_killed;
        self.silences += other.silences;
        self.released += other.released;
        self.left_out += other.left_out;
        for (phase, number) in other.aborted {
            *self.aborted.entry(phase).or_default() += number;
        }
        self.longest = self.longest.max(other.longest);
    }

    fn print(&self, tally: &Tally, elapsed: Duration) {
        let passed = |number: &AtomicU64| number.load(Ordering::Relaxed);
        let killed: usize = self.coordinator_killed.iter().sum();
        println!(
            "killed: coordinator {killed}, nodes {}; network silent {} times",
            self.nodes_killed, self.silences
        );
        if self.coordinator_killed.len() > 1 {
            println!(
                "replicas: killed {:?}, given connections {:?}; rounds that ended with one of them dead: {}; \
                 database crashed {} times",
                self.coordinator_killed,
                self.given,
                self.ended_without_a_replica,
                self.database_crashed
            );
        }
        println!(
            "packets: {} passed, {} dropped, {} delayed, {} reordered, {} duplicated",
            passed(&tally.passed),
            passed(&tally.lost),
            passed(&tally.delayed),
            passed(&tally.late),
            passed(&tally.doubled)
        );
        println!(
            "rounds: {} released (partners left out: {}), {} aborted {:?}; longest {:.1} s; all {:.0} s",
            self.released,
            self.left_out,
            self.aborted.values().sum::<usize>(),
            self.aborted,
            self.longest.as_secs_f64(),
            elapsed.as_secs_f64()
        );
    }
}

fn add_each(to: &mut Vec<usize>, numbers: &[usize]) {
    to.resize(to.len().max(numbers.len()), 0);
    for (sum, number) in to.iter_mut().zip(numbers) {
        *sum += number;
    }
}

/// What rounds are run on.
#[derive(Debug, Clone, Copy)]
enum Base {
    OneOnSqlite,
    TwoOnPostgres,
}

impl Base {
    fn store(self) -> Store {
        match self {
            Self::OneOnSqlite => Store::Sqlite,
            Self::TwoOnPostgres => Store::Postgres(Database::create()),
        }
    }

    fn phases(self) -> &'static str {
        match self {
            Self::OneOnSqlite => PHASES,
            Self::TwoOnPostgres => PHASES_WITH_TAKEOVER,
        }
    }
}

/// A coordinator behind a bad network with its nodes, all killed and started as the plan has it.
struct Chaos {
    base: Base,
    world: World,
    relay: Relay,
    weather: Weather,
    nodes: Vec<Option<Process>>,
    figures: Figures,
    /// What became of each round, for the ledgers: period and the coordinator's word.
    ended: BTreeMap<String, (String, Value)>,
}

impl Chaos {
    fn start(base: Base, seed: u64, periods: &[String], tally: &Arc<Tally>) -> Self {
        let mut relay = None;
        let first = periods[0].clone();
        let programme = PROGRAMME.replace("2025-Q1", &first);
        let world = World::behind(base.store(), &programme, |replicas| {
            relay.insert(Relay::start(replicas, seed, tally)).address
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
        let figures = Figures {
            coordinator_killed: vec![0; world.replicas()],
            ..Figures::default()
        };
        Self {
            base,
            world,
            relay: relay.unwrap(),
            weather: Weather::default(),
            nodes: nodes.into(),
            figures,
            ended: BTreeMap::from([(round, (first, stage))]),
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Kill(Who::Replica(replica)) => {
                let was_up = self.world.is_serving(replica);
                self.figures.coordinator_killed[replica] += usize::from(was_up);
                self.world.stop_replica(replica);
            }
            Event::Noticed(replica) => {
                self.relay.set_out(replica, !self.world.is_serving(replica));
            }
            Event::Start(Who::Replica(replica)) => {
                if !self.world.is_serving(replica) {
                    self.world.serve_replica(replica);
                }
                self.relay.set_out(replica, false);
            }
            Event::Kill(Who::Node(node)) => {
                self.figures.nodes_killed += usize::from(self.nodes[node].is_some());
                self.nodes[node] = None;
            }
            Event::Start(Who::Node(node)) => {
                let start = || self.world.run_logged(PARTNERS[node]);
                self.nodes[node].get_or_insert_with(start);
            }
            Event::CrashDatabase if !postgres::can_crash() => {}
            Event::CrashDatabase => {
                self.figures.database_crashed += 1;
                postgres::crash();
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
        let replicas = self.world.replicas();
        let events = plan(rng, replicas);
        let round = self.world.open(period, self.base.phases());
        let begun = Instant::now();
        let stage = self.live_through(&round, &events, begun);
        if stage["state"] == "aborted" {
            eprintln!("{round} lacks {}, after {events:?}", stage["missing"]);
        }
        // What was killed for good comes back, and whatever else was still to happen does not.
        let is_dead = |replica| !self.world.is_serving(replica);
        let dead = (0..replicas).filter(|replica| is_dead(*replica)).count();
        self.figures.ended_without_a_replica += usize::from(replicas > 1 && dead == 1);
        self.happen(Event::Sound);
        let nodes = (0..PARTNERS.len()).map(Who::Node);
        for who in (0..replicas).map(Who::Replica).chain(nodes) {
            self.happen(Event::Start(who));
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
fn run_world(base: Base, seed: u64, rounds: usize, tally: &Arc<Tally>) -> Figures {
    let mut rng = StdRng::seed_from_u64(seed);
    let periods = quarters(rounds);
    let mut chaos = Chaos::start(base, seed, &periods, tally);
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
    chaos.figures.given = chaos.relay.given();
    std::mem::take(&mut chaos.figures)
}

/// Worlds at once, from the environment or so many, each with its share of the rounds; asserts what holds of all.
fn run(base: Base, worlds: u64) {
    let rounds = usize::try_from(setting("MSHT_ROUNDS", 20)).unwrap();
    let worlds = usize::try_from(setting("MSHT_WORLDS", worlds))
        .unwrap()
        .max(1);
    let seed = setting("MSHT_SEED", u64::from(std::process::id()));
    assert!(rounds <= MAX_ROUNDS, "at most {MAX_ROUNDS} rounds");
    println!("chaos: {base:?} MSHT_SEED={seed} MSHT_ROUNDS={rounds} MSHT_WORLDS={worlds}");
    let begun = Instant::now();
    let tally = Arc::new(Tally::default());
    let worlds = (0..worlds.min(rounds)).map(|world| {
        let share = rounds / worlds + usize::from(world < rounds % worlds);
        let (seed, tally) = (seed.wrapping_add(world as u64), Arc::clone(&tally));
        std::thread::spawn(move || run_world(base, seed, share, &tally))
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
    all.print(&tally, begun.elapsed());
    assert!(!failed, "failed with MSHT_SEED={seed}");
    assert_eq!(all.released + all.aborted.values().sum::<usize>(), rounds);
    assert!(
        all.released * 2 >= rounds,
        "half of the rounds survive in a run of any length"
    );
    assert!(
        (all.released + LOST_BY_CHANCE) * 4 >= rounds * 3,
        "three of four rounds should survive such faults: about one in thirty loses two partners"
    );
    assert!(
        all.given.iter().all(|given| *given > 0),
        "nodes should have come to each replica"
    );
}

#[test]
#[ignore = "minutes of processes being killed: tests/chaos runs it"]
fn rounds_end_right_or_are_given_up_with_names_though_anything_is_killed_at_any_time() {
    run(Base::OneOnSqlite, 4);
}

#[test]
#[ignore = "minutes of processes being killed, and a PostgreSQL server: tests/chaos two-replicas runs it"]
fn rounds_of_two_replicas_on_postgres_end_right_or_are_given_up_with_names_though_anything_is_killed_at_any_time()
 {
    run(Base::TwoOnPostgres, 2);
}
