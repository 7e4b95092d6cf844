//! Calls of change agree with the published NRM counts over several drawings of the noise.
//!
//! Runs where `../shared/data` is; people who clone the project do not have it.

use std::path::Path;

use msht_core::programme::{Programme, shipped};
use msht_examples::changes::{Agreement, LEVEL, Quarter, agreement};
use msht_examples::truth::published;
use rand::SeedableRng;
use rand::rngs::StdRng;

const MAPPING: &str = include_str!("../../msht-core/programmes/mappings/nrm.toml");
const QUARTERS: [&str; 6] = [
    "2022-Q2", "2022-Q3", "2022-Q4", "2023-Q1", "2023-Q2", "2023-Q3",
];
const SEED: u64 = 20_261_124;
const DRAWS: u64 = 20;

#[test]
fn true_moves_of_the_detectable_size_are_found_and_false_ones_are_rare() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let file = data.join("nrm_published_2022q2_2023q3.csv");
    if !file.exists() {
        println!("not run: there is no ../shared/data beside the project");
        return;
    }
    println!("seed {SEED}");
    let programme = Programme::parse(shipped("nrm").unwrap()).unwrap();
    let truths = QUARTERS.map(|quarter| {
        let period = quarter.parse().unwrap();
        (
            quarter,
            published(&file, &programme, MAPPING, period).unwrap(),
        )
    });
    let exact: Vec<Quarter> = truths
        .iter()
        .map(|(q, truth)| Quarter::exact(q, truth))
        .collect();
    let mut found = Agreement::default();
    for draw in 0..DRAWS {
        let mut rng = StdRng::seed_from_u64(SEED + draw);
        let quarters: Vec<Quarter> = truths
            .iter()
            .map(|(q, truth)| Quarter::drawn(&programme, q, truth, (68, 24), &mut rng).unwrap())
            .collect();
        for table in programme.tables() {
            found.add(&agreement(&quarters, &exact, table.id()).unwrap());
        }
    }
    found.lines().iter().for_each(|line| println!("{line}"));
    let share = |hits: usize, of: usize| hits as f64 / of.max(1) as f64;
    assert!(found.moved > 100 && found.said_moved > 100, "{found:?}");
    assert!(share(found.moved_found, found.moved) >= 0.8, "{found:?}");
    assert!(
        share(found.said_moved_wrongly, found.said_moved) <= LEVEL,
        "{found:?}"
    );
}
