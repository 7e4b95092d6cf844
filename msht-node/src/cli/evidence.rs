//! `evidence` and `verify-evidence`.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use msht_core::crypto::Fingerprint;
use msht_core::secagg::evidence::Evidence;
use serde_json::json;
use time::OffsetDateTime;

use super::{print, print_json, say};
use crate::error::{Kind, NodeError};
use crate::node::Node;

#[derive(Args)]
pub(super) struct EvidenceArgs {
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Write one proof to this file, which must not exist yet.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Which one of the list; not needed where there is one.
    #[arg(long, value_name = "NUMBER", requires = "out")]
    number: Option<usize>,
}

#[derive(Args)]
pub(super) struct VerifyEvidenceArgs {
    /// The file of evidence.
    file: PathBuf,
    /// Fingerprint of whoever is accused, from a roster, an invite or a telephone call.
    #[arg(long, value_name = "FINGERPRINT")]
    accused: Option<Fingerprint>,
}

pub(super) async fn evidence(node: &Node, args: &EvidenceArgs) -> Result<(), NodeError> {
    let kept = node.vault.evidence().await?;
    if let Some(path) = &args.out {
        let place = match (args.number, kept.len()) {
            (None, 1) => Some(0),
            (None, _) => None,
            (Some(number), _) => number.checked_sub(1),
        };
        let chosen = place.and_then(|place| kept.get(place)).ok_or_else(|| {
            let count = kept.len();
            let message = format!("choose one of {count} pieces of evidence with --number");
            NodeError::new(Kind::Usage, message)
        })?;
        write_new(path, &chosen.file)?;
        print(path.display())?;
        return Ok(());
    }
    if args.json {
        let rows = kept.iter().map(|each| {
            json!({ "offence": each.offence, "found_at": each.found_at, "bytes": each.file.len() })
        });
        return print_json(&rows.collect::<Vec<_>>());
    }
    if kept.is_empty() {
        say("nothing is proven against the coordinator");
    }
    for (number, each) in (1..).zip(&kept) {
        let found = OffsetDateTime::from_unix_timestamp(each.found_at);
        let day = found.map_or_else(|_| String::new(), |found| found.date().to_string());
        print(format_args!("{number}  {day}  {}", each.offence))?;
    }
    Ok(())
}

fn write_new(path: &Path, bytes: &[u8]) -> Result<(), NodeError> {
    let written = std::fs::File::create_new(path).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.map_err(|error| {
        NodeError::new(
            Kind::Failure,
            format!("cannot write {}: {error}", path.display()),
        )
        .hint("name a file that does not exist yet, in a folder that can be written to")
    })
}

/// Offline, and without a vault: the file and the fingerprint are all there is to it.
pub(super) fn verify(args: &VerifyEvidenceArgs) -> Result<(), NodeError> {
    let invalid = |what: String| {
        let message = format!("{} proves nothing: {what}", args.file.display());
        NodeError::new(Kind::Data, message).hint(
            "accuse nobody by this file; get it again from whoever made it, and compare fingerprints",
        )
    };
    let bytes = std::fs::read(&args.file).map_err(|error| {
        let message = format!("cannot read {}: {error}", args.file.display());
        NodeError::new(Kind::Data, message)
    })?;
    let evidence = Evidence::from_bytes(&bytes).map_err(|error| invalid(error.to_string()))?;
    let accusation = evidence
        .verify()
        .map_err(|error| invalid(error.to_string()))?;
    let accused = accusation.accused.fingerprint();
    if args.accused.is_some_and(|expected| expected != accused) {
        return Err(invalid(format!("it accuses {accused}, somebody else")));
    }
    print(format_args!("proven: {}", accusation.offence))?;
    if let Some(round) = accusation.round {
        print(format_args!("round: {round}"))?;
    }
    print(format_args!("accused: {accused}"))?;
    if args.accused.is_none() {
        say("whose key this is, is not proven: compare the fingerprint, or give it with --accused");
    }
    Ok(())
}
