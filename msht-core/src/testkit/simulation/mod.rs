//! A seeded simulation of whole runs: the core of both sides under virtual time, with everything that goes wrong.
//!
//! A run is a few rounds of one programme, each days of virtual time long, among one coordinator and 3 to 60 nodes.
//! Both sides are thin shells around the same core that the real programs use: sessions, ledger, terms, noise,
//! release. Everything follows from the seed of the [`Plan`]: which messages are lost, doubled, delayed and so
//! reordered; who is killed at which *named* point ([`NodeCrash`], [`CoordinatorCrash`]) and comes up again from
//! exactly what was durable; whose disk refuses to write and whose clock jumps; which partners vanish for good.
//! [`Oracle`]s watch from outside at every step. To show that they see, faults can be [`Planted`].
//!
//! An operator may also put a node's disk back to an older copy: its anchor must notice ([`Plan::node_restores`]). After
//! a round that was given up, statements are collected and charges come back.
//!
//! Left out: the two shells' own code (their tests run the real programs), corrupted bytes (see `forge`), and disks
//! that lose what they acknowledged.

mod charges;
mod coordinator;
mod copies;
mod crash;
mod disk;
mod link;
mod node;
mod node_anchor;
mod node_ends;
mod node_faults;
mod node_replies;
mod oracles;
mod plan;
mod planted;
mod round;
mod schedule;

pub use crash::{CoordinatorCrash, NodeCrash};
pub use oracles::{Finding, Oracle};
pub use plan::{DAY, HOUR, Hazard, Plan, Weather};
pub use planted::Planted;

use std::collections::BTreeMap;
use std::sync::Arc;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use coordinator::Coordinator;
use disk::{NodeDisk, Stage};
use node::Node;
use oracles::{Oracles, Stood};
use round::{Documents, Ending};
use schedule::{Event, Schedule};

use crate::crypto::{Digest, Identity, memory};
use crate::secagg::Abort;

/// Seconds since 1970-01-01 UTC at which runs begin: 2026-04-01, when the first quarter can be counted.
const BEGINNING: i64 = 1_775_001_600;
/// Virtual days after which a round must have ended, however often the coordinator was down or its clock set back:
/// five of the phases, and some for each misfortune allowed.
const ROUND_DAYS: i64 = 20;
/// Virtual time for partners to learn how the last round ended.
const LEARNING_TIME: i64 = 2 * DAY;
/// Most events of a run: some hundred times what the longest runs have, so that a loop in a shell ends.
const MAX_EVENTS: u64 = 20_000_000;

/// How one round of a run ended for the coordinator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoundEnd {
    /// Released over these survivors, by index.
    Released(Vec<u8>),
    /// Given up.
    Aborted(Abort),
    /// Still open when the run stopped.
    Open,
}

/// What a run showed.
#[derive(Debug, Clone)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// Partners.
    pub partners: u8,
    /// How each round ended.
    pub rounds: Vec<RoundEnd>,
    /// Events handled.
    pub events: u64,
    /// Digest of every message that left a node, in order.
    pub sent: Digest,
    /// Faults injected, by kind.
    pub injected: BTreeMap<&'static str, u64>,
    /// What the oracles noticed; empty in a good run.
    pub findings: Vec<Finding>,
}

impl Report {
    /// The command that runs this seed again.
    #[must_use]
    pub fn reproduction(&self) -> String {
        format!(
            "MSHT_SEED={} cargo test -p msht-core --features testkit --test simulation one_seed",
            self.seed
        )
    }

    /// Whether an oracle noticed something.
    #[must_use]
    pub fn found(&self, oracle: Oracle) -> bool {
        self.findings.iter().any(|finding| finding.oracle == oracle)
    }
}

/// One run.
pub struct Simulation {
    plan: Plan,
    rng: StdRng,
    schedule: Schedule,
    documents: Documents,
    nodes: BTreeMap<u8, Node>,
    coordinator: Coordinator,
    oracles: Oracles,
    injected: BTreeMap<&'static str, u64>,
    strikes: BTreeMap<(u8, &'static str), u32>,
    latest: BTreeMap<(u8, bool), u64>,
    events: u64,
    settled_at: Option<i64>,
}

/// Stands for the coordinator where a partner's index is expected.
const COORDINATOR: u8 = 0;

impl Simulation {
    /// A run before its first event.
    ///
    /// # Panics
    /// Where a plan made by hand breaks the rules.
    #[must_use]
    #[expect(clippy::expect_used, reason = "test support: any seed makes a key")]
    pub fn new(plan: Plan) -> Self {
        let mut rng = StdRng::seed_from_u64(plan.seed ^ 0x5eed_0000_0000_0000);
        let identity =
            |rng: &mut StdRng| Arc::new(Identity::generate(rng).expect("any seed makes a key"));
        let coordinator = identity(&mut rng);
        let identities: Vec<_> = (0..plan.partners).map(|_| identity(&mut rng)).collect();
        let documents = Documents::new(&plan, &coordinator, &identities);
        let nodes = identities.into_iter().zip(1_u8..);
        let nodes: BTreeMap<u8, Node> = nodes
            .map(|(identity, index)| (index, Node::new(identity, index)))
            .collect();
        let mut schedule = Schedule::default();
        schedule.after(0, Event::OpenRound);
        schedule.after(0, Event::CoordinatorTurn);
        for index in nodes.keys() {
            schedule.after(rng.random_range(1..HOUR), Event::NodeTurn(*index));
        }
        Self {
            oracles: Oracles::new(&plan, documents.caps.clone()),
            coordinator: Coordinator::new(coordinator),
            plan,
            rng,
            schedule,
            documents,
            nodes,
            injected: BTreeMap::new(),
            strikes: BTreeMap::new(),
            latest: BTreeMap::new(),
            events: 0,
            settled_at: None,
        }
    }

    /// Runs to the end.
    #[must_use]
    pub fn run(mut self) -> Report {
        let _remembering = self.plan.remembers.then(memory::remembering);
        let rounds = i64::try_from(self.plan.rounds).unwrap_or(i64::MAX);
        let end = rounds.saturating_mul(ROUND_DAYS * DAY);
        while let Some(event) = self.schedule.next() {
            if self.schedule.now() > end || self.events >= MAX_EVENTS || self.is_over() {
                break;
            }
            self.events += 1;
            self.oracles.at(self.schedule.now());
            self.handle(event);
        }
        self.into_report()
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::NodeTurn(index) => self.recurring_turn(index),
            Event::NodeRestart(index) => self.restart_node(index),
            Event::NodeResolved(index) => self.resolve(index),
            Event::CoordinatorTurn => self.recurring_coordinator_turn(),
            Event::CoordinatorRestart => self.coordinator.is_up = true,
            Event::OpenRound => self.open_round(),
            Event::ToCoordinator {
                from,
                sent,
                request,
            } => {
                self.note_overtaking((from, true), sent);
                self.request(from, request);
            }
            Event::ToNode { to, sent, reply } => {
                self.note_overtaking((to, false), sent);
                self.reply(to, reply);
            }
        }
    }

    /// The coordinator has ended every round, and everybody who is still there knows or had time to learn it.
    fn is_over(&mut self) -> bool {
        let rows = &self.coordinator.disk.rows;
        let planned = self.plan.rounds;
        if rows.len() < planned || rows.iter().any(|row| row.ending.is_none()) {
            return false;
        }
        let now = self.schedule.now();
        let settled_at = *self.settled_at.get_or_insert(now);
        now > settled_at + LEARNING_TIME
            || self.nodes.iter().all(|(index, node)| {
                node.is_lost || (node.disk.position() >= planned && !self.is_unsettled(*index))
            })
    }

    fn into_report(mut self) -> Report {
        self.settle_oracles();
        let rows = self.coordinator.disk.rows.iter();
        let rounds = rows.map(|row| match row.ending.as_deref() {
            None => RoundEnd::Open,
            Some(Ending::Released(release)) => {
                RoundEnd::Released(release.content.proof.survivors.clone())
            }
            Some(Ending::Aborted(notice)) => RoundEnd::Aborted(notice.content.abort.clone()),
        });
        Report {
            seed: self.plan.seed,
            partners: self.plan.partners,
            rounds: rounds.collect(),
            events: self.events,
            sent: self.oracles.sent(),
            injected: self.injected,
            findings: self.oracles.findings(),
        }
    }

    fn settle_oracles(&mut self) {
        for position in 0..self.plan.rounds {
            let row = self.coordinator.disk.rows.get(position);
            let ending = row.and_then(|row| row.ending.as_deref());
            let knows = |disk: &NodeDisk| {
                disk.rows
                    .get(position)
                    .is_some_and(|row| row.stage == Stage::Ended)
            };
            let waiting = self
                .nodes
                .iter()
                .filter(|(_, node)| !node.is_lost && !knows(&node.disk));
            let stood = Stood {
                position,
                has_ended: ending.is_some(),
                was_released: matches!(ending, Some(Ending::Released(_))),
                waiting: waiting.map(|(index, _)| *index).collect(),
            };
            self.oracles.stopped(self.plan.fair, &stood);
        }
    }
}
