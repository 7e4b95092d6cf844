//! `verify`: the checks of N9 on a file, without a network or a data directory.

use std::path::Path;

use msht_core::crypto::{Digest, Fingerprint, HexBytes, IDENTITY_KEY_BYTES, IdentityKey};
use msht_core::governance::{Countersigned, Handover, linked};
use msht_core::programme::Programme;
use msht_core::release::{Expectations, Release, ReleaseFault, from_json};
use msht_core::secagg::{Document, Signed, Verified};

use super::args::Verify;
use super::manage::programme_text;
use super::{print, read_file};
use crate::error::Error;

/// What the caller said the coordinator is.
enum Expected {
    Key(IdentityKey),
    Fingerprint(Fingerprint),
}

fn expected_coordinator(text: &str) -> Result<Expected, Error> {
    if let Ok(key) = text.parse::<HexBytes<IDENTITY_KEY_BYTES>>() {
        return Ok(Expected::Key(IdentityKey::from_bytes(key.0)));
    }
    text.parse().map(Expected::Fingerprint).map_err(|_| {
        Error::Argument(format!(
            "`{text}` is neither a fingerprint (eight groups of four digits) nor a key"
        ))
    })
}

/// The coordinator's key: the one expected, or the one with the expected fingerprint in the release or a handover.
fn pinned_key(
    release: &Signed<Release>,
    handovers: &[Countersigned<Handover>],
    expected: &Expected,
) -> Result<IdentityKey, ReleaseFault> {
    match expected {
        Expected::Key(key) => Ok(*key),
        Expected::Fingerprint(fingerprint) => {
            let found = release.content.proof.coordinator;
            let handed = handovers
                .iter()
                .flat_map(|each| [each.content.from, each.content.to]);
            let mut keys = std::iter::once(found).chain(handed);
            if let Some(key) = keys.find(|key| key.fingerprint() == *fingerprint) {
                return Ok(key);
            }
            Err(ReleaseFault::Coordinator {
                found: found.fingerprint().to_string(),
                expected: fingerprint.to_string(),
            })
        }
    }
}

fn release_in(path: &Path) -> Result<Signed<Release>, Error> {
    Ok(from_json(&read_file(path)?)?)
}

fn handovers_in(path: Option<&Path>) -> Result<Vec<Countersigned<Handover>>, Error> {
    let Some(path) = path else {
        return Ok(Vec::new());
    };
    let not_a_list = |error| Error::Handovers(path.to_owned(), error);
    serde_json::from_slice(&read_file(path)?).map_err(not_a_list)
}

/// The digest of the release before, signed by this coordinator's key of its time.
fn previous_digest(
    path: &Path,
    release: &Signed<Release>,
    handovers: &[Countersigned<Handover>],
) -> Result<Digest, Error> {
    let previous = release_in(path)?;
    let key = previous.content.proof.coordinator;
    if !linked(handovers, &key, &release.content.proof.coordinator) {
        return Err(ReleaseFault::Chain.into());
    }
    let digest = previous.content.digest()?;
    previous.verify(&key).map_err(|_| ReleaseFault::Chain)?;
    Ok(digest)
}

pub(super) fn verify(options: &Verify) -> Result<(), Error> {
    let release = release_in(&options.file)?;
    let handovers = handovers_in(options.handovers.as_deref())?;
    let expected = options.coordinator.as_deref().map(expected_coordinator);
    let coordinator = match expected.transpose()? {
        Some(expected) => Some(pinned_key(&release, &handovers, &expected)?),
        None => None,
    };
    let previous = match &options.previous {
        Some(path) => Some(Some(previous_digest(path, &release, &handovers)?)),
        None => None,
    };
    let programme = match &options.programme {
        Some(path) => Some(Programme::parse(&programme_text(path)?)?),
        None => None,
    };
    let expectations = Expectations {
        coordinator,
        handovers: &handovers,
        previous,
        programme: programme.as_ref(),
        confirmed: None,
    };
    let verified = release.verify_release(&expectations)?;
    print(report(&verified, &expectations))
}

fn report(release: &Verified<Release>, expectations: &Expectations<'_>) -> String {
    let proof = &release.proof;
    let coordinator = proof.coordinator.fingerprint();
    let or = |known: bool, text: &str, without: &str| {
        if known {
            format!("checked      {text}")
        } else {
            format!("not checked  {text} ({without})")
        }
    };
    let lines = [
        format!(
            "release      {} {}, round {}, digest {}",
            release.programme,
            release.period,
            release.round.short(),
            release.digest()
        ),
        or(true, "signature of the coordinator", ""),
        or(
            expectations.coordinator.is_some(),
            &format!("the coordinator is {coordinator}"),
            "give --coordinator",
        ),
        or(true, "announcement and roster, their signatures and rules", ""),
        or(
            true,
            &format!(
                "confirmations of the same {} survivors by at least {} of them",
                proof.survivors.len(),
                release.mechanism.threshold
            ),
            "",
        ),
        or(true, "noise, intervals and tables as announced", ""),
        or(
            expectations.programme.is_some(),
            "titles and categories of the programme",
            "give --programme",
        ),
        or(
            expectations.previous.is_some(),
            "follows on from the previous release",
            "give --previous",
        ),
        "not checked  that the sum is the one the partners masked: the coordinator is trusted for that"
            .to_owned(),
    ];
    lines.join("\n")
}
