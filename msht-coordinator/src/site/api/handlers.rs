//! What each address of the API answers.

use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use msht_core::crypto::Digest;
use serde::Serialize;

use crate::site::answer::{Content, JSON, conditional};
use crate::site::catalogue::{Catalogue, Published};
use crate::site::query::Query;
use crate::site::routes::SiteState;

use super::answers::{baseline_summary, period_numbers, programme_summary, release_summary};
use super::openapi::description_json;
use super::types::{
    ApiError, Baselines, ProgrammeSummary, Programmes, ReleaseSummary, TableNumbers,
};

/// Every programme and its releases.
#[utoipa::path(
    get,
    path = "/api/v1/programmes",
    responses(
        (status = 200, body = Programmes),
        (status = 304, description = "Not changed since the entity tag in If-None-Match"),
    )
)]
pub(in crate::site) async fn programmes(
    State(state): State<SiteState>,
    headers: HeaderMap,
) -> Response {
    let catalogue = state.catalogue();
    let programmes = catalogue
        .programmes()
        .map(|(id, programme)| programme_summary(id, programme))
        .collect();
    json(&headers, &Programmes { programmes })
}

/// A programme and its releases.
#[utoipa::path(
    get,
    path = "/api/v1/programmes/{programme}",
    params(("programme" = String, Path, description = "Id of the programme")),
    responses(
        (status = 200, body = ProgrammeSummary),
        (status = 304, description = "Not changed since the entity tag in If-None-Match"),
        (status = 404, description = "There is no such programme", body = ApiError),
    )
)]
pub(in crate::site) async fn programme(
    State(state): State<SiteState>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    let catalogue = state.catalogue();
    match catalogue.programme(&id) {
        Some(programme) => json(&headers, &programme_summary(&id, programme)),
        None => missing("programme"),
    }
}

/// One table in every period of a programme that has it. Each further name in the query is the id of a dimension and its
/// value the code of a category: only those numbers are sent.
#[utoipa::path(
    get,
    path = "/api/v1/programmes/{programme}/tables/{table}",
    params(
        ("programme" = String, Path, description = "Id of the programme"),
        ("table" = String, Path, description = "Name of the table"),
    ),
    responses(
        (status = 200, body = TableNumbers),
        (status = 304, description = "Not changed since the entity tag in If-None-Match"),
        (status = 400, description = "A dimension or category in the query is not in the table", body = ApiError),
        (status = 404, description = "There is no such programme or table", body = ApiError),
    )
)]
pub(in crate::site) async fn series(
    State(state): State<SiteState>,
    Path((id, name)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let catalogue = state.catalogue();
    let Some(programme) = catalogue.programme(&id) else {
        return missing("programme");
    };
    let releases = programme.releases().iter().map(Arc::as_ref);
    numbers(&headers, releases, &name, &Query::parse(query.as_deref()))
}

/// A release without its numbers: tables, dimensions, partners, privacy statement and files.
#[utoipa::path(
    get,
    path = "/api/v1/releases/{round}",
    params(("round" = String, Path, description = "The round, 64 hexadecimal digits")),
    responses(
        (status = 200, body = ReleaseSummary),
        (status = 304, description = "Not changed since the entity tag in If-None-Match"),
        (status = 404, description = "There is no such release", body = ApiError),
    )
)]
pub(in crate::site) async fn release(
    State(state): State<SiteState>,
    Path(round): Path<String>,
    headers: HeaderMap,
) -> Response {
    match of_round(&state.catalogue(), &round) {
        Some(published) => json(&headers, &release_summary(&published)),
        None => missing("release"),
    }
}

/// The numbers of one table of a release. Each name in the query is the id of a dimension and its value the code of a
/// category: only those numbers are sent.
#[utoipa::path(
    get,
    path = "/api/v1/releases/{round}/tables/{table}",
    params(
        ("round" = String, Path, description = "The round, 64 hexadecimal digits"),
        ("table" = String, Path, description = "Name of the table"),
    ),
    responses(
        (status = 200, body = TableNumbers),
        (status = 304, description = "Not changed since the entity tag in If-None-Match"),
        (status = 400, description = "A dimension or category in the query is not in the table", body = ApiError),
        (status = 404, description = "There is no such release or table", body = ApiError),
    )
)]
pub(in crate::site) async fn table(
    State(state): State<SiteState>,
    Path((round, name)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let Some(published) = of_round(&state.catalogue(), &round) else {
        return missing("release");
    };
    let query = Query::parse(query.as_deref());
    numbers(&headers, std::iter::once(published.as_ref()), &name, &query)
}

/// Counts that others publish, as the operator imported them.
#[utoipa::path(
    get,
    path = "/api/v1/baselines",
    responses(
        (status = 200, body = Baselines),
        (status = 304, description = "Not changed since the entity tag in If-None-Match"),
    )
)]
pub(in crate::site) async fn baselines(
    State(state): State<SiteState>,
    headers: HeaderMap,
) -> Response {
    let catalogue = state.catalogue();
    let baselines = catalogue.baselines().iter().map(baseline_summary);
    let baselines = baselines.collect();
    json(&headers, &Baselines { baselines })
}

/// This description.
#[utoipa::path(
    get,
    path = "/api/v1/openapi.json",
    responses(
        (status = 200, description = "OpenAPI 3.1", content_type = "application/json"),
        (status = 304, description = "Not changed since the entity tag in If-None-Match"),
    )
)]
pub(in crate::site) async fn description(headers: HeaderMap) -> Response {
    match description_json() {
        Ok(bytes) => conditional(&headers, json_content(bytes)),
        Err(error) => failed(&error),
    }
}

/// The signed release, byte for byte as it was signed.
#[utoipa::path(
    get,
    path = "/releases/{round}/release.json",
    params(("round" = String, Path, description = "The round, 64 hexadecimal digits")),
    responses(
        (status = 200, description = "`msht-node verify` checks it offline", content_type = "application/json"),
        (status = 304, description = "Not changed since the entity tag in If-None-Match"),
        (status = 404, description = "There is no such release", content_type = "text/html"),
    )
)]
#[expect(dead_code, reason = "it only describes what `routes::file` answers")]
pub(super) fn release_json() {}

/// A file of a release: `tables`, `dictionary` or the name of a table, as CSV, JSON or Parquet.
#[utoipa::path(
    get,
    path = "/releases/{round}/{file}",
    params(
        ("round" = String, Path, description = "The round, 64 hexadecimal digits"),
        ("file" = String, Path, description = "Name of the file with its extension; the release lists its files"),
    ),
    responses(
        (status = 200, content(
            (String = "text/csv"),
            (Object = "application/json"),
            (Vec<u8> = "application/vnd.apache.parquet"),
        )),
        (status = 304, description = "Not changed since the entity tag in If-None-Match"),
        (status = 404, description = "There is no such file", content_type = "text/html"),
    )
)]
#[expect(dead_code, reason = "it only describes what `routes::file` answers")]
pub(super) fn file() {}

/// A feed with an entry for each release, the newest first.
#[utoipa::path(
    get,
    path = "/feed.atom",
    responses(
        (status = 200, description = "Atom (RFC 4287)", content_type = "application/atom+xml"),
        (status = 304, description = "Not changed since the entity tag in If-None-Match"),
    )
)]
#[expect(dead_code, reason = "it only describes what `feed::feed` answers")]
pub(super) fn feed() {}

/// Address within the API that leads nowhere.
pub(in crate::site) async fn nowhere() -> Response {
    missing("address in the API")
}

fn of_round(catalogue: &Catalogue, round: &str) -> Option<Arc<Published>> {
    catalogue.of_round(&round.parse::<Digest>().ok()?).cloned()
}

/// The numbers of table `name` in those of `releases` that have it.
fn numbers<'a>(
    headers: &HeaderMap,
    releases: impl Iterator<Item = &'a Published>,
    name: &str,
    query: &Query,
) -> Response {
    let mut found = None;
    let mut periods = Vec::new();
    for release in releases.map(Published::release) {
        let Some(table) = release.tables.iter().find(|table| table.name == name) else {
            continue;
        };
        found = Some(&release.programme);
        match period_numbers(release, table, query) {
            Ok(numbers) => periods.push(numbers),
            Err(error) => return refused(StatusCode::BAD_REQUEST, &error),
        }
    }
    let Some(programme) = found else {
        return missing("table");
    };
    let numbers = TableNumbers {
        programme: programme.clone(),
        table: name.to_owned(),
        periods,
    };
    json(headers, &numbers)
}

fn json(headers: &HeaderMap, value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(bytes) => conditional(headers, json_content(bytes)),
        Err(error) => failed(&error),
    }
}

fn json_content(bytes: Vec<u8>) -> Content {
    Content {
        media_type: JSON,
        bytes,
        file_name: None,
    }
}

fn missing(what: &str) -> Response {
    let error = ApiError {
        error: format!("there is no such {what}"),
        hint:
            "/api/v1/programmes lists what there is, /api/v1/openapi.json describes the addresses"
                .to_owned(),
    };
    refused(StatusCode::NOT_FOUND, &error)
}

fn refused(status: StatusCode, error: &ApiError) -> Response {
    let said = serde_json::to_vec(error).unwrap_or_default();
    let headers = [(CONTENT_TYPE, JSON), (CACHE_CONTROL, "no-cache")];
    (status, headers, said).into_response()
}

fn failed(error: &dyn std::error::Error) -> Response {
    tracing::error!(%error, "an answer of the API could not be written");
    let said = ApiError {
        error: "the answer could not be written".to_owned(),
        hint: "try again later".to_owned(),
    };
    refused(StatusCode::INTERNAL_SERVER_ERROR, &said)
}
