//! Offline verification of a release (N9), with nothing but the release and, where they are known, the keys and
//! digests to expect.

use super::build::{dimensions, interval95, measure, mechanism, unit_of};
use super::document::{ConfirmSignature, RELEASE_FORMAT, Release, ReleaseTable};
use super::statement::privacy_statement;
use crate::crypto::{Digest, IdentityKey};
use crate::governance::{Countersigned, Handover, linked};
use crate::programme::Programme;
use crate::secagg::messages::{ConfirmBody, Phase, verify_message};
use crate::secagg::node::Confirmed;
use crate::secagg::{RoundContext, Signed, Verified};
use crate::wire::encode;

/// What the verifier knows besides the release; what is unknown is not compared.
#[derive(Debug, Clone, Copy, Default)]
pub struct Expectations<'a> {
    /// A key of the coordinator, from an invite or a website: the one that signed the release, or one that
    /// `handovers` link with it.
    pub coordinator: Option<IdentityKey>,
    /// Changes of the coordinator's key, in any order.
    pub handovers: &'a [Countersigned<Handover>],
    /// Digest of the release before, or `Some(None)` where this must be the first.
    pub previous: Option<Option<Digest>>,
    /// The programme the release says it follows.
    pub programme: Option<&'a Programme>,
    /// What this node itself confirmed in the round.
    pub confirmed: Option<&'a Confirmed>,
}

/// What differs in a release that does not verify.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReleaseFault {
    /// Signed by somebody else, or changed since.
    #[error(
        "the coordinator's signature does not verify: the release was changed or is not theirs"
    )]
    Signature,
    /// The key in the release is not the coordinator's.
    #[error("the release is signed by another coordinator ({found}) than expected ({expected})")]
    Coordinator {
        /// Fingerprint found.
        found: String,
        /// Fingerprint expected.
        expected: String,
    },
    /// Unknown format.
    #[error("the release has format `{0}`, which this version cannot verify")]
    Format(String),
    /// Announcement or roster does not verify or breaks the rules.
    #[error("the announcement or roster in the release does not hold: {0}")]
    Terms(crate::secagg::Fault),
    /// A field does not follow from the announcement.
    #[error("`{0}` in the release is not what was announced")]
    Field(&'static str),
    /// A table does not follow from the announcement.
    #[error("table `{0}` in the release is not what was announced")]
    Table(String),
    /// Fewer than t valid Confirm signatures on the survivor set, or others beside them.
    #[error(
        "{found} confirmations are valid; {needed} are needed, each once, in order, and no invalid one beside them"
    )]
    Confirmations {
        /// Valid ones found.
        found: usize,
        /// t.
        needed: usize,
    },
    /// It does not follow on from the release before.
    #[error("the release does not follow on from the previous one")]
    Chain,
    /// It is not the round this node took part in as it remembers it.
    #[error("the release shows another roll or survivor set than this node confirmed")]
    NotWhatWeConfirmed,
}

impl Signed<Release> {
    /// N9: signed, chained, carries announcement, roster, roll digest, H(U₂), U₃ and at least t Confirm
    /// signatures, and the announced noise.
    ///
    /// # Errors
    /// [`ReleaseFault`] says what differs.
    pub fn verify_release(
        self,
        expectations: &Expectations<'_>,
    ) -> Result<Verified<Release>, ReleaseFault> {
        let coordinator = self.content.proof.coordinator;
        let is_other = |key: &IdentityKey| !linked(expectations.handovers, key, &coordinator);
        if let Some(expected) = expectations.coordinator.filter(is_other) {
            return Err(ReleaseFault::Coordinator {
                found: coordinator.fingerprint().to_string(),
                expected: expected.fingerprint().to_string(),
            });
        }
        if self.content.format != RELEASE_FORMAT {
            return Err(ReleaseFault::Format(self.content.format));
        }
        let release = self
            .verify(&coordinator)
            .map_err(|_| ReleaseFault::Signature)?;
        let context = context_of(&release)?;
        check_fields(&release, &context)?;
        check_tables(&release, &context)?;
        check_confirmations(&release, &context)?;
        check_expectations(&release, &context, expectations)?;
        Ok(release)
    }
}

fn context_of(release: &Release) -> Result<RoundContext, ReleaseFault> {
    let proof = &release.proof;
    let key = proof.coordinator;
    let unsigned = |_| ReleaseFault::Field("proof");
    let announcement = proof.announcement.clone().verify(&key).map_err(unsigned)?;
    let roster = proof.roster.clone().verify(&key).map_err(unsigned)?;
    RoundContext::new(announcement, roster, key).map_err(ReleaseFault::Terms)
}

fn check_fields(release: &Release, context: &RoundContext) -> Result<(), ReleaseFault> {
    let announcement = context.announcement();
    let survivors = &release.proof.survivors;
    let missing: Vec<u8> = context
        .indices()
        .filter(|index| !survivors.contains(index))
        .collect();
    let previous = announcement.previous_release;
    let previous = (previous != Digest::ZERO).then_some(previous);
    let shape = context.realised_shape(survivors.len());
    let shape = shape.map_err(|_| ReleaseFault::Field("mechanism"))?;
    let checks = [
        (release.round == context.round(), "round"),
        (release.programme == announcement.programme, "programme"),
        (release.period == announcement.period, "period"),
        (release.attempt == announcement.attempt, "attempt"),
        (release.epsilon == announcement.epsilon, "epsilon"),
        (release.previous == previous, "previous"),
        (is_survivor_set(survivors, context), "proof.survivors"),
        (release.survivors == context.ids(survivors), "survivors"),
        (release.missing == context.ids(&missing), "missing"),
        (
            release.mechanism == mechanism(context, &shape, survivors.len()),
            "mechanism",
        ),
        (
            release.privacy_statement == privacy_statement(context, &release.unit),
            "privacy_statement",
        ),
    ];
    match checks.iter().find(|(holds, _)| !holds) {
        Some((_, field)) => Err(ReleaseFault::Field(field)),
        None => Ok(()),
    }
}

/// Invited partners in order, and at least m of them.
pub(super) fn is_survivor_set(survivors: &[u8], context: &RoundContext) -> bool {
    let least = usize::from(context.params().least_survivors());
    context.is_ordered_subset(survivors) && survivors.len() >= least
}

fn check_tables(release: &Release, context: &RoundContext) -> Result<(), ReleaseFault> {
    let announced = &context.announcement().tables;
    if release.tables.len() != announced.len() {
        return Err(ReleaseFault::Field("tables"));
    }
    let shape = &release.mechanism.shape;
    for (table, announced) in release.tables.iter().zip(announced) {
        let cells = announced.cells as usize;
        let holds = table.name == announced.name
            && table.sensitivity == announced.sensitivity
            && table.raw.len() == cells
            && cells_of(table) == Some(cells)
            && interval95(&announced.rate, shape) == Ok(table.interval95);
        if !holds {
            return Err(ReleaseFault::Table(table.name.clone()));
        }
    }
    Ok(())
}

/// Product of the sizes of a table's dimensions, or none where labels and categories differ in number.
fn cells_of(table: &ReleaseTable) -> Option<usize> {
    table
        .dimensions
        .iter()
        .try_fold(1usize, |cells, dimension| {
            let size = dimension.categories.len();
            (dimension.labels.len() == size).then_some(cells.checked_mul(size)?)
        })
}

fn confirm_body(release: &Release) -> ConfirmBody {
    ConfirmBody {
        roll_digest: release.proof.roll_digest,
        dealers_digest: release.proof.dealers_digest,
        survivors: release.proof.survivors.clone(),
    }
}

pub(super) fn check_confirmations(
    release: &Release,
    context: &RoundContext,
) -> Result<(), ReleaseFault> {
    let needed = usize::from(context.params().threshold());
    let body = encode(&confirm_body(release)).map_err(|_| ReleaseFault::Field("proof"))?;
    let survivors = &release.proof.survivors;
    let signers: Vec<u8> = release
        .proof
        .signatures
        .iter()
        .map(|each| each.partner)
        .collect();
    let is_valid = |each: &&ConfirmSignature| {
        let (round, index) = (context.round(), each.partner);
        survivors.contains(&index)
            && context.key(index).is_some_and(|key| {
                verify_message(key, &round, Phase::Confirm, index, &body, &each.signature).is_ok()
            })
    };
    let found = release.proof.signatures.iter().filter(is_valid).count();
    let nothing_else = found == signers.len() && signers.is_sorted_by(|a, b| a < b);
    if found < needed || !nothing_else {
        return Err(ReleaseFault::Confirmations { found, needed });
    }
    Ok(())
}

/// The words around the numbers are those of the programme.
fn check_programme(
    release: &Release,
    context: &RoundContext,
    programme: &Programme,
) -> Result<(), ReleaseFault> {
    let same_programme = programme.digest() == context.announcement().programme_digest;
    if !same_programme || release.programme_title != programme.title() {
        return Err(ReleaseFault::Field("programme"));
    }
    if release.unit != unit_of(programme) {
        return Err(ReleaseFault::Field("unit"));
    }
    for (released, table) in release.tables.iter().zip(programme.tables()) {
        let same_words = released.title == table.title()
            && released.measure == measure(programme, table)
            && released.dimensions == dimensions(programme, table);
        if !same_words {
            return Err(ReleaseFault::Table(released.name.clone()));
        }
    }
    Ok(())
}

fn check_expectations(
    release: &Release,
    context: &RoundContext,
    expectations: &Expectations<'_>,
) -> Result<(), ReleaseFault> {
    if expectations
        .previous
        .is_some_and(|expected| expected != release.previous)
    {
        return Err(ReleaseFault::Chain);
    }
    if let Some(programme) = expectations.programme {
        check_programme(release, context, programme)?;
    }
    if let Some(confirmed) = expectations.confirmed {
        let same = *confirmed.confirm() == confirm_body(release);
        if !same || confirmed.round() != release.round {
            return Err(ReleaseFault::NotWhatWeConfirmed);
        }
    }
    Ok(())
}
