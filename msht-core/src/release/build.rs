//! From an opened sum to the release that is published.

use std::collections::BTreeMap;

use super::document::{
    ConfirmSignature, MECHANISM_NAME, Mechanism, PrivacyUnit, Proof, RELEASE_FORMAT, Release,
    ReleaseDimension, ReleaseMeasure, ReleaseTable, SumOfAmounts,
};
use super::statement::privacy_statement;
use crate::crypto::Digest;
use crate::estimate::interval::{IntervalError, NoiseLaw};
use crate::programme::{PrivacyUnit as Unit, Programme, Table};
use crate::rational::{Rational, RationalError};
use crate::secagg::RoundContext;
use crate::secagg::coordinator::Opened;

/// Probability that an interval of a release misses.
pub const INTERVAL_COMPLEMENT: f64 = 0.05;

/// Why a sum cannot be made into a release.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum BuildError {
    /// The sum does not have the programme's cells.
    #[error("the sum does not have the cells of the programme")]
    Cells,
    /// The noise's law cannot be computed.
    #[error(transparent)]
    Interval(#[from] IntervalError),
    /// The realised shape cannot be computed.
    #[error(transparent)]
    Shape(#[from] RationalError),
}

/// Half-width of the 95 % interval of a cell with noise of this rate and shape.
///
/// # Errors
/// [`IntervalError`].
pub fn interval95(rate: &Rational, shape: &Rational) -> Result<u64, IntervalError> {
    NoiseLaw::new(rate, shape)?.half_width(INTERVAL_COMPLEMENT)
}

impl Release {
    /// Describes an opened sum; the result still has to be signed.
    ///
    /// # Errors
    /// [`BuildError`].
    pub fn build(
        context: &RoundContext,
        programme: &Programme,
        opened: &Opened,
        published_at: i64,
    ) -> Result<Self, BuildError> {
        let announcement = context.announcement();
        let survivors = &opened.confirm.survivors;
        let missing: Vec<u8> = context
            .indices()
            .filter(|index| !survivors.contains(index))
            .collect();
        let shape = context.realised_shape(survivors.len())?;
        let previous = announcement.previous_release;
        let unit = unit_of(programme);
        Ok(Self {
            format: RELEASE_FORMAT.to_owned(),
            programme: announcement.programme.clone(),
            programme_title: programme.title().to_owned(),
            period: announcement.period.clone(),
            round: context.round(),
            attempt: announcement.attempt,
            published_at,
            epsilon: announcement.epsilon.clone(),
            mechanism: mechanism(context, &shape, survivors.len()),
            survivors: context.ids(survivors),
            missing: context.ids(&missing),
            tables: tables(programme, &opened.sum, &shape)?,
            privacy_statement: privacy_statement(context, &unit),
            unit,
            previous: (previous != Digest::ZERO).then_some(previous),
            proof: proof(context, opened),
        })
    }
}

pub(super) fn unit_of(programme: &Programme) -> PrivacyUnit {
    let kind = match programme.privacy().unit() {
        Unit::Person => "person",
        Unit::Record => "record",
    };
    PrivacyUnit {
        kind: kind.to_owned(),
        max_records: programme.privacy().max_records(),
    }
}

pub(super) fn mechanism(context: &RoundContext, shape: &Rational, survivors: usize) -> Mechanism {
    let params = context.params();
    let tables = context.announcement().tables.iter();
    Mechanism {
        name: MECHANISM_NAME.to_owned(),
        a: tables
            .map(|table| (table.name.clone(), table.rate.clone()))
            .collect::<BTreeMap<_, _>>(),
        shape: shape.clone(),
        n: params.invited(),
        survivors: u8::try_from(survivors).unwrap_or(u8::MAX),
        colluders: params.colluders(),
        threshold: params.threshold(),
        least_survivors: params.least_survivors(),
    }
}

fn tables(
    programme: &Programme,
    sum: &[i64],
    shape: &Rational,
) -> Result<Vec<ReleaseTable>, BuildError> {
    if sum.len() != programme.cells() {
        return Err(BuildError::Cells);
    }
    let table = |table: &Table| -> Result<ReleaseTable, BuildError> {
        Ok(ReleaseTable {
            name: table.id().to_owned(),
            title: table.title().to_owned(),
            measure: measure(programme, table),
            dimensions: dimensions(programme, table),
            sensitivity: table.sensitivity(),
            raw: sum.get(table.range()).ok_or(BuildError::Cells)?.to_vec(),
            interval95: interval95(table.noise_rate(), shape)?,
        })
    };
    programme.tables().iter().map(table).collect()
}

pub(super) fn measure(programme: &Programme, table: &Table) -> ReleaseMeasure {
    match programme.amount_of(table) {
        None => ReleaseMeasure::Count,
        Some(amount) => ReleaseMeasure::Sum(SumOfAmounts {
            amount: amount.id().to_owned(),
            title: amount.title().to_owned(),
            currency: amount.currency().to_owned(),
            unit: amount.unit(),
            clip: amount.clip(),
        }),
    }
}

pub(crate) fn dimensions(programme: &Programme, table: &Table) -> Vec<ReleaseDimension> {
    let axes = programme.labels_of(table).into_iter();
    axes.map(|axis| {
        let (categories, labels) = axis
            .places
            .into_iter()
            .map(|place| (place.code, place.label))
            .unzip();
        ReleaseDimension {
            name: axis.name,
            title: axis.title,
            categories,
            labels,
            max_values: u32::try_from(axis.max_values).unwrap_or(u32::MAX),
        }
    })
    .collect()
}

fn proof(context: &RoundContext, opened: &Opened) -> Proof {
    let signatures = opened.confirmations.iter();
    Proof {
        coordinator: *context.coordinator(),
        announcement: context.announcement().as_signed().clone(),
        roster: context.roster().as_signed().clone(),
        roll_digest: opened.confirm.roll_digest,
        dealers_digest: opened.confirm.dealers_digest,
        survivors: opened.confirm.survivors.clone(),
        signatures: signatures
            .map(|each| ConfirmSignature {
                partner: each.partner,
                signature: each.signature,
            })
            .collect(),
    }
}
