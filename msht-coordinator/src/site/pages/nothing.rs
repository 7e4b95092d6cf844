//! Pages that say that there is nothing to show.

use askama::Template;

use crate::site::catalogue::Catalogue;
use crate::site::frame::Frame;
use crate::site::selection::Selection;

use super::Page;

/// The page of a programme without a release, or of a site without any.
#[derive(Debug, Template)]
#[template(path = "pages/empty.html")]
pub(in crate::site) struct EmptyPage {
    frame: Frame,
    title: String,
}

impl EmptyPage {
    /// `page` of a programme that has no release.
    pub(in crate::site) fn new(page: &Page, selection: &Selection<'_>) -> Self {
        Self {
            frame: Frame::new(page, selection),
            title: title(selection),
        }
    }

    /// The page of programme `id` itself.
    pub(in crate::site) fn of_programme(catalogue: &Catalogue, id: &str) -> Self {
        let programme = catalogue.programme(id);
        Self {
            frame: Frame::bare(catalogue),
            title: programme
                .map_or(id, |programme| programme.title())
                .to_owned(),
        }
    }
}

fn title(selection: &Selection<'_>) -> String {
    let programme = selection.programme;
    programme
        .map_or("No release yet", |(_, programme)| programme.title())
        .to_owned()
}

/// A page that a programme has nothing for.
#[derive(Debug, Template)]
#[template(path = "pages/nothing.html")]
pub(in crate::site) struct NothingPage {
    frame: Frame,
    page: &'static str,
    programme: String,
}

impl NothingPage {
    pub(in crate::site) fn new(page: &Page, selection: &Selection<'_>) -> Self {
        Self {
            frame: Frame::new(page, selection),
            page: page.title,
            programme: title(selection),
        }
    }
}

/// The page of an address that leads nowhere.
#[derive(Debug, Template)]
#[template(path = "pages/not_found.html")]
pub(in crate::site) struct NotFoundPage {
    frame: Frame,
}

impl NotFoundPage {
    pub(in crate::site) fn new(catalogue: &Catalogue) -> Self {
        Self {
            frame: Frame::bare(catalogue),
        }
    }
}
