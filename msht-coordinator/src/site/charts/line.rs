//! The chart of one number over the periods; `templates/charts/line.svg` draws it.
//!
//! Each period has a pale field over its 95 % interval, a stronger one over 80 % and the strongest over 50 %: lay readers
//! take the ends of a single bar for hard limits. A line joins the published numbers only where the same partners are
//! behind both; where they differ there is a dashed upright line instead.

use askama::Template;

use crate::site::calendar::short_period;
use crate::site::figure::{Key, Swatch};
use crate::site::numbers::Estimate;

use super::scale::{Scale, Span, Tenths, Tick};

const LINE_HEIGHT: i64 = 17;
/// Share of the way between two periods that a field takes, in hundredths.
const FIELD_PERCENT: i64 = 56;
const LEAST_FIELD: i64 = 6;

/// The number of one period.
#[derive(Debug)]
pub(in crate::site) struct Moment {
    pub(in crate::site) period: String,
    pub(in crate::site) estimate: Estimate,
    /// The intervals of 80 % and of 50 %.
    pub(in crate::site) inner: [Estimate; 2],
    /// Whether other partners are behind it than behind the one before.
    pub(in crate::site) differs: bool,
}

struct Layout {
    name: &'static str,
    width: i64,
    height: i64,
    left: i64,
    right: i64,
    top: i64,
    bottom: i64,
    has_numbers: bool,
}

const WIDE: Layout = Layout {
    name: "wide",
    width: 760,
    height: 330,
    left: 58,
    right: 752,
    top: 24,
    bottom: 282,
    has_numbers: true,
};

const NARROW: Layout = Layout {
    name: "narrow",
    width: 320,
    height: 270,
    left: 42,
    right: 318,
    top: 12,
    bottom: 222,
    has_numbers: false,
};

#[derive(Debug, Template)]
#[template(path = "charts/line.svg")]
struct Drawing<'a> {
    id: &'a str,
    name: &'static str,
    title: &'a str,
    description: &'a str,
    width: i64,
    height: i64,
    left: i64,
    right: i64,
    top: i64,
    bottom: i64,
    tick_x: i64,
    zero_y: Tenths,
    ticks: Vec<Tick>,
    moments: Vec<Drawn>,
    /// Path data of the lines between numbers that can be compared.
    lines: Vec<String>,
    /// Where partners change.
    breaks: Vec<Tenths>,
    field_width: i64,
    has_numbers: bool,
}

#[derive(Debug)]
struct Drawn {
    words: String,
    estimate: Estimate,
    x: Tenths,
    field_x: Tenths,
    fields: [Span; 3],
    number_y: Tenths,
    y: Tenths,
    label: [String; 2],
    label_y: [i64; 2],
}

/// What the parts of the chart mean.
pub(in crate::site) fn key(moments: &[Moment]) -> Vec<Key> {
    let mut key = vec![
        Key::new(Swatch::Field("b50"), "half of the time inside"),
        Key::new(Swatch::Field("b80"), "4 times in 5"),
        Key::new(Swatch::Field("b95"), "19 times in 20 (95 % interval)"),
        Key::new(Swatch::Upright("mark"), "the published number"),
    ];
    if moments.iter().any(|moment| moment.estimate.is_unsure()) {
        key.push(Key::new(
            Swatch::Hatched("unsure"),
            "[u] cannot be told from zero",
        ));
    }
    if moments.iter().skip(1).any(|moment| moment.differs) {
        key.push(Key::new(
            Swatch::Upright("break"),
            "other partners before and after",
        ));
    }
    key
}

/// The chart of `moments` in their order, for wide screens and for telephones.
///
/// # Errors
/// Only those of the template, which writes to memory.
pub(in crate::site) fn line(
    moments: &[Moment],
    id: &str,
    title: &str,
) -> Result<Vec<String>, askama::Error> {
    let description = description(moments);
    [WIDE, NARROW]
        .iter()
        .map(|layout| drawing(moments, layout, id, title, &description).render())
        .collect()
}

fn description(moments: &[Moment]) -> String {
    let words: Vec<String> = moments.iter().map(words).collect();
    format!(
        "One number for each period, with its 95 % interval. {}.",
        words.join(". ")
    )
}

fn words(moment: &Moment) -> String {
    let unsure = if moment.estimate.is_unsure() {
        ", cannot be told from zero"
    } else {
        ""
    };
    format!(
        "{}: {} ({}){unsure}",
        moment.period,
        moment.estimate.number(),
        moment.estimate.range()
    )
}

fn drawing<'a>(
    moments: &[Moment],
    layout: &Layout,
    id: &'a str,
    title: &'a str,
    description: &'a str,
) -> Drawing<'a> {
    let scale = Scale::over(
        moments.iter().map(|moment| moment.estimate),
        layout.bottom,
        layout.top,
    );
    let count = i64::try_from(moments.len()).unwrap_or(i64::MAX).max(1);
    let step = (layout.right - layout.left) * 10 / count;
    let field_width = (step * FIELD_PERCENT / 1000).max(LEAST_FIELD);
    let mut drawn: Vec<Drawn> = (0..)
        .zip(moments)
        .map(|(number, moment)| {
            let x = Tenths(layout.left * 10 + step * number + step / 2);
            drawn(moment, x, field_width, &scale, layout)
        })
        .collect();
    if !layout.has_numbers {
        say_each_year_once(&mut drawn);
    }
    let joined = drawn.iter().zip(drawn.iter().zip(moments).skip(1));
    let (mut lines, mut breaks) = (Vec::new(), Vec::new());
    for (before, (after, moment)) in joined {
        if moment.differs {
            breaks.push(Tenths(after.x.0 - step / 2));
        } else {
            lines.push(format!(
                "M{} {}L{} {}",
                before.x, before.y, after.x, after.y
            ));
        }
    }
    Drawing {
        id,
        name: layout.name,
        title,
        description,
        width: layout.width,
        height: layout.height,
        left: layout.left,
        right: layout.right,
        top: layout.top,
        bottom: layout.bottom,
        tick_x: layout.left - 6,
        zero_y: scale.at(0),
        ticks: scale.ticks(),
        moments: drawn,
        lines,
        breaks,
        field_width,
        has_numbers: layout.has_numbers,
    }
}

/// Where there is little room, years side by side would touch.
fn say_each_year_once(drawn: &mut [Drawn]) {
    let mut said = String::new();
    for each in drawn {
        let year = &mut each.label[1];
        if *year == said {
            year.clear();
        } else {
            said.clone_from(year);
        }
    }
}

fn drawn(moment: &Moment, x: Tenths, width: i64, scale: &Scale, layout: &Layout) -> Drawn {
    let estimate = moment.estimate;
    let [inner, innermost] = moment.inner;
    let fields = [estimate, inner, innermost].map(|e| scale.span(e.low, e.high));
    Drawn {
        words: words(moment),
        estimate,
        x,
        field_x: Tenths(x.0 - width * 5),
        number_y: Tenths(scale.at(estimate.high).0 - 60),
        y: scale.at(estimate.raw),
        fields,
        label: short_period(&moment.period),
        label_y: [
            layout.bottom + LINE_HEIGHT + 2,
            layout.bottom + 2 * LINE_HEIGHT + 2,
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(period: &str, raw: i64, differs: bool) -> Moment {
        Moment {
            period: period.to_owned(),
            estimate: Estimate::new(raw, 30),
            inner: [Estimate::new(raw, 18), Estimate::new(raw, 9)],
            differs,
        }
    }

    #[test]
    fn higher_numbers_stand_higher_and_fields_hold_their_numbers() {
        let moments = [
            moment("2026-Q1", 100, false),
            moment("2026-Q2", 200, false),
            moment("2026-Q3", 10, true),
        ];
        for layout in [WIDE, NARROW] {
            let drawing = drawing(&moments, &layout, "x", "", "");
            let heights: Vec<i64> = drawing.moments.iter().map(|drawn| drawn.y.0).collect();
            assert!(heights[1] < heights[0] && heights[0] < heights[2]);
            for drawn in &drawing.moments {
                for pair in drawn.fields.windows(2) {
                    let [outer, inner] = pair else { unreachable!() };
                    assert!(outer.at <= inner.at && outer.length >= inner.length);
                }
                let innermost = &drawn.fields[2];
                assert!(innermost.at <= drawn.y);
                assert!(drawn.y.0 <= innermost.at.0 + innermost.length.0);
                assert!(drawn.field_x.0 >= layout.left * 10);
            }
        }
    }

    #[test]
    fn a_narrow_drawing_says_each_year_once() {
        let moments = ["2025-Q3", "2025-Q4", "2026-Q1", "2026-Q2"];
        let moments = moments.map(|period| moment(period, 5, false));
        let years = |layout| {
            let drawing = drawing(&moments, layout, "x", "", "");
            let years = drawing.moments.iter().map(|drawn| drawn.label[1].clone());
            years.collect::<Vec<_>>()
        };
        assert_eq!(years(&WIDE), ["2025", "2025", "2026", "2026"]);
        assert_eq!(years(&NARROW), ["2025", "", "2026", ""]);
    }

    #[test]
    fn numbers_of_other_partners_are_not_joined() {
        let moments = [
            moment("2026-Q1", 100, false),
            moment("2026-Q2", 200, false),
            moment("2026-Q3", 150, true),
        ];
        let drawing = drawing(&moments, &WIDE, "x", "", "");
        assert_eq!((drawing.lines.len(), drawing.breaks.len()), (1, 1));
        assert!(drawing.moments[1].x < drawing.breaks[0]);
        assert!(drawing.breaks[0] < drawing.moments[2].x);
        assert_eq!(key(&moments).len(), 5);
    }

    #[test]
    fn one_period_and_a_hundred_fit() {
        assert_eq!(
            line(&[moment("2026", 5, false)], "x", "t").unwrap().len(),
            2
        );
        let many: Vec<Moment> = (0..100)
            .map(|n| moment(&format!("{n}"), n, false))
            .collect();
        let drawing = drawing(&many, &NARROW, "x", "", "");
        assert!(drawing.moments[99].x.0 < NARROW.right * 10);
    }
}
