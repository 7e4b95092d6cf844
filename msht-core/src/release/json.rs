//! `release.json`: a signed release as one JSON object, the keys of [`Release`] and `signature`.
//!
//! The signature is over the canonical encoding of the content, so reformatting the file does no harm; unknown,
//! missing and repeated keys are refused.

use serde::{Deserialize, Serialize};

use super::document::{Mechanism, PrivacyUnit, Proof, Release, ReleaseTable};
use crate::crypto::{Digest, Signature};
use crate::rational::Rational;
use crate::secagg::Signed;

/// Longest `release.json` that is read: a full-size programme, one number a line.
pub const MAX_RELEASE_JSON_BYTES: usize = 256 * 1024 * 1024;

/// Why bytes are not a `release.json`.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseJsonError {
    /// Longer than [`MAX_RELEASE_JSON_BYTES`].
    #[error("{0} bytes are more than a release can have")]
    TooLong(usize),
    /// Not JSON, or not these keys.
    #[error("not a release: {0}")]
    Malformed(#[from] serde_json::Error),
}

/// The keys of the file, in their order.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReleaseFile {
    format: String,
    programme: String,
    programme_title: String,
    period: String,
    round: Digest,
    attempt: u32,
    published_at: i64,
    unit: PrivacyUnit,
    epsilon: Rational,
    mechanism: Mechanism,
    survivors: Vec<String>,
    missing: Vec<String>,
    tables: Vec<ReleaseTable>,
    privacy_statement: Vec<String>,
    #[serde(deserialize_with = "Option::deserialize")]
    previous: Option<Digest>,
    proof: Proof,
    signature: Signature,
}

impl From<Signed<Release>> for ReleaseFile {
    fn from(signed: Signed<Release>) -> Self {
        let release = signed.content;
        Self {
            format: release.format,
            programme: release.programme,
            programme_title: release.programme_title,
            period: release.period,
            round: release.round,
            attempt: release.attempt,
            published_at: release.published_at,
            unit: release.unit,
            epsilon: release.epsilon,
            mechanism: release.mechanism,
            survivors: release.survivors,
            missing: release.missing,
            tables: release.tables,
            privacy_statement: release.privacy_statement,
            previous: release.previous,
            proof: release.proof,
            signature: signed.signature,
        }
    }
}

impl From<ReleaseFile> for Signed<Release> {
    fn from(file: ReleaseFile) -> Self {
        Self {
            content: Release {
                format: file.format,
                programme: file.programme,
                programme_title: file.programme_title,
                period: file.period,
                round: file.round,
                attempt: file.attempt,
                published_at: file.published_at,
                unit: file.unit,
                epsilon: file.epsilon,
                mechanism: file.mechanism,
                survivors: file.survivors,
                missing: file.missing,
                tables: file.tables,
                privacy_statement: file.privacy_statement,
                previous: file.previous,
                proof: file.proof,
            },
            signature: file.signature,
        }
    }
}

/// The bytes of `release.json`, indented and ending in a line break.
///
/// # Errors
/// [`ReleaseJsonError`], where JSON cannot hold a value.
pub fn to_json(release: &Signed<Release>) -> Result<Vec<u8>, ReleaseJsonError> {
    let file = ReleaseFile::from(release.clone());
    let mut bytes = serde_json::to_vec_pretty(&file)?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// Reads a `release.json`; nothing about it is checked yet.
///
/// # Errors
/// [`ReleaseJsonError`].
pub fn from_json(bytes: &[u8]) -> Result<Signed<Release>, ReleaseJsonError> {
    if bytes.len() > MAX_RELEASE_JSON_BYTES {
        return Err(ReleaseJsonError::TooLong(bytes.len()));
    }
    Ok(serde_json::from_slice::<ReleaseFile>(bytes)?.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::release::{MECHANISM_NAME, RELEASE_FORMAT, ReleaseFault, ReleaseMeasure};
    use crate::testkit::cohort::{Cohort, CohortOptions};

    fn sample() -> (Signed<Release>, Cohort) {
        let cohort = Cohort::new(&CohortOptions::default(), 7);
        let announcement = cohort.context.announcement();
        let release = Release {
            format: RELEASE_FORMAT.to_owned(),
            programme: "test".to_owned(),
            programme_title: "Test".to_owned(),
            period: announcement.period.clone(),
            round: cohort.context.round(),
            attempt: 1,
            published_at: 1_800_000_000,
            unit: PrivacyUnit {
                kind: "record".to_owned(),
                max_records: 1,
            },
            epsilon: Rational::one(),
            mechanism: Mechanism {
                name: MECHANISM_NAME.to_owned(),
                a: std::iter::once(("cells".to_owned(), Rational::new(1, 3).unwrap())).collect(),
                shape: Rational::new(5, 3).unwrap(),
                n: 5,
                survivors: 5,
                colluders: 1,
                threshold: 4,
                least_survivors: 4,
            },
            survivors: announcement.invited.clone(),
            missing: Vec::new(),
            tables: vec![ReleaseTable {
                name: "cells".to_owned(),
                title: "Cells".to_owned(),
                measure: ReleaseMeasure::Count,
                dimensions: Vec::new(),
                sensitivity: 1,
                raw: vec![i64::MIN, -1, i64::MAX],
                interval95: 7,
            }],
            privacy_statement: vec!["Nothing \"quoted\"\nis lost: ε.".to_owned()],
            previous: None,
            proof: Proof {
                coordinator: cohort.coordinator.key(),
                announcement: announcement.as_signed().clone(),
                roster: cohort.context.roster().as_signed().clone(),
                roll_digest: Digest::ZERO,
                dealers_digest: Digest::ZERO,
                survivors: vec![1, 2, 3, 4, 5],
                signatures: Vec::new(),
            },
        };
        (Signed::sign(release, &cohort.coordinator).unwrap(), cohort)
    }

    #[test]
    fn a_release_survives_its_json_form_with_its_signature() {
        let (release, cohort) = sample();
        let json = to_json(&release).unwrap();
        let read = from_json(&json).unwrap();
        assert_eq!(read, release);
        assert!(read.verify(&cohort.coordinator.key()).is_ok());
        assert_eq!(to_json(&release).unwrap(), json);
    }

    #[test]
    fn a_changed_number_breaks_the_signature() {
        let (release, _) = sample();
        let json = String::from_utf8(to_json(&release).unwrap()).unwrap();
        let changed = json.replace("\"interval95\": 7", "\"interval95\": 8");
        assert_ne!(changed, json);
        let fault = from_json(changed.as_bytes())
            .unwrap()
            .verify_release(&crate::release::Expectations::default());
        assert_eq!(fault.unwrap_err(), ReleaseFault::Signature);
    }

    #[test]
    fn unknown_missing_and_repeated_keys_are_refused() {
        let (release, _) = sample();
        let json = String::from_utf8(to_json(&release).unwrap()).unwrap();
        for (from, to) in [
            ("{\n  \"format\"", "{\n  \"more\": 1,\n  \"format\""),
            ("{\n  \"format\"", "{\n  \"attempt\": 1,\n  \"format\""),
            ("  \"attempt\": 1,\n", ""),
            ("  \"previous\": null,\n", ""),
            ("\"kind\": \"record\"", "\"kind\": \"record\", \"of\": 1"),
            ("\"content\": {", "\"more\": 1, \"content\": {"),
            ("\"threshold\": 4,", "\"threshold\": 4, \"more\": 1,"),
        ] {
            let changed = json.replacen(from, to, 1);
            assert_ne!(changed, json, "{from} is there");
            assert!(from_json(changed.as_bytes()).is_err(), "{to} was accepted");
        }
        assert!(from_json(format!("{json}x").as_bytes()).is_err());
    }
}
