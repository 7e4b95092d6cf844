//! The operator's page: rounds, reminders, partners and notices, as the store has them.

use askama::Template;

use crate::clock::time_text;
use crate::coordinator::Coordinator;
use crate::error::Error;
use crate::reminders::{Awaited, Reminder};
use crate::rounds::{RoundStage, RoundStatus};

/// Rounds shown that have ended, the newest first; `round status` lists all.
const MAX_ENDED_ROUNDS: usize = 20;

/// What the template is filled with.
#[derive(Debug, Template)]
#[template(path = "operator.html")]
pub(super) struct OperatorPage {
    title: String,
    fingerprint: String,
    now: String,
    open: Vec<OpenView>,
    ended: Vec<EndedView>,
    ended_more: usize,
    reminders: Vec<ReminderView>,
    partners: Vec<PartnerView>,
    notices: Vec<NoticeView>,
}

#[derive(Debug)]
struct OpenView {
    round: String,
    programme: String,
    period: String,
    attempt: u32,
    phase: &'static str,
    until: String,
    left: String,
    received: Vec<String>,
    awaited: Vec<String>,
    refused: Vec<(String, String)>,
}

#[derive(Debug)]
struct EndedView {
    round: String,
    programme: String,
    period: String,
    attempt: u32,
    end: String,
}

#[derive(Debug)]
struct ReminderView {
    name: String,
    what: String,
    by: String,
    left: String,
}

#[derive(Debug)]
struct PartnerView {
    id: String,
    name: String,
    kind: &'static str,
    fingerprint: String,
    since: String,
}

#[derive(Debug)]
struct NoticeView {
    partner: String,
    what: String,
    at: String,
}

impl OperatorPage {
    pub(super) async fn of(coordinator: &Coordinator) -> Result<Self, Error> {
        let now = coordinator.now();
        let mut open = Vec::new();
        let mut ended = Vec::new();
        for status in coordinator.round_statuses().await? {
            match open_view(&status, now) {
                Some(view) => open.push(view),
                None => ended.push(ended_view(&status)),
            }
        }
        ended.reverse();
        let ended_more = ended.len().saturating_sub(MAX_ENDED_ROUNDS);
        ended.truncate(MAX_ENDED_ROUNDS);
        let reminders = coordinator.reminders().await?;
        let partners = coordinator.partners().await?;
        let notices = coordinator.noticed().await?;
        Ok(Self {
            title: coordinator.settings().title.clone(),
            fingerprint: coordinator.key().fingerprint().to_string(),
            now: time_text(now),
            open,
            ended,
            ended_more,
            reminders: reminders
                .iter()
                .map(|each| reminder_view(each, now))
                .collect(),
            partners: partners
                .into_iter()
                .map(|each| PartnerView {
                    kind: each.partner.kind.word(),
                    fingerprint: each.partner.key.fingerprint().to_string(),
                    since: time_text(each.at),
                    id: each.partner.id,
                    name: each.partner.name,
                })
                .collect(),
            notices: notices
                .into_iter()
                .map(|each| NoticeView {
                    at: time_text(each.at),
                    partner: each.partner,
                    what: each.what,
                })
                .collect(),
        })
    }
}

fn open_view(status: &RoundStatus, now: i64) -> Option<OpenView> {
    let (phase, until, left, received, awaited) = match &status.stage {
        RoundStage::Collecting {
            phase,
            received,
            awaited,
            deadline,
        } => (
            phase.word(),
            time_text(*deadline),
            left_words(*deadline, now),
            received.clone(),
            awaited.clone(),
        ),
        RoundStage::Opened => ("publishing", String::new(), String::new(), vec![], vec![]),
        RoundStage::Released { .. } | RoundStage::Aborted(_) => return None,
    };
    Some(OpenView {
        round: status.round.short(),
        programme: status.programme.clone(),
        period: status.period.clone(),
        attempt: status.attempt,
        phase,
        until,
        left,
        received,
        awaited,
        refused: status.refused.clone(),
    })
}

fn ended_view(status: &RoundStatus) -> EndedView {
    let end = match &status.stage {
        RoundStage::Aborted(abort) => format!(
            "given up in {}: {}; missing: {}; abort statements {} of {}",
            abort.phase.word(),
            abort.reason,
            list(&abort.missing),
            status.statements.received.len(),
            status.statements.needed,
        ),
        _ => "released".to_owned(),
    };
    EndedView {
        round: status.round.short(),
        programme: status.programme.clone(),
        period: status.period.clone(),
        attempt: status.attempt,
        end,
    }
}

fn reminder_view(reminder: &Reminder, now: i64) -> ReminderView {
    ReminderView {
        name: reminder.name.clone(),
        what: awaited_words(&reminder.awaited),
        by: time_text(reminder.by),
        left: left_words(reminder.by, now),
    }
}

/// What is awaited, in a few words.
pub(crate) fn awaited_words(awaited: &Awaited) -> String {
    match awaited {
        Awaited::Enrolment => "enrol with the invite".to_owned(),
        Awaited::NewInvite => "needs a new invite: the old one ran out".to_owned(),
        Awaited::Message {
            programme,
            period,
            phase,
            ..
        } => format!("{phase} of {programme} {period}"),
    }
}

/// How long until `then`, in its largest two units, such as `2 d 3 h`.
pub(crate) fn left_words(then: i64, now: i64) -> String {
    const MINUTE: i64 = 60;
    const HOUR: i64 = 60 * MINUTE;
    const DAY: i64 = 24 * HOUR;
    let left = then.saturating_sub(now);
    match left {
        ..0 => "over".to_owned(),
        0..MINUTE => format!("{left} s"),
        MINUTE..HOUR => format!("{} min", left / MINUTE),
        HOUR..DAY => format!("{} h {} min", left / HOUR, left % HOUR / MINUTE),
        _ => format!("{} d {} h", left / DAY, left % DAY / HOUR),
    }
}

fn list(ids: &[String]) -> String {
    if ids.is_empty() {
        return "nobody".to_owned();
    }
    ids.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_left_is_told_in_its_largest_units() {
        let told = [
            (-1, "over"),
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (3_661, "1 h 1 min"),
            (86_400 * 2 + 3_600 * 3, "2 d 3 h"),
        ];
        for (seconds, words) in told {
            assert_eq!(left_words(1_000 + seconds, 1_000), words);
        }
    }
}
