//! `round plan`.

use serde_json::{Value, json};

use super::args::{self, Format};
use super::check::{header, line, table_json};
use super::round::request_of;
use super::{print, print_json, say};
use crate::clock::time_text;
use crate::coordinator::Coordinator;
use crate::error::Error;
use crate::rounds::RoundPlan;

pub(super) async fn plan(
    coordinator: &Coordinator,
    open: args::Open,
    format: Format,
) -> Result<(), Error> {
    let request = request_of(coordinator, open).await?;
    let plan = coordinator.plan_round(&request).await?;
    if plan.period_goes_on {
        say(format_args!(
            "warning: {} has not ended; records of it that come later are not counted in this round.",
            plan.period
        ));
    }
    if format.json {
        return print_json(&plan_json(&plan));
    }
    print(plan_text(&plan))
}

fn plan_json(plan: &RoundPlan) -> Value {
    let tables: Vec<Value> = plan.tables.iter().map(table_json).collect();
    json!({
        "programme": plan.programme,
        "period": plan.period,
        "attempt": plan.attempt,
        "invited": plan.invited,
        "threshold": plan.thresholds.threshold,
        "least_survivors": plan.thresholds.least_survivors,
        "colluders": plan.thresholds.colluders,
        "epsilon": plan.epsilon,
        "begins": plan.begins,
        "deadlines": plan.deadlines,
        "period_goes_on": plan.period_goes_on,
        "tables": tables,
    })
}

fn plan_text(plan: &RoundPlan) -> String {
    let n = plan.invited.len();
    let least = plan.thresholds.least_survivors;
    let mut lines = vec![
        format!(
            "{} {}, attempt {}",
            plan.programme, plan.period, plan.attempt
        ),
        format!("  invited ({n}): {}", plan.invited.join(", ")),
        format!(
            "  needs {least} of them, so that {} may be lost; {} may collude; {} open a lost one's masks",
            n.saturating_sub(usize::from(least)),
            plan.thresholds.colluders,
            plan.thresholds.threshold
        ),
        format!("  epsilon {} for one unit at one partner", plan.epsilon),
        format!("  begins   {}", time_text(plan.begins)),
    ];
    let deadlines = &plan.deadlines;
    for (phase, until) in [
        ("join", deadlines.join),
        ("share", deadlines.share),
        ("mask", deadlines.mask),
        ("confirm", deadlines.confirm),
        ("unmask", deadlines.unmask),
    ] {
        lines.push(format!("  {phase:<8} until {}", time_text(until)));
    }
    lines.push("  half-widths of the 95 % interval of one cell:".to_owned());
    lines.push(header(&[
        format!("{n} in the sum"),
        format!("{least} in the sum"),
    ]));
    lines.extend(plan.tables.iter().map(line));
    lines.join("\n")
}
