//! One noisy table with what is known of its noise.

use super::error::EstimateError;
use super::interval::{IntervalError, NoiseLaw};
use super::number::Interval;
use crate::rational::Rational;
use crate::release::{Release, ReleaseDimension, ReleaseMeasure, ReleaseTable};

/// What stands between the codes of an axis of pairs; no category code has it.
const PAIR_SEPARATOR: char = '.';

/// One table of one release, as every estimate reads it.
#[derive(Debug, Clone, Copy)]
pub struct NoisyTable<'a> {
    /// Period of the release.
    pub period: &'a str,
    /// Ids of the partners in the sum, in their order.
    pub survivors: &'a [String],
    /// Name of the table.
    pub name: &'a str,
    /// Its dimensions, the first one slowest in `raw`.
    pub dimensions: &'a [ReleaseDimension],
    /// The noisy numbers, row-major.
    pub raw: &'a [i64],
    /// Privacy loss per unit: p = e^−a.
    pub a: &'a Rational,
    /// Realised shape of the noise in each cell.
    pub shape: &'a Rational,
    /// Whether the cells count records; false where they add up amounts.
    pub counts_records: bool,
}

impl<'a> NoisyTable<'a> {
    /// The table `name` of a release.
    ///
    /// # Errors
    /// [`EstimateError::NoSuchTable`], [`EstimateError::Malformed`].
    pub fn of(release: &'a Release, name: &str) -> Result<Self, EstimateError> {
        let found = release.tables.iter().find(|table| table.name == name);
        let table = found.ok_or_else(|| EstimateError::NoSuchTable {
            table: name.to_owned(),
            period: release.period.clone(),
        })?;
        Self::from_parts(release, table)
    }

    /// All tables of a release, in its order.
    ///
    /// # Errors
    /// [`EstimateError::Malformed`].
    pub fn all(release: &'a Release) -> Result<Vec<Self>, EstimateError> {
        let tables = release.tables.iter();
        tables
            .map(|table| Self::from_parts(release, table))
            .collect()
    }

    fn from_parts(release: &'a Release, table: &'a ReleaseTable) -> Result<Self, EstimateError> {
        let malformed = || EstimateError::Malformed(table.name.clone());
        let a = release.mechanism.a.get(&table.name).ok_or_else(malformed)?;
        let cells = table
            .dimensions
            .iter()
            .try_fold(1_usize, |cells, d| cells.checked_mul(d.categories.len()));
        if cells != Some(table.raw.len()) {
            return Err(malformed());
        }
        Ok(Self {
            period: &release.period,
            survivors: &release.survivors,
            name: &table.name,
            dimensions: &table.dimensions,
            raw: &table.raw,
            a,
            shape: &release.mechanism.shape,
            counts_records: counts_records(table),
        })
    }

    /// The law of the noise in one cell.
    ///
    /// # Errors
    /// [`IntervalError`].
    pub fn law(&self) -> Result<NoiseLaw, IntervalError> {
        NoiseLaw::new(self.a, self.shape)
    }

    /// The interval of every cell, each missing with at most probability `complement`.
    ///
    /// # Errors
    /// [`IntervalError`].
    pub fn intervals(&self, complement: f64) -> Result<Vec<Interval>, IntervalError> {
        let half_width = self.law()?.half_width(complement)? as f64;
        let around = |raw: &i64| Interval::around(*raw as f64, half_width);
        Ok(self.raw.iter().map(around).collect())
    }

    /// Whether every record is in exactly one cell, so that the cells add up to records.
    #[must_use]
    pub fn partitions_records(&self) -> bool {
        self.counts_records && self.dimensions.iter().all(is_single_valued)
    }

    /// Whether `other` has the same dimensions with the same categories.
    #[must_use]
    pub fn has_layout_of(&self, other: &Self) -> bool {
        let same = |(one, two): (&ReleaseDimension, &ReleaseDimension)| {
            one.name == two.name && one.categories == two.categories
        };
        self.dimensions.len() == other.dimensions.len()
            && self.dimensions.iter().zip(other.dimensions).all(same)
    }

    /// The axis of the dimension `name`.
    pub(super) fn axis(&self, name: &str) -> Option<TableAxis<'a>> {
        let position = self.dimensions.iter().position(|d| d.name == name)?;
        let faster = self.dimensions.iter().skip(position + 1);
        Some(TableAxis {
            dimension: self.dimensions.get(position)?,
            stride: faster.map(|d| d.categories.len()).product(),
        })
    }

    /// The number in one cell.
    ///
    /// # Errors
    /// [`EstimateError::NoSuchCell`].
    pub fn cell(&self, cell: usize) -> Result<i64, EstimateError> {
        let found = self.raw.get(cell).copied();
        found.ok_or_else(|| EstimateError::NoSuchCell {
            table: self.name.to_owned(),
            cell,
        })
    }
}

/// One dimension of a table and how its places follow each other.
#[derive(Debug, Clone, Copy)]
pub(super) struct TableAxis<'a> {
    pub(super) dimension: &'a ReleaseDimension,
    stride: usize,
}

impl TableAxis<'_> {
    /// The place along the axis of a cell of the table.
    pub(super) fn place(&self, cell: usize) -> usize {
        let size = self.dimension.categories.len().max(1);
        cell / self.stride.max(1) % size
    }

    /// The place of a category.
    pub(super) fn place_of(&self, code: &str) -> Option<usize> {
        let categories = self.dimension.categories.iter();
        categories.into_iter().position(|category| category == code)
    }
}

fn counts_records(table: &ReleaseTable) -> bool {
    table.measure == ReleaseMeasure::Count
}

/// An axis of pairs leaves out records with fewer than two values, whatever its bound.
pub(super) fn is_single_valued(dimension: &ReleaseDimension) -> bool {
    let is_pair = |code: &String| code.contains(PAIR_SEPARATOR);
    dimension.max_values == 1 && !dimension.categories.iter().any(is_pair)
}
