//! Networks: what occurs together in one record.

use askama::Template;
use msht_core::release::ReleaseTable;

use crate::site::calendar::period_words;
use crate::site::catalogue::ProgrammeReleases;
use crate::site::figure::{Datum, Figure, Files, Swatch};
use crate::site::finding::{Headline, headline};
use crate::site::frame::{Choice, Frame};
use crate::site::selection::{Selection, TABLE};
use crate::site::shape::{Shape, shape};

use super::table_figure::table_figure;
use super::{Page, has_table};

pub(super) const PAGE: Page = Page {
    name: "networks",
    title: "Networks",
    applies,
    choices,
    figures,
    html,
};

#[derive(Debug, Template)]
#[template(path = "pages/figures.html")]
struct NetworksPage {
    frame: Frame,
    page: &'static str,
    programme: String,
    period: String,
    period_code: String,
    headline: Headline,
    reading: Vec<&'static str>,
    figures: Vec<Figure>,
}

fn is_pairs(table: &ReleaseTable) -> bool {
    shape(table) == Shape::Pairs
}

fn applies(programme: &ProgrammeReleases) -> bool {
    has_table(programme, is_pairs)
}

fn choices(selection: &Selection<'_>) -> Vec<Choice> {
    let choice = selection.table_choice("What occurs together", is_pairs);
    choice.into_iter().collect()
}

fn figures(selection: &Selection<'_>) -> Result<Vec<Figure>, askama::Error> {
    let (Some(release), Some(table)) = (selection.release(), selection.table(is_pairs)) else {
        return Ok(Vec::new());
    };
    let mut pairs = selection.carried();
    pairs.push((TABLE, &table.name));
    let figure = table_figure(release, table, "pairs")?;
    Ok(figure
        .into_iter()
        .map(|mut figure| {
            figure.files = Files::new(PAGE.name, figure.id, &pairs);
            figure
        })
        .collect())
}

fn html(selection: &Selection<'_>, frame: Frame) -> Result<String, askama::Error> {
    let Some(release) = selection.release() else {
        return Ok(String::new());
    };
    NetworksPage {
        frame,
        page: PAGE.title,
        programme: release.programme_title.clone(),
        period: period_words(&release.period),
        period_code: release.period.clone(),
        headline: headline(release),
        reading: vec![
            "Each cell counts the records that have both: the category of its row and that of its column. A record with \
             three of them is in three cells, so the cells do not add up to people.",
            "It is drawn as a matrix and not as a net of lines, because a line for every pair would show the noise as \
             ties. A hatched cell cannot be told from none.",
            "Occurring together is not a link between people: it says that one record had both, not that anybody knew \
             anybody.",
        ],
        figures: figures(selection)?,
    }
    .render()
}
