//! `check` and `preview`.

use clap::Args;
use msht_core::programme::{Period, Programme};

use super::{plain_table, print, print_json};
use crate::agent::Agent;
use crate::error::{Kind, NodeError};
use crate::freeze;
use crate::node::Node;
use crate::preview::{Preview, UnitLine};
use crate::vault::RoundRow;

#[derive(Args)]
pub(super) struct CheckArgs {
    /// The programme; all of node.toml unless given.
    programme: Option<String>,
    /// The period to count, such as 2026-Q3; all unless given.
    #[arg(long)]
    period: Option<Period>,
    /// Use this programme file instead of the coordinator's.
    #[arg(long, value_name = "FILE")]
    file: Option<std::path::PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(super) struct PreviewArgs {
    /// The round: the first digits of its id, as `status` shows them.
    round: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) async fn check(node: &Node, args: &CheckArgs) -> Result<(), NodeError> {
    let mut ids: Vec<String> = node
        .config
        .programme
        .iter()
        .map(|programme| programme.id.clone())
        .collect();
    if let Some(id) = &args.programme {
        ids.retain(|listed| listed == id);
        node.config.programme(id)?;
    }
    if ids.is_empty() {
        let message = "node.toml names no programme, so there are no records to check";
        return Err(NodeError::new(Kind::Configuration, message)
            .hint("add a [[programme]] block; the comment in node.toml shows one"));
    }
    let mut reviews = Vec::new();
    for id in &ids {
        let programme = programme(node, id, args).await?;
        let review = freeze::review(node, &programme, args.period).await?;
        if !args.json {
            print(review.to_text())?;
        }
        reviews.push(review);
    }
    if args.json {
        print_json(&reviews)?;
    }
    if reviews.iter().any(|review| review.complaint_total > 0) {
        return Err(NodeError::new(
            Kind::Data,
            "some rows cannot be placed and would be left out, or lack an amount",
        )
        .hint("correct the records or the mapping; rounds go on without those rows and amounts"));
    }
    Ok(())
}

async fn programme(node: &Node, id: &str, args: &CheckArgs) -> Result<Programme, NodeError> {
    let invalid = |error: msht_core::programme::ProgrammeError| {
        NodeError::new(
            Kind::Data,
            format!("the programme `{id}` is not right: {error}"),
        )
    };
    if let Some(path) = &args.file {
        let text =
            std::fs::read_to_string(path).map_err(|error| NodeError::file(path, "read", &error))?;
        return Programme::parse(&text).map_err(invalid);
    }
    let mut document = node.vault.programme_by_id(id).await?;
    if document.is_none() {
        Agent::sync(node).await?;
        document = node.vault.programme_by_id(id).await?;
    }
    let document = document.ok_or_else(|| {
        NodeError::new(
            Kind::Configuration,
            format!("the coordinator has no programme `{id}`"),
        )
        .hint("correct the id in node.toml, or ask the coordinator's operator to publish it")
    })?;
    Programme::parse(&document.content.toml).map_err(invalid)
}

/// The round, asking the coordinator for news where it is not here yet.
pub(super) async fn find_round(node: &Node, prefix: &str) -> Result<RoundRow, NodeError> {
    if let Ok(row) = node.round_by_prefix(prefix).await {
        return Ok(row);
    }
    Agent::sync(node).await?;
    node.round_by_prefix(prefix).await
}

pub(super) async fn preview(node: &Node, args: &PreviewArgs) -> Result<(), NodeError> {
    let row = find_round(node, &args.round).await?;
    let preview = Preview::of(node, &row).await?;
    let own = own_table(node, &row).await?;
    if args.json {
        return print_json(&serde_json::json!({ "preview": preview, "own_tables": own }));
    }
    print_terms(&preview)?;
    print_noise(&preview)?;
    match own {
        Some(tables) => {
            print("\nyour own table (stays here; only its noisy, masked form leaves):")?;
            for (name, cells) in tables {
                print(name)?;
                let mut table = plain_table(&[]);
                for (label, count) in cells {
                    table.add_row([format!("  {label}"), count.to_string()]);
                }
                print(table)?;
            }
        }
        None => print(
            "\nyour own table is shown once you have decided: taking part must not depend on what it holds",
        )?,
    }
    Ok(())
}

fn print_terms(preview: &Preview) -> Result<(), NodeError> {
    print(format_args!("{}, {}", preview.programme, preview.period))?;
    print(format_args!("round {}", preview.round))?;
    print(format_args!(
        "epsilon of this round for {}: {}; a sum is opened for at least {} partners and stays protected if {} collude",
        preview.unit, preview.epsilon, preview.least_survivors, preview.colluders
    ))?;
    let (spent, cap) = &preview.spent_for_period;
    print(format_args!(
        "spent or reserved for the same days so far: {spent} of {cap}"
    ))?;
    let (spent, cap) = &preview.spent_for_year;
    print(format_args!(
        "spent or reserved for the same year so far: {spent} of {cap}"
    ))?;
    print("\nwho is invited:")?;
    let mut table = plain_table(&["name", "kind", "fingerprint", ""]);
    for line in &preview.cohort {
        let new = if line.new_here {
            "not accepted here yet"
        } else {
            ""
        };
        table.add_row([line.name.as_str(), &line.kind, &line.fingerprint, new]);
    }
    print(table)?;
    print(
        "\nwhat leaves this machine (indistinguishable from random to the coordinator, but for the sum):",
    )?;
    let mut table = plain_table(&["message", "bytes"]);
    for (message, bytes) in &preview.messages {
        table.add_row([message.clone(), bytes.to_string()]);
    }
    print(table)
}

fn print_noise(preview: &Preview) -> Result<(), NodeError> {
    print("\nnoise, as half-widths of 95 % intervals:")?;
    let mut table = plain_table(&[
        "table",
        "cells",
        "your share",
        "sum, everybody",
        "sum, fewest partners",
        "in",
    ]);
    for line in &preview.noise {
        table.add_row([
            line.table.clone(),
            line.cells.to_string(),
            format!("± {}", line.own_share),
            format!("± {}", line.everybody),
            format!("± {}", line.fewest),
            line.unit
                .as_ref()
                .map_or_else(|| "records".to_owned(), ToString::to_string),
        ]);
    }
    print(table)
}

type OwnTables = Vec<(String, Vec<(String, u64)>)>;

/// The own tables, once a decision holds; seeing them is recorded first.
async fn own_table(node: &Node, row: &RoundRow) -> Result<Option<OwnTables>, NodeError> {
    let terms = node.terms(row).await??;
    let programme = &terms.programme;
    let ledger = node.vault.ledger().await?;
    let decided = ledger
        .approval(
            programme.id(),
            programme.version(),
            &row.round,
            node.today(),
        )
        .is_some();
    if !decided {
        return Ok(None);
    }
    node.vault.own_table_was_seen(row.round).await?;
    let counts = freeze::counts(node, programme, terms.period).await?;
    let mut tables = Vec::new();
    for table in programme.tables() {
        let axes = programme.labels_of(table);
        let mut cells = Vec::new();
        for (cell, count) in counts
            .of_table(table)
            .unwrap_or_default()
            .iter()
            .enumerate()
        {
            let categories = table.categories(cell).unwrap_or_default();
            let labels = axes
                .iter()
                .zip(categories)
                .filter_map(|(axis, place)| Some(axis.places.get(place)?.label.as_str()));
            cells.push((labels.collect::<Vec<_>>().join(" × "), *count));
        }
        let title = match UnitLine::of(programme, table) {
            None => table.title().to_owned(),
            Some(unit) => format!("{} ({unit})", table.title()),
        };
        tables.push((title, cells));
    }
    Ok(Some(tables))
}
