//! `round open`, `round status`, `round close`.

use serde_json::{Value, json};

use super::args::{self, Format};
use super::duration::Seconds;
use super::{print, print_json, say};
use crate::clock::time_text;
use crate::coordinator::Coordinator;
use crate::error::Error;
use crate::rounds::{PhaseSeconds, RoundRequest, RoundStage, RoundStatus};

fn phases_of(open: &args::Open, hours: PhaseSeconds) -> Result<PhaseSeconds, Error> {
    if let Some(lengths) = &open.phases {
        let [join, share, mask, confirm, unmask] = <[Seconds; 5]>::try_from(lengths.as_slice())
            .map_err(|_| {
                Error::Argument(
                    "--phases takes five lengths: join,share,mask,confirm,unmask".to_owned(),
                )
            })?;
        return Ok(PhaseSeconds {
            join: join.0,
            share: share.0,
            mask: mask.0,
            confirm: confirm.0,
            unmask: unmask.0,
        });
    }
    let or = |given: Option<Seconds>, planned: u32| given.map_or(planned, |given| given.0);
    Ok(PhaseSeconds {
        join: or(open.join, hours.join),
        share: or(open.share, hours.share),
        mask: or(open.mask, hours.mask),
        confirm: or(open.confirm, hours.confirm),
        unmask: or(open.unmask, hours.unmask),
    })
}

/// What the arguments ask for, with the programme's hours where they say nothing.
pub(super) async fn request_of(
    coordinator: &Coordinator,
    open: args::Open,
) -> Result<RoundRequest, Error> {
    let programmes = coordinator.programmes().await?;
    let programme = programmes.iter().find(|each| each.id() == open.programme);
    let programme = programme.ok_or_else(|| Error::UnknownProgramme(open.programme.clone()))?;
    let hours = PhaseSeconds::from(programme.calendar().phase_hours());
    Ok(RoundRequest {
        phases: Some(phases_of(&open, hours)?),
        programme: open.programme,
        period: open.period,
        invited: open.invite,
    })
}

pub(super) async fn open(coordinator: &Coordinator, open: args::Open) -> Result<(), Error> {
    let request = request_of(coordinator, open).await?;
    let round = coordinator.open_round(&request).await?;
    if let RoundStage::Collecting {
        awaited, deadline, ..
    } = coordinator.round_status(&round).await?.stage
    {
        say(format_args!(
            "The round is open: {} partners are invited to join until {}.",
            awaited.len(),
            time_text(deadline)
        ));
    }
    print(round)
}

pub(super) async fn status(
    coordinator: &Coordinator,
    round: Option<&str>,
    format: Format,
) -> Result<(), Error> {
    let statuses = match round {
        None => coordinator.round_statuses().await?,
        Some(digits) => {
            let round = coordinator.find_round(digits).await?;
            vec![coordinator.round_status(&round).await?]
        }
    };
    if format.json {
        let list: Vec<Value> = statuses.iter().map(status_json).collect();
        return match (round, list.as_slice()) {
            (Some(_), [one]) => print_json(one),
            _ => print_json(&json!(list)),
        };
    }
    if statuses.is_empty() {
        say("No round has been opened yet.");
    }
    for status in &statuses {
        print(status_text(status))?;
    }
    Ok(())
}

fn status_json(status: &RoundStatus) -> Value {
    let stage = match &status.stage {
        RoundStage::Collecting {
            phase,
            received,
            awaited,
            deadline,
        } => json!({
            "state": "open",
            "phase": phase.word(),
            "received": received,
            "awaited": awaited,
            "deadline": deadline,
        }),
        RoundStage::Opened => json!({ "state": "opened" }),
        RoundStage::Released { digest } => {
            json!({ "state": "released", "release": digest.to_string() })
        }
        RoundStage::Aborted(abort) => json!({
            "state": "aborted",
            "phase": abort.phase.word(),
            "reason": abort.reason.to_string(),
            "missing": abort.missing,
        }),
    };
    let refused: Vec<Value> = status
        .refused
        .iter()
        .map(|(partner, reason)| json!({ "partner": partner, "reason": reason }))
        .collect();
    let noticed: Vec<Value> = status
        .noticed
        .iter()
        .map(|(partner, what)| json!({ "partner": partner, "what": what }))
        .collect();
    json!({
        "round": status.round.to_string(),
        "programme": status.programme,
        "period": status.period,
        "attempt": status.attempt,
        "stage": stage,
        "refused": refused,
        "abort_statements": {
            "received": status.statements.received,
            "needed": status.statements.needed,
            "certificate": status.statements.certified,
        },
        "noticed": noticed,
    })
}

fn status_text(status: &RoundStatus) -> String {
    let mut lines = vec![format!(
        "{}  {} {}, attempt {}",
        status.round.short(),
        status.programme,
        status.period,
        status.attempt
    )];
    match &status.stage {
        RoundStage::Collecting {
            phase,
            received,
            awaited,
            deadline,
        } => {
            let until = time_text(*deadline);
            lines.push(format!("  {} is open until {until}", phase.word()));
            lines.push(format!("  in ({}): {}", received.len(), list(received)));
            lines.push(format!("  awaited ({}): {}", awaited.len(), list(awaited)));
        }
        RoundStage::Opened => lines.push("  the sum is open; the release follows".to_owned()),
        RoundStage::Released { digest } => lines.push(format!("  released: {digest}")),
        RoundStage::Aborted(abort) => {
            let phase = abort.phase.word();
            lines.push(format!("  given up in {phase}: {}", abort.reason));
            lines.push(format!("  missing: {}", list(&abort.missing)));
        }
    }
    lines.extend(statements_text(status));
    for (partner, reason) in &status.refused {
        lines.push(format!("  refused from {partner}: {reason}"));
    }
    for (partner, what) in &status.noticed {
        lines.push(format!("  noticed of {partner}: {what}"));
    }
    lines.join("\n")
}

/// How far the abort certificate has come; nothing of a round that goes on or was released.
fn statements_text(status: &RoundStatus) -> Option<String> {
    let statements = &status.statements;
    let given_up = matches!(status.stage, RoundStage::Aborted(_));
    if !given_up && statements.received.is_empty() {
        return None;
    }
    let certificate = if statements.certified {
        "the certificate that returns charges is made"
    } else {
        "no certificate yet"
    };
    Some(format!(
        "  abort statements ({} of {}): {}; {certificate}",
        statements.received.len(),
        statements.needed,
        list(&statements.received)
    ))
}

fn list(ids: &[String]) -> String {
    if ids.is_empty() {
        return "nobody".to_owned();
    }
    ids.join(", ")
}

pub(super) async fn close(
    coordinator: &Coordinator,
    digits: &str,
    abort: bool,
) -> Result<(), Error> {
    let round = coordinator.find_round(digits).await?;
    if abort {
        coordinator.abort_round(&round).await?;
    } else {
        coordinator.close_phase(&round).await?;
    }
    print(status_text(&coordinator.round_status(&round).await?))
}
