//! Consistent tables: the tables of one release brought to agree, by generalised least squares.
//!
//! Every table over single-valued dimensions counts the same records, so its margins estimate the margins of the others.
//! The noise of table S is independent and of one variance σ_S² in all its cells. Then least squares falls apart into the
//! components of an analysis of variance: for a set A of dimensions, M_A(S) is the margin of table S on A, and
//! R_A·M_A(S), with the mean along every dimension of A taken away, estimates component A with variance proportional to
//! v(S, A) = σ_S²·m(S, A), m(S, A) = Π_{j ∈ S∖A} d_j, d_j the number of categories. Components are independent of each
//! other, and the estimates of one component are combined by inverse variance:
//!
//! α_A = Σ_S w(S, A)·R_A·M_A(S), w(S, A) = v(S, A)⁻¹ / Σ_T v(T, A)⁻¹ over the tables with A ⊆ S;
//! ŷ_S(x) = Σ_{A ⊆ S} α_A(x_A) / m(S, A).
//!
//! This is the least squares solution itself, not an approximation (a test solves the dense problem): the residual basis
//! of Xiao, He, Zhang and Kifer, *An Optimal and Scalable Matrix Mechanism for Noisy Marginals* (NeurIPS 2023); for
//! consistency as a goal see Hay, Rastogi, Miklau and Suciu (VLDB 2010). All cells of a table have the same weights but
//! for their order, so that one law (`weighted`) gives the interval of all of them.
//!
//! Left raw: tables of amounts and tables with a multi-valued dimension, whose cells do not add up to records. Never
//! combined: different releases.

use std::collections::BTreeMap;

use super::error::EstimateError;
use super::number::Interval;
use super::table::{NoisyTable, is_single_valued};
use super::weighted::{Term, WeightedNoise};
use crate::release::{Release, ReleaseDimension};

/// Weights below this part of one are rounding errors of zero.
const NEGLIGIBLE_WEIGHT: f64 = 1e-12;

/// One derived table. Its numbers are not counts: they have fractions, and may be negative.
#[derive(Debug, Clone, PartialEq)]
pub struct ConsistentTable {
    /// Name of the raw table it stands beside.
    pub name: String,
    /// The derived numbers, in the order of the raw ones.
    pub values: Vec<f64>,
    /// Half-width of the interval of each of them.
    pub half_width: f64,
    /// Standard deviation of each of them.
    pub deviation: f64,
    /// Standard deviation of the raw numbers.
    pub raw_deviation: f64,
}

impl ConsistentTable {
    /// The interval of one number.
    #[must_use]
    pub fn interval(&self, cell: usize) -> Option<Interval> {
        let value = self.values.get(cell)?;
        Some(Interval::around(*value, self.half_width))
    }
}

/// Why a table is left as it was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WhyRaw {
    /// It adds up amounts.
    Amounts,
    /// The dimension of this name is multi-valued: a record is in several cells, or in none.
    MultiValued(String),
    /// The dimension of this name has other categories in another table.
    OtherCategories(String),
    /// No other table counts the same records in cells that add up.
    NothingToCombine,
}

impl WhyRaw {
    /// A sentence for people.
    #[must_use]
    pub fn sentence(&self) -> String {
        match self {
            Self::Amounts => "It adds up amounts, not records.".to_owned(),
            Self::MultiValued(name) => {
                format!(
                    "A record can be in several categories of {name}, so cells do not add up to records."
                )
            }
            Self::OtherCategories(name) => {
                format!("{name} has other categories in another table of this release.")
            }
            Self::NothingToCombine => {
                "No other table of this release counts the same records in cells that add up."
                    .to_owned()
            }
        }
    }
}

/// The derived tables of a release, and which tables have none.
#[derive(Debug, Clone, PartialEq)]
pub struct Consistent {
    /// The derived tables, in the order of the raw ones.
    pub tables: Vec<ConsistentTable>,
    /// The tables left raw, by name.
    pub left_raw: Vec<(String, WhyRaw)>,
}

/// The consistent tables of one release; each interval misses with at most probability `complement`.
///
/// # Errors
/// [`EstimateError::Malformed`], [`EstimateError::Interval`].
pub fn consistent(release: &Release, complement: f64) -> Result<Consistent, EstimateError> {
    consistent_tables(&NoisyTable::all(release)?, complement)
}

/// The consistent tables of one release; all of `tables` must be of one release.
///
/// # Errors
/// As for [`consistent`].
pub fn consistent_tables(
    tables: &[NoisyTable<'_>],
    complement: f64,
) -> Result<Consistent, EstimateError> {
    let mut left_raw = Vec::new();
    let mut known: BTreeMap<&str, (usize, &ReleaseDimension)> = BTreeMap::new();
    let mut combined: Vec<Source<'_>> = Vec::new();
    for table in tables {
        match why_raw(table, &known) {
            Some(why) => left_raw.push((table.name.to_owned(), why)),
            None => {
                for dimension in table.dimensions {
                    let next = known.len();
                    known.entry(&dimension.name).or_insert((next, dimension));
                }
                combined.push(Source::new(table, &known)?);
            }
        }
    }
    if let [alone] = combined.as_slice() {
        left_raw.push((alone.table.name.to_owned(), WhyRaw::NothingToCombine));
        combined.clear();
    }
    let components = components(&combined);
    let tables = combined.iter();
    let derived = tables.map(|table| derive(table, &combined, &components, complement));
    Ok(Consistent {
        tables: derived.collect::<Result<_, _>>()?,
        left_raw,
    })
}

fn why_raw(
    table: &NoisyTable<'_>,
    known: &BTreeMap<&str, (usize, &ReleaseDimension)>,
) -> Option<WhyRaw> {
    if !table.counts_records {
        return Some(WhyRaw::Amounts);
    }
    for dimension in table.dimensions {
        if !is_single_valued(dimension) {
            return Some(WhyRaw::MultiValued(dimension.name.clone()));
        }
        let other = known.get(dimension.name.as_str());
        if other.is_some_and(|(_, other)| other.categories != dimension.categories) {
            return Some(WhyRaw::OtherCategories(dimension.name.clone()));
        }
    }
    None
}

/// A set of dimensions, by their numbers in this release.
type DimensionSet = Vec<usize>;

/// An axis of an array: dimension, size, and cells between neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Axis {
    dimension: usize,
    size: usize,
    stride: usize,
}

/// A table that takes part, its axes numbered.
struct Source<'a> {
    table: &'a NoisyTable<'a>,
    axes: Vec<Axis>,
    variance: f64,
}

/// The best estimate of a component, over its axes in the order of their dimensions.
struct Component {
    axes: Vec<Axis>,
    values: Vec<f64>,
    /// Σ_T v(T, A)⁻¹.
    precision: f64,
}

impl<'a> Source<'a> {
    fn new(
        table: &'a NoisyTable<'a>,
        known: &BTreeMap<&str, (usize, &ReleaseDimension)>,
    ) -> Result<Self, EstimateError> {
        let dimensions = table.dimensions.iter();
        let sizes = dimensions.map(|dimension| {
            let number = known
                .get(dimension.name.as_str())
                .map_or(0, |(number, _)| *number);
            (number, dimension.categories.len())
        });
        Ok(Self {
            table,
            axes: lay_out(sizes.collect()),
            variance: table.law()?.variance(),
        })
    }

    fn has(&self, component: &[usize]) -> bool {
        let dimension = |wanted: &usize| self.axes.iter().any(|axis| axis.dimension == *wanted);
        component.iter().all(dimension)
    }

    /// m(S, A): cells of the table in one cell of its margin on A.
    fn cells_per_margin(&self, component: &[usize]) -> f64 {
        let others = self
            .axes
            .iter()
            .filter(|axis| !component.contains(&axis.dimension));
        others.map(|axis| axis.size as f64).product()
    }

    /// v(S, A).
    fn margin_variance(&self, component: &[usize]) -> f64 {
        self.variance * self.cells_per_margin(component)
    }

    fn subsets(&self) -> Vec<DimensionSet> {
        let mut subsets = vec![Vec::new()];
        for axis in &self.axes {
            let with: Vec<DimensionSet> = subsets
                .iter()
                .map(|subset: &DimensionSet| {
                    let mut with = subset.clone();
                    with.push(axis.dimension);
                    with.sort_unstable();
                    with
                })
                .collect();
            subsets.extend(with);
        }
        subsets
    }

    /// R_A·M_A(S).
    fn component(&self, axes: &[Axis]) -> Vec<f64> {
        let mut margin = vec![0.0; cells(axes)];
        for (cell, raw) in self.table.raw.iter().enumerate() {
            if let Some(sum) = margin.get_mut(place(cell, &self.axes, axes)) {
                *sum += *raw as f64;
            }
        }
        for axis in axes {
            take_mean_away(&mut margin, axis);
        }
        margin
    }
}

fn lay_out(sizes: Vec<(usize, usize)>) -> Vec<Axis> {
    let mut stride = 1;
    let mut axes = Vec::with_capacity(sizes.len());
    for (dimension, size) in sizes.into_iter().rev() {
        axes.push(Axis {
            dimension,
            size,
            stride,
        });
        stride *= size;
    }
    axes.reverse();
    axes
}

fn cells(axes: &[Axis]) -> usize {
    axes.iter().map(|axis| axis.size).product()
}

/// Where the cell of an array over `from` lies in its margin over `to`.
fn place(cell: usize, from: &[Axis], to: &[Axis]) -> usize {
    let along = |target: &Axis| {
        let source = from.iter().find(|axis| axis.dimension == target.dimension);
        source.map_or(0, |axis| cell / axis.stride % axis.size * target.stride)
    };
    to.iter().map(along).sum()
}

fn take_mean_away(values: &mut [f64], axis: &Axis) {
    let block = axis.size * axis.stride;
    for block in values.chunks_mut(block.max(1)) {
        for offset in 0..axis.stride {
            let sum: f64 = block.iter().skip(offset).step_by(axis.stride).sum();
            let mean = sum / axis.size as f64;
            for value in block.iter_mut().skip(offset).step_by(axis.stride) {
                *value -= mean;
            }
        }
    }
}

fn components(sources: &[Source<'_>]) -> BTreeMap<DimensionSet, Component> {
    let mut components: BTreeMap<DimensionSet, Component> = BTreeMap::new();
    for source in sources {
        for subset in source.subsets() {
            let axes = lay_out(sizes_of(&subset, source));
            let values = source.component(&axes);
            let precision = 1.0 / source.margin_variance(&subset);
            let component = components.entry(subset).or_insert_with(|| Component {
                values: vec![0.0; values.len()],
                axes,
                precision: 0.0,
            });
            component.precision += precision;
            for (sum, value) in component.values.iter_mut().zip(values) {
                *sum += precision * value;
            }
        }
    }
    for component in components.values_mut() {
        for value in &mut component.values {
            *value /= component.precision;
        }
    }
    components
}

fn sizes_of(subset: &[usize], source: &Source<'_>) -> Vec<(usize, usize)> {
    let size = |dimension: &usize| {
        let axis = source.axes.iter().find(|axis| axis.dimension == *dimension);
        (*dimension, axis.map_or(1, |axis| axis.size))
    };
    subset.iter().map(size).collect()
}

fn derive(
    target: &Source<'_>,
    sources: &[Source<'_>],
    components: &BTreeMap<DimensionSet, Component>,
    complement: f64,
) -> Result<ConsistentTable, EstimateError> {
    let mut values = vec![0.0; target.table.raw.len()];
    for subset in target.subsets() {
        let Some(component) = components.get(&subset) else {
            continue;
        };
        let share = 1.0 / target.cells_per_margin(&subset);
        for (cell, value) in values.iter_mut().enumerate() {
            let place = place(cell, &target.axes, &component.axes);
            *value += share * component.values.get(place).copied().unwrap_or(0.0);
        }
    }
    let terms: Vec<Term> = sources
        .iter()
        .flat_map(|source| terms_of(target, source, components))
        .collect();
    let law = WeightedNoise::new(&terms)?;
    Ok(ConsistentTable {
        name: target.table.name.to_owned(),
        values,
        half_width: law.half_width(complement)?,
        deviation: law.deviation(),
        raw_deviation: target.variance.sqrt(),
    })
}

/// With which weights, and how many of each, the cells of `source` enter one number of `target`.
///
/// The weight of a cell depends only on the shared dimensions P in which the two agree:
/// Σ_{A ⊆ S∩T} w(T, A)/m(S, A)·Π_{j ∈ A} (1[j ∈ P] − 1/d_j).
fn terms_of(
    target: &Source<'_>,
    source: &Source<'_>,
    components: &BTreeMap<DimensionSet, Component>,
) -> Vec<Term> {
    let shared: Vec<DimensionSet> = source
        .subsets()
        .into_iter()
        .filter(|subset| target.has(subset))
        .collect();
    let outside: f64 = source
        .axes
        .iter()
        .filter(|axis| !target.has(&[axis.dimension]))
        .map(|axis| axis.size as f64)
        .product();
    let size = |dimension: &usize| {
        let axis = source.axes.iter().find(|axis| axis.dimension == *dimension);
        axis.map_or(1.0, |axis| axis.size as f64)
    };
    let weight_if = |agree: &DimensionSet| -> f64 {
        let of_component = |subset: &DimensionSet| {
            let precision = components.get(subset).map_or(1.0, |c| c.precision);
            let share = 1.0 / (source.margin_variance(subset) * precision);
            let contrast = |j: &usize| f64::from(u8::from(agree.contains(j))) - 1.0 / size(j);
            let contrasts: f64 = subset.iter().map(contrast).product();
            share / target.cells_per_margin(subset) * contrasts
        };
        shared.iter().map(of_component).sum()
    };
    let all = shared.iter().max_by_key(|subset| subset.len());
    let all = all.cloned().unwrap_or_default();
    let terms = shared.iter().map(|agree| {
        let disagree = all.iter().filter(|j| !agree.contains(j));
        let ways: f64 = disagree.map(|j| size(j) - 1.0).product();
        Term {
            weight: weight_if(agree),
            count: outside * ways,
            a: source.table.a.clone(),
            shape: source.table.shape.clone(),
        }
    });
    terms
        .filter(|term| term.count > 0.0 && term.weight.abs() > NEGLIGIBLE_WEIGHT)
        .collect()
}

#[cfg(test)]
mod tests;
