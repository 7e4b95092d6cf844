//! `programme check`: what the tables of a programme will be worth, before a round opens.

use std::path::Path;

use msht_core::estimate::planned::{PlannedRound, PlannedTable, planned_round};
use msht_core::programme::{Programme, shipped};
use serde_json::json;

use super::args::ProgrammeCheck;
use super::manage::programme_text;
use super::{print, print_json, say};
use crate::error::Error;

/// Checks a programme and prints the expected error of each table; needs no coordinator.
pub(super) fn check(options: &ProgrammeCheck) -> Result<(), Error> {
    let text = match shipped(&options.programme) {
        Some(text) => text.to_owned(),
        None => programme_text(Path::new(&options.programme))?,
    };
    let programme = Programme::parse(&text)?;
    let least = usize::try_from(programme.cohort().least_partners()).unwrap_or(usize::MAX);
    let plan = planned_round(&programme, options.partners.map_or(least, usize::from))
        .map_err(|error| Error::Argument(error.to_string()))?;
    if options.format.json {
        return print_json(&as_json(&programme, &plan));
    }
    let params = plan.params;
    say(format!(
        "{}, version {}: {} cells, ε {} a round.",
        programme.id(),
        programme.version(),
        programme.cells(),
        plan.epsilon
    ));
    say(format!(
        "{} partners, of whom {} are enough and {} may collude. Half-widths are of the 95 % interval of one cell.",
        params.invited(),
        params.least_survivors(),
        params.colluders()
    ));
    print(header(&params_words(&plan)))?;
    plan.tables.iter().try_for_each(|table| print(line(table)))
}

/// How many partners are in the sum at both ends.
fn params_words(plan: &PlannedRound) -> [String; 2] {
    let of = |survivors: u8| format!("{survivors} in the sum");
    [of(plan.params.invited()), of(plan.params.least_survivors())]
}

pub(super) fn header([everybody, fewest]: &[String; 2]) -> String {
    format!(
        "{:<32} {:>6} {:>7} {:>6} {:>15} {:>15}  in",
        "table", "cells", "Δ", "share", everybody, fewest
    )
}

pub(super) fn line(table: &PlannedTable) -> String {
    let share = format!("{:.0} %", 100.0 * table.share);
    let half_width = |half_width: u64| format!("± {half_width}");
    format!(
        "{:<32} {:>6} {:>7} {:>6} {:>15} {:>15}  {}",
        table.table,
        table.cells,
        table.sensitivity,
        share,
        half_width(table.half_width_everybody),
        half_width(table.half_width_fewest),
        table.unit.as_deref().unwrap_or("records")
    )
}

pub(super) fn table_json(table: &PlannedTable) -> serde_json::Value {
    json!({
        "table": table.table,
        "cells": table.cells,
        "sensitivity": table.sensitivity,
        "a": table.rate,
        "epsilon": table.epsilon,
        "share": table.share,
        "unit": table.unit,
        "half_width_95_everybody": table.half_width_everybody,
        "half_width_95_fewest": table.half_width_fewest,
    })
}

fn as_json(programme: &Programme, plan: &PlannedRound) -> serde_json::Value {
    let params = plan.params;
    let tables: Vec<_> = plan.tables.iter().map(table_json).collect();
    json!({
        "id": programme.id(),
        "version": programme.version(),
        "digest": programme.digest().to_string(),
        "epsilon": plan.epsilon,
        "partners": params.invited(),
        "least_survivors": params.least_survivors(),
        "threshold": params.threshold(),
        "colluders": params.colluders(),
        "tables": tables,
    })
}
