//! `init`, `invite`, `roster`, `programme`.

use std::path::Path;

use msht_core::programme::shipped;
use msht_core::secagg::PartnerKind;
use msht_host::KeySource;
use serde_json::json;

use super::args::{self, Format};
use super::{print, print_json, read_file, say};
use crate::clock::{system_clock, time_text};
use crate::coordinator::{Coordinator, Settings};
use crate::error::Error;
use crate::random::system_rng;
use crate::registry::NewInvite;

/// Seconds of a day, the unit of an invite's validity.
const DAY_SECONDS: u32 = 86_400;

pub(super) async fn init(
    data: &Path,
    key: Option<&KeySource>,
    init: args::Init,
) -> Result<(), Error> {
    let settings = Settings {
        address: init.address,
        title: init.title,
    };
    let mut rng = system_rng()?;
    let clock = system_clock();
    let database = init.database.map(|url| url.parse()).transpose()?;
    let coordinator =
        Coordinator::create_in(data, key, database.as_ref(), settings, clock, &mut rng).await?;
    say(format_args!("The coordinator is in {}.", data.display()));
    say("Keep a copy of the key file apart from the database: without it the database is lost.");
    say("Publish this fingerprint where partners can compare it:");
    let printed = print(coordinator.key().fingerprint());
    coordinator.close().await;
    printed
}

pub(super) async fn join(
    data: &Path,
    key: Option<&KeySource>,
    join: args::Join,
) -> Result<(), Error> {
    let coordinator = Coordinator::join(data, key, &join.database.parse()?, system_clock()).await?;
    say(format_args!(
        "This replica is in {}; start it with `msht-coordinator serve`.",
        data.display()
    ));
    let printed = print(coordinator.key().fingerprint());
    coordinator.close().await;
    printed
}

pub(super) async fn invite(coordinator: &Coordinator, invite: args::Invite) -> Result<(), Error> {
    let kind = PartnerKind::from_word(&invite.kind).ok_or_else(|| {
        let words: Vec<&str> = PartnerKind::ALL.iter().map(|(_, word)| *word).collect();
        Error::Argument(format!(
            "`{}` is not a kind of partner; choose one of {}",
            invite.kind,
            words.join(", ")
        ))
    })?;
    let new = NewInvite {
        partner: invite.partner,
        name: invite.name,
        kind,
        valid_seconds: u32::from(invite.valid_days).saturating_mul(DAY_SECONDS),
    };
    let made = coordinator.invite(&new, &mut system_rng()?).await?;
    say(format_args!(
        "Send this to {} by a private channel; it works once, until {}:",
        new.name,
        time_text(made.expires_at)
    ));
    print(made)
}

pub(super) async fn roster(coordinator: &Coordinator, format: Format) -> Result<(), Error> {
    let partners = coordinator.partners().await?;
    let roster = coordinator.roster().await?;
    let version = roster.as_ref().map_or(0, |roster| roster.version);
    let noticed = coordinator.noticed().await?;
    let noticed_of = |id: &str| -> Vec<String> {
        let of = noticed.iter().filter(|each| each.partner == id);
        of.map(|each| format!("{}  {}", time_text(each.at), each.what))
            .collect()
    };
    let listed = |id: &str| {
        roster
            .as_ref()
            .is_some_and(|roster| roster.partner(id).is_some())
    };
    if format.json {
        let partners: Vec<_> = partners
            .iter()
            .map(|each| {
                json!({
                    "id": each.partner.id,
                    "name": each.partner.name,
                    "kind": each.partner.kind.word(),
                    "fingerprint": each.partner.key.fingerprint().to_string(),
                    "enrolled_at": each.at,
                    "on_roster": listed(&each.partner.id),
                    "noticed": noticed_of(&each.partner.id),
                })
            })
            .collect();
        return print_json(&json!({ "version": version, "partners": partners }));
    }
    say(format_args!(
        "{} partners are enrolled; the roster has version {version}.",
        partners.len()
    ));
    for each in &partners {
        let partner = &each.partner;
        let mark = if listed(&partner.id) {
            ""
        } else {
            "  (new: on the roster with the next round)"
        };
        print(format_args!(
            "{}  {:<24}  {:<17}  {}{mark}",
            partner.key.fingerprint(),
            partner.id,
            partner.kind.word(),
            partner.name
        ))?;
        for notice in noticed_of(&partner.id) {
            print(format_args!("    noticed {notice}"))?;
        }
    }
    Ok(())
}

pub(super) async fn backup(coordinator: &Coordinator, file: &Path) -> Result<(), Error> {
    coordinator.back_up(file).await?;
    say("Keep coordinator.key elsewhere: without it the copy is of no use.");
    print(file.display())
}

pub(super) async fn restore(
    data: &Path,
    key: Option<&KeySource>,
    file: &Path,
    replace: bool,
) -> Result<(), Error> {
    let kept = Coordinator::restore(data, key, file, replace, system_clock()).await?;
    if let Some(kept) = kept {
        say(format_args!(
            "The database that was there is now {}.",
            kept.display()
        ));
    }
    say("Tell the partners. Rounds that went on after this copy was made may have to be given up.");
    print(format_args!("restored from {}", file.display()))
}

pub(super) async fn publish(coordinator: &Coordinator, programme: &str) -> Result<(), Error> {
    let text = match shipped(programme) {
        Some(text) => text.to_owned(),
        None => programme_text(Path::new(programme))?,
    };
    let published = coordinator.publish_programme(&text).await?;
    say(format_args!(
        "Programme `{}`, version {}, is published with digest:",
        published.id(),
        published.version()
    ));
    print(published.digest())
}

pub(super) fn programme_text(path: &Path) -> Result<String, Error> {
    String::from_utf8(read_file(path)?)
        .map_err(|_| Error::Argument(format!("{} is not UTF-8 text", path.display())))
}

pub(super) async fn programmes(coordinator: &Coordinator, format: Format) -> Result<(), Error> {
    let programmes = coordinator.programmes().await?;
    if format.json {
        let list: Vec<_> = programmes
            .iter()
            .map(|programme| {
                json!({
                    "id": programme.id(),
                    "version": programme.version(),
                    "title": programme.title(),
                    "digest": programme.digest().to_string(),
                    "cells": programme.cells(),
                    "epsilon": programme.epsilon_per_round(),
                    "least_partners": programme.cohort().least_partners(),
                })
            })
            .collect();
        return print_json(&json!(list));
    }
    if programmes.is_empty() {
        say("No programme is published yet.");
    }
    for programme in &programmes {
        print(format_args!(
            "{:<20}  version {}  {}  {}",
            programme.id(),
            programme.version(),
            programme.digest().short(),
            programme.title()
        ))?;
    }
    Ok(())
}
