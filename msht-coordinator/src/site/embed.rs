//! A chart for other sites to show in a frame: one table of the newest release of a programme, or of a period.

use askama::Template;
use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use msht_core::release::{Release, ReleaseTable};

use super::address;
use super::calendar::period_words;
use super::catalogue::{Catalogue, Published};
use super::figure::{Datum, Figure, Swatch};
use super::finding::headline;
use super::pages::table_figure;
use super::query::Query;
use super::routes::{SiteState, failed, missing};
use super::selection::PERIOD;

/// As for every page, but without scripts and forms, and any site may frame it: what it shows is public, and there
/// is nothing in it to click that does anything.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors *";

/// The frame's content.
#[derive(Debug, Template)]
#[template(path = "embed.html")]
struct EmbeddedChart {
    programme: String,
    period: String,
    coverage: String,
    f: Figure,
    page: String,
}

pub(super) fn router() -> Router<SiteState> {
    Router::new().route("/embed/{programme}/{table}", get(answer))
}

async fn answer(
    State(state): State<SiteState>,
    Path((programme, table)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Response {
    let catalogue = state.catalogue();
    let query = Query::parse(query.as_deref());
    let Some((release, table)) = shown(&catalogue, &programme, &table, &query) else {
        return missing(&catalogue);
    };
    let figure = match table_figure(release, table, "chart") {
        Ok(Some(figure)) => figure,
        Ok(None) => return missing(&catalogue),
        Err(error) => return failed(&error),
    };
    let page = EmbeddedChart {
        programme: release.programme_title.clone(),
        period: period_words(&release.period),
        coverage: headline(release).coverage,
        f: figure,
        page: address::period(&release.programme, &release.period),
    };
    let headers = [
        (CACHE_CONTROL, "no-cache"),
        (CONTENT_SECURITY_POLICY, POLICY),
    ];
    match page.render() {
        Ok(text) => (StatusCode::OK, headers, Html(text)).into_response(),
        Err(error) => failed(&error),
    }
}

/// The table asked for; none where programme, period or table are not there.
fn shown<'a>(
    catalogue: &'a Catalogue,
    programme: &str,
    table: &str,
    query: &Query,
) -> Option<(&'a Release, &'a ReleaseTable)> {
    let programme = catalogue.programme(programme)?;
    let published = match query.value(PERIOD) {
        Some(period) => programme.of_period(period)?,
        None => programme.latest()?,
    };
    let release = Published::release(published);
    let table = release.tables.iter().find(|known| known.name == table)?;
    Some((release, table))
}
