//! `enrol`'s result, `status`, `ledger` and `releases`.

use clap::Args;
use msht_core::dp::accountant::{LedgerEvent, ReturnGround};
use serde::Serialize;
use serde_json::json;

use super::{Output, plain_table, print, print_json, say, unwritten};
use crate::enrolment::Enrolled;
use crate::error::{Kind, NodeError};
use crate::node::Node;

#[derive(Args)]
pub(super) struct ReleasesArgs {
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Write the release of this round (first digits of its id) to standard output.
    #[arg(long, value_name = "ROUND")]
    show: Option<String>,
}

pub(super) fn enrolled(enrolled: &Enrolled) -> Result<(), NodeError> {
    print(format_args!(
        "enrolled as {} ({})",
        enrolled.name, enrolled.partner
    ))?;
    print(format_args!(
        "fingerprint of this node:   {}",
        enrolled.fingerprint
    ))?;
    print(format_args!(
        "fingerprint of coordinator: {}",
        enrolled.coordinator
    ))?;
    say("read both to the coordinator's operator over the telephone; they must match theirs");
    say(format_args!(
        "next: name your records and mapping in {}, then: msht-node check",
        enrolled.config.display()
    ));
    Ok(())
}

pub(super) async fn status(node: &Node, output: Output) -> Result<(), NodeError> {
    let statuses = node.statuses().await?;
    let doubt = node.doubt().await?.map(|doubt| doubt.to_string());
    let same_volume = node.anchor_shares_volume();
    if output.json {
        return print_json(&json!({
            "partner": node.enrolment.partner,
            "rounds": statuses,
            "quarantine": doubt,
            "anchor_on_volume_of_vault": same_volume,
        }));
    }
    if let Some(doubt) = doubt {
        say(format_args!("IN QUARANTINE, nothing is sent: {doubt}"));
        say("next: msht-node quarantine");
    } else if same_volume {
        say(
            "the anchor is on the same volume as the vault: a snapshot that takes both would not be noticed here;\n\
             set vault.anchor in node.toml to another volume",
        );
    }
    if statuses.is_empty() {
        say(format_args!(
            "no round has been announced to {} yet",
            node.enrolment.name
        ));
    }
    let mut table = plain_table(&[
        "round",
        "programme",
        "period",
        "attempt",
        "stage",
        "budget",
        "note",
    ]);
    for status in statuses {
        table.add_row([
            status.round.short(),
            status.programme,
            status.period,
            status.attempt.to_string(),
            status.stage.to_string(),
            status.budget.unwrap_or_default(),
            status.note,
        ]);
    }
    print(table)?;
    Ok(())
}

pub(super) async fn ledger(node: &Node, output: Output) -> Result<(), NodeError> {
    let entries = node.vault.ledger_entries().await?;
    let ledger = node.vault.ledger().await?;
    let year = node.today().year();
    let (day, spent) = (
        ledger.spent_for_day(node.today()),
        ledger.spent_for_year(year),
    );
    let caps = node.config.caps();
    if output.json {
        return print_json(&json!({
            "entries": entries,
            "head": ledger.head(),
            "spent_today": day,
            "spent_this_year": spent,
            "caps": caps,
        }));
    }
    let mut table = plain_table(&["entry", "what", "round", "epsilon", "by"]);
    for entry in &entries {
        let (epsilon, by) = epsilon_and_ground(entry.event());
        let round = match entry.event() {
            LedgerEvent::Approval(approval) => approval.round,
            event => event.round(),
        };
        table.add_row([
            entry.sequence().to_string(),
            what(entry.event())?,
            round.map_or_else(String::new, |round| round.short()),
            epsilon,
            by,
        ]);
    }
    print(table)?;
    print(format_args!(
        "spent or reserved for data of today: {day} of {}",
        caps.per_period
    ))?;
    print(format_args!(
        "spent or reserved for data of {year}: {spent} of {}",
        caps.per_year
    ))?;
    Ok(())
}

/// What an entry sets aside, and who or what it rests on.
fn epsilon_and_ground(event: &LedgerEvent) -> (String, String) {
    match event {
        LedgerEvent::Reservation { charge, .. } => (
            charge.epsilon().to_string(),
            charge.terms().approver.clone(),
        ),
        LedgerEvent::Approval(approval) => (String::new(), approval.approver.clone()),
        LedgerEvent::Governance(decided) => (String::new(), decided.by.clone()),
        LedgerEvent::Resolved(resolution) => (String::new(), resolution.by.clone()),
        LedgerEvent::Returned { ground, .. } => {
            let ground = match ground {
                ReturnGround::AbortCertificate(_) => "abort certificate",
                ReturnGround::ConfirmedWithout(_) => "released without this node",
            };
            (String::new(), ground.to_owned())
        }
        LedgerEvent::Charged { .. }
        | LedgerEvent::Unmasked { .. }
        | LedgerEvent::Tombstone { .. }
        | LedgerEvent::Released { .. } => (String::new(), String::new()),
    }
}

/// What an entry says, with the partner or programme where it is about who takes part.
fn what(event: &LedgerEvent) -> Result<String, NodeError> {
    let LedgerEvent::Governance(decided) = event else {
        return Ok(event.name().to_owned());
    };
    let act = serde_json::to_value(decided.act)
        .map_err(|error| NodeError::new(Kind::Failure, error.to_string()))?;
    let act = act.as_str().unwrap_or_default();
    Ok(format!("{act}: {}", decided.subject))
}

#[derive(Serialize)]
struct ReleaseLine {
    round: String,
    programme: String,
    period: String,
    digest: String,
    ours: bool,
}

pub(super) async fn releases(node: &Node, args: &ReleasesArgs) -> Result<(), NodeError> {
    let releases = node.vault.releases().await?;
    if let Some(prefix) = &args.show {
        let found = releases
            .iter()
            .find(|release| release.round.to_string().starts_with(prefix));
        let found = found.ok_or_else(|| {
            NodeError::new(
                Kind::Usage,
                format!("no release here is of a round `{prefix}…`"),
            )
        })?;
        return msht_host::print_bytes(&found.json).map_err(unwritten);
    }
    let lines: Vec<ReleaseLine> = releases
        .iter()
        .map(|release| ReleaseLine {
            round: release.round.to_string(),
            programme: release.programme.clone(),
            period: release.period.clone(),
            digest: release.digest.to_string(),
            ours: release.ours,
        })
        .collect();
    if args.json {
        return print_json(&lines);
    }
    let mut table = plain_table(&["round", "programme", "period", "verified", ""]);
    for (line, release) in lines.iter().zip(&releases) {
        let ours = if line.ours {
            "your figures were in it"
        } else {
            "without your figures"
        };
        let row = [
            &release.round.short(),
            &line.programme,
            &line.period,
            "yes",
            ours,
        ];
        table.add_row(row);
    }
    print(table)?;
    Ok(())
}
