//! `invites` and `reminders`.

use serde_json::{Value, json};

use super::args::Format;
use super::{print, print_json, say};
use crate::clock::time_text;
use crate::coordinator::Coordinator;
use crate::error::Error;
use crate::operator::{awaited_words, left_words};
use crate::reminders::{Awaited, InviteStatus, Reminder};

pub(super) async fn invites(
    coordinator: &Coordinator,
    withdraw: Option<&str>,
    format: Format,
) -> Result<(), Error> {
    if let Some(partner) = withdraw {
        coordinator.withdraw_invite(partner).await?;
        say(format_args!("The invite of {partner} is good no more."));
        return Ok(());
    }
    let invites = coordinator.invites().await?;
    let now = coordinator.now();
    let state = |invite: &InviteStatus| match invite.used_at {
        Some(_) => "used",
        None if invite.is_good(now) => "open",
        None => "expired",
    };
    if format.json {
        let list: Vec<Value> = invites
            .iter()
            .map(|invite| {
                json!({
                    "partner": invite.partner,
                    "name": invite.name,
                    "state": state(invite),
                    "expires_at": invite.expires_at,
                    "used_at": invite.used_at,
                })
            })
            .collect();
        return print_json(&json!(list));
    }
    if invites.is_empty() {
        say("No invite has been made yet.");
    }
    for invite in &invites {
        let when = match invite.used_at {
            Some(at) => format!("at {}", time_text(at)),
            None => format!("until {}", time_text(invite.expires_at)),
        };
        print(format_args!(
            "{:<24}  {:<7}  {when}  {}",
            invite.partner,
            state(invite),
            invite.name
        ))?;
    }
    Ok(())
}

pub(super) async fn reminders(coordinator: &Coordinator, format: Format) -> Result<(), Error> {
    let reminders = coordinator.reminders().await?;
    if format.json {
        let list: Vec<Value> = reminders.iter().map(reminder_json).collect();
        return print_json(&json!(list));
    }
    if reminders.is_empty() {
        say("Nobody has to be reminded.");
    }
    let now = coordinator.now();
    for reminder in &reminders {
        print(format_args!(
            "{:<24}  {:<40}  by {} ({})  {}",
            reminder.partner,
            awaited_words(&reminder.awaited),
            time_text(reminder.by),
            left_words(reminder.by, now),
            reminder.name
        ))?;
    }
    Ok(())
}

fn reminder_json(reminder: &Reminder) -> Value {
    let awaited = match &reminder.awaited {
        Awaited::Enrolment => json!({ "kind": "enrolment" }),
        Awaited::NewInvite => json!({ "kind": "new-invite" }),
        Awaited::Message {
            round,
            programme,
            period,
            phase,
        } => json!({
            "kind": "message",
            "round": round,
            "programme": programme,
            "period": period,
            "phase": phase,
        }),
    };
    json!({
        "partner": reminder.partner,
        "name": reminder.name,
        "awaited": awaited,
        "by": reminder.by,
    })
}
