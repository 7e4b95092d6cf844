//! A chart with all that belongs to it: the finding as its title, the key, the table and the files.

use super::numbers::Estimate;
use super::query::with_query;

/// Name of the figure in the query of a file.
pub(super) const FIGURE: &str = "figure";

/// A chart as `templates/figure.html` shows it.
#[derive(Debug)]
pub(super) struct Figure {
    /// Id in its page: lower-case letters, digits and hyphens.
    pub(super) id: &'static str,
    /// What the chart shows, as a sentence.
    pub(super) title: String,
    /// What is drawn, of which period.
    pub(super) subtitle: String,
    pub(super) key: Vec<Key>,
    /// SVG texts, none for a table alone; the first is the one that its file holds.
    pub(super) drawings: Vec<String>,
    pub(super) notes: Vec<String>,
    /// The numbers of the chart.
    pub(super) table: DataTable,
    /// Whether the table stands open below the chart, or is folded.
    pub(super) is_table_open: bool,
    /// Whose work the drawing builds on, where its licence asks for that.
    pub(super) attribution: Option<&'static str>,
    /// Addresses of the figure's files.
    pub(super) files: Files,
}

/// Where the files of a figure are.
#[derive(Debug, Default)]
pub(super) struct Files {
    pub(super) svg: String,
    pub(super) csv: String,
    pub(super) json: String,
}

impl Files {
    /// Addresses of the figure `id` of the page at `/name`, with what else its address says.
    pub(super) fn new(name: &str, id: &str, pairs: &[(&str, &str)]) -> Self {
        let mut all = pairs.to_vec();
        all.push((FIGURE, id));
        let file = |extension: &str| with_query(&format!("/{name}.{extension}"), &all);
        Self {
            svg: file("svg"),
            csv: file("csv"),
            json: file("json"),
        }
    }
}

/// One entry of a key.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) swatch: Swatch,
    pub(super) words: String,
}

/// What an entry of a key looks like.
#[derive(Debug)]
pub(super) enum Swatch {
    /// A field with this class.
    Field(&'static str),
    /// A hatched field with this class.
    Hatched(&'static str),
    /// A diamond with this class.
    Diamond(&'static str),
    /// A short upright line with this class.
    Upright(&'static str),
    /// A field with this class in a strong frame with the other.
    Framed(&'static str, &'static str),
}

impl Key {
    pub(super) fn new(swatch: Swatch, words: &str) -> Self {
        Self {
            swatch,
            words: words.to_owned(),
        }
    }
}

/// A table in long form: what is on the page, in CSV and in JSON.
#[derive(Debug)]
pub(super) struct DataTable {
    pub(super) caption: String,
    pub(super) columns: Vec<Column>,
    /// As many values a row as there are columns.
    pub(super) rows: Vec<Vec<Datum>>,
}

/// One column.
#[derive(Debug)]
pub(super) struct Column {
    /// Name in files: lower-case letters, digits and underscores.
    pub(super) name: &'static str,
    pub(super) title: String,
    pub(super) is_estimate: bool,
    /// Whether it heads its rows.
    pub(super) is_heading: bool,
}

impl Column {
    /// The column that says what a row is about.
    pub(super) fn heading(name: &'static str, title: &str) -> Self {
        Self {
            name,
            title: title.to_owned(),
            is_estimate: false,
            is_heading: true,
        }
    }

    /// A column of words.
    pub(super) fn words(name: &'static str, title: &str) -> Self {
        Self {
            is_heading: false,
            ..Self::heading(name, title)
        }
    }

    /// A column of numbers with their intervals.
    pub(super) fn estimate(name: &'static str, title: &str) -> Self {
        Self {
            is_estimate: true,
            ..Self::words(name, title)
        }
    }
}

/// One value.
#[derive(Debug, Clone)]
pub(super) enum Datum {
    /// Words, and the code that files have instead of them where there is one.
    Words {
        /// What people read.
        text: String,
        /// What files say.
        code: Option<String>,
    },
    /// A count with its interval.
    Estimate(Estimate),
    /// Nothing is known.
    Missing,
}

impl Datum {
    pub(super) fn words(text: impl Into<String>) -> Self {
        Self::Words {
            text: text.into(),
            code: None,
        }
    }

    pub(super) fn coded(code: impl Into<String>, text: impl Into<String>) -> Self {
        Self::Words {
            text: text.into(),
            code: Some(code.into()),
        }
    }

    /// Whether a number is there that cannot be told from zero.
    pub(super) fn is_unsure(&self) -> bool {
        matches!(self, Self::Estimate(estimate) if estimate.is_unsure())
    }
}

impl DataTable {
    /// Whether any number of `row` cannot be told from zero.
    pub(super) fn is_unsure(&self, row: &[Datum]) -> bool {
        row.iter().any(Datum::is_unsure)
    }

    /// The values of `row` with their columns.
    pub(super) fn columned<'a>(
        &'a self,
        row: &'a [Datum],
    ) -> impl Iterator<Item = (&'a Column, &'a Datum)> {
        self.columns.iter().zip(row)
    }
}
