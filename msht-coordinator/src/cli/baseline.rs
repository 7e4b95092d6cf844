//! `baseline`: counts that others publish.

use std::io::Read;
use std::path::Path;

use serde_json::json;

use super::args::{BaselineImport, Format};
use super::{print, print_json, say};
use crate::baseline::{Baseline, BaselineWords, MAX_BASELINE_BYTES};
use crate::clock::time_text;
use crate::coordinator::Coordinator;
use crate::error::Error;

pub(super) async fn import(coordinator: &Coordinator, import: BaselineImport) -> Result<(), Error> {
    let file = read(&import.file)?;
    let words = BaselineWords {
        title: import.title,
        source: import.source,
        licence: import.licence,
    };
    let baseline = coordinator
        .import_baseline(&import.programme, &file, words, import.replace)
        .await?;
    say(format!(
        "{} counts are kept; the site shows them beside the programme's numbers of the same period.",
        baseline.len()
    ));
    print(periods(&baseline))
}

/// The file, or as much of it as shows that it is too large.
fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let most = u64::try_from(MAX_BASELINE_BYTES).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(most.saturating_add(1)).read_to_end(&mut bytes))
        .map_err(|source| Error::File {
            path: path.to_owned(),
            source,
        })?;
    Ok(bytes)
}

/// First and last period.
fn periods(baseline: &Baseline) -> String {
    let periods: Vec<String> = baseline
        .periods()
        .map(|period| period.to_string())
        .collect();
    match periods.as_slice() {
        [first, .., last] => format!("{first} to {last}"),
        _ => periods.concat(),
    }
}

pub(super) async fn list(coordinator: &Coordinator, format: Format) -> Result<(), Error> {
    let kept = coordinator.baselines().await?;
    if format.json {
        let list: Vec<_> = kept
            .iter()
            .map(|kept| {
                let words = kept.baseline.words();
                let periods = kept.baseline.periods().map(|period| period.to_string());
                json!({
                    "title": words.title,
                    "programme": kept.baseline.programme(),
                    "source": words.source,
                    "licence": words.licence,
                    "imported_at": kept.imported_at,
                    "periods": periods.collect::<Vec<_>>(),
                    "counts": kept.baseline.len(),
                })
            })
            .collect();
        return print_json(&json!(list));
    }
    if kept.is_empty() {
        say("No baseline is kept yet.");
    }
    for kept in &kept {
        let words = kept.baseline.words();
        print(format!(
            "{}  {}  {}  {} counts, imported {}\n    {}; {}",
            words.title,
            kept.baseline.programme(),
            periods(&kept.baseline),
            kept.baseline.len(),
            time_text(kept.imported_at),
            words.source,
            words.licence
        ))?;
    }
    Ok(())
}

pub(super) async fn remove(coordinator: &Coordinator, title: &str) -> Result<(), Error> {
    coordinator.remove_baseline(title).await?;
    say("The site no longer shows it.");
    Ok(())
}
