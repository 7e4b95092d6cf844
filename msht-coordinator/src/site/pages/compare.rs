//! Compare: what the partners counted together beside what others publish, with the interval of the gap.

use std::collections::BTreeSet;
use std::sync::Arc;

use askama::Template;
use msht_core::estimate::EstimateError;
use msht_core::programme::Period;
use msht_core::release::Release;

use crate::baseline::{Baseline, Place};
use crate::site::calendar::period_words;
use crate::site::catalogue::{Catalogue, ProgrammeReleases, Published};
use crate::site::charts::beside::{self, Pair};
use crate::site::figure::{Column, DataTable, Datum, Figure, Files, Swatch};
use crate::site::finding::{Headline, headline};
use crate::site::frame::{Choice, Frame};
use crate::site::numbers::{Estimate, grouped};
use crate::site::selection::Selection;
use crate::site::sums::{self, Summed};

use super::{Page, has_releases};

pub(super) const PAGE: Page = Page {
    name: "compare",
    title: "Compare",
    applies,
    choices,
    figures,
    html,
};

const ID: &str = "gap";
/// Name of the choice of what to compare with, and how its values begin.
const AGAINST: &str = "against";
const BASELINE: &str = "baseline:";
const PROGRAMME: &str = "programme:";

/// What the partners' numbers are set beside.
enum Other<'a> {
    /// Exact counts that somebody published.
    Published(&'a Baseline, Period),
    /// Another programme's release of the same period, which has noise of its own.
    Release(&'a Release, BTreeSet<Place>),
}

/// One comparison.
struct Gap {
    label: String,
    code: String,
    ours: Estimate,
    theirs: i64,
    gap: Estimate,
}

#[derive(Debug, Template)]
#[template(path = "pages/compare.html")]
struct ComparePage {
    frame: Frame,
    programme: String,
    period: String,
    period_code: String,
    headline: Headline,
    sentence: Option<String>,
    figures: Vec<Figure>,
    other: Option<OtherView>,
    means: Vec<String>,
}

/// What people are told of the other side.
#[derive(Debug)]
struct OtherView {
    title: String,
    source: String,
    licence: String,
}

fn applies(programme: &ProgrammeReleases) -> bool {
    has_releases(programme)
}

impl<'a> Other<'a> {
    /// Everything that this release can be compared with, and the value that chooses it.
    fn all(catalogue: &'a Catalogue, release: &Release) -> Vec<(String, Self)> {
        let mut all = Vec::new();
        let period: Option<Period> = release.period.parse().ok();
        if let Some(period) = period {
            let of_programme = catalogue.baselines().iter();
            for baseline in of_programme.filter(|b| b.programme() == release.programme) {
                let other = Self::Published(baseline, period);
                all.push((format!("{BASELINE}{}", baseline.words().title), other));
            }
        }
        for (id, programme) in catalogue.programmes() {
            let same = programme.of_period(&release.period);
            let is_comparable = |same: &&Arc<Published>| {
                id != release.programme && same.release().unit.kind == release.unit.kind
            };
            if let Some(same) = same.filter(is_comparable) {
                let theirs = places(same.release());
                let theirs = theirs.into_iter().map(|(place, _)| place).collect();
                let other = Self::Release(same.release(), theirs);
                all.push((format!("{PROGRAMME}{id}"), other));
            }
        }
        let ours = places(release);
        all.retain(|(_, other)| ours.iter().any(|(place, _)| other.has(place)));
        all
    }

    fn has(&self, place: &Place) -> bool {
        match self {
            Self::Published(baseline, period) => baseline.count(period, place).is_some(),
            Self::Release(_, theirs) => theirs.contains(place),
        }
    }

    fn title(&self) -> String {
        match self {
            Self::Published(baseline, _) => baseline.words().title.clone(),
            Self::Release(release, _) => release.programme_title.clone(),
        }
    }

    fn view(&self) -> OtherView {
        match self {
            Self::Published(baseline, _) => OtherView {
                title: self.title(),
                source: baseline.words().source.clone(),
                licence: baseline.words().licence.clone(),
            },
            Self::Release(..) => OtherView {
                title: self.title(),
                source: "the release of that programme for the same period, on this site"
                    .to_owned(),
                licence: "as every release here".to_owned(),
            },
        }
    }

    /// Their number at `place` and ours less theirs, with the interval of the difference.
    fn gap(&self, place: &Place, ours: &Summed) -> Result<Option<(i64, Estimate)>, EstimateError> {
        match self {
            Self::Published(baseline, period) => {
                let count = baseline.count(period, place);
                let count = count.and_then(|count| i64::try_from(count).ok());
                Ok(count.map(|count| (count, ours.estimate.less(count))))
            }
            Self::Release(release, _) => {
                let Some(theirs) = counted(release, place)? else {
                    return Ok(None);
                };
                let gap = sums::difference(ours, &theirs)?;
                Ok(Some((theirs.estimate.raw, gap)))
            }
        }
    }
}

/// The total and every category of every dimension of a release, with its words; each once.
fn places(release: &Release) -> Vec<(Place, String)> {
    let mut seen = BTreeSet::from([Place::Total]);
    let mut places = vec![(Place::Total, "All records".to_owned())];
    let dimensions = release.tables.iter().flat_map(|table| &table.dimensions);
    for dimension in dimensions {
        for (code, label) in dimension.categories.iter().zip(&dimension.labels) {
            let place = Place::Category {
                dimension: dimension.name.clone(),
                code: code.clone(),
            };
            if seen.insert(place.clone()) {
                places.push((place, format!("{}: {label}", dimension.title)));
            }
        }
    }
    places
}

fn counted(release: &Release, place: &Place) -> Result<Option<Summed>, EstimateError> {
    match place {
        Place::Total => sums::total(release),
        Place::Category { dimension, code } => sums::category(release, dimension, code),
    }
}

fn gaps(release: &Release, other: &Other<'_>) -> Result<Vec<Gap>, EstimateError> {
    let mut gaps = Vec::new();
    let shared = places(release).into_iter();
    for (place, label) in shared.filter(|(place, _)| other.has(place)) {
        let Some(ours) = counted(release, &place)? else {
            continue;
        };
        if let Some((theirs, gap)) = other.gap(&place, &ours)? {
            gaps.push(Gap {
                label,
                code: code_of(&place),
                ours: ours.estimate,
                theirs,
                gap,
            });
        }
    }
    Ok(gaps)
}

fn code_of(place: &Place) -> String {
    match place {
        Place::Total => "total".to_owned(),
        Place::Category { dimension, code } => format!("{dimension}/{code}"),
    }
}

/// What is compared with: what was asked for, or the first there is.
fn chosen<'a>(selection: &Selection<'a>) -> Option<(String, Other<'a>)> {
    let mut all = Other::all(selection.catalogue, selection.release()?);
    let asked = selection.query.value(AGAINST);
    let at = all
        .iter()
        .position(|(value, _)| Some(value.as_str()) == asked);
    let at = at.unwrap_or(0);
    (at < all.len()).then(|| all.swap_remove(at))
}

fn choices(selection: &Selection<'_>) -> Vec<Choice> {
    let Some(release) = selection.release() else {
        return Vec::new();
    };
    let all = Other::all(selection.catalogue, release);
    let options = all
        .iter()
        .map(|(value, other)| (value.clone(), other.title()));
    let chosen = chosen(selection).map_or_else(String::new, |(value, _)| value);
    vec![Choice::new(AGAINST, "Compare with", options, &chosen)]
}

fn figures(selection: &Selection<'_>) -> Result<Vec<Figure>, askama::Error> {
    let (Some(release), Some((value, other))) = (selection.release(), chosen(selection)) else {
        return Ok(Vec::new());
    };
    let gaps = gaps(release, &other).map_err(askama::Error::custom)?;
    if gaps.is_empty() {
        return Ok(Vec::new());
    }
    let title = finding(&gaps, &other.title());
    let pairs: Vec<Pair> = gaps
        .iter()
        .map(|gap| Pair {
            label: gap.label.clone(),
            ours: gap.ours,
            theirs: gap.theirs,
        })
        .collect();
    let mut carried = selection.carried();
    carried.push((AGAINST, &value));
    Ok(vec![Figure {
        id: ID,
        subtitle: format!(
            "{}, {}, beside “{}”",
            release.programme_title,
            period_words(&release.period),
            other.title()
        ),
        key: beside::key(&other.title()),
        drawings: beside::drawings(&pairs, &title, ID)?,
        title,
        notes: Vec::new(),
        table: table(&gaps),
        is_table_open: false,
        attribution: None,
        files: Files::new(PAGE.name, ID, &carried),
    }])
}

fn finding(gaps: &[Gap], title: &str) -> String {
    let apart = gaps
        .iter()
        .filter(|gap| direction(&gap.gap).is_some())
        .count();
    match (apart, gaps.len()) {
        (0, _) => format!("No number can be told apart from “{title}”"),
        (apart, all) if apart == all => format!("Every number differs from “{title}”"),
        (apart, all) => format!("{apart} of {all} numbers differ from “{title}”"),
    }
}

/// Whether the partners' number is above or below the other, where the interval of the gap says so.
fn direction(gap: &Estimate) -> Option<&'static str> {
    match gap {
        gap if gap.low > 0 => Some("more"),
        gap if gap.high < 0 => Some("fewer"),
        _ => None,
    }
}

fn table(gaps: &[Gap]) -> DataTable {
    let number = |value: i64| Datum::coded(value.to_string(), grouped(value));
    let rows = gaps.iter().map(|gap| {
        let words = match direction(&gap.gap) {
            Some(direction) => format!("{direction} than published"),
            None => "cannot be told apart".to_owned(),
        };
        vec![
            Datum::coded(gap.code.clone(), gap.label.clone()),
            Datum::Estimate(gap.ours),
            number(gap.theirs),
            number(gap.gap.raw),
            number(gap.gap.low),
            number(gap.gap.high),
            Datum::words(words),
        ]
    });
    DataTable {
        caption: "The partners’ numbers, the others’, and the gap with its 95 % interval"
            .to_owned(),
        columns: vec![
            Column::heading("what", "What is counted"),
            Column::estimate("partners", "Partners"),
            Column::words("other", "Other"),
            Column::words("gap", "Gap"),
            Column::words("gap_interval95_low", "Gap from"),
            Column::words("gap_interval95_high", "Gap to"),
            Column::words("finding", "Finding"),
        ],
        rows: rows.collect(),
    }
}

/// The gap of the total in a sentence.
fn sentence(release: &Release, other: &Other<'_>) -> Result<Option<String>, EstimateError> {
    let gaps = gaps(release, other)?;
    let Some(total) = gaps.first().filter(|gap| gap.code == "total") else {
        return Ok(None);
    };
    let (title, gap) = (other.title(), &total.gap);
    Ok(Some(match direction(gap) {
        Some("fewer") => format!(
            "For {}, the partners together recorded between {} and {} fewer than “{title}”.",
            period_words(&release.period),
            grouped(gap.high.saturating_neg()),
            grouped(gap.low.saturating_neg())
        ),
        Some(_) => format!(
            "For {}, the partners together recorded between {} and {} more than “{title}”.",
            period_words(&release.period),
            grouped(gap.low),
            grouped(gap.high)
        ),
        None => format!(
            "For {}, the partners’ total cannot be told apart from “{title}”.",
            period_words(&release.period)
        ),
    }))
}

/// What a gap means and what it does not.
fn means(release: &Release, other: &Other<'_>) -> Vec<String> {
    let noise = match other {
        Other::Published(..) => {
            "The interval of a gap covers the noise of the partners’ number. The other number is taken as exact."
        }
        Other::Release(..) => {
            "Both numbers carry noise; the interval of a gap is that of the noise of both together."
        }
    };
    let mut means = vec![
        "A gap above zero says that the partners’ records hold more than the other source does: people, or records, that \
         it did not reach. That is the gap this programme exists to show."
            .to_owned(),
        noise.to_owned(),
        "A person known to several partners is counted by each of them, and may be counted once by the other source. Part \
         of a gap above zero may be no more than that."
            .to_owned(),
        "The two may count different things: another area, other definitions, people referred rather than people known. \
         Read the source before calling a gap a failure of anybody."
            .to_owned(),
    ];
    if !release.missing.is_empty() {
        means.push(format!(
            "{} of the {} invited partners are not in the numbers. A gap below zero may mean no more than that.",
            release.missing.len(),
            release.missing.len() + release.survivors.len()
        ));
    }
    means
}

fn html(selection: &Selection<'_>, frame: Frame) -> Result<String, askama::Error> {
    let Some(release) = selection.release() else {
        return Ok(String::new());
    };
    let other = chosen(selection).map(|(_, other)| other);
    let sentence = match &other {
        Some(other) => sentence(release, other).map_err(askama::Error::custom)?,
        None => None,
    };
    ComparePage {
        frame,
        programme: release.programme_title.clone(),
        period: period_words(&release.period),
        period_code: release.period.clone(),
        headline: headline(release),
        sentence,
        figures: figures(selection)?,
        means: other
            .as_ref()
            .map_or_else(Vec::new, |other| means(release, other)),
        other: other.map(|other| other.view()),
    }
    .render()
}
