//! The National Referral Mechanism with the real records: one node for each of the 68 first responders, and the
//! release beside the published truth.
//!
//! ```text
//! cargo run --release --example nrm -- --data ../shared/data/nrm --period 2023-Q3 --out OUT
//! ```

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use msht_core::programme::{Period, Programme, shipped};
use msht_core::release::{Expectations, from_json};
use msht_core::secagg::PartnerKind;
use msht_examples::changes::{Agreement, Quarter, agreement};
use msht_examples::demonstration::{self, Demonstration, Failure, Member, write_release};
use msht_examples::truth::{Comparison, compare, published};

const PROGRAMME: &str = "nrm";
const MAPPING: &str = include_str!("../msht-core/programmes/mappings/nrm.toml");

/// Runs the NRM round with the real records.
#[derive(Parser)]
struct Arguments {
    /// Folder with one CSV file for each first responder; nrm_partners.csv and the published counts lie beside it.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// The quarters, one round each, such as 2023-Q3 or 2023-Q2,2023-Q3.
    #[arg(long, value_delimiter = ',', default_value = "2023-Q3")]
    period: Vec<Period>,
    /// Folder to write release.json to; with several quarters, a folder each in it.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print a line for each table instead of every cell.
    #[arg(long)]
    summary: bool,
}

fn kind(text: &str) -> PartnerKind {
    match text {
        "Police" => PartnerKind::Police,
        "Local Authority" => PartnerKind::LocalAuthority,
        "NGO and third sector" => PartnerKind::Ngo,
        "Government agency" => PartnerKind::GovernmentAgency,
        _ => PartnerKind::Other,
    }
}

fn members(data: &Path) -> Result<Vec<Member>, Failure> {
    let list = data.parent().unwrap_or(data).join("nrm_partners.csv");
    let mut members = Vec::new();
    let mut reader = csv::Reader::from_path(&list).map_err(|error| {
        format!(
            "cannot read the list of partners, {}, beside the folder of --data: {error}",
            list.display()
        )
    })?;
    for row in reader.deserialize() {
        let (id, name, kind_text, _records): (String, String, String, String) = row?;
        let file = data.join(format!("{id}.csv"));
        let records = std::fs::read_to_string(&file)
            .map_err(|error| format!("cannot read {}: {error}", file.display()))?;
        members.push(Member {
            kind: kind(&kind_text),
            id,
            name,
            records,
            lost_after: None,
        });
    }
    Ok(members)
}

fn print(comparison: &Comparison, summary: bool) {
    let cells = comparison.cells.len();
    println!(
        "  {:<18} {:>3} cells, {:>5.1} % of them covered, mean error {:>5.1}",
        comparison.table,
        cells,
        100.0 * comparison.covered() as f64 / cells as f64,
        comparison.mean_error()
    );
    if summary {
        return;
    }
    for (label, raw, half_width, truth) in &comparison.cells {
        let covered = if raw.abs_diff(*truth) <= *half_width {
            "covered"
        } else {
            "NOT covered"
        };
        println!(
            "    {label:<48} released {raw:>6} ± {half_width:<4} published {truth:>6}  error {:>5}  {covered}",
            raw - truth
        );
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    demonstration::outcome(run(Arguments::parse()).await)
}

async fn run(arguments: Arguments) -> Result<(), Failure> {
    demonstration::prepare(arguments.out.as_deref())?;
    let programme = Programme::parse(shipped(PROGRAMME).ok_or("nrm is shipped")?)?;
    let members = members(&arguments.data)?;
    println!("{} first responders", members.len());
    let folder = tempfile::tempdir()?;
    let site = demonstration::site(true, ([127, 0, 0, 1], 0).into());
    let demonstration =
        Demonstration::start(folder.path(), programme.as_toml(), MAPPING, members, site).await?;
    let data = arguments.data.parent().unwrap_or(&arguments.data);
    let truth_file = data.join("nrm_published_2022q2_2023q3.csv");
    let (mut covered, mut cells) = (0, 0);
    let (mut quarters, mut truths) = (Vec::new(), Vec::new());
    for period in &arguments.period {
        let finished = demonstration.round(&period.to_string()).await?;
        if let Some(out) = &arguments.out {
            let several = arguments.period.len() > 1;
            let out = if several {
                out.join(period.to_string())
            } else {
                out.clone()
            };
            write_release(&out, &finished.json)?;
        }
        let expectations = Expectations {
            programme: Some(&programme),
            ..Expectations::default()
        };
        let release = from_json(&finished.json)?.verify_release(&expectations)?;
        let truth = published(&truth_file, &programme, MAPPING, *period)?;
        println!(
            "{period}: all {} nodes are in the sum",
            release.survivors.len()
        );
        for comparison in compare(&release, &truth)? {
            print(&comparison, arguments.summary);
            covered += comparison.covered();
            cells += comparison.cells.len();
        }
        truths.push(Quarter::exact(&release.period, &truth));
        quarters.push(Quarter::released(&release)?);
    }
    let share = 100.0 * covered as f64 / cells as f64;
    println!(
        "cells whose 95 % interval covers the published count: {covered} of {cells}, {share:.1} %"
    );
    print_changes(&programme, &quarters, &truths)?;
    demonstration.stop().await;
    Ok(())
}

/// What is said of changes between the quarters, beside what the published counts did.
fn print_changes(
    programme: &Programme,
    quarters: &[Quarter],
    truths: &[Quarter],
) -> Result<(), Failure> {
    if quarters.len() < 2 {
        return Ok(());
    }
    let mut all = Agreement::default();
    for table in programme.tables() {
        all.add(&agreement(quarters, truths, table.id())?);
    }
    println!("changes from each quarter to the next, all tables:");
    all.lines().iter().for_each(|line| println!("  {line}"));
    Ok(())
}
