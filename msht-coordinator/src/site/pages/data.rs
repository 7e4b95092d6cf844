//! Data: every file of a release, what its columns mean, how to verify it, the API, the feed and charts to embed.

use askama::Template;

use crate::site::address;
use crate::site::calendar::{period_words, time_words};
use crate::site::data::{COLUMNS, ColumnMeaning, Format, release_files};
use crate::site::frame::Frame;
use crate::site::selection::Selection;
use crate::site::shape::{Shape, shape};

use super::{Page, has_releases, no_choices};

pub(super) const PAGE: Page = Page {
    name: "data",
    title: "Data",
    applies: has_releases,
    choices: no_choices,
    figures: |_| Ok(Vec::new()),
    html,
};

#[derive(Debug, Template)]
#[template(path = "pages/data.html")]
struct DataPage {
    frame: Frame,
    programme: String,
    period: String,
    period_code: String,
    release_json: String,
    digest: String,
    published: String,
    fingerprint: String,
    files: Vec<FileRow>,
    left_raw: Vec<String>,
    columns: &'static [ColumnMeaning],
    api: Vec<ApiRow>,
    feed: &'static str,
    embedded: Option<String>,
    baselines: Vec<BaselineRow>,
}

/// What a file is about, in each of its formats.
#[derive(Debug)]
struct FileRow {
    title: String,
    links: Vec<(&'static str, String)>,
}

/// An address of the API.
#[derive(Debug)]
struct ApiRow {
    href: String,
    words: &'static str,
}

/// An imported baseline.
#[derive(Debug)]
struct BaselineRow {
    title: String,
    source: String,
    licence: String,
}

fn html(selection: &Selection<'_>, frame: Frame) -> Result<String, askama::Error> {
    let Some(published) = selection.published else {
        return Ok(String::new());
    };
    let release = published.release();
    let first = release
        .tables
        .iter()
        .find(|table| shape(table) == Shape::List);
    let round = &release.round;
    let baselines = selection.catalogue.baselines().iter().map(|baseline| {
        let words = baseline.words();
        BaselineRow {
            title: words.title.clone(),
            source: words.source.clone(),
            licence: words.licence.clone(),
        }
    });
    DataPage {
        frame,
        programme: release.programme_title.clone(),
        period: period_words(&release.period),
        period_code: release.period.clone(),
        release_json: address::release_json(round),
        digest: published.digest().to_string(),
        published: time_words(release.published_at),
        fingerprint: release.proof.coordinator.fingerprint().to_string(),
        files: file_rows(published),
        left_raw: published.left_raw(),
        columns: COLUMNS,
        api: vec![
            ApiRow {
                href: "/api/v1/openapi.json".to_owned(),
                words: "the description of every address (OpenAPI)",
            },
            ApiRow {
                href: "/api/v1/programmes".to_owned(),
                words: "programmes and their releases",
            },
            ApiRow {
                href: address::api_release(round),
                words: "this release: tables, categories, partners, files",
            },
            ApiRow {
                href: "/api/v1/baselines".to_owned(),
                words: "counts that others publish",
            },
        ],
        feed: address::FEED,
        embedded: first.map(|table| address::embed(&release.programme, &table.name)),
        baselines: baselines.collect(),
    }
    .render()
}

/// The files of a release, those of one stem in one row.
fn file_rows(published: &crate::site::catalogue::Published) -> Vec<FileRow> {
    let release = published.release();
    let mut rows: Vec<FileRow> = Vec::new();
    for file in release_files(published) {
        let link = (
            file.format.title(),
            address::release_file(&release.round, &file.name()),
        );
        if file.format == Format::Csv {
            rows.push(FileRow {
                title: file.title(published),
                links: vec![link],
            });
        } else if let Some(row) = rows.last_mut() {
            row.links.push(link);
        }
    }
    rows
}
