//! Overview: what changed, how much was counted and by whom, in sentences that can be read out.

use askama::Template;
use msht_core::estimate::hotspot::HotspotState;
use msht_core::estimate::trend::TableChanges;
use msht_core::release::{Release, ReleaseMeasure, ReleaseTable};

use crate::site::address;
use crate::site::calendar::period_words;
use crate::site::cells::cells;
use crate::site::changes::{partners_sentence, summary};
use crate::site::charts::bars;
use crate::site::estimates::Estimated;
use crate::site::figure::{Column, DataTable, Datum, Figure, Files, Swatch};
use crate::site::finding::{Headline, headline};
use crate::site::frame::Frame;
use crate::site::numbers::Estimate;
use crate::site::selection::Selection;
use crate::site::tables::numbers;

use super::{Page, has_releases, hotspots, no_choices, trends};

pub(super) const PAGE: Page = Page {
    name: "",
    title: "Overview",
    applies: has_releases,
    choices: no_choices,
    figures,
    html,
};

const ID: &str = "groups";
/// Most groups drawn here; larger tables have pages of their own.
const MOST_GROUPS: usize = 16;

#[derive(Debug, Template)]
#[template(path = "pages/overview.html")]
struct OverviewPage {
    frame: Frame,
    programme: String,
    period: String,
    period_code: String,
    /// What changed, where there is an earlier period.
    changed: Option<String>,
    headline: Headline,
    /// Whether other partners are behind these numbers than behind those before.
    partners: Option<String>,
    facts: Vec<Fact>,
    figures: Vec<Figure>,
    release: String,
}

/// One number to remember.
#[derive(Debug)]
struct Fact {
    what: String,
    number: String,
    range: String,
}

fn html(selection: &Selection<'_>, frame: Frame) -> Result<String, askama::Error> {
    let Some(release) = selection.release() else {
        return Ok(String::new());
    };
    let releases = selection.until_period();
    let changes: Vec<(&ReleaseTable, Estimated<TableChanges>)> = release
        .tables
        .iter()
        .map(|table| (table, selection.estimates.changes(&releases, &table.name)))
        .collect();
    let known: Vec<(&ReleaseTable, &TableChanges)> = changes
        .iter()
        .filter_map(|(table, changes)| Some((*table, changes.as_ref().as_ref().ok()?)))
        .collect();
    OverviewPage {
        frame,
        programme: release.programme_title.clone(),
        period: period_words(&release.period),
        period_code: release.period.clone(),
        changed: summary(&known),
        partners: known
            .first()
            .and_then(|(_, changes)| partners_sentence(changes)),
        headline: headline(release),
        facts: facts(selection, release),
        figures: figures(selection)?,
        release: address::period(&release.programme, &release.period),
    }
    .render()
}

fn total(release: &Release) -> Option<Estimate> {
    let mut tables = release.tables.iter();
    let table = tables
        .find(|table| table.dimensions.is_empty() && table.measure == ReleaseMeasure::Count)?;
    Some(Estimate::new(*table.raw.first()?, table.interval95))
}

fn facts(selection: &Selection<'_>, release: &Release) -> Vec<Fact> {
    let mut facts = Vec::new();
    let mut totals = |release: &Release| {
        if let Some(total) = total(release) {
            facts.push(Fact {
                what: format!("All records, {}", period_words(&release.period)),
                number: total.number(),
                range: format!("{} (95 % interval)", total.range()),
            });
        }
    };
    totals(release);
    let releases = selection.until_period();
    if let Some(before) = releases.iter().rev().nth(1) {
        totals(before.release());
    }
    let (present, missing) = (release.survivors.len(), release.missing.len());
    facts.push(Fact {
        what: "Partners in these numbers".to_owned(),
        number: present.to_string(),
        range: format!("of {} invited", present + missing),
    });
    if let Some(tested) = hotspots::tested(selection)
        && let Ok(found) = tested.as_ref()
    {
        let standing_out = found
            .single
            .iter()
            .filter(|h| h.state == HotspotState::Hotspot);
        facts.push(Fact {
            what: "Boroughs with more than their own past explains".to_owned(),
            number: standing_out.count().to_string(),
            range: format!("of {} tested", found.single.len()),
        });
    }
    facts
}

fn figures(selection: &Selection<'_>) -> Result<Vec<Figure>, askama::Error> {
    let Some(release) = selection.release() else {
        return Ok(Vec::new());
    };
    let mut figures = Vec::new();
    let is_total = |table: &&ReleaseTable| {
        table.dimensions.is_empty() && table.measure == ReleaseMeasure::Count
    };
    if let (Some(table), true) = (
        release.tables.iter().find(is_total),
        selection.until_period().len() > 1,
    ) {
        let mut figure = trends::one_group(selection, table, "", &table.title)?;
        figure.is_table_open = false;
        figures.push(figure);
    }
    let has_few_groups =
        |table: &&ReleaseTable| table.dimensions.len() == 1 && table.raw.len() <= MOST_GROUPS;
    if let Some(table) = release.tables.iter().find(has_few_groups) {
        figures.extend(groups(selection, release, table)?);
    }
    Ok(figures)
}

/// The groups of a small table as bars.
fn groups(
    selection: &Selection<'_>,
    release: &Release,
    table: &ReleaseTable,
) -> Result<Option<Figure>, askama::Error> {
    let Some(bars) = bars::bars(table, ID)? else {
        return Ok(None);
    };
    let heading = table
        .dimensions
        .first()
        .map_or("", |dimension| &dimension.title);
    let rows = cells(table).filter_map(|cell| {
        let (code, label) = *cell.categories.first()?;
        Some(vec![
            Datum::coded(code, label),
            Datum::Estimate(cell.estimate),
        ])
    });
    Ok(Some(Figure {
        id: ID,
        title: bars.title,
        subtitle: format!(
            "{}, {}: {} with 95 % intervals, in the order of the codebook",
            table.title,
            period_words(&release.period),
            numbers(table)
        ),
        key: bars::key(),
        drawings: bars.drawings,
        notes: Vec::new(),
        table: DataTable {
            caption: format!(
                "{}: {}, each with its 95 % interval",
                table.title,
                numbers(table)
            ),
            columns: vec![
                Column::heading("category", heading),
                Column::estimate("number", "Number"),
            ],
            rows: rows.collect(),
        },
        is_table_open: false,
        attribution: None,
        files: Files::new(PAGE.file_stem(), ID, &selection.carried()),
    }))
}
