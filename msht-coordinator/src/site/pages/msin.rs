//! MSIN: intelligence reports by stage of the food chain, region and indicator, and what became of them.

use askama::Template;
use msht_core::estimate::EstimateError;
use msht_core::release::{Release, ReleaseTable};

use crate::site::calendar::period_words;
use crate::site::catalogue::ProgrammeReleases;
use crate::site::figure::{Datum, Figure, Files, Swatch};
use crate::site::finding::{Headline, headline};
use crate::site::frame::Frame;
use crate::site::numbers::Estimate;
use crate::site::selection::Selection;
use crate::site::sums;

use super::partners::{PartnerView, partners};
use super::table_figure::table_figure;
use super::{Page, no_choices};

pub(super) const PAGE: Page = Page {
    name: "msin",
    title: "MSIN",
    applies,
    choices: no_choices,
    figures,
    html,
};

/// The dimension that says what became of a report.
const STATUS: &str = "status";
/// The dimension that says where in the food chain the work is done.
const STAGE: &str = "stage";
/// Who may be investigating: code of the status, and the words of its fact.
const INVESTIGATORS: [(&str, &str); 3] = [
    ("police", "by the police"),
    ("labour-authority", "by a labour inspectorate"),
    ("council", "by a council"),
];
/// The dimension that says whether the site or provider was known before, and its code for “no”.
const KNOWN_BEFORE: (&str, &str) = ("previously-known", "no");
/// Dimensions whose tables are drawn, in their order, which is also the id of the figure.
const DRAWN: [&str; 4] = [STAGE, "region", "indicator", STATUS];

/// A number with words.
#[derive(Debug)]
struct Fact {
    words: String,
    estimate: Estimate,
}

#[derive(Debug, Template)]
#[template(path = "pages/msin.html")]
struct MsinPage {
    frame: Frame,
    programme: String,
    period: String,
    period_code: String,
    headline: Headline,
    facts: Vec<Fact>,
    figures: Vec<Figure>,
    present: Vec<PartnerView>,
    missing: Vec<PartnerView>,
}

fn has(release: &Release, dimension: &str) -> bool {
    release.tables.iter().any(|table| is_of(table, dimension))
}

fn is_of(table: &ReleaseTable, dimension: &str) -> bool {
    let first = table.dimensions.first();
    first.is_some_and(|first| first.name == dimension)
}

fn applies(programme: &ProgrammeReleases) -> bool {
    let newest = programme.latest();
    newest.is_some_and(|newest| has(newest.release(), STATUS) && has(newest.release(), STAGE))
}

fn facts(release: &Release) -> Result<Vec<Fact>, EstimateError> {
    let mut facts = Vec::new();
    let mut add = |words: String, summed: Option<sums::Summed>| {
        facts.extend(summed.map(|summed| Fact {
            words,
            estimate: summed.estimate,
        }));
    };
    add("Reports".to_owned(), sums::total(release)?);
    let codes = INVESTIGATORS.map(|(code, _)| code);
    let investigated = sums::categories(release, STATUS, &codes)?;
    add("Under active investigation".to_owned(), investigated);
    for (code, by_whom) in INVESTIGATORS {
        let by_one = sums::category(release, STATUS, code)?;
        add(format!("… {by_whom}"), by_one);
    }
    let (dimension, no) = KNOWN_BEFORE;
    let new = sums::category(release, dimension, no)?;
    add("On sites or providers not known before".to_owned(), new);
    Ok(facts)
}

fn figures(selection: &Selection<'_>) -> Result<Vec<Figure>, askama::Error> {
    let Some(release) = selection.release() else {
        return Ok(Vec::new());
    };
    let mut figures = Vec::new();
    for dimension in DRAWN {
        let mut tables = release.tables.iter();
        let Some(table) = tables.find(|table| is_of(table, dimension)) else {
            continue;
        };
        if let Some(mut figure) = table_figure(release, table, dimension)? {
            figure.files = Files::new(PAGE.name, figure.id, &selection.carried());
            figures.push(figure);
        }
    }
    Ok(figures)
}

fn html(selection: &Selection<'_>, frame: Frame) -> Result<String, askama::Error> {
    let Some(release) = selection.release() else {
        return Ok(String::new());
    };
    MsinPage {
        frame,
        programme: release.programme_title.clone(),
        period: period_words(&release.period),
        period_code: release.period.clone(),
        headline: headline(release),
        facts: facts(release).map_err(askama::Error::custom)?,
        figures: figures(selection)?,
        present: partners(release, &release.survivors),
        missing: partners(release, &release.missing),
    }
    .render()
}
