//! Trends: one number over the periods.

use askama::Template;
use msht_core::estimate::EstimateError;
use msht_core::estimate::trend::{Call, Change, TableChanges};
use msht_core::release::ReleaseTable;

use crate::site::calendar::period_words;
use crate::site::catalogue::{ProgrammeReleases, Published};
use crate::site::cells::cells;
use crate::site::changes::{call_words, finding, partners_sentence, range_words, whole};
use crate::site::charts::line::{self, Moment};
use crate::site::estimates::Estimated;
use crate::site::figure::{Column, DataTable, Datum, Figure, Files, Swatch};
use crate::site::finding::unit_words;
use crate::site::frame::{Choice, Frame};
use crate::site::numbers::grouped;
use crate::site::selection::{Selection, TABLE};
use crate::site::series::{Point, cell_code, cell_label, partners_differ, series};
use crate::site::tables::numbers as what_is_added;

use super::Page;

pub(super) const PAGE: Page = Page {
    name: "trends",
    title: "Trends",
    applies,
    choices,
    figures,
    html,
};

/// Name of the group in a query.
const GROUP: &str = "group";
const ID: &str = "trend";
const ALL_GROUPS: &str = "groups";
/// Tables with more groups than this start folded.
const MOST_OPEN: usize = 40;

#[derive(Debug, Template)]
#[template(path = "pages/trends.html")]
struct TrendsPage {
    frame: Frame,
    programme: String,
    period: String,
    table: String,
    /// Whether other partners are behind the last number than behind the one before, and what that means.
    partners: Option<String>,
    figures: Vec<Figure>,
}

/// Trends need two periods.
fn applies(programme: &ProgrammeReleases) -> bool {
    programme.releases().len() > 1
}

/// The table that is shown.
fn chosen_table<'a>(selection: &Selection<'a>) -> Option<&'a ReleaseTable> {
    selection.table(|_| true)
}

/// Code and label of the chosen cell.
fn chosen_cell(selection: &Selection<'_>, table: &ReleaseTable) -> Option<(String, String)> {
    let mut all =
        cells(table).map(|cell| (cell_code(&cell.categories), cell_label(&cell.categories)));
    let asked = selection.query.value(GROUP);
    let first = all.next()?;
    if Some(first.0.as_str()) == asked {
        return Some(first);
    }
    let found = all.find(|(code, _)| Some(code.as_str()) == asked);
    Some(found.unwrap_or(first))
}

fn choices(selection: &Selection<'_>) -> Vec<Choice> {
    let Some(table) = chosen_table(selection) else {
        return Vec::new();
    };
    let groups =
        cells(table).map(|cell| (cell_code(&cell.categories), cell_label(&cell.categories)));
    let chosen = chosen_cell(selection, table).map_or_else(String::new, |(code, _)| code);
    let mut choices = Vec::from_iter(selection.table_choice("Table", |_| true));
    choices.push(Choice::new(GROUP, "Group", groups, &chosen));
    choices
}

fn html(selection: &Selection<'_>, frame: Frame) -> Result<String, askama::Error> {
    let (Some(release), Some(table)) = (selection.release(), chosen_table(selection)) else {
        return Ok(String::new());
    };
    TrendsPage {
        frame,
        programme: release.programme_title.clone(),
        period: period_words(&release.period),
        table: table.title.clone(),
        partners: latest_changes(selection, table)
            .as_ref()
            .as_ref()
            .ok()
            .and_then(partners_sentence),
        figures: figures(selection)?,
    }
    .render()
}

fn latest_changes(selection: &Selection<'_>, table: &ReleaseTable) -> Estimated<TableChanges> {
    let releases = selection.until_period();
    selection.estimates.changes(&releases, &table.name)
}

fn figures(selection: &Selection<'_>) -> Result<Vec<Figure>, askama::Error> {
    let Some(table) = chosen_table(selection) else {
        return Ok(Vec::new());
    };
    let Some((code, label)) = chosen_cell(selection, table) else {
        return Ok(Vec::new());
    };
    let mut figures = vec![one_group(selection, table, &code, &label)?];
    let changes = latest_changes(selection, table);
    if let (Ok(changes), true) = (changes.as_ref(), table.raw.len() > 1) {
        figures.push(all_groups(selection, table, changes));
    }
    Ok(figures)
}

/// One group over the periods.
pub(super) fn one_group(
    selection: &Selection<'_>,
    table: &ReleaseTable,
    code: &str,
    label: &str,
) -> Result<Figure, askama::Error> {
    let releases = selection.until_period();
    let points = series(&releases, &table.name, code);
    let calls: Vec<Option<Call>> = points
        .iter()
        .map(|point| call_of(selection, &releases, table, point))
        .collect();
    let moments: Vec<Moment> = points
        .iter()
        .enumerate()
        .map(|(at, point)| moment(&points, at, point))
        .collect();
    let changes = selection.estimates.changes(&releases, &table.name);
    let title = title(label, changes.as_ref(), &points, table);
    let mut pairs = selection.carried();
    pairs.extend([(TABLE, table.name.as_str()), (GROUP, code)]);
    Ok(Figure {
        id: ID,
        drawings: line::line(&moments, ID, &title)?,
        key: line::key(&moments),
        subtitle: format!(
            "{}: {label}. The {} in each period; random noise hides individual people, and what the partners \
             counted lies in the fields this often",
            table.title,
            what_is_added(table)
        ),
        title,
        notes: notes(changes.as_ref()),
        table: numbers(&points, &calls, table),
        is_table_open: true,
        attribution: None,
        files: Files::new(PAGE.file_stem(), ID, &pairs),
    })
}

/// The finding on the last point, as a sentence.
fn title(
    label: &str,
    changes: &Result<TableChanges, EstimateError>,
    points: &[Point<'_>],
    table: &ReleaseTable,
) -> String {
    let Some(last) = points.last() else {
        return label.to_owned();
    };
    match changes {
        Ok(changes) => changes.changes.get(last.position).map_or_else(
            || label.to_owned(),
            |change| finding(label, changes, change),
        ),
        Err(EstimateError::TooFew(_)) => format!("{label}: no earlier period to compare with"),
        Err(_) => format!(
            "{label}: {} {} in {}",
            last.estimate.range(),
            unit_words(table),
            period_words(&last.release.period)
        ),
    }
}

/// What may be said of a point against the period before, if there is one.
fn call_of(
    selection: &Selection<'_>,
    releases: &[&Published],
    table: &ReleaseTable,
    point: &Point<'_>,
) -> Option<Call> {
    let at = releases
        .iter()
        .position(|published| published.release().round == point.release.round)?;
    let until = releases.get(..=at)?;
    let changes = selection.estimates.changes(until, &table.name);
    let changes = changes.as_ref().as_ref().ok()?;
    Some(changes.changes.get(point.position)?.call)
}

fn notes(changes: &Result<TableChanges, EstimateError>) -> Vec<String> {
    match changes {
        Ok(changes) => vec![format!(
            "[ns] is no change that the noise would not explain. A change is called where neither the noise nor ordinary ups and downs explain it. Of all groups of this table \
             that are called, at most {} % are expected to be called wrongly. Ordinary ups and downs are learnt from {} \
             earlier comparisons of the same partners.",
            whole(changes.level * 100.0),
            changes.variation.differences()
        )],
        Err(error) => vec![format!("No comparison: {error}.")],
    }
}

fn moment(points: &[Point<'_>], at: usize, point: &Point<'_>) -> Moment {
    let before = at.checked_sub(1).and_then(|before| points.get(before));
    Moment {
        period: point.release.period.clone(),
        estimate: point.estimate,
        inner: point.inner,
        differs: before.is_some_and(|before| partners_differ(before.release, point.release)),
    }
}

fn numbers(points: &[Point<'_>], calls: &[Option<Call>], table: &ReleaseTable) -> DataTable {
    let row = |(point, call): (&Point<'_>, &Option<Call>)| {
        let release = point.release;
        let (present, missing) = (release.survivors.len(), release.missing.len());
        vec![
            Datum::coded(&*release.period, period_words(&release.period)),
            Datum::Estimate(point.estimate),
            call.map_or(Datum::Missing, |call| Datum::words(call_words(call))),
            Datum::words(format!("{present} of {}", present + missing)),
        ]
    };
    DataTable {
        caption: format!(
            "{}: {} in each period, with its 95 % interval",
            table.title,
            what_is_added(table)
        ),
        columns: vec![
            Column::heading("period", "Period"),
            Column::estimate("number", "Number"),
            Column::words("change", "Against the period before"),
            Column::words("partners", "Partners in it"),
        ],
        rows: points.iter().zip(calls).map(row).collect(),
    }
}

/// Every group of the table, now and in the period before.
fn all_groups(selection: &Selection<'_>, table: &ReleaseTable, changes: &TableChanges) -> Figure {
    let is_change = |change: &&Change| matches!(change.call, Call::Change(_));
    let called = changes.changes.iter().filter(is_change).count();
    let all = changes.changes.len();
    let title = match called {
        0 => format!("{}: none of {all} groups is called changed", table.title),
        called => format!("{}: {called} of {all} groups changed", table.title),
    };
    let half_width = changes
        .changes
        .first()
        .map_or(0.0, |change| change.interval.half_width());
    let rows = cells(table).zip(&changes.changes).map(|(cell, change)| {
        vec![
            Datum::coded(cell_code(&cell.categories), cell_label(&cell.categories)),
            Datum::words(grouped(change.earlier)),
            Datum::Estimate(cell.estimate),
            Datum::words(range_words(&change.interval)),
            Datum::words(call_words(change.call)),
        ]
    });
    let mut pairs = selection.carried();
    pairs.push((TABLE, table.name.as_str()));
    Figure {
        id: ALL_GROUPS,
        title,
        subtitle: format!(
            "From {} to {}; the interval of a difference is ± {}",
            period_words(&changes.earlier),
            period_words(&changes.later),
            whole(half_width)
        ),
        key: Vec::new(),
        drawings: Vec::new(),
        notes: Vec::new(),
        table: DataTable {
            caption: format!("{}: each group now and in the period before", table.title),
            columns: vec![
                Column::heading("group", "Group"),
                Column::words("before", "Before"),
                Column::estimate("number", "Number now"),
                Column::words("difference_interval95", "Difference, 95 % interval"),
                Column::words("change", "What may be said"),
            ],
            rows: rows.collect(),
        },
        is_table_open: all <= MOST_OPEN,
        attribution: None,
        files: Files::new(PAGE.file_stem(), ALL_GROUPS, &pairs),
    }
}
