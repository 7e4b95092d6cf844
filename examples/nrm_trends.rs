//! Calls of change over the six quarters of the published NRM counts, for many drawings of the noise: the statistics of the
//! `nrm` example without its rounds.
//!
//! ```text
//! cargo run --release --example nrm_trends -- --data ../shared/data/nrm
//! ```

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use msht_core::programme::{Period, Programme, shipped};
use msht_examples::changes::{Agreement, Quarter, agreement};
use msht_examples::demonstration::{self, Failure};
use msht_examples::truth::published;
use rand::SeedableRng;
use rand::rngs::StdRng;

const MAPPING: &str = include_str!("../msht-core/programmes/mappings/nrm.toml");
const QUARTERS: [&str; 6] = [
    "2022-Q2", "2022-Q3", "2022-Q4", "2023-Q1", "2023-Q2", "2023-Q3",
];
/// 68 first responders, of whom m − c = 46 − 22 are planned for.
const SHARES: (u64, u64) = (68, 24);

/// Sets calls of change beside the published counts, for many drawings of the noise.
#[derive(Parser)]
struct Arguments {
    /// Folder whose parent has the published counts.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// How many drawings.
    #[arg(long, default_value_t = 100)]
    draws: u64,
    /// What the first drawing follows from; the next take the numbers after it.
    #[arg(long, default_value_t = 2026)]
    seed: u64,
}

fn main() -> ExitCode {
    demonstration::outcome(run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> Result<(), Failure> {
    let programme = Programme::parse(shipped("nrm").ok_or("nrm is shipped")?)?;
    let data = arguments.data.parent().unwrap_or(&arguments.data);
    let file = data.join("nrm_published_2022q2_2023q3.csv");
    let mut truths = Vec::new();
    for quarter in QUARTERS {
        let period: Period = quarter.parse()?;
        truths.push((quarter, published(&file, &programme, MAPPING, period)?));
    }
    let exact: Vec<Quarter> = truths
        .iter()
        .map(|(quarter, truth)| Quarter::exact(quarter, truth))
        .collect();
    println!("{} drawings from seed {}", arguments.draws, arguments.seed);
    let mut all = Agreement::default();
    let mut by_table = vec![Agreement::default(); programme.tables().len()];
    for draw in 0..arguments.draws {
        let mut rng = StdRng::seed_from_u64(arguments.seed + draw);
        let mut quarters = Vec::new();
        for (quarter, truth) in &truths {
            quarters.push(Quarter::drawn(
                &programme, quarter, truth, SHARES, &mut rng,
            )?);
        }
        for (table, sum) in programme.tables().iter().zip(&mut by_table) {
            let found = agreement(&quarters, &exact, table.id())?;
            sum.add(&found);
            all.add(&found);
        }
    }
    for (table, sum) in programme.tables().iter().zip(&by_table) {
        println!("{}", table.id());
        sum.lines().iter().for_each(|line| println!("  {line}"));
    }
    println!("all tables");
    all.lines().iter().for_each(|line| println!("  {line}"));
    Ok(())
}
