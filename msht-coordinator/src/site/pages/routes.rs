//! Routes: from where to where people were moved, and how they were recruited into what.

use askama::Template;
use msht_core::estimate::rank::{RankRange, rank_ranges};
use msht_core::estimate::{COMPLEMENT, NoisyTable};
use msht_core::release::{Release, ReleaseTable};

use crate::site::calendar::period_words;
use crate::site::catalogue::ProgrammeReleases;
use crate::site::charts::bars;
use crate::site::figure::{Column, DataTable, Datum, Figure, Files, Swatch};
use crate::site::finding::{Headline, headline};
use crate::site::frame::{Choice, Frame};
use crate::site::largest::{largest, rank_words};
use crate::site::numbers::Estimate;
use crate::site::selection::{Selection, TABLE};
use crate::site::shape::{Shape, labelled, shape};

use super::table_figure::table_figure;
use super::{Page, has_table};

pub(super) const PAGE: Page = Page {
    name: "routes",
    title: "Routes",
    applies,
    choices,
    figures,
    html,
};

/// Dimensions that a route begins with: where somebody is from, or who brought them into it.
const BEGINNINGS: [&str; 4] = ["origin", "recruitment", "recruiter", "sent-from"];
/// What stands between the two ends of a route.
const ARROW: &str = " → ";
/// Most routes in the list: further ones are close to the noise and in the table.
const MOST_LISTED: usize = 15;

#[derive(Debug, Template)]
#[template(path = "pages/figures.html")]
struct RoutesPage {
    frame: Frame,
    page: &'static str,
    programme: String,
    period: String,
    period_code: String,
    headline: Headline,
    reading: Vec<&'static str>,
    figures: Vec<Figure>,
}

/// Whether a table leads from one thing to another.
fn is_route(table: &ReleaseTable) -> bool {
    let begins = |name: &str| BEGINNINGS.contains(&name);
    shape(table) == Shape::Matrix
        && table
            .dimensions
            .first()
            .is_some_and(|dimension| begins(&dimension.name))
}

fn applies(programme: &ProgrammeReleases) -> bool {
    has_table(programme, is_route)
}

fn choices(selection: &Selection<'_>) -> Vec<Choice> {
    let choice = selection.table_choice("Route", is_route);
    choice.into_iter().collect()
}

fn figures(selection: &Selection<'_>) -> Result<Vec<Figure>, askama::Error> {
    let (Some(release), Some(table)) = (selection.release(), selection.table(is_route)) else {
        return Ok(Vec::new());
    };
    let mut pairs = selection.carried();
    pairs.push((TABLE, &table.name));
    let mut figures = Vec::new();
    if let Some(mut list) = list(release, table)? {
        list.files = Files::new(PAGE.name, list.id, &pairs);
        figures.push(list);
    }
    if let Some(mut matrix) = table_figure(release, table, "matrix")? {
        matrix.files = Files::new(PAGE.name, matrix.id, &pairs);
        figures.push(matrix);
    }
    Ok(figures)
}

/// The routes above zero, the largest first, each with the ranks that it can have.
fn list(release: &Release, table: &ReleaseTable) -> Result<Option<Figure>, askama::Error> {
    const ID: &str = "list";
    let all = labelled(table, ARROW);
    let positions: Vec<usize> = (0..all.len()).collect();
    let noisy = NoisyTable::of(release, &table.name).map_err(askama::Error::custom)?;
    let ranks = rank_ranges(&noisy, &positions, COMPLEMENT).map_err(askama::Error::custom)?;
    let ranked = all.iter().zip(ranks);
    let mut above: Vec<(&(String, Estimate), RankRange)> =
        ranked.filter(|((_, each), _)| !each.is_unsure()).collect();
    above.sort_by_key(|((_, estimate), _)| std::cmp::Reverse(estimate.raw));
    let found = above.len();
    above.truncate(MOST_LISTED);
    if above.is_empty() {
        return Ok(None);
    }
    let rows: Vec<(&str, Estimate)> = above
        .iter()
        .map(|((label, estimate), _)| (label.as_str(), *estimate))
        .collect();
    let bars = bars::bars_of(&rows, largest(&table.title, &all), ID)?;
    let table_rows = above.iter().map(|((label, estimate), rank)| {
        vec![
            Datum::words(label.clone()),
            Datum::Estimate(*estimate),
            Datum::words(rank_words(*rank)),
        ]
    });
    Ok(Some(Figure {
        id: ID,
        title: bars.title,
        subtitle: format!(
            "{}, {}: the {} largest of {found} routes above zero, out of {}",
            table.title,
            period_words(&release.period),
            rows.len(),
            all.len()
        ),
        key: bars::key(),
        drawings: bars.drawings,
        notes: vec![
            "Where intervals overlap, the order of two routes may be the noise’s: the table gives the ranks each \
             can have."
                .to_owned(),
        ],
        table: DataTable {
            caption: format!("{}: routes above zero", table.title),
            columns: vec![
                Column::heading("route", "Route"),
                Column::estimate("number", "Number"),
                Column::words("rank", "Possible ranks"),
            ],
            rows: table_rows.collect(),
        },
        is_table_open: true,
        attribution: None,
        files: Files::default(),
    }))
}

fn html(selection: &Selection<'_>, frame: Frame) -> Result<String, askama::Error> {
    let Some(release) = selection.release() else {
        return Ok(String::new());
    };
    RoutesPage {
        frame,
        page: PAGE.title,
        programme: release.programme_title.clone(),
        period: period_words(&release.period),
        period_code: release.period.clone(),
        headline: headline(release),
        reading: vec![
            "A route is a pair of facts in one record, such as where somebody is from and where they were exploited. It \
             is not a journey that was watched, and it says nothing of who else was on it.",
            "Most combinations are rare, and the noise hides them: a hatched cell may be anything from none up to the \
             high end of its interval. Absence on this page is not evidence that a route does not exist.",
        ],
        figures: figures(selection)?,
    }
    .render()
}
