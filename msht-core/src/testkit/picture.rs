//! Quarters of a simulated pan-London picture: counts that vary as real ones do, and exact noise.
//!
//! The number of people in a borough is Poisson around a level that differs from quarter to quarter by two gamma factors
//! of mean 1, one for the borough and one for the whole city, so that a cell has the dispersion κ of
//! `estimate::variation`. Every person then draws a type, a second type, an age, a gender and an origin.

use rand::RngExt;
use rand::rngs::StdRng;

use crate::dp::sampler::PolyaShare;
use crate::estimate::NoisyTable;
use crate::programme::{Programme, Table, shipped};
use crate::rational::Rational;
use crate::release::{ReleaseDimension, dimensions};
use crate::tally::touched_cells;

/// Boroughs, without the two categories that are no place.
pub const BOROUGHS: usize = 33;
/// People a quarter.
pub const PEOPLE: f64 = 1_500.0;
/// Share of people with a second type of exploitation.
const SECOND_TYPE: f64 = 0.15;
/// How much rarer each category is than the one before it.
const NEXT_CATEGORY: f64 = 0.7;
/// Largest mean drawn at once: e^−64 is far from the smallest number.
const POISSON_CHUNK: f64 = 64.0;

/// A draw of the gamma law of mean 1 and variance `dispersion` (Marsaglia and Tsang, *ACM Transactions on
/// Mathematical Software* 26, 2000); 1 where the dispersion is 0.
pub fn gamma(dispersion: f64, rng: &mut StdRng) -> f64 {
    if dispersion <= 0.0 {
        return 1.0;
    }
    let shape = 1.0 / dispersion;
    // Below a shape of 1 the draw for one more, times a power of a uniform one.
    let boost = if shape < 1.0 {
        rng.random::<f64>().powf(dispersion)
    } else {
        1.0
    };
    let d = if shape < 1.0 { shape + 1.0 } else { shape } - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        let x = normal(rng);
        let v = (1.0 + c * x).powi(3);
        if v <= 0.0 {
            continue;
        }
        let u = 1.0 - rng.random::<f64>();
        if u.ln() < x * x / 2.0 + d * (1.0 - v + v.ln()) {
            return d * v * boost / shape;
        }
    }
}

/// A standard normal draw (Box and Muller).
fn normal(rng: &mut StdRng) -> f64 {
    let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
    radius * (2.0 * std::f64::consts::PI * rng.random::<f64>()).cos()
}

/// A Poisson draw, by products of uniform draws.
pub fn poisson(mean: f64, rng: &mut StdRng) -> usize {
    let mut left = mean;
    let mut count = 0;
    while left > 0.0 {
        let limit = (-left.min(POISSON_CHUNK)).exp();
        let mut product = rng.random::<f64>();
        while product > limit {
            count += 1;
            product *= rng.random::<f64>();
        }
        left -= POISSON_CHUNK;
    }
    count
}

/// A place drawn in proportion to `weights`.
fn weighted(weights: &[f64], rng: &mut StdRng) -> usize {
    let mut left = rng.random::<f64>() * weights.iter().sum::<f64>();
    for (place, weight) in weights.iter().enumerate() {
        left -= weight;
        if left < 0.0 {
            return place;
        }
    }
    weights.len().saturating_sub(1)
}

/// One noisy table that owns what `NoisyTable` borrows.
#[derive(Debug, Clone)]
pub struct OwnedTable {
    /// Period it is said to be of.
    pub period: String,
    /// Name of the table.
    pub name: String,
    /// Its dimensions.
    pub dimensions: Vec<ReleaseDimension>,
    /// What was recorded.
    pub truth: Vec<i64>,
    /// What was published.
    pub raw: Vec<i64>,
    a: Rational,
    shape: Rational,
}

impl OwnedTable {
    /// As estimates read it.
    #[must_use]
    pub fn view(&self) -> NoisyTable<'_> {
        NoisyTable {
            period: &self.period,
            survivors: &[],
            name: &self.name,
            dimensions: &self.dimensions,
            raw: &self.raw,
            a: &self.a,
            shape: &self.shape,
            counts_records: true,
        }
    }
}

/// What the counts of a quarter are drawn from.
#[derive(Debug, Clone)]
pub struct Picture {
    programme: Programme,
    shape: Rational,
    /// Mean number of people in each category of `borough`.
    pub levels: Vec<f64>,
    /// κ of a borough's level from quarter to quarter.
    pub borough_dispersion: f64,
    /// κ of the whole city's level.
    pub city_dispersion: f64,
}

impl Picture {
    /// The shipped programme with 22 partners of 22: shape 22/(15 − 7), levels from about 110 people a quarter to about 20.
    #[must_use]
    #[expect(clippy::expect_used, reason = "test support: the programme is shipped")]
    pub fn pan_london(borough_dispersion: f64, city_dispersion: f64) -> Self {
        let text = shipped("pan-london").expect("shipped");
        let mut levels: Vec<f64> = (0..BOROUGHS)
            .map(|place| 1.0 / (place as f64 + 8.0))
            .collect();
        let boroughs: f64 = levels.iter().sum();
        for level in &mut levels {
            *level *= 0.92 * PEOPLE / boroughs;
        }
        levels.extend([0.02 * PEOPLE, 0.06 * PEOPLE]);
        Self {
            programme: Programme::parse(text).expect("checked"),
            shape: Rational::new(11, 4).expect("not zero"),
            levels,
            borough_dispersion,
            city_dispersion,
        }
    }

    /// The tables of quarter `number`, all of them, noise included.
    #[must_use]
    pub fn quarter(&self, number: usize, rng: &mut StdRng) -> Vec<OwnedTable> {
        let city = gamma(self.city_dispersion, rng);
        let mut counts: Vec<Vec<i64>> = self
            .programme
            .tables()
            .iter()
            .map(|table| vec![0; table.cells()])
            .collect();
        for (borough, level) in self.levels.iter().enumerate() {
            let people = poisson(level * city * gamma(self.borough_dispersion, rng), rng);
            for _ in 0..people {
                self.add_person(borough, &mut counts, rng);
            }
        }
        let tables = self.programme.tables().iter().zip(counts);
        tables
            .map(|(table, truth)| self.published(table, number, truth, rng))
            .collect()
    }

    fn add_person(&self, borough: usize, counts: &mut [Vec<i64>], rng: &mut StdRng) {
        let codebook = self.programme.codebook().dimensions();
        let second = rng.random::<f64>() < SECOND_TYPE;
        let drawn: Vec<Vec<usize>> = codebook
            .iter()
            .map(|dimension| {
                if dimension.id() == "borough" {
                    return vec![borough];
                }
                let categories = dimension.categories().len();
                let weights = (1..).map(|rarer| NEXT_CATEGORY.powi(rarer));
                let weights: Vec<f64> = weights.take(categories).collect();
                let first = weighted(&weights, rng);
                if dimension.max_values() > 1 && second {
                    return vec![first, (first + 1) % categories];
                }
                vec![first]
            })
            .collect();
        for (table, cells) in self.programme.tables().iter().zip(counts) {
            let first = table.range().start;
            for place in touched_cells(table, &drawn).iter() {
                if let Some(count) = cells.get_mut(place - first) {
                    *count += 1;
                }
            }
        }
    }

    fn published(
        &self,
        table: &Table,
        number: usize,
        truth: Vec<i64>,
        rng: &mut StdRng,
    ) -> OwnedTable {
        let noise = noise(table.noise_rate(), &self.shape, table.cells(), rng);
        OwnedTable {
            period: format!("{number}"),
            name: table.id().to_owned(),
            dimensions: dimensions(&self.programme, table),
            raw: truth
                .iter()
                .zip(noise)
                .map(|(count, noise)| count + noise)
                .collect(),
            truth,
            a: table.noise_rate().clone(),
            shape: self.shape.clone(),
        }
    }
}

/// Exact noise of shape 11/4 or any other below 4, as the sum of four equal shares.
#[expect(
    clippy::expect_used,
    reason = "test support: rates of shipped programmes"
)]
fn noise(a: &Rational, shape: &Rational, cells: usize, rng: &mut StdRng) -> Vec<i64> {
    let quarter = Rational::new(1, 4).expect("not zero");
    let share = PolyaShare::new(a, &shape.times(&quarter)).expect("in range");
    let mut sum = vec![0; cells];
    for _ in 0..4 {
        let mut drawn = vec![0; cells];
        share.fill(&mut drawn, rng);
        sum.iter_mut()
            .zip(drawn)
            .for_each(|(sum, noise)| *sum += noise);
    }
    sum
}

/// A ring in which every borough lies next to the two before and the two after it: invented, as the true borders are
/// no part of the library.
#[must_use]
pub fn ring(codes: &[String]) -> std::collections::BTreeMap<String, Vec<String>> {
    let around = |place: usize| {
        let next = [1, 2, BOROUGHS - 2, BOROUGHS - 1].into_iter();
        let places = next.map(move |step| (place + step) % BOROUGHS);
        places
            .filter_map(|place| codes.get(place).cloned())
            .collect()
    };
    let boroughs = codes.iter().take(BOROUGHS).enumerate();
    boroughs
        .map(|(place, code)| (code.clone(), around(place)))
        .collect()
}
