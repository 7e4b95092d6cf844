//! `round evidence` and `verify-evidence`.

use std::io::Write;
use std::path::Path;

use msht_core::crypto::Digest;
use msht_core::secagg::evidence::{Evidence, EvidenceError};
use serde_json::{Value, json};

use super::args::{RoundEvidence, VerifyEvidence};
use super::{print, print_json, read_file, say};
use crate::clock::time_text;
use crate::coordinator::Coordinator;
use crate::error::Error;
use crate::rounds::KeptEvidence;

pub(super) async fn export(
    coordinator: &Coordinator,
    options: &RoundEvidence,
) -> Result<(), Error> {
    let round = coordinator.find_round(&options.round).await?;
    let kept = coordinator.evidence(&round).await?;
    match &options.out {
        None => list(&round, &kept, options.format.json),
        Some(path) => {
            let chosen = chosen(&kept, options.number)?;
            write_new(path, &chosen.file)?;
            say(format_args!("{}: {}", chosen.partner, chosen.offence));
            print(path.display())
        }
    }
}

fn list(round: &Digest, kept: &[KeptEvidence], as_json: bool) -> Result<(), Error> {
    if as_json {
        let rows = kept.iter().map(|each| {
            json!({
                "partner": each.partner,
                "offence": each.offence,
                "found_at": each.found_at,
                "bytes": each.file.len(),
            })
        });
        let rows: Vec<Value> = rows.collect();
        return print_json(&json!({ "round": round.to_string(), "evidence": rows }));
    }
    if kept.is_empty() {
        say("Nothing is proven against anybody in this round.");
    }
    for (number, each) in (1..).zip(kept) {
        let (partner, found) = (&each.partner, time_text(each.found_at));
        print(format_args!(
            "{number}  {partner}  {found}  {}",
            each.offence
        ))?;
    }
    Ok(())
}

fn chosen(kept: &[KeptEvidence], number: Option<usize>) -> Result<&KeptEvidence, Error> {
    let place = match (number, kept.len()) {
        (None, 1) => Some(0),
        (None, _) => None,
        (Some(number), _) => number.checked_sub(1),
    };
    place.and_then(|place| kept.get(place)).ok_or_else(|| {
        Error::Argument(format!(
            "choose one of {} pieces of evidence with --number",
            kept.len()
        ))
    })
}

fn write_new(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let written = std::fs::File::create_new(path).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.map_err(|source| Error::File {
        path: path.to_owned(),
        source,
    })
}

pub(super) fn verify(options: &VerifyEvidence) -> Result<(), Error> {
    let evidence = Evidence::from_bytes(&read_file(&options.file)?)?;
    let accusation = evidence.verify()?;
    let accused = accusation.accused.fingerprint();
    if options.accused.is_some_and(|expected| expected != accused) {
        return Err(EvidenceError::Signature.into());
    }
    print(format_args!("proven   {}", accusation.offence))?;
    if let Some(round) = accusation.round {
        print(format_args!("round    {round}"))?;
    }
    print(format_args!("accused  {accused}"))?;
    if options.accused.is_none() {
        say(
            "Whose key this is, is not proven: compare the fingerprint, or give it with --accused.",
        );
    }
    Ok(())
}
