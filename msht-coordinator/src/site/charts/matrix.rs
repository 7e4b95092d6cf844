//! Matrices of two dimensions, such as origin by destination; `templates/charts/matrix.svg` draws them.
//!
//! Cells are shaded as areas of maps are (`shade`); one that cannot be told from zero is hatched and has no number. A
//! half matrix, for pairs, leaves the other half empty.
//! The wide drawing has every number with its interval; the narrow one, for telephones, only the colours.

use askama::Template;

use crate::site::figure::{Key, Swatch};
use crate::site::numbers::Estimate;

use super::shade::{Classes, Shade};
use super::text::{cut, wrapped};

/// Most rows or columns drawn; the table beside the matrix always has every cell.
pub(in crate::site) const MOST_LINES: usize = 60;
/// Class of a hatched cell: fainter than elsewhere, since most of a matrix may be hatched.
const HATCHED: &str = "faint";

/// What is drawn: labels and numbers.
#[derive(Debug, Clone)]
pub(in crate::site) struct Matrix {
    /// What the rows are.
    pub(in crate::site) down: String,
    /// What the columns are.
    pub(in crate::site) across: String,
    pub(in crate::site) rows: Vec<String>,
    pub(in crate::site) columns: Vec<String>,
    /// As many lines as there are rows, each of as many cells as there are columns; none where there is no cell.
    pub(in crate::site) cells: Vec<Vec<Option<Estimate>>>,
}

/// One drawing.
#[derive(Debug, Template)]
#[template(path = "charts/matrix.svg")]
struct Drawing<'a> {
    id: &'a str,
    title: &'a str,
    description: &'a str,
    name: &'static str,
    width: i64,
    height: i64,
    /// Left end of the cells.
    left: i64,
    /// Upper end of the cells.
    top: i64,
    cell_width: i64,
    cell_height: i64,
    rows: Vec<RowLabel>,
    columns: Vec<ColumnLabel>,
    cells: Vec<DrawnCell>,
    /// What the numbers over the columns stand for, in the narrow drawing.
    notes: Vec<(i64, String)>,
}

/// Label of a row: lines of text that end at the cells.
#[derive(Debug)]
struct RowLabel {
    lines: Vec<(i64, String)>,
}

/// Label of a column.
#[derive(Debug)]
struct ColumnLabel {
    x: i64,
    text: String,
}

/// One cell.
#[derive(Debug)]
struct DrawnCell {
    x: i64,
    y: i64,
    class: &'static str,
    is_hatched: bool,
    /// Middle of the text.
    centre: i64,
    /// Number, interval or nothing where it does not fit, and their class.
    text: Option<(String, String, &'static str)>,
}

/// How a drawing is laid out, in drawing units.
struct Layout {
    name: &'static str,
    /// Least and most width; few columns leave room that is not drawn, so that the text is not scaled down with it.
    width: (i64, i64),
    /// Least and most room for the labels of rows; few columns leave more of it.
    left: (i64, i64),
    most_cell_width: i64,
    cell_height: i64,
    has_text: bool,
}

const WIDE: Layout = Layout {
    name: "wide",
    width: (760, 1000),
    left: (206, 206),
    most_cell_width: 92,
    cell_height: 34,
    has_text: true,
};

const NARROW: Layout = Layout {
    name: "narrow",
    width: (320, 320),
    left: (112, 176),
    most_cell_width: 26,
    cell_height: 32,
    has_text: false,
};

/// Narrower cells have no room for an interval.
const LEAST_WIDTH_OF_RANGE: i64 = 54;
/// Narrower cells have no room for a number.
const LEAST_WIDTH_OF_NUMBER: i64 = 26;
const LINE_HEIGHT: i64 = 15;
/// Lines of a row's label, as many as fit beside a cell.
const ROW_LINES: usize = 2;
/// Room for a character of a label, in tenths; wide typefaces need nearly as much.
const CHARACTER_TENTHS: i64 = 75;
/// Most characters of a slanted label.
const SLANTED_CHARACTERS: usize = 36;
/// Sine and cosine of the slant, in hundredths.
const SLANT: (i64, i64) = (79, 62);
/// Room at either end of a label.
const LABEL_MARGIN: i64 = 8;
/// Room over the cells of the narrow drawing, for the numbers of its columns.
const NUMBERS_HEIGHT: i64 = 20;
/// Room at the right of the narrow drawing.
const NARROW_MARGIN: i64 = 4;

/// The drawings of `matrix` with ids that begin with `id`, the wide one first.
///
/// # Errors
/// Only those of the template engine, which writes to memory here.
pub(in crate::site) fn drawings(
    matrix: &Matrix,
    title: &str,
    id: &str,
) -> Result<Vec<String>, askama::Error> {
    let description = description(matrix);
    [WIDE, NARROW]
        .iter()
        .map(|layout| drawing(matrix, layout, (id, title, &description)).render())
        .collect()
}

/// What the colours mean.
pub(in crate::site) fn key(matrix: &Matrix) -> Vec<Key> {
    let classes = classes(matrix);
    let all = matrix.cells.iter().flatten().flatten();
    let shades: Vec<Shade> = all.map(|estimate| classes.shade(*estimate)).collect();
    let mut key = classes.key(&shades);
    for entry in &mut key {
        if let Swatch::Hatched(class) = &mut entry.swatch {
            *class = HATCHED;
        }
    }
    key
}

fn classes(matrix: &Matrix) -> Classes {
    Classes::over(matrix.cells.iter().flatten().flatten().copied())
}

fn description(matrix: &Matrix) -> String {
    let mut above = Vec::new();
    let mut unsure = 0_usize;
    for (row, cells) in matrix.rows.iter().zip(&matrix.cells) {
        for (column, estimate) in matrix.columns.iter().zip(cells) {
            match estimate {
                Some(estimate) if estimate.is_unsure() => unsure += 1,
                Some(estimate) => above.push(format!(
                    "{row}, {column}: {} ({}).",
                    estimate.number(),
                    estimate.range()
                )),
                None => {}
            }
        }
    }
    format!(
        "Matrix of {} (down) by {} (across), each cell with its 95 % interval. {unsure} cells cannot be told from zero. {}",
        matrix.down,
        matrix.across,
        above.join(" ")
    )
}

fn drawing<'a>(
    matrix: &Matrix,
    layout: &Layout,
    (id, title, description): (&'a str, &'a str, &'a str),
) -> Drawing<'a> {
    let rows = matrix.rows.len().min(MOST_LINES);
    let columns = matrix.columns.len().min(MOST_LINES);
    let count = |lines: usize| i64::try_from(lines).unwrap_or(1).max(1);
    let (overhang, top) = if layout.has_text {
        slanted(matrix, columns)
    } else {
        (NARROW_MARGIN, NUMBERS_HEIGHT)
    };
    let (least_width, most_width) = layout.width;
    let (least_left, most_left) = layout.left;
    let full = count(columns) * layout.most_cell_width;
    let left = (most_width - overhang - full).clamp(least_left, most_left);
    let cell_width =
        ((most_width - left - overhang) / count(columns)).clamp(4, layout.most_cell_width);
    let right = left + count(columns) * cell_width + overhang;
    let bottom = top + count(rows) * layout.cell_height;
    let notes = column_notes(matrix, columns, layout, bottom);
    Drawing {
        id,
        title,
        description,
        name: layout.name,
        width: right.clamp(least_width, most_width),
        height: notes.last().map_or(bottom, |(y, _)| *y) + 8,
        left,
        top,
        cell_width,
        cell_height: layout.cell_height,
        rows: row_labels(matrix, rows, layout, (left, top)),
        columns: column_labels(matrix, columns, layout, (left, cell_width)),
        cells: drawn_cells(matrix, (rows, columns), layout, (left, top, cell_width)),
        notes,
    }
}

/// How far the slanted labels of the columns reach to the right of the cells and above them.
fn slanted(matrix: &Matrix, columns: usize) -> (i64, i64) {
    let labels = matrix.columns.iter().take(columns);
    let longest = labels.map(|label| label.chars().count()).max().unwrap_or(0);
    let characters = i64::try_from(longest.min(SLANTED_CHARACTERS)).unwrap_or(0);
    let length = characters * CHARACTER_TENTHS / 10;
    // A slanted line of text is also as high as it is, at either end.
    let reach = |hundredths: i64| length * hundredths / 100 + LINE_HEIGHT + 2 * LABEL_MARGIN;
    let (sine, cosine) = SLANT;
    (reach(cosine), reach(sine))
}

/// Characters that fit into this room.
fn characters(room: i64) -> usize {
    usize::try_from(room * 10 / CHARACTER_TENTHS).unwrap_or(0)
}

fn row_labels(
    matrix: &Matrix,
    rows: usize,
    layout: &Layout,
    (left, top): (i64, i64),
) -> Vec<RowLabel> {
    let places = (0..).map(|row| top + row * layout.cell_height);
    let labels = matrix.rows.iter().take(rows).zip(places);
    labels
        .map(|(label, y)| {
            let lines = wrapped(label, characters(left - LABEL_MARGIN), ROW_LINES);
            let height = LINE_HEIGHT * i64::try_from(lines.len()).unwrap_or(1);
            let first = y + (layout.cell_height - height) / 2 + LINE_HEIGHT - 4;
            let baselines = (0..).map(|line| first + line * LINE_HEIGHT);
            RowLabel {
                lines: baselines.zip(lines).collect(),
            }
        })
        .collect()
}

fn column_labels(
    matrix: &Matrix,
    columns: usize,
    layout: &Layout,
    (left, cell_width): (i64, i64),
) -> Vec<ColumnLabel> {
    let places = (0..).map(|column| left + column * cell_width + cell_width / 2);
    let labels = (1..).zip(matrix.columns.iter().take(columns));
    labels
        .zip(places)
        .map(|((number, label), x)| ColumnLabel {
            x,
            text: if layout.has_text {
                cut(label, SLANTED_CHARACTERS)
            } else {
                number.to_string()
            },
        })
        .collect()
}

/// The numbers over the columns of the narrow drawing, and what they stand for.
fn column_notes(
    matrix: &Matrix,
    columns: usize,
    layout: &Layout,
    bottom: i64,
) -> Vec<(i64, String)> {
    if layout.has_text {
        return Vec::new();
    }
    let notes = (1..).zip(matrix.columns.iter().take(columns));
    notes
        .map(|(number, label)| {
            let y = bottom + 8 + number * 18;
            (y, cut(&format!("{number}  {label}"), 42))
        })
        .collect()
}

fn drawn_cells(
    matrix: &Matrix,
    (rows, columns): (usize, usize),
    layout: &Layout,
    (left, top, cell_width): (i64, i64, i64),
) -> Vec<DrawnCell> {
    let classes = classes(matrix);
    let mut drawn = Vec::new();
    for (row, cells) in (0..).zip(matrix.cells.iter().take(rows)) {
        for (column, estimate) in (0..).zip(cells.iter().take(columns)) {
            let Some(estimate) = estimate else { continue };
            let shade = classes.shade(*estimate);
            let is_hatched = shade == Shade::Hatched;
            let has_number = layout.has_text && cell_width >= LEAST_WIDTH_OF_NUMBER;
            let has_range = cell_width >= LEAST_WIDTH_OF_RANGE;
            let text = (has_number && !is_hatched).then(|| {
                let range = if has_range {
                    estimate.range()
                } else {
                    String::new()
                };
                (estimate.number(), range, shade.text_class())
            });
            drawn.push(DrawnCell {
                x: left + column * cell_width,
                y: top + row * layout.cell_height,
                class: if is_hatched { HATCHED } else { shade.class() },
                is_hatched,
                centre: left + column * cell_width + cell_width / 2,
                text,
            });
        }
    }
    drawn
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(cells: Vec<Vec<Option<Estimate>>>) -> Matrix {
        let numbered = |name: &str, count: usize| {
            (0..count)
                .map(|number| format!("{name} {number}"))
                .collect()
        };
        Matrix {
            down: "Borough".to_owned(),
            across: "Origin".to_owned(),
            rows: numbered("row", cells.len()),
            columns: numbered("column", cells[0].len()),
            cells,
        }
    }

    fn estimate(raw: i64, half_width: u64) -> Option<Estimate> {
        Some(Estimate::new(raw, half_width))
    }

    #[test]
    fn every_number_above_zero_is_drawn_with_its_interval_and_no_other() {
        let cells = vec![
            vec![estimate(1200, 30), estimate(5, 30)],
            vec![estimate(-40, 30), estimate(31, 30)],
        ];
        let wide = &drawings(&matrix(cells), "Title", "m").unwrap()[0];
        for shown in [">1,200<", ">1,170 to 1,230<", ">31<", ">1 to 61<"] {
            assert_eq!(wide.matches(shown).count(), 1, "{shown}");
        }
        assert_eq!(wide.matches("url(#m-hatch-wide)").count(), 2);
        assert!(!wide.contains(">5<") && !wide.contains("40<"));
        assert!(wide.contains("2 cells cannot be told from zero."));
        assert!(wide.contains("row 0, column 0: 1,200 (1,170 to 1,230)."));
    }

    #[test]
    fn a_half_matrix_leaves_the_other_half_empty() {
        let cells = vec![vec![None, estimate(90, 3)], vec![None, None]];
        let drawings = drawings(&matrix(cells), "Title", "m").unwrap();
        for drawing in drawings {
            assert_eq!(drawing.matches("<rect class=\"cell").count(), 1);
        }
    }

    #[test]
    fn labels_that_differ_at_their_ends_stay_apart_and_fit_beside_the_cells() {
        let mut pairs = matrix(vec![vec![estimate(90, 3); 2]; 2]);
        pairs.rows = ["county lines", "other"]
            .map(|end| format!("Criminal exploitation: {end}"))
            .into();
        pairs.columns = pairs.rows.clone();
        for layout in [WIDE, NARROW] {
            let drawn = drawing(&pairs, &layout, ("m", "Title", ""));
            let last = |row: &RowLabel| row.lines.last().unwrap().1.clone();
            let lasts: Vec<String> = drawn.rows.iter().map(last).collect();
            assert_eq!(lasts, ["county lines", "other"], "{}", layout.name);
            let lines = drawn.rows.iter().flat_map(|row| &row.lines);
            for (_, line) in lines {
                let length = i64::try_from(line.chars().count()).unwrap() * CHARACTER_TENTHS / 10;
                assert!(length <= drawn.left - LABEL_MARGIN, "{line}");
            }
            let cells = drawn.left + 2 * drawn.cell_width;
            assert!(cells <= drawn.width);
        }
        let wide = drawing(&pairs, &WIDE, ("m", "Title", ""));
        let columns: Vec<String> = wide.columns.into_iter().map(|label| label.text).collect();
        assert_eq!(columns, pairs.columns);
    }

    #[test]
    fn words_of_the_release_stay_words_and_a_huge_matrix_is_cut() {
        let mut huge = matrix(vec![vec![estimate(i64::MAX, 1); 90]; 80]);
        huge.rows[0] = "<script>".to_owned();
        huge.columns[0] = "\"><b>".to_owned();
        for drawing in drawings(&huge, "<i>", "m").unwrap() {
            assert!(!drawing.contains("<script") && !drawing.contains("<b>"));
            assert!(!drawing.contains("<i>"));
            let drawn = drawing.matches("<rect class=\"cell").count();
            assert_eq!(drawn, MOST_LINES * MOST_LINES);
        }
    }
}
