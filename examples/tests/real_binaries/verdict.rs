//! What a run in which anything is killed may have led to: pure checks of what was seen, so that `planted` can show
//! what each of them catches.
//!
//! Noise hides one record, not a partner: [`OWN_MANY`] is larger than the noise ever is, so a contribution that is
//! missing from the sum, or in it twice, is seen in one release. That one partner stands in for another is not; the
//! simulation's oracles see that.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;

use crate::rounds::check_sum;
use crate::world::names;

pub(crate) const PARTNERS: [&str; 5] = ["p1", "p2", "p3", "p4", "p5"];
/// m of five partners.
const LEAST_SURVIVORS: usize = 4;
/// n − t + 1 + c of five partners.
const STATEMENTS_NEEDED: usize = 3;
/// Records of each partner in each quarter, by category.
pub(crate) const OWN_MANY: [i64; 3] = [60, 50, 40];
/// ε of one round.
const COST: i64 = 2;
/// Longest time to the end of a round and to everybody knowing it: all phases where they are longest, and a minute for a
/// busy machine.
pub(crate) const LONGEST_ROUND: Duration = Duration::from_secs(100);

/// Why what was seen is not legal.
pub(crate) type Verdict = Result<(), String>;

fn ensure(holds: bool, why: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(why()) }
}

/// A round that has ended.
#[derive(Debug, Clone)]
pub(crate) struct Ended {
    pub(crate) period: String,
    /// The coordinator's word on it.
    pub(crate) stage: Value,
    /// Its release as each partner shows it; nothing where there is none.
    pub(crate) releases: BTreeMap<String, Value>,
}

/// What one partner has on its disk after all rounds.
#[derive(Debug, Clone)]
pub(crate) struct Books {
    pub(crate) ledger: Value,
    pub(crate) log: String,
}

/// Everything that is left after a run.
#[derive(Debug, Clone)]
pub(crate) struct Observed {
    pub(crate) year: String,
    pub(crate) rounds: BTreeMap<String, Ended>,
    pub(crate) partners: BTreeMap<String, Books>,
}

/// Whether a round has ended, `elapsed` after it was opened.
pub(crate) fn has_ended(stage: &Value, elapsed: Duration) -> Result<bool, String> {
    let ended = stage["state"] == "released" || stage["state"] == "aborted";
    ensure(ended || elapsed < LONGEST_ROUND, || {
        format!("stuck: {stage}")
    })?;
    Ok(ended)
}

/// Whether a partner knows the end of a round, by its own row on it; `has_end` tells whether a node that left it by
/// its own deadline has the release, where there is one.
pub(crate) fn knows_the_end(
    own: Option<&Value>,
    has_end: impl FnOnce() -> bool,
    elapsed: Duration,
) -> Result<bool, String> {
    let text = |name: &str| own.and_then(|own| own[name].as_str()).unwrap_or_default();
    let (stage, note) = (text("stage"), text("note"));
    ensure(stage != "refused" && !note.contains("ALARM"), || {
        format!("accuses an honest coordinator: {note}")
    })?;
    let known = match stage {
        "released" | "aborted" => true,
        "left-out" => has_end(),
        _ => false,
    };
    let late = elapsed >= LONGEST_ROUND;
    ensure(known || !late, || {
        format!("never knew of the end: {stage}, {note}")
    })?;
    Ok(known)
}

/// A release of at least m partners and their sum, or a round given up with the names of those it lacked.
pub(crate) fn check_end(stage: &Value, release: Option<&Value>) -> Verdict {
    if let Some(release) = release {
        ensure(stage["state"] == "released", || {
            format!("a release of {stage}")
        })?;
        let survivors = names(&release["survivors"]);
        let distinct: BTreeSet<&str> = survivors.iter().copied().collect();
        let known = distinct.iter().all(|name| PARTNERS.contains(name));
        ensure(known && distinct.len() == survivors.len(), || {
            format!("survivors that are no cohort: {survivors:?}")
        })?;
        ensure(survivors.len() >= LEAST_SURVIVORS, || {
            format!("a release below m: {survivors:?}")
        })?;
        return check_sum(release, OWN_MANY);
    }
    ensure(stage["state"] == "aborted", || {
        format!("no release of {stage}")
    })?;
    // For want of messages only, and with the names of those whose messages are wanting in this phase; who was left
    // out of an earlier one is not among them.
    let missing = names(&stage["missing"]);
    let known = missing.iter().all(|name| PARTNERS.contains(name));
    ensure(known && !missing.is_empty(), || {
        format!("given up without need or names: {stage}")
    })
}

/// Everything that must hold at the end of a run.
pub(crate) fn check_run(observed: &Observed) -> Verdict {
    for (round, ended) in &observed.rounds {
        check_one_release(ended).map_err(|why| format!("{round}: {why}"))?;
    }
    let mut returned: BTreeMap<&str, usize> = BTreeMap::new();
    let mut unmasked: BTreeMap<&str, usize> = BTreeMap::new();
    for (partner, books) in &observed.partners {
        let named = |why: String| format!("{partner}: {why}");
        let outcomes = check_books(observed, partner, books).map_err(named)?;
        check_acknowledged(observed, partner, &books.log).map_err(named)?;
        for (round, _) in observed.rounds.iter() {
            match outcomes.get(round).map(String::as_str) {
                Some("returned") => *returned.entry(round).or_default() += 1,
                Some("unmasked" | "released") => *unmasked.entry(round).or_default() += 1,
                _ => {}
            }
        }
    }
    for round in returned.keys() {
        let opened = unmasked.get(round).copied().unwrap_or(0);
        let is_released = observed.rounds[*round].stage["state"] == "released";
        ensure(
            is_released || PARTNERS.len() - opened >= STATEMENTS_NEEDED,
            || format!("{round}: {opened} unmasked, and a charge came back all the same"),
        )?;
    }
    Ok(())
}

/// Whoever shows the release shows the same one.
fn check_one_release(ended: &Ended) -> Verdict {
    let mut shown = ended.releases.values();
    let first = shown.next();
    ensure(shown.all(|each| Some(each) == first), || {
        "two releases of one round".to_owned()
    })?;
    check_end(&ended.stage, first)
}

/// A ledger says what the rounds' ends justify, and what it counts as spent is the sum of that.
fn check_books(
    observed: &Observed,
    partner: &str,
    books: &Books,
) -> Result<BTreeMap<String, String>, String> {
    let outcomes = outcomes(&books.ledger)?;
    let mut spent = 0;
    for (round, ended) in &observed.rounds {
        let outcome = outcomes.get(round).map_or("none", String::as_str);
        ensure(legal_outcomes(partner, ended).contains(&outcome), || {
            format!("{outcome} in {round} after {}", ended.stage)
        })?;
        let counts = ["abandoned", "unmasked", "released"].contains(&outcome);
        if counts && ended.period.starts_with(&observed.year) {
            spent += COST;
        }
    }
    let unknown = outcomes
        .keys()
        .find(|round| !observed.rounds.contains_key(*round));
    ensure(unknown.is_none(), || {
        format!("spent on {unknown:?}, which never was")
    })?;
    let counted = &books.ledger["spent_this_year"];
    ensure(counted.as_i64() == Some(spent), || {
        format!("counts {counted} as spent, and spent {spent}")
    })?;
    Ok(outcomes)
}

/// Nothing acknowledged is lost: whose Mask was acknowledged is in the sum, whatever was killed after that.
fn check_acknowledged(observed: &Observed, partner: &str, log: &str) -> Verdict {
    let sent = |line: &&str| line.contains("Sent {") && line.contains("phase: Mask");
    let masked: Vec<&str> = log.lines().filter(sent).collect();
    let mut released = 0;
    for (round, ended) in &observed.rounds {
        let Some(release) = ended.releases.values().next() else {
            continue;
        };
        released += 1;
        let lost = masked.iter().any(|line| line.contains(round))
            && !names(&release["survivors"]).contains(&partner);
        ensure(!lost, || {
            format!("its acknowledged Mask of {round} is lost")
        })?;
    }
    ensure(released < 2 || !masked.is_empty(), || {
        "never sent a Mask".to_owned()
    })
}

/// What the entries of a ledger say became of each round.
pub(crate) fn outcomes(ledger: &Value) -> Result<BTreeMap<String, String>, String> {
    let mut outcomes: BTreeMap<String, String> = BTreeMap::new();
    for entry in ledger["entries"].as_array().ok_or("no entries")? {
        let event = entry["event"]
            .as_object()
            .and_then(|event| event.iter().next());
        let (name, event) = event.ok_or_else(|| format!("no event: {entry}"))?;
        let round = match name.as_str() {
            "reservation" => &event["charge"]["round"],
            _ => &event["round"],
        };
        let Some(round) = round.as_str().filter(|_| name != "approval") else {
            continue;
        };
        let before = outcomes.get(round).map_or("none", String::as_str);
        let after = match (before, name.as_str()) {
            ("none", "reservation") => "reserved",
            ("reserved", "charged") => "charged",
            ("reserved", "tombstone") => "tombstoned",
            ("charged", "tombstone") => "abandoned",
            ("charged", "unmasked") => "unmasked",
            ("charged" | "abandoned", "returned") => "returned",
            ("charged" | "abandoned" | "unmasked", "released") => "released",
            _ => return Err(format!("{name} after {before} of {round}")),
        };
        outcomes.insert(round.to_owned(), after.to_owned());
    }
    Ok(outcomes)
}

/// What may have become of the budget of a partner in a round that ended so. Nothing may stay open.
fn legal_outcomes(partner: &str, ended: &Ended) -> &'static [&'static str] {
    if let Some(release) = ended.releases.values().next() {
        return match names(&release["survivors"]).contains(&partner) {
            true => &["released"],
            false => &["none", "tombstoned", "abandoned", "returned"],
        };
    }
    match ended.stage["phase"].as_str().unwrap_or_default() {
        // Mask cannot have been made, so nothing may stay charged.
        "join" | "share" => &["none", "tombstoned"],
        "mask" | "confirm" => &["none", "tombstoned", "abandoned", "returned"],
        _ => &["none", "tombstoned", "abandoned", "returned", "unmasked"],
    }
}
