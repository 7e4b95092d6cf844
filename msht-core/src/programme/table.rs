//! Tables: crosses of dimensions, laid out in one vector of cells.
//!
//! A table of no dimension has one cell, the total. Otherwise its cells are in row-major order: the first
//! dimension varies slowest. All tables of a programme follow each other in one vector, in file order.
//!
//! A dimension named twice in a row is an axis of pairs (`pairs`).
//!
//! For table T with weight w_T: Δ_T = max_records × the product of its axes' bounds × the clip of its amount (1 for
//! counts) is the most that one person (or one record) can change its cells in L1; the bound of a dimension is its
//! `max_values`, that of pairs the number of pairs among them. a_T = ε·w_T/Δ_T is the rate of its discrete Laplace
//! noise, p = e^−a_T. With Σ w_T ≤ 1 the tables of a period together spend Σ a_T·Δ_T ≤ ε.

use std::collections::BTreeSet;
use std::ops::Range;

use super::amount::{Amount, Measure, check_measure};
use super::codebook::{Codebook, Dimension};
use super::definition::TableDefinition;
use super::error::{Problem, ProgrammeError};
use super::limits::{
    MAX_CELLS, MAX_INVERSE_NOISE_RATE, MAX_TABLE_DIMENSIONS, MAX_TABLES, MAX_TITLE_BYTES,
};
use super::pairs::{most_pairs, pair_count, pair_place};
use super::rules::Privacy;
use super::text::{check_id, check_text};
use crate::rational::{Rational, RationalError};

/// What the places along an axis are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AxisKind {
    /// The categories of its dimension.
    Values,
    /// The pairs of known categories.
    Pairs {
        /// Categories of the dimension.
        categories: usize,
        /// Index of `unknown`, which pairs with nothing.
        unknown: usize,
    },
}

/// One dimension of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Axis {
    /// Place of the dimension in the codebook.
    pub dimension: usize,
    /// Its categories, or pairs of them.
    pub kind: AxisKind,
    /// Places along the axis.
    pub size: usize,
    /// Cells between two neighbouring categories.
    pub stride: usize,
}

impl Axis {
    /// The places along the axis of a record with these distinct category indices of the dimension.
    #[must_use]
    pub fn places(&self, values: &[usize]) -> Vec<usize> {
        let AxisKind::Pairs {
            categories,
            unknown,
        } = self.kind
        else {
            return values.to_vec();
        };
        let firsts = values.iter().enumerate();
        firsts
            .flat_map(|(at, one)| values.iter().skip(at + 1).map(move |two| (*one, *two)))
            .filter_map(|(one, two)| pair_place(unknown, categories, one, two))
            .collect()
    }
}

/// One table of a programme.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    id: String,
    title: String,
    measure: Measure,
    axes: Vec<Axis>,
    offset: usize,
    cells: usize,
    weight: Rational,
    sensitivity: u64,
    noise_rate: Rational,
}

impl Table {
    /// The id, unique in the programme.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The words shown to people.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    /// What its cells add up.
    #[must_use]
    pub fn measure(&self) -> Measure {
        self.measure
    }

    /// Its dimensions, the slowest first; none for the total.
    #[must_use]
    pub fn axes(&self) -> &[Axis] {
        &self.axes
    }

    /// Number of cells.
    #[must_use]
    pub fn cells(&self) -> usize {
        self.cells
    }

    /// Where its cells stand in the vector of all tables.
    #[must_use]
    pub fn range(&self) -> Range<usize> {
        self.offset..self.offset + self.cells
    }

    /// w_T, the part of the period's ε that the table spends.
    #[must_use]
    pub fn weight(&self) -> &Rational {
        &self.weight
    }

    /// Δ_T, the most that one unit of privacy can change the cells in L1.
    #[must_use]
    pub fn sensitivity(&self) -> u64 {
        self.sensitivity
    }

    /// a_T = ε·w_T/Δ_T, which fits the exact samplers.
    #[must_use]
    pub fn noise_rate(&self) -> &Rational {
        &self.noise_rate
    }

    /// The cell at one place for each axis, counted from the table's first cell.
    #[must_use]
    pub fn cell(&self, categories: &[usize]) -> Option<usize> {
        if categories.len() != self.axes.len() {
            return None;
        }
        self.axes
            .iter()
            .zip(categories)
            .try_fold(0, |cell, (axis, &category)| {
                (category < axis.size).then_some(cell + category * axis.stride)
            })
    }

    /// The place along each axis of a cell counted from the table's first.
    #[must_use]
    pub fn categories(&self, cell: usize) -> Option<Vec<usize>> {
        let index = |axis: &Axis| cell / axis.stride % axis.size;
        (cell < self.cells).then(|| self.axes.iter().map(index).collect())
    }
}

/// Checks all tables and lays them out one after the other.
pub(super) fn check_tables(
    definitions: Vec<TableDefinition>,
    codebook: &Codebook,
    amounts: &[Amount],
    privacy: &Privacy,
) -> Result<Vec<Table>, ProgrammeError> {
    if !(1..=MAX_TABLES).contains(&definitions.len()) {
        return Err(Problem::TableCount(definitions.len()).at("table"));
    }
    let mut weights = Rational::zero();
    let mut offset = 0;
    let mut ids = BTreeSet::new();
    let mut tables = Vec::with_capacity(definitions.len());
    for (place, definition) in definitions.into_iter().enumerate() {
        let path = format!("table[{place}]");
        let table = check_table(definition, offset, (codebook, amounts), privacy, &path)?;
        if !ids.insert(table.id.clone()) {
            return Err(Problem::Duplicate(table.id).at(format!("{path}.id")));
        }
        weights = weights.plus(&table.weight);
        offset += table.cells;
        tables.push(table);
    }
    if weights > Rational::one() {
        return Err(Problem::WeightsAboveOne(weights.to_string()).at("table"));
    }
    Ok(tables)
}

fn check_table(
    definition: TableDefinition,
    offset: usize,
    (codebook, amounts): (&Codebook, &[Amount]),
    privacy: &Privacy,
    path: &str,
) -> Result<Table, ProgrammeError> {
    let TableDefinition {
        id,
        title,
        dimensions,
        measure,
        weight,
    } = definition;
    check_id(&id, &format!("{path}.id"))?;
    check_text(&title, MAX_TITLE_BYTES, &format!("{path}.title"))?;
    if weight.is_zero() {
        return Err(Problem::ZeroWeight.at(format!("{path}.weight")));
    }
    let measure = check_measure(measure.as_deref(), amounts, &format!("{path}.measure"))?;
    let crossed = check_crossed(&dimensions, codebook, &format!("{path}.dimensions"))?;
    let too_many_cells = || Problem::TooManyCells.at(format!("{path}.dimensions"));
    let (axes, cells) = lay_out(&crossed).ok_or_else(too_many_cells)?;
    if offset + cells > MAX_CELLS {
        return Err(too_many_cells());
    }
    let sensitivity = sensitivity(&crossed, privacy.max_records(), clip(measure, amounts));
    let noise_rate = noise_rate(privacy.epsilon_per_period(), &weight, sensitivity).map_err(
        |(rate, reason)| {
            let (table, rate) = (id.clone(), rate.to_string());
            Problem::RateTooFine {
                table,
                rate,
                reason,
            }
            .at(format!("{path}.weight"))
        },
    )?;
    if Rational::new(1, MAX_INVERSE_NOISE_RATE).is_ok_and(|least| noise_rate < least) {
        let (table, rate) = (id, noise_rate.to_string());
        return Err(Problem::RateTooSmall { table, rate }.at(format!("{path}.weight")));
    }
    Ok(Table {
        id,
        title,
        measure,
        axes,
        offset,
        cells,
        weight,
        sensitivity,
        noise_rate,
    })
}

/// A dimension that a table crosses, with its place in the codebook.
struct Crossed<'a> {
    place: usize,
    dimension: &'a Dimension,
    pairs: bool,
}

impl Crossed<'_> {
    fn axis(&self, stride: usize) -> Axis {
        let categories = self.dimension.categories().len();
        let unknown = self.dimension.unknown();
        let (kind, size) = match self.pairs {
            false => (AxisKind::Values, categories),
            true => {
                let kind = AxisKind::Pairs {
                    categories,
                    unknown,
                };
                (kind, pair_count(self.dimension))
            }
        };
        Axis {
            dimension: self.place,
            kind,
            size,
            stride,
        }
    }

    /// Most places along the axis that one record is in.
    fn bound(&self) -> usize {
        if self.pairs {
            most_pairs(self.dimension)
        } else {
            self.dimension.max_values()
        }
    }
}

/// The named dimensions; each once, or twice in a row for pairs.
fn check_crossed<'a>(
    names: &[String],
    codebook: &'a Codebook,
    path: &str,
) -> Result<Vec<Crossed<'a>>, ProgrammeError> {
    if names.len() > MAX_TABLE_DIMENSIONS {
        return Err(Problem::TooManyCrossed(names.len()).at(path));
    }
    let mut crossed: Vec<Crossed<'a>> = Vec::with_capacity(names.len());
    for (at, name) in names.iter().enumerate() {
        let path = format!("{path}[{at}]");
        let found = codebook.position(name).zip(codebook.dimension(name));
        let (place, dimension) =
            found.ok_or_else(|| Problem::NoSuchDimension(name.clone()).at(path.as_str()))?;
        if !crossed.iter().any(|earlier| earlier.place == place) {
            crossed.push(Crossed {
                place,
                dimension,
                pairs: false,
            });
            continue;
        }
        let last = crossed
            .last_mut()
            .filter(|last| last.place == place && !last.pairs);
        let last = last.ok_or_else(|| Problem::DimensionTwice(name.clone()).at(path.as_str()))?;
        if most_pairs(dimension) == 0 {
            return Err(Problem::NoPairs(name.clone()).at(path));
        }
        last.pairs = true;
    }
    Ok(crossed)
}

/// The axes of a table and its number of cells; `None` beyond [`MAX_CELLS`].
fn lay_out(crossed: &[Crossed<'_>]) -> Option<(Vec<Axis>, usize)> {
    let mut cells = 1_usize;
    let mut axes = Vec::with_capacity(crossed.len());
    for crossed in crossed.iter().rev() {
        let axis = crossed.axis(cells);
        cells = cells
            .checked_mul(axis.size)
            .filter(|&cells| cells <= MAX_CELLS)?;
        axes.push(axis);
    }
    axes.reverse();
    Some((axes, cells))
}

/// Most that one record adds to one cell.
fn clip(measure: Measure, amounts: &[Amount]) -> u32 {
    match measure {
        Measure::Count => 1,
        Measure::Sum(amount) => amounts.get(amount).map_or(1, Amount::clip),
    }
}

/// Δ_T; the limits on its factors keep it far below 2⁶⁴ (1,000 · 120² · 10,000, pairs of 16 values being 120).
fn sensitivity(crossed: &[Crossed<'_>], max_records: u32, clip: u32) -> u64 {
    crossed.iter().map(|crossed| crossed.bound() as u64).fold(
        u64::from(max_records) * u64::from(clip),
        u64::saturating_mul,
    )
}

/// a_T, or the rate that the samplers cannot take and why.
fn noise_rate(
    epsilon: &Rational,
    weight: &Rational,
    sensitivity: u64,
) -> Result<Rational, (Rational, RationalError)> {
    let spent = epsilon.times(weight);
    let rate = spent
        .divided_by(&Rational::from_integer(sensitivity))
        .map_err(|reason| (spent.clone(), reason))?;
    match rate.to_u32_parts() {
        Ok(_) => Ok(rate),
        Err(reason) => Err((rate, reason)),
    }
}
