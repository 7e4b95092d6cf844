//! What the estimates claim, held against simulated quarters of the pan-London picture: intervals cover, changes and
//! hotspots are called no more often in error than stated, and what is said to be detectable is detected.
//!
//! The fast tests run few rounds with bounds as wide as their sampling error. The large ones, whose figures are in
//! `docs/estimates.md`, are
//!
//! ```text
//! cargo test --release -p msht-core --test estimates -- --ignored --nocapture
//! ```
//!
//! Every run prints its seed.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking"
)]

use msht_core::estimate::consistent::consistent_tables;
use msht_core::estimate::hotspot::{Areas, Baseline, Hotspot, HotspotState, hotspots};
use msht_core::estimate::rank::rank_ranges;
use msht_core::estimate::sum::NoisySum;
use msht_core::estimate::trend::{Call, Direction, TableChanges, latest_changes};
use msht_core::estimate::variation::Variation;
use msht_core::estimate::{COMPLEMENT, NoisyTable};
use msht_core::testkit::picture::{BOROUGHS, OwnedTable, Picture, ring};
use rand::SeedableRng;
use rand::rngs::StdRng;

const SEED: u64 = 20_261_124;
/// Quarters of a series: two years.
const QUARTERS: usize = 8;
const LEVEL: f64 = 0.05;
/// Standard deviations of sampling error that a bound allows.
const ALLOWED: f64 = 4.0;

fn rng(name: &str) -> StdRng {
    println!("{name}: seed {SEED}");
    let salt: u64 = name.bytes().map(u64::from).sum();
    StdRng::seed_from_u64(SEED + salt)
}

/// Hits among trials.
#[derive(Debug, Clone, Copy, Default)]
struct Share {
    hits: f64,
    trials: f64,
}

impl Share {
    fn add(&mut self, hit: bool) {
        self.hits += f64::from(u8::from(hit));
        self.trials += 1.0;
    }

    fn value(&self) -> f64 {
        self.hits / self.trials
    }

    /// Sampling error if the true share is `share`.
    fn error(&self, share: f64) -> f64 {
        (share * (1.0 - share) / self.trials).sqrt()
    }

    fn at_most(&self, share: f64) -> bool {
        self.value() <= share + ALLOWED * self.error(share)
    }

    fn at_least(&self, share: f64) -> bool {
        self.value() >= share - ALLOWED * self.error(share)
    }
}

fn named<'a>(quarter: &'a [OwnedTable], name: &str) -> &'a OwnedTable {
    quarter.iter().find(|table| table.name == name).unwrap()
}

fn series(picture: &Picture, rng: &mut StdRng) -> Vec<Vec<OwnedTable>> {
    (0..QUARTERS)
        .map(|number| picture.quarter(number, rng))
        .collect()
}

fn views<'a>(quarters: &'a [Vec<OwnedTable>], name: &str) -> Vec<NoisyTable<'a>> {
    quarters
        .iter()
        .map(|quarter| named(quarter, name).view())
        .collect()
}

const TABLES: [&str; 7] = [
    "total",
    "borough",
    "borough-main-exploitation",
    "main-exploitation-age",
    "origin-area",
    "recruitment-main-exploitation",
    "exploitation-pairs",
];

/// Coverage of 95 % intervals by table, raw and derived, and of a year's sums.
struct Coverage {
    raw: [Share; 7],
    derived: [Share; 7],
    /// Mean half-width of derived over raw.
    narrower: [f64; 7],
    years: Share,
    ranks: Share,
}

fn coverage(rounds: usize, rng: &mut StdRng) -> Coverage {
    let picture = Picture::pan_london(0.01, 0.002);
    let mut found = Coverage {
        raw: [Share::default(); 7],
        derived: [Share::default(); 7],
        narrower: [0.0; 7],
        years: Share::default(),
        ranks: Share::default(),
    };
    let mut year: Vec<OwnedTable> = Vec::new();
    for round in 0..rounds {
        let quarter = picture.quarter(round, rng);
        let all: Vec<_> = quarter.iter().map(OwnedTable::view).collect();
        let consistent = consistent_tables(&all, COMPLEMENT).unwrap();
        assert_eq!(
            consistent.left_raw.len(),
            1,
            "pairs are of a multi-valued dimension"
        );
        for (place, table) in quarter.iter().enumerate() {
            let intervals = table.view().intervals(COMPLEMENT).unwrap();
            for (interval, truth) in intervals.iter().zip(&table.truth) {
                found.raw[place].add(interval.holds(*truth as f64));
            }
            let Some(derived) = consistent.tables.iter().find(|t| t.name == table.name) else {
                continue;
            };
            found.narrower[place] = derived.half_width / intervals[0].half_width();
            for (cell, truth) in table.truth.iter().enumerate() {
                found.derived[place].add(derived.interval(cell).unwrap().holds(*truth as f64));
            }
        }
        found.ranks.add(ranks_hold(named(&quarter, "borough")));
        year.push(named(&quarter, "borough").clone());
        if year.len() == 4 {
            years(&year, &mut found.years);
            year.clear();
        }
    }
    found
}

fn years(year: &[OwnedTable], share: &mut Share) {
    for cell in 0..BOROUGHS {
        let cells = [cell];
        let parts: Vec<_> = year
            .iter()
            .map(|table| (table.view(), &cells[..]))
            .collect();
        let truth: i64 = year.iter().map(|table| table.truth[cell]).sum();
        let interval = NoisySum::of(&parts).unwrap().interval(COMPLEMENT).unwrap();
        share.add(interval.holds(truth as f64));
    }
}

fn ranks_hold(table: &OwnedTable) -> bool {
    let cells: Vec<usize> = (0..BOROUGHS).collect();
    let ranges = rank_ranges(&table.view(), &cells, COMPLEMENT).unwrap();
    cells.iter().zip(ranges).all(|(cell, range)| {
        let larger = |other: &&usize| table.truth[**other] > table.truth[*cell];
        let smaller = |other: &&usize| table.truth[**other] < table.truth[*cell];
        let best = 1 + cells.iter().filter(larger).count();
        let worst = BOROUGHS - cells.iter().filter(smaller).count();
        range.best <= worst && best <= range.worst
    })
}

fn check_coverage(found: &Coverage) {
    let (mut raw, mut derived) = (Share::default(), Share::default());
    for (place, name) in TABLES.iter().enumerate() {
        let (one, two) = (&found.raw[place], &found.derived[place]);
        let derived_words = match two.trials {
            0.0 => "left raw".to_owned(),
            _ => format!(
                "derived {:.2} %, {:.2} times as wide",
                100.0 * two.value(),
                found.narrower[place]
            ),
        };
        println!(
            "  {name:<26} raw {:.2} % of {:.0}   {derived_words}",
            100.0 * one.value(),
            one.trials
        );
        raw.hits += one.hits;
        raw.trials += one.trials;
        derived.hits += two.hits;
        derived.trials += two.trials;
    }
    println!(
        "  all cells: raw {:.2} %, derived {:.2} %; sums of four quarters {:.2} %; all ranks in their ranges {:.2} %",
        100.0 * raw.value(),
        100.0 * derived.value(),
        100.0 * found.years.value(),
        100.0 * found.ranks.value()
    );
    assert!(found.years.at_least(0.95));
    for share in [raw, derived] {
        let value = share.value();
        assert!((0.94..=0.96).contains(&value), "{share:?}");
    }
    assert!(found.ranks.at_least(0.95));
}

#[test]
fn intervals_of_raw_and_derived_numbers_and_of_sums_cover_as_stated() {
    check_coverage(&coverage(60, &mut rng("coverage")));
}

/// What is called where nothing changes, by table.
struct Quiet {
    /// Tables with any call of a change.
    tables: Share,
    /// Numbers said to have moved, and those of them that did not or the other way.
    moved: Share,
    /// Mean over tables of the wrong ones among those said to have moved, 0 where there are none: the false discovery rate.
    moved_wrongly: Share,
}

fn is_wrong(call: Call, moved: i64) -> Option<bool> {
    let (Call::Ordinary(direction) | Call::Change(direction)) = call else {
        return None;
    };
    Some(match direction {
        Direction::Rise => moved <= 0,
        Direction::Fall => moved >= 0,
    })
}

fn quiet(picture: &Picture, table: &str, rounds: usize, rng: &mut StdRng) -> Quiet {
    let mut found = Quiet {
        tables: Share::default(),
        moved: Share::default(),
        moved_wrongly: Share::default(),
    };
    for _ in 0..rounds {
        let quarters = series(picture, rng);
        let changes = latest_changes(&views(&quarters, table), LEVEL).unwrap();
        let is_change = |call: Call| matches!(call, Call::Change(_));
        found
            .tables
            .add(changes.changes.iter().any(|change| is_change(change.call)));
        let truths = [QUARTERS - 2, QUARTERS - 1].map(|q| &named(&quarters[q], table).truth);
        let mut of_table = Share::default();
        for (cell, change) in changes.changes.iter().enumerate() {
            let moved = truths[1][cell] - truths[0][cell];
            if let Some(wrong) = is_wrong(change.call, moved) {
                of_table.add(wrong);
                found.moved.add(wrong);
            }
        }
        found.moved_wrongly.hits += of_table.hits / of_table.trials.max(1.0);
        found.moved_wrongly.trials += 1.0;
    }
    found
}

fn check_quiet(found: &Quiet, name: &str) {
    println!(
        "  {name:<50} any change called in {:.2} % of {:.0} tables; recorded numbers said to have moved: {:.0}, of them wrong {:.0}, false discovery rate {:.2} %",
        100.0 * found.tables.value(),
        found.tables.trials,
        found.moved.trials,
        found.moved.hits,
        100.0 * found.moved_wrongly.value()
    );
    assert!(found.tables.at_most(LEVEL), "{name}: {:?}", found.tables);
    assert!(found.moved_wrongly.at_most(LEVEL), "{name}");
}

#[test]
fn a_quiet_city_is_seldom_said_to_change() {
    let mut rng = rng("quiet");
    let picture = Picture::pan_london(0.01, 0.0);
    check_quiet(&quiet(&picture, "borough", 60, &mut rng), "boroughs");
    check_quiet(&quiet(&picture, "total", 100, &mut rng), "total");
}

/// How often a change of the size said to be detectable is called: in one borough, or in the whole city.
fn power(rounds: usize, borough: Option<usize>, rng: &mut StdRng) -> (f64, Share) {
    let steady = Picture::pan_london(0.01, 0.0);
    let name = if borough.is_some() {
        "borough"
    } else {
        "total"
    };
    let cell = borough.unwrap_or(0);
    let detectable = |changes: &TableChanges| changes.changes[cell].detectable.level;
    // What a reader of the last release would be told, on average over some series.
    let rehearsals = 12;
    let mut size = 0.0;
    for _ in 0..rehearsals {
        let changes = latest_changes(&views(&series(&steady, rng), name), LEVEL).unwrap();
        size += detectable(&changes) / f64::from(rehearsals);
    }
    let mut moved = steady.clone();
    match borough {
        Some(borough) => moved.levels[borough] += size,
        None => {
            let people: f64 = moved.levels.iter().sum();
            moved
                .levels
                .iter_mut()
                .for_each(|level| *level *= 1.0 + size / people);
        }
    }
    let mut called = Share::default();
    for _ in 0..rounds {
        let mut quarters = series(&steady, rng);
        quarters.pop();
        quarters.push(moved.quarter(QUARTERS, rng));
        let changes = latest_changes(&views(&quarters, name), LEVEL).unwrap();
        called.add(changes.changes[cell].call == Call::Change(Direction::Rise));
    }
    (size, called)
}

#[test]
fn a_change_of_the_size_said_to_be_detectable_is_called() {
    let mut rng = rng("power");
    let (size, called) = power(50, Some(3), &mut rng);
    println!(
        "  a borough of about 80: {size:.0} more is called in {:.0} %",
        100.0 * called.value()
    );
    assert!(called.at_least(0.75), "{called:?}");
}

/// Hotspots of the last of eight quarters, with some boroughs raised in it.
#[derive(Default)]
struct Hunt {
    /// Σ of false over called, and rounds.
    single: (f64, f64),
    neighbourhoods: (f64, f64),
    /// Raised boroughs found, alone and with their neighbours.
    found: Share,
    found_around: Share,
    /// Rounds with anything called.
    any: Share,
    any_around: Share,
}

fn hunt(raised: &[(usize, f64)], baseline: Baseline<'_>, rounds: usize, rng: &mut StdRng) -> Hunt {
    let steady = Picture::pan_london(0.01, 0.0);
    let mut hot = steady.clone();
    for (borough, factor) in raised {
        hot.levels[*borough] *= factor;
    }
    let mut hunted = Hunt::default();
    for _ in 0..rounds {
        let mut quarters = series(&steady, rng);
        quarters.pop();
        quarters.push(hot.quarter(QUARTERS, rng));
        let tables = views(&quarters, "borough");
        let codes = &tables[0].dimensions[0].categories;
        let areas = Areas::along(&tables[0], "borough", None, &ring(codes)).unwrap();
        let found = hotspots(&tables, &areas, baseline, LEVEL, COMPLEMENT).unwrap();
        let is_raised = |code: &String| raised.iter().any(|(borough, _)| codes[*borough] == *code);
        let tally =
            |family: &[Hotspot], sum: &mut (f64, f64), any: &mut Share, hits: &mut Share| {
                let called: Vec<_> = family
                    .iter()
                    .filter(|h| h.state == HotspotState::Hotspot)
                    .collect();
                let wrong = called
                    .iter()
                    .filter(|h| !h.members.iter().any(is_raised))
                    .count();
                sum.0 += wrong as f64 / called.len().max(1) as f64;
                sum.1 += 1.0;
                any.add(!called.is_empty());
                for area in family.iter().filter(|h| is_raised(&h.area)) {
                    hits.add(area.state == HotspotState::Hotspot);
                }
            };
        tally(
            &found.single,
            &mut hunted.single,
            &mut hunted.any,
            &mut hunted.found,
        );
        tally(
            &found.neighbourhoods,
            &mut hunted.neighbourhoods,
            &mut hunted.any_around,
            &mut hunted.found_around,
        );
    }
    hunted
}

fn check_hunt(hunted: &Hunt, name: &str) {
    let rate = |(sum, rounds): (f64, f64)| sum / rounds;
    println!(
        "  {name:<34} false discovery rate {:.2} %, with neighbours {:.2} %; anything called {:.2} %, with neighbours {:.2} % of {:.0}",
        100.0 * rate(hunted.single),
        100.0 * rate(hunted.neighbourhoods),
        100.0 * hunted.any.value(),
        100.0 * hunted.any_around.value(),
        hunted.any.trials
    );
    if hunted.found.trials > 0.0 {
        println!(
            "  {:<34} raised boroughs found {:.1} %, with neighbours {:.1} %",
            "",
            100.0 * hunted.found.value(),
            100.0 * hunted.found_around.value()
        );
    }
    for (sum, rounds) in [hunted.single, hunted.neighbourhoods] {
        let rate = Share {
            hits: sum,
            trials: rounds,
        };
        assert!(rate.at_most(LEVEL), "{name}: {rate:?}");
    }
}

/// One borough of about 70, one of about 50 and one of about 30, apart from each other.
const RAISED: [(usize, f64); 3] = [(5, 2.2), (14, 2.5), (26, 3.5)];

/// Five boroughs next to each other of about 40 each, raised by less than one of them shows.
const CLUSTER: [(usize, f64); 5] = [(16, 1.6), (17, 1.6), (18, 1.6), (19, 1.6), (20, 1.6)];

#[test]
fn hotspots_are_found_and_seldom_false() {
    let mut rng = rng("hotspots");
    check_hunt(&hunt(&[], Baseline::Past, 100, &mut rng), "nothing raised");
    let hunted = hunt(&RAISED, Baseline::Past, 60, &mut rng);
    check_hunt(&hunted, "three raised");
    assert!(hunted.found.at_least(0.7), "{:?}", hunted.found);
    let levels = Picture::pan_london(0.0, 0.0).levels;
    let shares = Baseline::ShareOfRest(&levels[..BOROUGHS]);
    check_hunt(
        &hunt(&[], shares, 60, &mut rng),
        "nothing raised, shares of the rest",
    );
}

/// Mean of the estimate of κ over series of `length` quarters of the borough table.
fn dispersion(kappa: f64, length: usize, rounds: usize, rng: &mut StdRng) -> f64 {
    let picture = Picture::pan_london(kappa, 0.0);
    let estimates = (0..rounds).map(|_| {
        let quarters: Vec<_> = (0..length)
            .map(|number| picture.quarter(number, rng))
            .collect();
        let past = views(&quarters, "borough");
        Variation::over(&past).unwrap().dispersion()
    });
    estimates.sum::<f64>() / rounds as f64
}

#[test]
fn ordinary_variation_is_learnt_from_past_releases() {
    let mut rng = rng("variation");
    // Two years say something beside the prior of 0.01, ten years nearly all.
    for (length, ranges) in [
        (QUARTERS, [0.0..0.011, 0.005..0.016, 0.015..0.055]),
        (40, [0.0..0.007, 0.005..0.014, 0.036..0.06]),
    ] {
        let found = [0.0, 0.01, 0.05].map(|kappa| dispersion(kappa, length, 20, &mut rng));
        println!("  after {length} quarters κ of 0, 0.01 and 0.05 are estimated as {found:.4?}");
        for (found, range) in found.iter().zip(ranges) {
            assert!(range.contains(found), "{found} not in {range:?}");
        }
    }
}

#[test]
#[ignore = "minutes; see the head of this file"]
fn large_coverage() {
    check_coverage(&coverage(1_000, &mut rng("coverage, 1,000 quarters")));
}

#[test]
#[ignore = "minutes; see the head of this file"]
fn large_quiet_city() {
    let mut rng = rng("a quiet city, eight quarters");
    for (kappa, city) in [(0.0, 0.0), (0.01, 0.0), (0.05, 0.0), (0.01, 0.002)] {
        let picture = Picture::pan_london(kappa, city);
        for table in ["total", "borough", "main-exploitation-age", "origin-area"] {
            let name = format!("{table}, boroughs vary by {kappa}, the city by {city}");
            check_quiet(&quiet(&picture, table, 400, &mut rng), &name);
        }
    }
}

#[test]
#[ignore = "minutes; see the head of this file"]
fn large_power() {
    let mut rng = rng("power at the size said to be detectable");
    let levels = Picture::pan_london(0.0, 0.0).levels;
    for borough in [Some(0), Some(3), Some(30), None] {
        let (size, called) = power(200, borough, &mut rng);
        let level = borough.map_or(1_500.0, |b| levels[b]);
        println!(
            "  level {level:.0}: {size:.0} more is called in {:.1} % of {:.0}",
            100.0 * called.value(),
            called.trials
        );
        assert!(called.at_least(0.78), "{called:?}");
    }
}

#[test]
#[ignore = "minutes; see the head of this file"]
fn large_hotspots() {
    let mut rng = rng("hotspots, eight quarters");
    let levels = Picture::pan_london(0.0, 0.0).levels;
    let shares = Baseline::ShareOfRest(&levels[..BOROUGHS]);
    for (baseline, words) in [(Baseline::Past, "past"), (shares, "shares of the rest")] {
        let name = format!("nothing raised, {words}");
        check_hunt(&hunt(&[], baseline, 500, &mut rng), &name);
        let name = format!("three raised, {words}");
        check_hunt(&hunt(&RAISED, baseline, 500, &mut rng), &name);
        let name = format!("five next to each other, {words}");
        check_hunt(&hunt(&CLUSTER, baseline, 500, &mut rng), &name);
    }
}
