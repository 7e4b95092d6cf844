//! What a run consists of and how unkind it is: everything that a seed decides before the first event.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::planted::Planted;
use crate::secagg::messages::Phase;
use crate::secagg::{Params, Thresholds};

/// Virtual seconds of an hour.
pub const HOUR: i64 = 3_600;
/// Virtual seconds of a day: how long a phase stays open.
pub const DAY: i64 = 24 * HOUR;

/// One kind of misfortune: how likely it is at each occasion, how often it may strike one side in one round, and
/// how long it lasts.
///
/// The bound on its number is what makes a run fair: chance alone would now and then starve a side.
#[derive(Debug, Clone, Copy, Default)]
pub struct Hazard {
    /// Probability at each occasion, in thousandths.
    pub per_mille: u32,
    /// Most strikes on one side in one round.
    pub most: u32,
    /// Longest duration, or jump of a clock, in virtual seconds.
    pub longest_s: i64,
}

impl Hazard {
    /// The same, with `fourths` fourths of its probability, rounded up.
    pub(super) fn at(self, fourths: u32) -> Self {
        Self {
            per_mille: (self.per_mille * fourths).div_ceil(4),
            ..self
        }
    }
}

/// What the network does to each message.
#[derive(Debug, Clone, Copy, Default)]
pub struct Weather {
    /// Messages lost, in thousandths.
    pub lost_per_mille: u32,
    /// Messages delivered twice, in thousandths.
    pub doubled_per_mille: u32,
    /// Longest delay in virtual seconds; delays differ, so messages overtake each other.
    pub longest_delay_s: i64,
}

/// A whole run, fixed before it begins.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What every random choice of the run comes from.
    pub seed: u64,
    /// n.
    pub partners: u8,
    /// t, m and c of the programme; the defaults of the protocol where none.
    pub thresholds: Option<Thresholds>,
    /// 32 or 64.
    pub word_bits: u32,
    /// Rounds announced one after the other.
    pub rounds: usize,
    /// Attempts at one period that the programme's promise pays for.
    pub attempts: u64,
    /// Rounds of one year that each partner's own cap pays for.
    pub yearly: u64,
    /// Whether the run keeps to the bounds within which every round must open.
    pub fair: bool,
    /// The network.
    pub weather: Weather,
    /// Kills of a node, and how long it stays down.
    pub node_kills: Hazard,
    /// Kills of the coordinator, and how long it stays down.
    pub coordinator_kills: Hazard,
    /// Times in which a node's disk refuses every write.
    pub node_disk: Hazard,
    /// Times in which the coordinator's disk refuses every write.
    pub coordinator_disk: Hazard,
    /// Disks of nodes that are put back to an older copy while the node is down, and how long it stays in quarantine.
    pub node_restores: Hazard,
    /// Jumps of a node's clock.
    pub node_clock: Hazard,
    /// Jumps of the coordinator's clock.
    pub coordinator_clock: Hazard,
    /// Rounds that the operator gives up, in thousandths of the looks at the clock.
    pub operator_per_mille: u32,
    /// Partners that vanish for good: in the round at this position, before they send their message of the phase.
    pub lost: BTreeMap<u8, (usize, Phase)>,
    /// Whether a signature that verified once in the run is taken for verified, and a key that was checked for checked
    /// (`crypto/memory.rs`): several times as fast, and otherwise the same.
    pub remembers: bool,
    /// A fault that an oracle must notice.
    pub planted: Option<Planted>,
}

impl Plan {
    /// One round in which nothing goes wrong.
    #[must_use]
    pub fn quiet(partners: u8, seed: u64) -> Self {
        Self {
            seed,
            partners,
            thresholds: None,
            word_bits: 32,
            rounds: 1,
            attempts: 3,
            yearly: 8,
            fair: true,
            weather: Weather::default(),
            node_kills: Hazard::default(),
            coordinator_kills: Hazard::default(),
            node_disk: Hazard::default(),
            coordinator_disk: Hazard::default(),
            node_restores: Hazard::default(),
            node_clock: Hazard::default(),
            coordinator_clock: Hazard::default(),
            operator_per_mille: 0,
            lost: BTreeMap::new(),
            remembers: true,
            planted: None,
        }
    }

    /// The run of a seed.
    #[must_use]
    pub fn of_seed(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let partners = partners(seed, &mut rng);
        let mut plan = Self::quiet(partners, seed);
        plan.word_bits = if rng.random_bool(0.5) { 32 } else { 64 };
        plan.rounds = rounds(partners, &mut rng);
        plan.thresholds = rng
            .random_bool(0.4)
            .then(|| thresholds(partners, &mut rng))
            .flatten();
        if rng.random_bool(0.5) {
            plan.be_fair(&mut rng);
        } else {
            plan.be_unfair(&mut rng);
        }
        plan
    }

    /// t, m and c of every round.
    ///
    /// # Panics
    /// Where a plan made by hand breaks the rules on them.
    #[must_use]
    #[expect(
        clippy::expect_used,
        reason = "test support: a bad plan is the test's mistake"
    )]
    pub fn params(&self) -> Params {
        let partners = usize::from(self.partners);
        match self.thresholds {
            Some(thresholds) => Params::new(partners, thresholds),
            None => Params::defaults(partners),
        }
        .expect("numbers within the rules")
    }

    /// Makes the run one in which every round must open.
    ///
    /// Of a phase's 24 hours, kills take five at most, full disks four and a clock that jumps ahead three. In the
    /// twelve left a node tries 24 times; a request and its answer both arrive with a probability of at least 0.64,
    /// and two such exchanges are needed: they fail with a probability below 10⁻⁸.
    pub fn be_fair(&mut self, rng: &mut StdRng) {
        let rate = |rng: &mut StdRng, most| rng.random_range(0..=most);
        self.fair = true;
        self.weather = Weather {
            lost_per_mille: rate(rng, 200),
            doubled_per_mille: rate(rng, 200),
            longest_delay_s: rng.random_range(0..=HOUR / 3),
        };
        let hazard = |per_mille, most, longest_s| Hazard {
            per_mille,
            most,
            longest_s,
        };
        self.node_kills = hazard(self.rare(rate(rng, 60)), 2, HOUR);
        self.coordinator_kills = hazard(self.rare(rate(rng, 25)), 3, HOUR);
        self.node_disk = hazard(self.rare(rate(rng, 40)), 1, 2 * HOUR);
        self.coordinator_disk = hazard(self.rare(rate(rng, 30)), 1, 2 * HOUR);
        self.node_clock = hazard(rate(rng, 40), 1, 3 * HOUR);
        self.coordinator_clock = hazard(rate(rng, 20), 1, 3 * HOUR);
        self.lose_as_many_as_are_allowed(rng);
    }

    fn be_unfair(&mut self, rng: &mut StdRng) {
        let rate = |rng: &mut StdRng, most| rng.random_range(0..=most);
        self.fair = false;
        self.weather = Weather {
            lost_per_mille: rate(rng, 600),
            doubled_per_mille: rate(rng, 400),
            longest_delay_s: rng.random_range(0..=DAY),
        };
        let hazard = |per_mille, most, longest_s| Hazard {
            per_mille,
            most,
            longest_s,
        };
        self.node_kills = hazard(self.rare(rate(rng, 80)), 6, DAY);
        self.coordinator_kills = hazard(self.rare(rate(rng, 40)), 6, 12 * HOUR);
        self.node_disk = hazard(self.rare(rate(rng, 100)), 3, DAY);
        self.coordinator_disk = hazard(self.rare(rate(rng, 60)), 3, 12 * HOUR);
        self.node_clock = hazard(rate(rng, 60), 2, 3 * DAY);
        self.coordinator_clock = hazard(rate(rng, 30), 2, 2 * DAY);
        self.node_restores = hazard(rate(rng, 500), 1, 2 * DAY);
        self.operator_per_mille = if rng.random_bool(0.2) { 8 } else { 0 };
        self.attempts = rng.random_range(1..=3);
        self.yearly = rng.random_range(1..=4);
        let lost = rng.random_range(0..=self.partners / 2);
        for _ in 0..lost {
            let partner = rng.random_range(1..=self.partners);
            self.lost
                .insert(partner, (rng.random_range(0..self.rounds), phase(rng)));
        }
    }

    /// Kills and refused writes cost a replay of the whole round, which grows with n²: in a large cohort each
    /// partner meets as many, the round as a whole not many more.
    fn rare(&self, per_mille: u32) -> u32 {
        per_mille.min(400 / u32::from(self.partners).max(1) + 1)
    }

    /// At most n − m before Confirm closes and n − t in all.
    fn lose_as_many_as_are_allowed(&mut self, rng: &mut StdRng) {
        let params = self.params();
        let early = params.invited() - params.least_survivors();
        let late = params.least_survivors() - params.threshold();
        let mut partners: Vec<u8> = (1..=params.invited()).collect();
        let mut draw = |rng: &mut StdRng| partners.swap_remove(rng.random_range(0..partners.len()));
        for _ in 0..rng.random_range(0..=early) {
            let place = (rng.random_range(0..self.rounds), phase(rng));
            self.lost.insert(draw(rng), place);
        }
        for _ in 0..rng.random_range(0..=late) {
            let last = self.rounds.saturating_sub(1);
            self.lost.insert(draw(rng), (last, Phase::Unmask));
        }
    }
}

fn phase(rng: &mut StdRng) -> Phase {
    match rng.random_range(0..5) {
        0 => Phase::Join,
        1 => Phase::Share,
        2 => Phase::Mask,
        3 => Phase::Confirm,
        _ => Phase::Unmask,
    }
}

/// One seed in this many has a large cohort, and each size of [`LARGE`] in turn: any 20,000 seeds that follow on each
/// other have every one of them.
const SEEDS_OF_A_LARGE_COHORT: u64 = 500;
/// Cohorts whose rounds are too long for chance alone to bring all of them.
const LARGE: std::ops::RangeInclusive<u8> = 21..=60;

/// Mostly small, so that many rounds fit in a second, since work grows with n²; every size up to 60 has its turn.
fn partners(seed: u64, rng: &mut StdRng) -> u8 {
    if seed % SEEDS_OF_A_LARGE_COHORT == SEEDS_OF_A_LARGE_COHORT - 1 {
        let sizes = LARGE.count() as u64;
        let turn = seed / SEEDS_OF_A_LARGE_COHORT % sizes;
        return u8::try_from(turn).map_or(60, |turn| LARGE.start() + turn);
    }
    match rng.random_range(0..2_000) {
        0..1_300 => 3,
        1_300..1_740 => 4,
        1_740..1_940 => rng.random_range(5..=6),
        1_940..1_988 => rng.random_range(7..=10),
        _ => rng.random_range(11..=20),
    }
}

fn rounds(partners: u8, rng: &mut StdRng) -> usize {
    if partners > 10 {
        return 1;
    }
    match rng.random_range(0..20) {
        0..15 => 1,
        15..18 => 2,
        18 => 3,
        _ => 4,
    }
}

/// Other numbers than the defaults, within the rules.
fn thresholds(partners: u8, rng: &mut StdRng) -> Option<Thresholds> {
    let colluders = rng.random_range(1..=(partners / 3).max(1));
    let least = (partners + colluders) / 2 + 1;
    if least > partners {
        return None;
    }
    let threshold = rng.random_range(least..=partners);
    let least_survivors = rng.random_range(threshold..=partners);
    let thresholds = Thresholds {
        threshold,
        least_survivors,
        colluders,
    };
    Params::new(usize::from(partners), thresholds)
        .is_ok()
        .then_some(thresholds)
}
