//! Calls of change over several quarters, beside the published truth.

use std::collections::BTreeMap;

use msht_core::dp::sampler::PolyaShare;
use msht_core::estimate::NoisyTable;
use msht_core::estimate::trend::{Call, Change, Direction, latest_changes};
use msht_core::programme::Programme;
use msht_core::rational::Rational;
use msht_core::release::Release;
use rand::CryptoRng;

use crate::demonstration::Failure;

/// False discovery rate of the calls.
pub const LEVEL: f64 = 0.05;

/// A privacy loss at which noise is zero but once in 10²⁷ draws: the truth, as estimates read it.
const NO_NOISE: u64 = 62;

/// The tables of one quarter by name, as a release or a drawing of noise gave them.
pub struct Quarter {
    period: String,
    survivors: Vec<String>,
    shape: Rational,
    tables: BTreeMap<String, (Vec<i64>, Rational)>,
}

impl Quarter {
    /// What a release says.
    ///
    /// # Errors
    /// Where a table has no noise rate.
    pub fn released(release: &Release) -> Result<Self, Failure> {
        let mut tables = BTreeMap::new();
        for table in &release.tables {
            let rate = release.mechanism.a.get(&table.name);
            let rate = rate.ok_or("a table has no noise rate")?.clone();
            tables.insert(table.name.clone(), (table.raw.clone(), rate));
        }
        Ok(Self {
            period: release.period.clone(),
            survivors: release.survivors.clone(),
            shape: release.mechanism.shape.clone(),
            tables,
        })
    }

    /// The exact counts `truth` with noise of `partners` shares of 1/`honest` each, drawn here.
    ///
    /// # Errors
    /// Where the programme's rates are not those of the sampler.
    pub fn drawn<R: CryptoRng + ?Sized>(
        programme: &Programme,
        period: &str,
        truth: &BTreeMap<String, Vec<i64>>,
        (partners, honest): (u64, u64),
        rng: &mut R,
    ) -> Result<Self, Failure> {
        let mut tables = BTreeMap::new();
        for table in programme.tables() {
            let mut raw = truth.get(table.id()).ok_or("a table is missing")?.clone();
            let share = PolyaShare::new(table.noise_rate(), &Rational::new(1, honest)?)?;
            let mut noise = vec![0; raw.len()];
            for _ in 0..partners {
                share.fill(&mut noise, rng);
                raw.iter_mut()
                    .zip(&noise)
                    .for_each(|(count, noise)| *count += noise);
            }
            tables.insert(table.id().to_owned(), (raw, table.noise_rate().clone()));
        }
        Ok(Self {
            period: period.to_owned(),
            survivors: Vec::new(),
            shape: Rational::new(partners, honest)?,
            tables,
        })
    }

    /// The exact counts themselves.
    #[must_use]
    pub fn exact(period: &str, truth: &BTreeMap<String, Vec<i64>>) -> Self {
        let no_noise = |counts: &Vec<i64>| (counts.clone(), Rational::from_integer(NO_NOISE));
        let tables = truth.iter();
        Self {
            period: period.to_owned(),
            survivors: Vec::new(),
            shape: Rational::one(),
            tables: tables
                .map(|(name, counts)| (name.clone(), no_noise(counts)))
                .collect(),
        }
    }

    fn table(&self, name: &str) -> Result<NoisyTable<'_>, Failure> {
        let (name, (raw, a)) = self
            .tables
            .get_key_value(name)
            .ok_or("a table is missing")?;
        Ok(NoisyTable {
            period: &self.period,
            survivors: &self.survivors,
            name,
            dimensions: &[],
            raw,
            a,
            shape: &self.shape,
            counts_records: true,
        })
    }
}

/// How calls agree with the truth.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Agreement {
    /// Numbers compared with those of the quarter before.
    pub compared: usize,
    /// Recorded numbers that truly moved by at least the size said to be detectable.
    pub moved: usize,
    /// Those of them said to have moved, and in the right direction.
    pub moved_found: usize,
    /// Numbers said to have moved.
    pub said_moved: usize,
    /// Those of them that did not, or the other way.
    pub said_moved_wrongly: usize,
    /// Numbers whose true move is at least the size at which a change of level is said to be detectable.
    pub changed: usize,
    /// Those of them called a change, in the right direction.
    pub changed_found: usize,
    /// Numbers called a change.
    pub said_changed: usize,
    /// Those of them that the same rule does not call a change, in that direction, on the exact counts.
    pub said_changed_wrongly: usize,
}

impl Agreement {
    /// Adds the tallies of `other`.
    pub fn add(&mut self, other: &Self) {
        let Self {
            compared,
            moved,
            moved_found,
            said_moved,
            said_moved_wrongly,
            changed,
            changed_found,
            said_changed,
            said_changed_wrongly,
        } = other;
        self.compared += compared;
        self.moved += moved;
        self.moved_found += moved_found;
        self.said_moved += said_moved;
        self.said_moved_wrongly += said_moved_wrongly;
        self.changed += changed;
        self.changed_found += changed_found;
        self.said_changed += said_changed;
        self.said_changed_wrongly += said_changed_wrongly;
    }

    /// Tallies one number: what was said of it, how it truly moved, and what is said of the exact counts.
    fn tally(&mut self, change: &Change, moved: i64, exact: Call) {
        let truly = match moved {
            1.. => Some(Direction::Rise),
            0 => None,
            _ => Some(Direction::Fall),
        };
        let size = moved.unsigned_abs() as f64;
        let (said, changed) = match change.call {
            Call::Change(direction) => (Some(direction), true),
            Call::Ordinary(direction) => (Some(direction), false),
            Call::NoneShown | Call::OtherPartners(_) => (None, false),
        };
        let right = said.is_some() && said == truly;
        let count = |condition: bool| usize::from(condition);
        self.compared += 1;
        self.moved += count(size >= change.detectable.recorded);
        self.moved_found += count(size >= change.detectable.recorded && right);
        self.said_moved += count(said.is_some());
        self.said_moved_wrongly += count(said.is_some() && !right);
        self.changed += count(size >= change.detectable.level);
        self.changed_found += count(size >= change.detectable.level && changed && right);
        self.said_changed += count(changed);
        self.said_changed_wrongly += count(changed && change.call != exact);
    }

    /// Both questions in two lines.
    #[must_use]
    pub fn lines(&self) -> [String; 2] {
        [
            format!(
                "recorded number moved: {} of {} true moves of at least the detectable size found; {} said to have moved, \
                 {} of them wrongly ({} compared)",
                self.moved_found,
                self.moved,
                self.said_moved,
                self.said_moved_wrongly,
                self.compared
            ),
            format!(
                "more than ordinary variation: {} of {} true moves of at least the detectable size found; {} called a \
                 change, {} of them not on the exact counts",
                self.changed_found, self.changed, self.said_changed, self.said_changed_wrongly
            ),
        ]
    }
}

/// Calls every quarter against the one before it, from those before it, and sets the calls of one table beside the truth.
///
/// # Errors
/// Where a quarter lacks the table, or estimates cannot be made.
pub fn agreement(
    quarters: &[Quarter],
    truth: &[Quarter],
    table: &str,
) -> Result<Agreement, Failure> {
    let noisy = quarters.iter().map(|quarter| quarter.table(table));
    let noisy = noisy.collect::<Result<Vec<_>, _>>()?;
    let exact = truth.iter().map(|quarter| quarter.table(table));
    let exact = exact.collect::<Result<Vec<_>, _>>()?;
    let mut found = Agreement::default();
    for count in 2..=noisy.len().min(exact.len()) {
        let said = latest_changes(noisy.get(..count).unwrap_or(&[]), LEVEL)?;
        let right = latest_changes(exact.get(..count).unwrap_or(&[]), LEVEL)?;
        for (change, exact) in said.changes.iter().zip(&right.changes) {
            found.tally(change, exact.difference(), exact.call);
        }
    }
    Ok(found)
}
