//! Our numbers with their intervals beside exact or noisy numbers of somebody else; `templates/charts/beside.svg`
//! draws them.

use askama::Template;

use crate::site::figure::{Key, Swatch};
use crate::site::numbers::{Estimate, grouped};

use super::scale::{Scale, Span, Tenths, Tick};
use super::text::cut;

/// Most rows drawn; the table beside the chart always has every one.
const MOST_ROWS: usize = 40;
const ROW_HEIGHT: i64 = 52;
/// How much higher a row is, and its numbers lower, where they do not stand on the line of the label.
const NUMBERS_DOWN: i64 = 17;
/// From the top of a row to its text and to its bar.
const TEXT_DOWN: i64 = 16;
const BAR_DOWN: i64 = 24;
const BAR_HEIGHT: i64 = 14;
const SCALE_HEIGHT: i64 = 26;
/// Half the width of the mark of the other number.
const MARK_HALF: i64 = 6;

struct Shape {
    name: &'static str,
    width: i64,
    /// Longest label.
    characters: usize,
    /// Whether the numbers have a line of their own.
    numbers_below: bool,
}

const WIDE: Shape = Shape {
    name: "wide",
    width: 760,
    characters: 60,
    numbers_below: false,
};

const NARROW: Shape = Shape {
    name: "narrow",
    width: 320,
    characters: 42,
    numbers_below: true,
};

impl Shape {
    fn numbers_down(&self) -> i64 {
        if self.numbers_below { NUMBERS_DOWN } else { 0 }
    }
}

/// A row: its label, our number and theirs.
#[derive(Debug, Clone)]
pub(in crate::site) struct Pair {
    pub(in crate::site) label: String,
    pub(in crate::site) ours: Estimate,
    pub(in crate::site) theirs: i64,
}

#[derive(Debug, Template)]
#[template(path = "charts/beside.svg")]
struct Drawing<'a> {
    id: &'a str,
    title: &'a str,
    description: &'a str,
    name: &'static str,
    width: i64,
    height: i64,
    plot_bottom: i64,
    scale_text_y: i64,
    ticks: Vec<Tick>,
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    text_y: i64,
    /// Where the numbers stand, if not behind the label.
    numbers_y: Option<i64>,
    top: i64,
    height: i64,
    bottom: i64,
    band: Span,
    mark_x: Tenths,
    /// Outline of the mark of the other number.
    other: String,
    label: String,
    number: String,
    range: String,
    theirs: String,
}

/// What the parts mean, where the others' numbers are called `theirs`.
pub(in crate::site) fn key(theirs: &str) -> Vec<Key> {
    vec![
        Key::new(
            Swatch::Field("band"),
            "95 % interval of the partners’ number",
        ),
        Key::new(Swatch::Upright("mark"), "the partners’ published number"),
        Key::new(Swatch::Diamond("against"), theirs),
    ]
}

/// The drawings of `pairs` with ids that begin with `id`, the wide one first.
///
/// # Errors
/// Only those of the template engine, which writes to memory here.
pub(in crate::site) fn drawings(
    pairs: &[Pair],
    title: &str,
    id: &str,
) -> Result<Vec<String>, askama::Error> {
    let pairs = pairs.get(..MOST_ROWS).unwrap_or(pairs);
    let sentences: Vec<String> = pairs.iter().map(sentence).collect();
    let description = sentences.join(" ");
    [&WIDE, &NARROW]
        .map(|shape| drawing(pairs, shape, (id, title, &description)).render())
        .into_iter()
        .collect()
}

fn sentence(pair: &Pair) -> String {
    format!(
        "{}: {} ({}) beside {}.",
        pair.label,
        pair.ours.number(),
        pair.ours.range(),
        grouped(pair.theirs)
    )
}

fn drawing<'a>(
    pairs: &[Pair],
    shape: &Shape,
    (id, title, description): (&'a str, &'a str, &'a str),
) -> Drawing<'a> {
    let theirs = pairs.iter().map(|pair| Estimate::new(pair.theirs, 0));
    let all = pairs.iter().map(|pair| pair.ours).chain(theirs);
    let scale = Scale::over(all, MARK_HALF + 2, shape.width - MARK_HALF - 16);
    let row_height = ROW_HEIGHT + shape.numbers_down();
    let tops = (0..).map(|row| row * row_height);
    let rows: Vec<Row> = pairs
        .iter()
        .zip(tops)
        .map(|(pair, y)| row(pair, y, shape, &scale))
        .collect();
    let plot_bottom = row_height * i64::try_from(rows.len()).unwrap_or(0);
    Drawing {
        id,
        title,
        description,
        name: shape.name,
        width: shape.width,
        height: plot_bottom + SCALE_HEIGHT,
        plot_bottom,
        scale_text_y: plot_bottom + 17,
        ticks: scale.ticks(),
        rows,
    }
}

fn row(pair: &Pair, y: i64, shape: &Shape, scale: &Scale) -> Row {
    let top = y + BAR_DOWN + shape.numbers_down();
    let (at, middle) = (scale.at(pair.theirs), top + BAR_HEIGHT / 2);
    let side = |tenths: i64| Tenths(at.0 + tenths * 10);
    Row {
        text_y: y + TEXT_DOWN,
        numbers_y: (shape.numbers_below).then_some(y + TEXT_DOWN + NUMBERS_DOWN),
        top,
        height: BAR_HEIGHT,
        bottom: top + BAR_HEIGHT,
        band: scale.span(pair.ours.low, pair.ours.high),
        mark_x: scale.at(pair.ours.raw),
        other: format!(
            "M{at} {}L{} {middle}L{at} {}L{} {middle}Z",
            middle - MARK_HALF - 3,
            side(MARK_HALF),
            middle + MARK_HALF + 3,
            side(-MARK_HALF)
        ),
        label: cut(&pair.label, shape.characters),
        number: pair.ours.number(),
        range: pair.ours.range(),
        theirs: grouped(pair.theirs),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_both_numbers_in_drawing_and_description() {
        let pairs = [
            Pair {
                label: "All <people>".to_owned(),
                ours: Estimate::new(1496, 12),
                theirs: 900,
            },
            Pair {
                label: "Labour".to_owned(),
                ours: Estimate::new(-4, 12),
                theirs: 0,
            },
        ];
        for drawing in drawings(&pairs, "Title", "c").unwrap() {
            for shown in [">1,496<", ">1,484 to 1,508<", ">900<", ">−16 to 8<"] {
                assert_eq!(drawing.matches(shown).count(), 1, "{shown}");
            }
            assert!(drawing.contains("Labour: −4 (−16 to 8) beside 0."));
            assert!(!drawing.contains("<people>"));
            assert_eq!(drawing.matches("class=\"against\"").count(), 2);
        }
    }
}
