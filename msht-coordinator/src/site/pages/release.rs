//! The page of one release: every table of it, its privacy, its partners and its record.

use askama::Template;
use msht_core::release::Release;

use super::partners::{PartnerView, partners};
use crate::site::address;
use crate::site::calendar::{period_words, time_words};
use crate::site::catalogue::{Catalogue, Published};
use crate::site::charts::bars;
use crate::site::figure::{Key, Swatch};
use crate::site::finding::{Headline, headline};
use crate::site::frame::{Frame, Link};
use crate::site::privacy::{PrivacyView, privacy_view};
use crate::site::tables::{TableContent, TableView, table_views};

/// The page of one release.
#[derive(Debug, Template)]
#[template(path = "pages/release.html")]
pub(in crate::site) struct ReleasePage {
    frame: Frame,
    periods: Vec<Link>,
    programme: String,
    period: String,
    period_code: String,
    headline: Headline,
    chart: Option<ChartView>,
    tables: Vec<TableView>,
    privacy: PrivacyView,
    present: Vec<PartnerView>,
    missing: Vec<PartnerView>,
    record: RecordView,
}

/// The chart and the table it is drawn from.
#[derive(Debug)]
struct ChartView {
    id: &'static str,
    title: String,
    key: Vec<Key>,
    drawings: Vec<String>,
    left_out: usize,
    table_title: String,
    table_anchor: String,
    csv: String,
}

/// What identifies the release.
#[derive(Debug)]
struct RecordView {
    round: String,
    attempt: u32,
    digest: String,
    published: String,
    coordinator: String,
    signatures: usize,
    previous: Option<PreviousView>,
    json: String,
    tables_csv: String,
}

/// The release before.
#[derive(Debug)]
struct PreviousView {
    digest: String,
    /// Address and period, where it is in the catalogue.
    link: Option<(String, String)>,
}

impl ReleasePage {
    /// The page of `published`.
    ///
    /// # Errors
    /// Only those of the chart's template, which writes to memory.
    pub(in crate::site) fn new(
        catalogue: &Catalogue,
        published: &Published,
    ) -> Result<Self, askama::Error> {
        let release = published.release();
        let tables = table_views(release);
        Ok(Self {
            frame: Frame::bare(catalogue),
            periods: period_links(catalogue, release),
            programme: release.programme_title.clone(),
            period: period_words(&release.period),
            period_code: release.period.clone(),
            headline: headline(release),
            chart: chart_view(release, &tables)?,
            privacy: privacy_view(release),
            present: partners(release, &release.survivors),
            missing: partners(release, &release.missing),
            record: record_view(catalogue, published),
            tables,
        })
    }
}

/// The programme's releases, the newest first.
fn period_links(catalogue: &Catalogue, current: &Release) -> Vec<Link> {
    catalogue
        .programme(&current.programme)
        .map_or(&[][..], |programme| programme.releases())
        .iter()
        .rev()
        .map(|published| published.release())
        .map(|release| Link {
            href: address::period(&release.programme, &release.period),
            text: period_words(&release.period),
            is_current: release.round == current.round,
        })
        .collect()
}

fn chart_view(release: &Release, views: &[TableView]) -> Result<Option<ChartView>, askama::Error> {
    const ID: &str = "chart";
    let mut tables = release.tables.iter().zip(views);
    let Some((table, view)) = tables.find(|(table, _)| table.dimensions.len() == 1) else {
        return Ok(None);
    };
    Ok(bars::bars(table, ID)?.map(|bars| ChartView {
        id: ID,
        title: bars.title,
        key: bars::key(),
        drawings: bars.drawings,
        left_out: bars.left_out,
        table_title: table.title.clone(),
        table_anchor: view.anchor.clone(),
        csv: view.csv.clone(),
    }))
}

fn record_view(catalogue: &Catalogue, published: &Published) -> RecordView {
    let release = published.release();
    RecordView {
        round: release.round.to_string(),
        attempt: release.attempt,
        digest: published.digest().to_string(),
        published: time_words(release.published_at),
        coordinator: release.proof.coordinator.fingerprint().to_string(),
        signatures: release.proof.signatures.len(),
        previous: release.previous.map(|digest| PreviousView {
            digest: digest.to_string(),
            link: catalogue.with_digest(&digest).map(|previous| {
                let previous = previous.release();
                (
                    address::period(&previous.programme, &previous.period),
                    period_words(&previous.period),
                )
            }),
        }),
        json: address::release_json(&release.round),
        tables_csv: address::tables_csv(&release.round),
    }
}
