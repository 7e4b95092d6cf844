//! Which files a release has: every sheet in every format, under stable names.

use msht_core::release::ReleaseTable;

use crate::site::answer::{CSV, JSON, PARQUET};
use crate::site::catalogue::Published;

use super::dictionary::dictionary;
use super::sheet::{Sheet, SheetError};
use super::tables::{table_sheet, tables_sheet};

/// Stem of the files with every table.
const TABLES: &str = "tables";
/// Stem of the files with the derived numbers.
const DERIVED: &str = "derived";
/// Stem of the files with the data dictionary.
const DICTIONARY: &str = "dictionary";

/// A form in which numbers are downloaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::site) enum Format {
    Csv,
    Json,
    Parquet,
}

impl Format {
    /// Every format.
    pub(in crate::site) const ALL: [Self; 3] = [Self::Csv, Self::Json, Self::Parquet];

    /// End of a file's name.
    pub(in crate::site) fn extension(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Json => "json",
            Self::Parquet => "parquet",
        }
    }

    /// Media type of the file.
    pub(in crate::site) fn media_type(self) -> &'static str {
        match self {
            Self::Csv => CSV,
            Self::Json => JSON,
            Self::Parquet => PARQUET,
        }
    }

    /// What people call it.
    pub(in crate::site) fn title(self) -> &'static str {
        match self {
            Self::Csv => "CSV",
            Self::Json => "JSON",
            Self::Parquet => "Parquet",
        }
    }
}

/// A file of a release, without its content.
#[derive(Debug, Clone)]
pub(in crate::site) struct ReleaseFile {
    /// Name without the extension.
    pub(in crate::site) stem: String,
    pub(in crate::site) format: Format,
    source: Source,
}

/// What a file is made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Tables,
    Derived,
    Dictionary,
    Table(usize),
}

impl ReleaseFile {
    /// The file with this name, if the release has one.
    pub(in crate::site) fn named(published: &Published, name: &str) -> Option<Self> {
        let (stem, extension) = name.rsplit_once('.')?;
        let mut formats = Format::ALL.into_iter();
        let format = formats.find(|format| format.extension() == extension)?;
        let (stem, source) = sources(published).find(|(known, _)| known == stem)?;
        Some(Self {
            stem,
            format,
            source,
        })
    }

    /// Name with its extension.
    pub(in crate::site) fn name(&self) -> String {
        format!("{}.{}", self.stem, self.format.extension())
    }

    /// The content.
    ///
    /// # Errors
    /// [`SheetError`].
    pub(in crate::site) fn bytes(&self, published: &Published) -> Result<Vec<u8>, SheetError> {
        let sheet = self.sheet(published)?;
        match self.format {
            Format::Csv => sheet.csv(),
            Format::Json => sheet.json(),
            Format::Parquet => sheet.parquet(),
        }
    }

    /// What is in it, for people.
    pub(in crate::site) fn title(&self, published: &Published) -> String {
        match self.source {
            Source::Tables => "Every table, raw".to_owned(),
            Source::Derived => "Derived numbers beside the raw ones".to_owned(),
            Source::Dictionary => "Data dictionary".to_owned(),
            Source::Table(at) => {
                let table = published.release().tables.get(at);
                table.map_or_else(String::new, |table| table.title.clone())
            }
        }
    }

    fn sheet(&self, published: &Published) -> Result<Sheet, SheetError> {
        let table = |at: usize| -> Option<&ReleaseTable> { published.release().tables.get(at) };
        Ok(match self.source {
            Source::Tables => tables_sheet(published),
            Source::Derived => published.derived().sheet(published)?,
            Source::Dictionary => dictionary(published),
            Source::Table(at) => table(at).map_or_else(
                || tables_sheet(published),
                |table| table_sheet(published, table),
            ),
        })
    }
}

/// Stems and what is behind them. A table that is called like one of the others gives way.
fn sources(published: &Published) -> impl Iterator<Item = (String, Source)> {
    let fixed = [
        (TABLES.to_owned(), Source::Tables),
        (DERIVED.to_owned(), Source::Derived),
        (DICTIONARY.to_owned(), Source::Dictionary),
    ];
    let is_there = |(_, source): &(String, Source)| {
        *source != Source::Derived || published.derived().is_there(published)
    };
    let tables = published.release().tables.iter().enumerate();
    let tables = tables.map(|(at, table)| (table.name.clone(), Source::Table(at)));
    fixed.into_iter().filter(is_there).chain(tables)
}

/// Every file of a release.
pub(in crate::site) fn release_files(published: &Published) -> Vec<ReleaseFile> {
    sources(published)
        .flat_map(|(stem, source)| {
            Format::ALL.map(|format| ReleaseFile {
                stem: stem.clone(),
                format,
                source,
            })
        })
        .collect()
}
