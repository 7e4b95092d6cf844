//! Hotspots: areas with more than a baseline, the noise and ordinary variation explain.
//!
//! The published number of an area, or of an area with its neighbours, is y = N + X: X the exact noise of the sum, N a
//! count around a baseline λ that is itself uncertain. λ is taken from past releases with the same partners, or from
//! the rest of the areas and known shares. Its estimate m with variance v, restricted to λ ≥ 0, has the truncated normal
//! law as its posterior under a flat prior; N is then a count of mean λ̄ and variance λ̄ + κ(λ̄² + s²) + s², where
//! λ̄ and s² are the mean and variance of that posterior and κ is ordinary variation (`variation`). The p-value is the
//! exact tail P(N + X ≥ y) (`count_law`).
//!
//! The family of single areas is adjusted after Benjamini–Hochberg: their noise is independent. That of neighbourhoods,
//! which overlap, after Benjamini–Yekutieli.

use std::collections::BTreeMap;

use statrs::function::erf::{erf_inv, erfc};

use super::count_law::CountLaw;
use super::error::EstimateError;
use super::multiple::{Procedure, q_values};
use super::number::{Interval, Standing};
use super::sum::NoisySum;
use super::table::NoisyTable;
use super::variation::{Variation, check_comparable};

/// Standard deviations below zero at which an estimate of λ is held, for the sake of its posterior's digits.
const LOWEST_SCORE: f64 = -8.0;

/// The areas of a table and who lies next to whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Areas {
    codes: Vec<String>,
    cells: Vec<Vec<usize>>,
    neighbours: Vec<Vec<usize>>,
}

impl Areas {
    /// The areas of `table` along `dimension`: those of its categories that `adjacency` has, each with its neighbours'
    /// codes. In a table of more dimensions an area is the sum of its cells, or, with `within` (name of another
    /// dimension and a category of it), only the cells there.
    ///
    /// # Errors
    /// [`EstimateError::NoSuchCategory`].
    pub fn along(
        table: &NoisyTable<'_>,
        dimension: &str,
        within: Option<(&str, &str)>,
        adjacency: &BTreeMap<String, Vec<String>>,
    ) -> Result<Self, EstimateError> {
        let missing = |name: &str| EstimateError::NoSuchCategory {
            table: table.name.to_owned(),
            name: name.to_owned(),
        };
        let axis = table.axis(dimension).ok_or_else(|| missing(dimension))?;
        let chosen = match within {
            None => None,
            Some((name, code)) => {
                let other = table.axis(name).ok_or_else(|| missing(name))?;
                let place = other.place_of(code).ok_or_else(|| missing(code))?;
                Some((other, place))
            }
        };
        let categories = axis.dimension.categories.iter().enumerate();
        let listed = categories.filter(|(_, code)| adjacency.contains_key(*code));
        let (places, codes): (Vec<usize>, Vec<String>) =
            listed.map(|(place, code)| (place, code.clone())).unzip();
        let belongs = |cell: usize, place: usize| {
            axis.place(cell) == place
                && chosen
                    .as_ref()
                    .is_none_or(|(other, at)| other.place(cell) == *at)
        };
        let cells = places.iter().map(|place| {
            let all = 0..table.raw.len();
            all.filter(|cell| belongs(*cell, *place)).collect()
        });
        let neighbours = codes.iter().map(|code| {
            let next = adjacency.get(code).into_iter().flatten();
            let place = |neighbour: &String| codes.iter().position(|code| code == neighbour);
            next.filter_map(place).collect()
        });
        Ok(Self {
            cells: cells.collect(),
            neighbours: neighbours.collect(),
            codes,
        })
    }

    /// Codes of the areas.
    #[must_use]
    pub fn codes(&self) -> &[String] {
        &self.codes
    }

    /// Cells of an area.
    #[must_use]
    pub fn cells(&self, area: usize) -> &[usize] {
        self.cells.get(area).map_or(&[], Vec::as_slice)
    }

    fn single(&self) -> Vec<Vec<usize>> {
        (0..self.codes.len()).map(|area| vec![area]).collect()
    }

    fn with_neighbours(&self) -> Vec<Vec<usize>> {
        let around = self.neighbours.iter().enumerate();
        around
            .map(|(area, neighbours)| {
                let mut members = vec![area];
                members.extend(neighbours.iter().filter(|place| **place != area));
                members.sort_unstable();
                members.dedup();
                members
            })
            .collect()
    }
}

/// What an area is compared with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Baseline<'a> {
    /// Its own past: the releases of the series before the last with the same partners.
    Past,
    /// The rest of the areas in the same release, in these shares (one for each area, above zero), such as residents.
    /// The shares are taken as known.
    ShareOfRest(&'a [f64]),
}

/// What may be said of an area.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HotspotState {
    /// More than the baseline, noise and ordinary variation explain.
    Hotspot,
    /// Nothing that they would not explain.
    NotShown,
}

/// One area, or an area with its neighbours.
#[derive(Debug, Clone, PartialEq)]
pub struct Hotspot {
    /// Code of the area.
    pub area: String,
    /// Codes of the areas summed, its own among them.
    pub members: Vec<String>,
    /// The published number, or the sum of published numbers.
    pub raw: i64,
    /// Interval of the recorded number, for noise.
    pub interval: Interval,
    /// Where the recorded number stands to zero.
    pub standing: Standing,
    /// λ̄, the baseline.
    pub expected: f64,
    /// Interval of λ.
    pub expected_interval: Interval,
    /// `raw` over `expected`; none where the baseline is zero.
    pub ratio: Option<f64>,
    /// Least value of recorded number over λ, and the greatest where there is one: the intervals of both, each at half the
    /// probability of an error.
    pub ratio_interval: (f64, Option<f64>),
    /// P(N + X ≥ raw).
    pub p_value: f64,
    /// `p_value` adjusted within its family.
    pub q_value: f64,
    /// What may be said.
    pub state: HotspotState,
}

/// The two families of tests of a release.
#[derive(Debug, Clone, PartialEq)]
pub struct Hotspots {
    /// Period of the release.
    pub period: String,
    /// False discovery rate of each family.
    pub level: f64,
    /// Past releases in the baseline; none where it is the rest of the areas.
    pub past: usize,
    /// The ordinary variation that was allowed for.
    pub variation: Variation,
    /// Each area by itself.
    pub single: Vec<Hotspot>,
    /// Each area with its neighbours; without those that take in all areas where the rest is the baseline.
    pub neighbourhoods: Vec<Hotspot>,
}

/// Looks for hotspots in the last of `series`, the releases of one table in their order. Intervals miss with at most
/// probability `complement`.
///
/// # Errors
/// [`EstimateError::TooFew`] where no past release has the same partners and the past is the baseline,
/// [`EstimateError::Expectation`] for shares that are not one positive number for each area, and as for
/// [`Variation::over`].
pub fn hotspots(
    series: &[NoisyTable<'_>],
    areas: &Areas,
    baseline: Baseline<'_>,
    level: f64,
    complement: f64,
) -> Result<Hotspots, EstimateError> {
    let (latest, past) = series.split_last().ok_or(EstimateError::TooFew(1))?;
    if !(level > 0.0 && level < 1.0) {
        return Err(EstimateError::Level(level));
    }
    for table in past {
        check_comparable(latest, table)?;
    }
    let comparable: Vec<NoisyTable<'_>> = past
        .iter()
        .filter(|table| table.survivors == latest.survivors)
        .copied()
        .collect();
    let search = Search {
        latest,
        past: comparable,
        areas,
        variation: Variation::over(past)?,
        complement,
    };
    let family = |groups: Vec<Vec<usize>>, procedure| -> Result<Vec<Hotspot>, EstimateError> {
        let centres = areas.codes.iter().zip(&groups);
        let found =
            centres.filter_map(|(area, members)| search.test(area, members, baseline).transpose());
        let mut found = found.collect::<Result<Vec<_>, _>>()?;
        adjust(&mut found, level, procedure);
        Ok(found)
    };
    Ok(Hotspots {
        period: latest.period.to_owned(),
        level,
        past: match baseline {
            Baseline::Past => search.past.len(),
            Baseline::ShareOfRest(_) => 0,
        },
        variation: search.variation,
        single: family(areas.single(), Procedure::BenjaminiHochberg)?,
        neighbourhoods: family(areas.with_neighbours(), Procedure::BenjaminiYekutieli)?,
    })
}

fn adjust(found: &mut [Hotspot], level: f64, procedure: Procedure) {
    let p_values: Vec<f64> = found.iter().map(|hotspot| hotspot.p_value).collect();
    for (hotspot, q_value) in found.iter_mut().zip(q_values(&p_values, procedure)) {
        hotspot.q_value = q_value;
        if q_value <= level {
            hotspot.state = HotspotState::Hotspot;
        }
    }
}

/// λ, as far as it is known: mean and variance of its posterior, and κ of the sum.
#[derive(Debug, Clone, Copy)]
struct Expectation {
    mean: f64,
    variance: f64,
    dispersion: f64,
}

impl Expectation {
    /// From an unbiased estimate of λ and its variance.
    fn new(estimate: f64, variance: f64, dispersion: f64) -> Self {
        let deviation = variance.sqrt();
        if deviation <= 0.0 {
            return Self {
                mean: estimate.max(0.0),
                variance: 0.0,
                dispersion,
            };
        }
        // A normal law of this mean and deviation, cut off below zero.
        let score = (estimate / deviation).max(LOWEST_SCORE);
        let density = (-score * score / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
        let hazard = density / (0.5 * erfc(-score / std::f64::consts::SQRT_2));
        Self {
            mean: deviation * (score + hazard),
            variance: variance * (1.0 - hazard * (score + hazard)).max(0.0),
            dispersion,
        }
    }

    /// The count to be expected.
    fn count(&self) -> Result<CountLaw, EstimateError> {
        if self.mean <= 0.0 {
            return CountLaw::new(0.0, 0.0);
        }
        let square = self.mean * self.mean;
        let excess = self.dispersion * (square + self.variance) + self.variance;
        CountLaw::new(self.mean, excess / square)
    }

    fn interval(&self, complement: f64) -> Interval {
        let score = std::f64::consts::SQRT_2 * erf_inv(1.0 - complement);
        let wide = Interval::around(self.mean, score * self.variance.sqrt());
        Interval {
            low: wide.low.max(0.0),
            high: wide.high,
        }
    }
}

/// What all tests of a release share.
struct Search<'a> {
    latest: &'a NoisyTable<'a>,
    past: Vec<NoisyTable<'a>>,
    areas: &'a Areas,
    variation: Variation,
    complement: f64,
}

impl Search<'_> {
    fn test(
        &self,
        area: &str,
        members: &[usize],
        baseline: Baseline<'_>,
    ) -> Result<Option<Hotspot>, EstimateError> {
        let sum = NoisySum::of(&[(*self.latest, &self.cells_of(members))])?;
        let expectation = match baseline {
            Baseline::Past => Some(self.expected_of_past(members)?),
            Baseline::ShareOfRest(shares) => self.expected_of_rest(members, shares)?,
        };
        let Some(expectation) = expectation else {
            return Ok(None);
        };
        let half = self.complement / 2.0;
        let (counted, expected) = (sum.interval(half)?, expectation.interval(half));
        let interval = sum.interval(self.complement)?;
        let over =
            |number: f64, baseline: f64| (baseline > 0.0).then(|| number.max(0.0) / baseline);
        let codes = members
            .iter()
            .filter_map(|place| self.areas.codes.get(*place));
        Ok(Some(Hotspot {
            area: area.to_owned(),
            members: codes.cloned().collect(),
            raw: sum.raw,
            interval,
            standing: interval.standing(),
            expected: expectation.mean,
            expected_interval: expectation.interval(self.complement),
            ratio: over(sum.raw as f64, expectation.mean),
            ratio_interval: (
                over(counted.low, expected.high).unwrap_or(0.0),
                over(counted.high, expected.low),
            ),
            p_value: expectation.count()?.upper_tail(sum.raw, &sum.law),
            q_value: 1.0,
            state: HotspotState::NotShown,
        }))
    }

    fn cells_of(&self, members: &[usize]) -> Vec<usize> {
        let cells = members.iter().map(|area| self.areas.cells(*area));
        cells.flatten().copied().collect()
    }

    /// The mean over past releases.
    fn expected_of_past(&self, members: &[usize]) -> Result<Expectation, EstimateError> {
        let cells = self.cells_of(members);
        let length = self.past.len() as f64;
        if self.past.is_empty() {
            return Err(EstimateError::TooFew(2));
        }
        let (mut mean, mut noise) = (0.0, 0.0);
        let mut means = vec![0.0; cells.len()];
        for table in &self.past {
            let sum = NoisySum::of(&[(*table, &cells)])?;
            mean += sum.raw as f64 / length;
            noise += sum.law.variance() / length;
            for (mean, cell) in means.iter_mut().zip(&cells) {
                *mean += table.cell(*cell)? as f64 / length;
            }
        }
        let squares = sum_of_squares(&means);
        let ordinary = mean.max(0.0) + self.variation.dispersion() * squares;
        let dispersion = relative(self.variation.dispersion() * squares, mean);
        Ok(Expectation::new(
            mean,
            (noise + ordinary) / length,
            dispersion,
        ))
    }

    /// What members have if the areas that are none give the measure; none where all areas are members.
    fn expected_of_rest(
        &self,
        members: &[usize],
        shares: &[f64],
    ) -> Result<Option<Expectation>, EstimateError> {
        let right = shares.len() == self.areas.codes.len()
            && shares.iter().all(|share| share.is_finite() && *share > 0.0);
        let rest: Vec<usize> = (0..self.areas.codes.len())
            .filter(|area| !members.contains(area))
            .collect();
        if !right {
            return Err(EstimateError::Expectation);
        }
        if rest.is_empty() {
            return Ok(None);
        }
        let share =
            |areas: &[usize]| -> f64 { areas.iter().filter_map(|area| shares.get(*area)).sum() };
        let odds = share(members) / share(&rest);
        let cells = self.cells_of(&rest);
        let sum = NoisySum::of(&[(*self.latest, &cells)])?;
        let values = cells.iter().map(|cell| self.latest.cell(*cell));
        let values = values.map(|value| value.map(|value| value as f64));
        let squares = sum_of_squares(&values.collect::<Result<Vec<_>, _>>()?);
        let rest = sum.raw as f64;
        let variance = sum.law.variance() + rest.max(0.0) + self.variation.dispersion() * squares;
        let dispersion = self.variation.dispersion();
        let variance = odds * odds * variance;
        Ok(Some(Expectation::new(odds * rest, variance, dispersion)))
    }
}

fn sum_of_squares(values: &[f64]) -> f64 {
    values.iter().map(|value| value.max(0.0).powi(2)).sum()
}

/// κ of a sum whose variance beyond chance is `excess`.
fn relative(excess: f64, mean: f64) -> f64 {
    if mean > 0.0 {
        excess / (mean * mean)
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rational::Rational;
    use crate::release::ReleaseDimension;

    fn dimension(name: &str, categories: &[&str]) -> ReleaseDimension {
        let categories: Vec<String> = categories.iter().map(|c| (*c).to_owned()).collect();
        ReleaseDimension {
            name: name.to_owned(),
            title: name.to_owned(),
            labels: categories.clone(),
            categories,
            max_values: 1,
        }
    }

    fn adjacency() -> BTreeMap<String, Vec<String>> {
        let pairs: [(&str, &[&str]); 3] = [
            ("a", &["b"]),
            ("b", &["a", "c", "elsewhere"]),
            ("c", &["b"]),
        ];
        let owned = |(code, next): (&str, &[&str])| {
            (
                code.to_owned(),
                next.iter().map(|n| (*n).to_owned()).collect(),
            )
        };
        pairs.into_iter().map(owned).collect()
    }

    fn dimensions() -> Vec<ReleaseDimension> {
        vec![
            dimension("borough", &["a", "b", "unknown", "c"]),
            dimension("type", &["labour", "other"]),
        ]
    }

    fn view<'a>(
        raw: &'a [i64],
        dimensions: &'a [ReleaseDimension],
        (a, shape): (&'a Rational, &'a Rational),
        survivors: &'a [String],
    ) -> NoisyTable<'a> {
        NoisyTable {
            period: "2026-Q1",
            survivors,
            name: "borough-type",
            dimensions,
            raw,
            a,
            shape,
            counts_records: true,
        }
    }

    #[test]
    fn areas_follow_the_adjacency_and_leave_out_what_is_no_place() {
        let (a, shape) = ("0.5".parse().unwrap(), "11/4".parse().unwrap());
        let dimensions = dimensions();
        let table = view(&[0; 8], &dimensions, (&a, &shape), &[]);
        let areas = Areas::along(&table, "borough", None, &adjacency()).unwrap();
        assert_eq!(areas.codes(), ["a", "b", "c"]);
        assert_eq!((areas.cells(0), areas.cells(2)), (&[0, 1][..], &[6, 7][..]));
        assert_eq!(
            areas.with_neighbours(),
            [vec![0, 1], vec![0, 1, 2], vec![1, 2]]
        );
        let within = Some(("type", "other"));
        let areas = Areas::along(&table, "borough", within, &adjacency()).unwrap();
        assert_eq!((areas.cells(0), areas.cells(2)), (&[1][..], &[7][..]));
        assert!(Areas::along(&table, "ward", None, &adjacency()).is_err());
        assert!(Areas::along(&table, "borough", Some(("type", "none")), &adjacency()).is_err());
    }

    #[test]
    fn an_area_far_above_its_past_is_found_alone_and_with_its_neighbours() {
        let (a, shape) = ("0.5".parse().unwrap(), "11/4".parse().unwrap());
        let dimensions = dimensions();
        let raw = [
            [30, 9, 41, 12, 3, 1, 25, 6],
            [27, 12, 38, 7, -2, 4, 31, 9],
            [33, 4, 44, 15, 1, 0, 22, 3],
            [29, 8, 40, 11, 0, 2, 95, 7],
        ];
        let mut series: Vec<_> = raw
            .iter()
            .map(|raw| view(raw, &dimensions, (&a, &shape), &[]))
            .collect();
        let areas = Areas::along(&series[0], "borough", None, &adjacency()).unwrap();
        let found = hotspots(&series, &areas, Baseline::Past, 0.05, 0.05).unwrap();
        assert_eq!(found.past, 3);
        let hot = |family: &[Hotspot]| -> Vec<bool> {
            family
                .iter()
                .map(|h| h.state == HotspotState::Hotspot)
                .collect()
        };
        assert_eq!(hot(&found.single), [false, false, true]);
        assert_eq!(hot(&found.neighbourhoods), [false, true, true]);
        let c = &found.single[2];
        assert_eq!((c.raw, c.standing), (102, Standing::AboveZero));
        assert!((c.expected - 32.0).abs() < 1.0);
        let (low, high) = c.ratio_interval;
        assert!(low > 1.5 && low < c.ratio.unwrap() && c.ratio.unwrap() < high.unwrap());
        // Against the rest in equal shares, a and b are (29 + 8 + 40 + 11)/2 = 44.
        let shares = [1.0, 1.0, 1.0];
        let found = hotspots(&series, &areas, Baseline::ShareOfRest(&shares), 0.05, 0.05).unwrap();
        assert_eq!(hot(&found.single), [false, false, true]);
        // b with both its neighbours leaves no rest.
        assert_eq!(found.neighbourhoods.len(), 2);
        assert!((found.single[2].expected - 44.0).abs() < 0.01);
        for shares in [&[1.0, 1.0][..], &[1.0, 0.0, 1.0], &[1.0, f64::NAN, 1.0]] {
            let refused = hotspots(&series, &areas, Baseline::ShareOfRest(shares), 0.05, 0.05);
            assert_eq!(refused, Err(EstimateError::Expectation));
        }
        let other = ["somebody".to_owned()];
        series[3].survivors = &other;
        let refused = hotspots(&series, &areas, Baseline::Past, 0.05, 0.05);
        assert_eq!(refused, Err(EstimateError::TooFew(2)));
    }

    #[test]
    fn a_baseline_near_zero_keeps_its_uncertainty() {
        let certain = Expectation::new(50.0, 4.0, 0.0);
        assert!((certain.mean - 50.0).abs() < 1e-9 && (certain.variance - 4.0).abs() < 1e-9);
        let half = Expectation::new(0.0, 9.0, 0.0);
        assert!((half.mean - 3.0 * (2.0 / std::f64::consts::PI).sqrt()).abs() < 1e-9);
        let below = Expectation::new(-6.0, 9.0, 0.0);
        assert!(below.mean > 0.0 && below.mean < half.mean && below.variance > 0.0);
        let far = Expectation::new(-1e6, 9.0, 0.0);
        assert!(far.mean >= 0.0 && far.count().is_ok());
    }
}
