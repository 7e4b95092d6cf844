//! The pages of the navigation, each in its module.

mod compare;
mod data;
mod hotspots;
mod msin;
mod networks;
mod nothing;
mod overview;
mod partners;
mod protection;
mod release;
mod routes;
mod table_figure;
mod trends;

use msht_core::release::ReleaseTable;

use super::catalogue::ProgrammeReleases;
use super::figure::Figure;
use super::frame::{Choice, Frame};
use super::selection::Selection;

pub(super) use nothing::{EmptyPage, NotFoundPage, NothingPage};
pub(super) use release::ReleasePage;
pub(super) use table_figure::table_figure;

/// One page of the navigation: where it is, when it has something to show, and how it is written.
///
/// All functions are pure: what they are handed is all they know.
pub(super) struct Page {
    /// Its path without the slash, and the stem of its files; empty for the overview.
    pub(super) name: &'static str,
    /// What the navigation calls it.
    pub(super) title: &'static str,
    /// Whether it has something to show of these releases. A programme without releases has an overview only.
    pub(super) applies: fn(&ProgrammeReleases) -> bool,
    /// Its own choices beside programme and period.
    pub(super) choices: fn(&Selection<'_>) -> Vec<Choice>,
    /// Its figures, whose files are served beside it.
    pub(super) figures: fn(&Selection<'_>) -> Result<Vec<Figure>, askama::Error>,
    /// The page in its frame; only called where `applies` and there is a release.
    pub(super) html: fn(&Selection<'_>, Frame) -> Result<String, askama::Error>,
}

impl Page {
    /// Its address.
    pub(super) fn path(&self) -> String {
        format!("/{}", self.name)
    }

    /// Stem of the addresses of its files.
    pub(super) fn file_stem(&self) -> &'static str {
        match self.name {
            "" => "overview",
            name => name,
        }
    }
}

/// Every page in the order of the navigation.
pub(super) const PAGES: &[&Page] = &[
    &overview::PAGE,
    &trends::PAGE,
    &hotspots::PAGE,
    &routes::PAGE,
    &networks::PAGE,
    &msin::PAGE,
    &compare::PAGE,
    &protection::PAGE,
    &data::PAGE,
];

/// No choices beside programme and period.
fn no_choices(_: &Selection<'_>) -> Vec<Choice> {
    Vec::new()
}

/// Whether the newest release has a table that `fits` accepts.
fn has_table(programme: &ProgrammeReleases, fits: impl Fn(&ReleaseTable) -> bool) -> bool {
    let newest = programme.latest();
    newest.is_some_and(|newest| newest.release().tables.iter().any(fits))
}

/// Whether there is any release.
fn has_releases(programme: &ProgrammeReleases) -> bool {
    programme.latest().is_some()
}
