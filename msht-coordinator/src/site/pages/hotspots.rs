//! Hotspots: a table by borough as a grid of tiles or as a map of outlines.

use std::collections::{BTreeMap, BTreeSet};

use askama::Template;
use msht_core::estimate::hotspot::{Hotspot, HotspotState, Hotspots};
use msht_core::estimate::rank::{RankRange, rank_ranges};
use msht_core::estimate::{COMPLEMENT, EstimateError, NoisyTable};
use msht_core::release::{ReleaseDimension, ReleaseMeasure, ReleaseTable};

use crate::site::calendar::period_words;
use crate::site::catalogue::ProgrammeReleases;
use crate::site::cells::cells;
use crate::site::changes::{range_words, whole};
use crate::site::charts::london::{ATTRIBUTION, TILES};
use crate::site::charts::map::{Area, outline_map, tiles};
use crate::site::charts::shade::{Classes, Shade};
use crate::site::estimates::Estimated;
use crate::site::figure::{Column, DataTable, Datum, Figure, Files, Key, Swatch};
use crate::site::frame::{Choice, Frame};
use crate::site::numbers::{Estimate, counted, listed};
use crate::site::selection::{Selection, TABLE};

use super::{Page, has_table};

pub(super) const PAGE: Page = Page {
    name: "hotspots",
    title: "Hotspots",
    applies,
    choices,
    figures,
    html,
};

const ID: &str = "hotspots";
/// Name of the kind of map in a query.
const MAP: &str = "map";
const TILE_MAP: &str = "tiles";
const OUTLINE_MAP: &str = "boroughs";
/// Name of the group within the boroughs in a query.
const GROUP: &str = "group";

#[derive(Debug, Template)]
#[template(path = "pages/hotspots.html")]
struct HotspotsPage {
    frame: Frame,
    programme: String,
    period: String,
    table: String,
    figures: Vec<Figure>,
}

/// Whether any table of the newest release is by borough.
fn applies(programme: &ProgrammeReleases) -> bool {
    has_table(programme, is_by_borough)
}

/// Counts by one dimension of boroughs, alone or crossed with one other.
fn is_by_borough(table: &ReleaseTable) -> bool {
    let boroughs = table.dimensions.iter().filter(|d| is_of_boroughs(d));
    table.measure == ReleaseMeasure::Count && boroughs.count() == 1 && table.dimensions.len() <= 2
}

/// Whether most categories are boroughs, by their codes.
fn is_of_boroughs(dimension: &ReleaseDimension) -> bool {
    let codes: BTreeSet<&str> = TILES.iter().map(|tile| tile.code).collect();
    let boroughs = dimension
        .categories
        .iter()
        .filter(|code| codes.contains(code.as_str()));
    2 * boroughs.count() > codes.len()
}

/// Code and label of the chosen group, where the table crosses boroughs with groups.
fn chosen_group(selection: &Selection<'_>, table: &ReleaseTable) -> Option<(String, String)> {
    let dimension = table.dimensions.iter().find(|d| !is_of_boroughs(d))?;
    let asked = selection.query.value(GROUP);
    let mut groups = dimension.categories.iter().zip(&dimension.labels);
    let found = groups
        .clone()
        .find(|(code, _)| Some(code.as_str()) == asked);
    let (code, label) = found.or_else(|| groups.next())?;
    Some((code.clone(), label.clone()))
}

fn chosen_map(selection: &Selection<'_>) -> &'static str {
    match selection.query.value(MAP) {
        Some(OUTLINE_MAP) => OUTLINE_MAP,
        _ => TILE_MAP,
    }
}

fn choices(selection: &Selection<'_>) -> Vec<Choice> {
    let maps = [
        (TILE_MAP, "Tiles of one size"),
        (OUTLINE_MAP, "Real boundaries"),
    ];
    let maps = maps.map(|(value, text)| (value.to_owned(), text.to_owned()));
    let mut choices = Vec::from_iter(selection.table_choice("Table", is_by_borough));
    if let Some(table) = selection.table(is_by_borough)
        && let Some((chosen, _)) = chosen_group(selection, table)
        && let Some(dimension) = table.dimensions.iter().find(|d| !is_of_boroughs(d))
    {
        let groups = dimension.categories.iter().cloned();
        let groups = groups.zip(dimension.labels.iter().cloned());
        choices.push(Choice::new(GROUP, "Group", groups, &chosen));
    }
    choices.push(Choice::new(MAP, "Map", maps, chosen_map(selection)));
    choices
}

fn html(selection: &Selection<'_>, frame: Frame) -> Result<String, askama::Error> {
    let (Some(release), Some(table)) = (selection.release(), selection.table(is_by_borough)) else {
        return Ok(String::new());
    };
    HotspotsPage {
        frame,
        programme: release.programme_title.clone(),
        period: period_words(&release.period),
        table: table.title.clone(),
        figures: figures(selection)?,
    }
    .render()
}

/// Code, label and number of each borough and of what else the dimension has.
fn numbers<'a>(table: &'a ReleaseTable, group: Option<&str>) -> Vec<(&'a str, &'a str, Estimate)> {
    let Some(axis) = table.dimensions.iter().position(is_of_boroughs) else {
        return Vec::new();
    };
    let in_group = |categories: &[(&str, &str)]| {
        let mut others = categories.iter().enumerate().filter(|(at, _)| *at != axis);
        others.all(|(_, (code, _))| Some(*code) == group)
    };
    cells(table)
        .filter(|cell| in_group(&cell.categories))
        .filter_map(|cell| {
            let (code, label) = *cell.categories.get(axis)?;
            Some((code, label, cell.estimate))
        })
        .collect()
}

/// The boroughs of the chosen table and group, with what the tests say of them.
struct Found<'a> {
    table: &'a ReleaseTable,
    /// Code and label of the group, where the table has any.
    group: Option<(String, String)>,
    /// Name of the dimension of boroughs.
    dimension: &'a str,
    numbers: Vec<(&'a str, &'a str, Estimate)>,
    tested: Estimated<Hotspots>,
    /// Best and worst place of each borough by its code.
    places: BTreeMap<&'a str, RankRange>,
}

impl<'a> Found<'a> {
    fn new(selection: &Selection<'a>) -> Option<Self> {
        let table = selection.table(is_by_borough)?;
        let dimension = table.dimensions.iter().find(|d| is_of_boroughs(d))?;
        let group = chosen_group(selection, table);
        let other = table.dimensions.iter().find(|d| !is_of_boroughs(d));
        let within = other.zip(group.as_ref());
        let within = within.map(|(other, (code, _))| (other.name.as_str(), code.as_str()));
        let releases = selection.until_period();
        let numbers = numbers(table, group.as_ref().map(|(code, _)| code.as_str()));
        Some(Self {
            tested: selection
                .estimates
                .hotspots(&releases, &table.name, &dimension.name, within),
            places: places(selection, table, dimension, group.as_ref()),
            table,
            group,
            dimension: &dimension.name,
            numbers,
        })
    }

    fn hotspots(&self) -> Option<&Hotspots> {
        self.tested.as_ref().as_ref().ok()
    }

    /// Title of the table, and the group.
    fn what(&self) -> String {
        match &self.group {
            Some((_, label)) => format!("{}: {label}", self.table.title),
            None => self.table.title.clone(),
        }
    }

    fn is_hotspot(family: &[Hotspot], code: &str) -> bool {
        let mut family = family.iter().filter(|hotspot| hotspot.area == code);
        family.any(|hotspot| hotspot.state == HotspotState::Hotspot)
    }

    fn label(&self, code: &str) -> &'a str {
        let found = self.numbers.iter().find(|(other, _, _)| *other == code);
        found.map_or("", |(_, label, _)| label)
    }

    /// Labels of the hotspots of one family.
    fn flagged(&self, family: &[Hotspot]) -> Vec<&'a str> {
        let flagged = family.iter().filter(|h| h.state == HotspotState::Hotspot);
        flagged.map(|hotspot| self.label(&hotspot.area)).collect()
    }
}

/// What the tests say of the first table by borough, where there is one.
pub(super) fn tested(selection: &Selection<'_>) -> Option<Estimated<Hotspots>> {
    Found::new(selection).map(|found| found.tested)
}

/// Where each borough may stand in the order of the true counts.
fn places<'a>(
    selection: &Selection<'a>,
    table: &'a ReleaseTable,
    dimension: &'a ReleaseDimension,
    group: Option<&(String, String)>,
) -> BTreeMap<&'a str, RankRange> {
    let Some(release) = selection.release() else {
        return BTreeMap::new();
    };
    let Ok(noisy) = NoisyTable::of(release, &table.name) else {
        return BTreeMap::new();
    };
    let in_group = |categories: &[(&str, &str)]| {
        group.is_none_or(|(code, _)| categories.iter().any(|(other, _)| other == code))
    };
    let (codes, positions): (Vec<&str>, Vec<usize>) = cells(table)
        .enumerate()
        .filter(|(_, cell)| in_group(&cell.categories))
        .filter_map(|(position, cell)| {
            let code = cell.categories.iter().map(|(code, _)| *code);
            let borough = code.into_iter().find(|code| is_borough(code))?;
            let known = dimension.categories.iter().find(|code| *code == borough)?;
            Some((known.as_str(), position))
        })
        .unzip();
    let ranges = rank_ranges(&noisy, &positions, COMPLEMENT).unwrap_or_default();
    codes.into_iter().zip(ranges).collect()
}

fn is_borough(code: &str) -> bool {
    TILES.iter().any(|tile| tile.code == code)
}

/// What the tests found, as a sentence.
fn finding(found: &Found<'_>, areas: &[Area]) -> String {
    let Some(hotspots) = found.hotspots() else {
        let unsure = areas
            .iter()
            .filter(|area| area.estimate.is_unsure())
            .count();
        return format!(
            "{} of {} boroughs can be told from zero",
            areas.len() - unsure,
            areas.len()
        );
    };
    let flagged = found.flagged(&hotspots.single);
    match flagged.len() {
        0 => "No borough has more than its own past, the noise and ordinary ups and downs explain"
            .to_owned(),
        1 => format!("{} has more than its own past explains", listed(&flagged)),
        _ => format!(
            "{} have more than their own past explains",
            listed(&flagged)
        ),
    }
}

fn notes(found: &Found<'_>) -> Vec<String> {
    let mut notes = Vec::new();
    match found.tested.as_ref() {
        Ok(hotspots) => {
            let around = found.flagged(&hotspots.neighbourhoods);
            notes.push(if around.is_empty() {
                "No borough stands out together with its neighbours.".to_owned()
            } else {
                format!("Together with its neighbours stands out: {}.", around.join(", "))
            });
            notes.push(format!(
                "Compared with {} earlier of the same partners. Of the boroughs that stand out, at most {} % are expected to \
                 do so wrongly.",
                counted(hotspots.past, "period", "periods"),
                whole(hotspots.level * 100.0)
            ));
        }
        Err(EstimateError::TooFew(_)) => notes.push(
            "No borough was tested: there is no earlier period with the same partners to compare with.".to_owned(),
        ),
        Err(error) => notes.push(format!("No borough was tested: {error}.")),
    }
    notes.push(
        "“Place” is where a borough may stand if all were put in order, the largest first. Boroughs whose places overlap \
         cannot be told apart, so this page has no ranking."
            .to_owned(),
    );
    notes
}

fn figures(selection: &Selection<'_>) -> Result<Vec<Figure>, askama::Error> {
    let (Some(release), Some(found)) = (selection.release(), Found::new(selection)) else {
        return Ok(Vec::new());
    };
    let boroughs = found.numbers.iter().filter(|(code, _, _)| is_borough(code));
    let classes = Classes::over(boroughs.clone().map(|(_, _, estimate)| *estimate));
    let single = found
        .hotspots()
        .map_or(&[][..], |hotspots| &hotspots.single);
    let areas: Vec<Area> = boroughs
        .map(|(code, name, estimate)| Area {
            code: (*code).to_owned(),
            name: (*name).to_owned(),
            estimate: *estimate,
            shade: classes.shade(*estimate),
            is_flagged: Found::is_hotspot(single, code),
        })
        .collect();
    let title = finding(&found, &areas);
    let map = chosen_map(selection);
    let drawings = if map == OUTLINE_MAP {
        outline_map(&areas, ID, &title)?
    } else {
        tiles(&areas, ID, &title)?
    };
    let mut pairs = selection.carried();
    pairs.extend([(TABLE, found.table.name.as_str()), (MAP, map)]);
    if let Some((code, _)) = &found.group {
        pairs.push((GROUP, code));
    }
    Ok(vec![Figure {
        id: ID,
        title,
        subtitle: format!(
            "{}, {}: number of records",
            found.what(),
            period_words(&release.period)
        ),
        key: key(&areas, classes),
        drawings,
        notes: notes(&found),
        table: data_table(&found),
        is_table_open: true,
        attribution: (map == OUTLINE_MAP).then_some(ATTRIBUTION),
        files: Files::new(PAGE.file_stem(), ID, &pairs),
    }])
}

fn key(areas: &[Area], classes: Classes) -> Vec<Key> {
    let shades: Vec<Shade> = areas.iter().map(|area| area.shade).collect();
    let mut key = classes.key(&shades);
    if areas.iter().any(|area| area.is_flagged) {
        key.push(Key::new(
            Swatch::Framed("hatch-ground", "flagged"),
            "stands out: more than its own past explains",
        ));
    }
    key
}

fn data_table(found: &Found<'_>) -> DataTable {
    let mut columns = vec![
        Column::heading("borough", "Borough"),
        Column::estimate("number", "Number"),
        Column::words("place", "Place"),
    ];
    if found.hotspots().is_some() {
        columns.push(Column::words("expected", "To be expected"));
        columns.push(Column::words("hotspot", "Stands out"));
        columns.push(Column::words(
            "hotspot_with_neighbours",
            "With its neighbours",
        ));
    }
    DataTable {
        caption: format!(
            "{}: number of records in each {}, with its 95 % interval",
            found.what(),
            found.dimension
        ),
        columns,
        rows: found
            .numbers
            .iter()
            .map(|number| row(found, number))
            .collect(),
    }
}

fn row(found: &Found<'_>, (code, label, estimate): &(&str, &str, Estimate)) -> Vec<Datum> {
    let place = found.places.get(code).map(|range| {
        if range.best == range.worst {
            range.best.to_string()
        } else {
            format!("{} to {}", range.best, range.worst)
        }
    });
    let mut row = vec![
        Datum::coded(*code, *label),
        Datum::Estimate(*estimate),
        place.map_or(Datum::Missing, Datum::words),
    ];
    if let Some(hotspots) = found.hotspots() {
        let single = hotspots.single.iter().find(|hotspot| hotspot.area == *code);
        row.push(single.map_or(Datum::Missing, |hotspot| {
            let expected = whole(hotspot.expected);
            Datum::words(format!(
                "{expected} ({})",
                range_words(&hotspot.expected_interval)
            ))
        }));
        for family in [&hotspots.single, &hotspots.neighbourhoods] {
            let tested = family.iter().any(|hotspot| hotspot.area == *code);
            row.push(match (tested, Found::is_hotspot(family, code)) {
                (false, _) => Datum::Missing,
                (true, true) => Datum::words("yes"),
                (true, false) => Datum::words("[ns] not shown"),
            });
        }
    }
    row
}
