//! Maps of London: a grid with a tile a borough, and real outlines. `templates/charts/*.svg` draw them.
//!
//! In the grid every borough is as large as any other, since its size on the ground says nothing about its number. Small
//! outlines have no number: it is in the tooltip and in the table.

use askama::Template;

use crate::site::numbers::Estimate;

use super::london::{GRID, TILES, outlines};
use super::shade::Shade;

/// Least room around the middle of an outline that a number needs.
const ROOM_OF_A_NUMBER: i64 = 12;
/// Baseline of a text below its middle.
const BASELINE: i64 = 5;
const GAP: i64 = 4;

/// One borough on a map.
#[derive(Debug)]
pub(in crate::site) struct Area {
    pub(in crate::site) code: String,
    pub(in crate::site) name: String,
    pub(in crate::site) estimate: Estimate,
    pub(in crate::site) shade: Shade,
    /// Whether it stands out.
    pub(in crate::site) is_flagged: bool,
}

impl Area {
    /// Its number in words.
    fn words(&self) -> String {
        let estimate = self.estimate;
        let unsure = if estimate.is_unsure() {
            ", cannot be told from zero"
        } else {
            ""
        };
        let flagged = if self.is_flagged { ", stands out" } else { "" };
        format!(
            "{}: {} ({}){unsure}{flagged}",
            self.name,
            estimate.number(),
            estimate.range()
        )
    }

    fn number(&self) -> String {
        let number = self.estimate.number();
        if self.estimate.is_unsure() {
            "[u]".to_owned()
        } else {
            number
        }
    }
}

/// A drawing of tiles.
#[derive(Debug, Template)]
#[template(path = "charts/tiles.svg")]
struct Tiles<'a> {
    id: &'a str,
    name: &'static str,
    title: &'a str,
    description: &'a str,
    width: i64,
    height: i64,
    tile_width: i64,
    tile_height: i64,
    areas: Vec<DrawnTile<'a>>,
}

#[derive(Debug)]
struct DrawnTile<'a> {
    area: &'a Area,
    x: i64,
    y: i64,
    text_x: i64,
    name_y: i64,
    number_y: i64,
    name: &'static str,
}

/// A drawing of outlines.
#[derive(Debug, Template)]
#[template(path = "charts/outlines.svg")]
struct DrawnOutlines<'a> {
    id: &'a str,
    name: &'static str,
    title: &'a str,
    description: &'a str,
    width: i64,
    height: i64,
    areas: Vec<DrawnOutline<'a>>,
}

#[derive(Debug)]
struct DrawnOutline<'a> {
    area: &'a Area,
    outline: &'static str,
    x: i64,
    y: i64,
    has_number: bool,
}

/// The grid, for wide screens and for telephones.
///
/// # Errors
/// Only those of the template, which writes to memory.
pub(in crate::site) fn tiles(
    areas: &[Area],
    id: &str,
    title: &str,
) -> Result<Vec<String>, askama::Error> {
    let description = description(areas, "A grid with one tile a borough.");
    let draw = |name: &'static str, width: i64, tile_height: i64| {
        let tile_width = (width - GAP) / GRID.0 - GAP;
        let is_wide = name == "wide";
        Tiles {
            id,
            name,
            title,
            description: &description,
            width,
            height: GRID.1 * (tile_height + GAP) + GAP,
            tile_width,
            tile_height,
            areas: TILES
                .iter()
                .filter_map(|tile| {
                    let area = areas.iter().find(|area| area.code == tile.code)?;
                    let x = GAP + tile.column * (tile_width + GAP);
                    let y = GAP + tile.row * (tile_height + GAP);
                    Some(DrawnTile {
                        area,
                        x,
                        y,
                        text_x: x + tile_width / 2,
                        name_y: y + tile_height * 2 / 5,
                        number_y: y + tile_height * 4 / 5,
                        name: if is_wide { tile.short } else { tile.letters },
                    })
                })
                .collect(),
        }
        .render()
    };
    Ok(vec![draw("wide", 760, 62)?, draw("narrow", 320, 40)?])
}

/// The outlines, for wide screens, and for telephones without numbers.
///
/// # Errors
/// Only those of the template, which writes to memory.
pub(in crate::site) fn outline_map(
    areas: &[Area],
    id: &str,
    title: &str,
) -> Result<Vec<String>, askama::Error> {
    let Some(outlines) = outlines() else {
        return Ok(Vec::new());
    };
    let description = description(areas, "A map of the boroughs.");
    ["wide", "narrow"]
        .into_iter()
        .map(|name| {
            let drawn = outlines.boroughs.iter().filter_map(|borough| {
                let area = areas.iter().find(|area| area.code == borough.code)?;
                let [x, y] = borough.middle;
                Some(DrawnOutline {
                    area,
                    outline: &borough.outline,
                    x,
                    y: y + BASELINE,
                    has_number: name == "wide" && borough.room >= ROOM_OF_A_NUMBER,
                })
            });
            let mut drawn: Vec<DrawnOutline<'_>> = drawn.collect();
            // A strong outline must not be covered by the next borough.
            drawn.sort_by_key(|outline| outline.area.is_flagged);
            DrawnOutlines {
                id,
                name,
                title,
                description: &description,
                width: outlines.width,
                height: outlines.height,
                areas: drawn,
            }
            .render()
        })
        .collect()
}

fn description(areas: &[Area], kind: &str) -> String {
    let words: Vec<String> = areas.iter().map(Area::words).collect();
    format!(
        "{kind} Each number with its 95 % interval. {}.",
        words.join(". ")
    )
}
