//! The chart of a one-dimensional table: where everything stands; `templates/charts/bars.svg` draws it.
//!
//! A bar is solid up to the low end of its interval and pale over the interval; one that cannot be told from zero
//! is hatched over its interval and has no solid part. Bars keep the order of the codebook, since ranking would
//! claim differences that the intervals may not show. There are two drawings of the same bars, one for wide
//! screens and paper, one for telephones: text in a scaled-down drawing would be too small to read.

use askama::Template;
use msht_core::release::ReleaseTable;

use crate::site::cells::cells;
use crate::site::figure::{Key, Swatch};
use crate::site::finding::chart_title;
use crate::site::numbers::Estimate;

use super::scale::{Scale, Span, Tenths, Tick};
use super::text::wrapped;

/// Most bars drawn, about two printed pages; the table beside the chart always has every row.
const MOST_BARS: usize = 40;
/// Most lines of a label: with fewer, pairs of categories of long names would look the same.
const LABEL_LINES: usize = 3;
const LINE_HEIGHT: i64 = 17;
const BAR_HEIGHT: i64 = 16;
const SCALE_HEIGHT: i64 = 28;

/// A chart with its words.
#[derive(Debug)]
pub(in crate::site) struct Bars {
    /// What it shows, as a sentence.
    pub(in crate::site) title: String,
    /// SVG texts, the wide one first.
    pub(in crate::site) drawings: Vec<String>,
    /// Rows of the table that are not drawn.
    pub(in crate::site) left_out: usize,
}

/// One drawing of the bars.
#[derive(Debug, Template)]
#[template(path = "charts/bars.svg")]
struct Drawing<'a> {
    /// Begin of every id in the drawing.
    id: &'a str,
    title: &'a str,
    description: &'a str,
    /// Class, and end of every id in the drawing.
    name: &'static str,
    width: i64,
    height: i64,
    plot_bottom: i64,
    scale_text_y: i64,
    zero_x: Tenths,
    /// Whether text stands above the bars, where a line through all of them would cross it.
    is_stacked: bool,
    ticks: Vec<Tick>,
    bars: Vec<Bar>,
}

/// One bar.
#[derive(Debug)]
struct Bar {
    label_lines: Vec<Line>,
    label_x: i64,
    label_anchor: &'static str,
    top: i64,
    bottom: i64,
    height: i64,
    solid: Option<Span>,
    band: Span,
    mark_x: Tenths,
    value_x: i64,
    value_y: i64,
    estimate: Estimate,
}

/// One line of text.
#[derive(Debug)]
struct Line {
    y: i64,
    text: String,
}

/// How a drawing is laid out, in drawing units.
struct Layout {
    name: &'static str,
    width: i64,
    plot_left: i64,
    plot_right: i64,
    label_x: i64,
    label_anchor: &'static str,
    label_characters: usize,
    value_x: i64,
    /// Whether label and value stand above the bar, or to its sides.
    stacked: bool,
    gap: i64,
}

const WIDE: Layout = Layout {
    name: "wide",
    width: 760,
    plot_left: 232,
    plot_right: 580,
    label_x: 218,
    label_anchor: "end",
    label_characters: 26,
    value_x: 596,
    stacked: false,
    gap: 16,
};

const NARROW: Layout = Layout {
    name: "narrow",
    width: 320,
    plot_left: 2,
    plot_right: 308,
    label_x: 0,
    label_anchor: "start",
    label_characters: 40,
    value_x: 0,
    stacked: true,
    gap: 22,
};

/// What the parts of the chart mean.
pub(in crate::site) fn key() -> Vec<Key> {
    vec![
        Key::new(Swatch::Field("solid"), "very likely at least this many"),
        Key::new(Swatch::Field("band"), "the interval"),
        Key::new(Swatch::Upright("mark"), "the published number"),
        Key::new(Swatch::Hatched("unsure"), "[u] cannot be told from zero"),
    ]
}

/// The chart of `table` with ids that begin with `id`, or `None` where it has not exactly one dimension.
///
/// # Errors
/// Only those of the template, which writes to memory.
pub(in crate::site) fn bars(table: &ReleaseTable, id: &str) -> Result<Option<Bars>, askama::Error> {
    let [_] = table.dimensions.as_slice() else {
        return Ok(None);
    };
    let rows: Vec<(&str, Estimate)> = cells(table)
        .filter_map(|cell| Some((cell.categories.first()?.1, cell.estimate)))
        .collect();
    Ok(Some(bars_of(&rows, chart_title(table), id)?))
}

/// The chart of these labels and numbers in their order, with ids that begin with `id`.
///
/// # Errors
/// Only those of the template, which writes to memory.
pub(in crate::site) fn bars_of(
    rows: &[(&str, Estimate)],
    title: String,
    id: &str,
) -> Result<Bars, askama::Error> {
    let left_out = rows.len().saturating_sub(MOST_BARS);
    let rows = rows.get(..MOST_BARS).unwrap_or(rows);
    let description = description(rows);
    let drawings = [WIDE, NARROW].map(|layout| {
        let mut drawing = drawing(rows, &layout);
        (drawing.id, drawing.title, drawing.description) = (id, &title, &description);
        drawing.render()
    });
    Ok(Bars {
        drawings: drawings.into_iter().collect::<Result<_, _>>()?,
        title,
        left_out,
    })
}

fn description(rows: &[(&str, Estimate)]) -> String {
    let sentences: Vec<String> = rows
        .iter()
        .map(|(label, estimate)| {
            let state = if estimate.is_unsure() {
                ", cannot be told from zero"
            } else {
                ""
            };
            format!(
                "{label}: {} ({}){state}.",
                estimate.number(),
                estimate.range()
            )
        })
        .collect();
    format!(
        "Horizontal bars, each with its 95 % interval. {}",
        sentences.join(" ")
    )
}

/// The drawing without its words.
fn drawing<'a>(rows: &[(&str, Estimate)], layout: &Layout) -> Drawing<'a> {
    let estimates = rows.iter().map(|(_, estimate)| *estimate);
    let scale = Scale::over(estimates, layout.plot_left, layout.plot_right);
    let mut y = 4;
    let mut bars = Vec::with_capacity(rows.len());
    for (label, estimate) in rows {
        let (bar, height) = bar(label, *estimate, y, &scale, layout);
        bars.push(bar);
        y += height + layout.gap;
    }
    Drawing {
        id: "",
        title: "",
        description: "",
        name: layout.name,
        width: layout.width,
        height: y + SCALE_HEIGHT,
        plot_bottom: y,
        scale_text_y: y + LINE_HEIGHT,
        zero_x: scale.at(0),
        is_stacked: layout.stacked,
        ticks: scale.ticks(),
        bars,
    }
}

/// A bar whose row begins at `y`, and the height of the row.
fn bar(label: &str, estimate: Estimate, y: i64, scale: &Scale, layout: &Layout) -> (Bar, i64) {
    let lines = wrapped(label, layout.label_characters, LABEL_LINES);
    let text_height = LINE_HEIGHT * i64::try_from(lines.len()).unwrap_or(1);
    let (top, value_y, height) = if layout.stacked {
        let value_y = y + text_height + LINE_HEIGHT - 4;
        (
            value_y + 7,
            value_y,
            text_height + LINE_HEIGHT + 3 + BAR_HEIGHT,
        )
    } else {
        let height = text_height.max(BAR_HEIGHT);
        let top = y + (height - BAR_HEIGHT) / 2;
        (top, top + LINE_HEIGHT - 4, height)
    };
    let label_lines = (1..)
        .zip(lines)
        .map(|(number, text)| Line {
            y: y + LINE_HEIGHT * number - 4,
            text,
        })
        .collect();
    let bar = Bar {
        label_lines,
        label_x: layout.label_x,
        label_anchor: layout.label_anchor,
        top,
        bottom: top + BAR_HEIGHT,
        height: BAR_HEIGHT,
        solid: (!estimate.is_unsure()).then(|| scale.span(0, estimate.low)),
        band: scale.span(estimate.low, estimate.high),
        mark_x: scale.at(estimate.raw),
        value_x: layout.value_x,
        value_y,
        estimate,
    };
    (bar, height)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::fixture;

    fn rows(table: &ReleaseTable) -> Vec<(&str, Estimate)> {
        let labels = table.dimensions[0].labels.iter().map(String::as_str);
        labels
            .zip(
                table
                    .raw
                    .iter()
                    .map(|raw| Estimate::new(*raw, table.interval95)),
            )
            .collect()
    }

    #[test]
    fn every_bar_stands_for_the_number_in_its_table() {
        let table = fixture::table("kind", &[("kind", 7)], 12);
        for layout in [WIDE, NARROW] {
            let drawing = drawing(&rows(&table), &layout);
            let drawn: Vec<i64> = drawing.bars.iter().map(|bar| bar.estimate.raw).collect();
            assert_eq!(drawn, table.raw);
            for bar in &drawing.bars {
                assert!(bar.band.at <= bar.mark_x);
                assert_eq!(bar.solid.is_none(), bar.estimate.is_unsure());
                assert!(bar.band.at.0 + bar.band.length.0 <= drawing.width * 10);
            }
        }
    }

    #[test]
    fn only_one_dimension_is_drawn_as_bars() {
        assert!(
            bars(&fixture::table("total", &[], 1), "x")
                .unwrap()
                .is_none()
        );
        assert!(
            bars(&fixture::table("two", &[("a", 2), ("b", 2)], 1), "x")
                .unwrap()
                .is_none()
        );
    }

    #[test]
    fn at_most_forty_bars_are_drawn_and_the_rest_is_counted() {
        let table = fixture::table("many", &[("kind", 60)], 3);
        let chart = bars(&table, "x").unwrap().unwrap();
        assert_eq!(chart.left_out, 20);
        assert_eq!(
            chart.drawings[0].matches("class=\"bar\"").count(),
            MOST_BARS
        );
    }
}
