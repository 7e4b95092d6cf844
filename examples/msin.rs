//! The Modern Slavery Intelligence Network on one machine: a coordinator and 14 food companies, two of them lost in the
//! middle of the round.
//!
//! ```text
//! cargo run --release --example msin -- --once --out OUT
//! ```

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use msht_core::programme::{Period, Programme, shipped};
use msht_examples::demonstration::{self, Demonstration, Failure};
use msht_examples::food;

/// Runs the MSIN round with invented reports.
#[derive(Parser)]
struct Arguments {
    /// Exit after the round instead of serving the dashboard.
    #[arg(long)]
    once: bool,
    /// Folder to write release.json to.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// What every invented report follows from.
    #[arg(long, default_value_t = 2026)]
    seed: u64,
    /// The quarter.
    #[arg(long, default_value = "2026-Q3")]
    period: Period,
    /// Where to serve the dashboard.
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDR:PORT")]
    site: SocketAddr,
}

#[tokio::main]
async fn main() -> ExitCode {
    demonstration::outcome(run(Arguments::parse()).await)
}

async fn run(arguments: Arguments) -> Result<(), Failure> {
    demonstration::prepare(arguments.out.as_deref())?;
    let programme = Programme::parse(shipped(food::PROGRAMME).ok_or("msin is shipped")?)?;
    println!("invented reports from seed {}", arguments.seed);
    let members = food::members(&programme, &[arguments.period], arguments.seed);
    let folder = tempfile::tempdir()?;
    let site = demonstration::site(arguments.once, arguments.site);
    let demonstration = Demonstration::start(
        folder.path(),
        programme.as_toml(),
        food::MAPPING,
        members,
        site,
    )
    .await?;
    println!("14 companies are enrolled, each with its own vault");
    let finished = demonstration.round(&arguments.period.to_string()).await?;
    demonstration
        .finish(&finished.json, arguments.out.as_deref(), arguments.once)
        .await
}
