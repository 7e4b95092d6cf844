//! How we protect people: what a release promises in plain words, what has been spent, who took part.

use askama::Template;
use msht_core::rational::Rational;
use msht_core::release::Release;

use crate::site::address;
use crate::site::calendar::period_words;
use crate::site::frame::Frame;
use crate::site::numbers::rounded_up;
use crate::site::privacy::{PrivacyView, privacy_view};
use crate::site::selection::Selection;

use super::partners::{PartnerView, partners};
use super::{Page, has_releases, no_choices};

pub(super) const PAGE: Page = Page {
    name: "protection",
    title: "How we protect people",
    applies: has_releases,
    choices: no_choices,
    figures: |_| Ok(Vec::new()),
    html,
};

/// Most partners that the table of totals lets know the same person.
const MOST_PARTNERS_KNOWING: u64 = 5;
/// Digits of a year at the beginning of a period.
const YEAR_DIGITS: usize = 4;

#[derive(Debug, Template)]
#[template(path = "pages/protection.html")]
struct ProtectionPage {
    frame: Frame,
    programme: String,
    period: String,
    period_code: String,
    year: String,
    privacy: PrivacyView,
    spent: Spent,
    programmes: Vec<ProgrammeSpent>,
    present: Vec<PartnerView>,
    missing: Vec<PartnerView>,
    release: String,
}

/// What the releases of a year have spent.
#[derive(Debug)]
struct Spent {
    releases: usize,
    epsilon: String,
    totals: Vec<YearTotal>,
}

/// What it adds up to for somebody known to several partners.
#[derive(Debug)]
struct YearTotal {
    partners: u64,
    of_release: String,
    of_release_factor: String,
    of_year: String,
    of_year_factor: String,
}

/// Another programme in the same year.
#[derive(Debug)]
struct ProgrammeSpent {
    title: String,
    unit: String,
    releases: usize,
    epsilon: String,
}

fn year_of(release: &Release) -> String {
    release.period.chars().take(YEAR_DIGITS).collect()
}

/// Σ ε of these releases.
fn sum<'a>(releases: impl Iterator<Item = &'a Release>) -> Rational {
    releases.fold(Rational::zero(), |sum, release| sum.plus(&release.epsilon))
}

fn factor(epsilon: &Rational) -> String {
    rounded_up(epsilon.to_f64_lossy().exp())
}

fn spent(selection: &Selection<'_>, release: &Release) -> Spent {
    let year = year_of(release);
    let until = selection.until_period();
    let of_year: Vec<&Release> = until
        .iter()
        .map(|published| published.release())
        .filter(|release| year_of(release) == year)
        .collect();
    let of_year_epsilon = sum(of_year.iter().copied());
    let total = |partners: u64| {
        let times = Rational::from_integer(partners);
        let (one, year) = (release.epsilon.times(&times), of_year_epsilon.times(&times));
        YearTotal {
            partners,
            of_release_factor: factor(&one),
            of_release: one.to_string(),
            of_year_factor: factor(&year),
            of_year: year.to_string(),
        }
    };
    Spent {
        releases: of_year.len(),
        totals: (1..=MOST_PARTNERS_KNOWING).map(total).collect(),
        epsilon: of_year_epsilon.to_string(),
    }
}

/// What every programme of this coordinator has spent on data of `year`.
fn programmes(selection: &Selection<'_>, year: &str) -> Vec<ProgrammeSpent> {
    let of_year = selection
        .catalogue
        .programmes()
        .filter_map(|(_, programme)| {
            let releases: Vec<&Release> = programme
                .releases()
                .iter()
                .map(|published| published.release())
                .filter(|release| year_of(release) == year)
                .collect();
            Some(ProgrammeSpent {
                title: programme.title().to_owned(),
                unit: releases.first()?.unit.kind.clone(),
                releases: releases.len(),
                epsilon: sum(releases.iter().copied()).to_string(),
            })
        });
    of_year.collect()
}

fn html(selection: &Selection<'_>, frame: Frame) -> Result<String, askama::Error> {
    let Some(release) = selection.release() else {
        return Ok(String::new());
    };
    let year = year_of(release);
    ProtectionPage {
        frame,
        programme: release.programme_title.clone(),
        period: period_words(&release.period),
        period_code: release.period.clone(),
        privacy: privacy_view(release),
        spent: spent(selection, release),
        programmes: programmes(selection, &year),
        year,
        present: partners(release, &release.survivors),
        missing: partners(release, &release.missing),
        release: address::period(&release.programme, &release.period),
    }
    .render()
}
