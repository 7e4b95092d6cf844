//! What each address answers.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::map_response;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use msht_core::crypto::Digest;
use tokio::sync::watch;

use super::address::{FEED, RELEASE_FILE};
use super::answer::{CSV, Content, JSON, conditional};
use super::api;
use super::catalogue::{Catalogue, Published};
use super::data::ReleaseFile;
use super::embed;
use super::estimates::Estimates;
use super::feed;
use super::figure::{FIGURE, Figure};
use super::figure_files::{self, CHART_STYLE};
use super::frame::Frame;
use super::pages::{EmptyPage, NotFoundPage, NothingPage, PAGES, Page, ReleasePage};
use super::query::{Query, with_query};
use super::selection::{PROGRAMME, Selection};

/// Only our own files run and style, nothing is loaded from elsewhere, no other site may frame a page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; base-uri 'none'; \
                      form-action 'self'; frame-ancestors 'none'";
const STYLE: &str = include_str!("../../assets/site.css");
const SCRIPT: &str = include_str!("../../assets/site.js");
const ICON: &str = include_str!("../../assets/icon.svg");

const SVG: &str = "image/svg+xml";

/// What the site shows: the newest catalogue that its owner sent.
#[derive(Debug, Clone)]
pub struct SiteState {
    catalogue: watch::Receiver<Arc<Catalogue>>,
    estimates: Arc<Estimates>,
}

impl SiteState {
    /// A site that shows the latest value of `catalogue`.
    #[must_use]
    pub fn new(catalogue: watch::Receiver<Arc<Catalogue>>) -> Self {
        Self {
            catalogue,
            estimates: Arc::default(),
        }
    }

    pub(super) fn catalogue(&self) -> Arc<Catalogue> {
        Arc::clone(&self.catalogue.borrow())
    }

    /// Writes the pages of every programme once, so that nobody has to wait for the estimates of a new release.
    fn look_at_all(&self) {
        for (programme, _) in self.catalogue().programmes() {
            let query = with_query("", &[(PROGRAMME, programme)]);
            for page in PAGES {
                drop(page_answer(self, page, query.strip_prefix('?')));
            }
        }
    }

    /// Looks at all pages whenever the catalogue changes, until its owner is gone.
    pub async fn look_ahead(mut self) {
        loop {
            let state = self.clone();
            self.catalogue.mark_unchanged();
            let looked = tokio::task::spawn_blocking(move || state.look_at_all());
            if looked.await.is_err() || self.catalogue.changed().await.is_err() {
                return;
            }
        }
    }
}

/// The router of the whole site; it answers `GET` and `HEAD` only.
pub fn router(state: SiteState) -> Router {
    let css = "text/css; charset=utf-8";
    let js = "text/javascript; charset=utf-8";
    let mut router = Router::new()
        .route("/programmes/{id}", get(programme))
        .route("/programmes/{id}/{period}", get(period))
        .route("/releases/{round}/{file}", get(file))
        .route("/assets/site.css", get(move || asset(css, STYLE)))
        .route("/assets/chart.css", get(move || asset(css, CHART_STYLE)))
        .route("/assets/site.js", get(move || asset(js, SCRIPT)))
        .route("/assets/icon.svg", get(|| asset(SVG, ICON)))
        .route(FEED, get(feed::answer))
        .route("/healthz", get(async || "ok\n"))
        .fallback(not_found);
    for page in PAGES.iter().copied() {
        let answer = move |State(state): State<SiteState>, RawQuery(query): RawQuery| {
            apart(move || page_answer(&state, page, query.as_deref()))
        };
        router = router.route(&page.path(), get(answer));
        for kind in FileKind::ALL {
            let address = format!("/{}.{}", page.file_stem(), kind.extension());
            let answer = move |State(state): State<SiteState>, RawQuery(query): RawQuery| {
                apart(move || figure_answer(&state, page, query.as_deref(), kind))
            };
            router = router.route(&address, get(answer));
        }
    }
    router
        .merge(api::router())
        .merge(embed::router())
        .layer(map_response(with_security_headers))
        .with_state(state)
}

/// Answers on a thread where it may take its time: the first look at a release computes its estimates.
async fn apart(answer: impl FnOnce() -> Response + Send + 'static) -> Response {
    match tokio::task::spawn_blocking(answer).await {
        Ok(response) => response,
        Err(error) => failed(&error),
    }
}

fn page_answer(state: &SiteState, page: &Page, query: Option<&str>) -> Response {
    let catalogue = &*state.catalogue();
    let query = Query::parse(query);
    let Some(selection) = Selection::new(catalogue, &state.estimates, query, page) else {
        return missing(catalogue);
    };
    if selection.release().is_none() {
        return html(StatusCode::OK, &EmptyPage::new(page, &selection));
    }
    let applies = |(_, programme)| (page.applies)(programme);
    if !selection.programme.is_some_and(applies) {
        return html(StatusCode::OK, &NothingPage::new(page, &selection));
    }
    let frame = Frame::new(page, &selection);
    rendered(StatusCode::OK, (page.html)(&selection, frame))
}

/// A file of a figure.
#[derive(Clone, Copy)]
enum FileKind {
    Svg,
    Csv,
    Json,
}

impl FileKind {
    const ALL: [Self; 3] = [Self::Svg, Self::Csv, Self::Json];

    fn extension(self) -> &'static str {
        match self {
            Self::Svg => "svg",
            Self::Csv => "csv",
            Self::Json => "json",
        }
    }
}

fn figure_answer(state: &SiteState, page: &Page, query: Option<&str>, kind: FileKind) -> Response {
    let catalogue = &*state.catalogue();
    let query = Query::parse(query);
    let asked = query.value(FIGURE).map(str::to_owned);
    let Some(selection) = Selection::new(catalogue, &state.estimates, query, page) else {
        return missing(catalogue);
    };
    let figures = match (page.figures)(&selection) {
        Ok(figures) => figures,
        Err(error) => return failed(&error),
    };
    let mut figures = figures.iter();
    let figure = match asked {
        None => figures.next(),
        Some(asked) => figures.find(|figure| figure.id == asked),
    };
    let period = selection.release().map_or("", |release| &release.period);
    let programme = selection.programme_id().unwrap_or_default();
    figure.map_or_else(
        || missing(catalogue),
        |figure| {
            let name = format!("{programme}-{period}-{}-{}", page.file_stem(), figure.id);
            figure_file(figure, &name, kind)
        },
    )
}

fn figure_file(figure: &Figure, name: &str, kind: FileKind) -> Response {
    match kind {
        FileKind::Csv => csv(figure_files::csv(&figure.table), name),
        FileKind::Json => {
            let text = figure_files::json(figure).to_string();
            let headers = [(CONTENT_TYPE, JSON), (CACHE_CONTROL, "no-cache")];
            (headers, text).into_response()
        }
        FileKind::Svg => {
            let policy = figure_files::svg_policy();
            let headers = [
                (CONTENT_TYPE, SVG),
                (CACHE_CONTROL, "no-cache"),
                (CONTENT_SECURITY_POLICY, policy.as_str()),
            ];
            let text = figure_files::svg(figure).unwrap_or_default();
            (headers, text).into_response()
        }
    }
}

async fn programme(State(state): State<SiteState>, Path(id): Path<String>) -> Response {
    let catalogue = state.catalogue();
    match catalogue.programme(&id) {
        None => missing(&catalogue),
        Some(programme) => match programme.latest() {
            Some(published) => release_page(&catalogue, published),
            None => html(StatusCode::OK, &EmptyPage::of_programme(&catalogue, &id)),
        },
    }
}

async fn period(
    State(state): State<SiteState>,
    Path((id, period)): Path<(String, String)>,
) -> Response {
    let catalogue = state.catalogue();
    catalogue
        .programme(&id)
        .and_then(|programme| programme.of_period(&period))
        .map_or_else(
            || missing(&catalogue),
            |published| release_page(&catalogue, published),
        )
}

async fn file(
    State(state): State<SiteState>,
    Path((round, file)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let catalogue = state.catalogue();
    let published = round
        .parse::<Digest>()
        .ok()
        .and_then(|round| catalogue.of_round(&round));
    published
        .and_then(|published| file_of(published, &file, &headers))
        .unwrap_or_else(|| missing(&catalogue))
}

async fn not_found(State(state): State<SiteState>) -> Response {
    missing(&state.catalogue())
}

async fn asset(content_type: &'static str, content: &'static str) -> impl IntoResponse {
    // Assets change with the program, so a browser asks again after five minutes.
    let headers = [(CONTENT_TYPE, content_type), (CACHE_CONTROL, "max-age=300")];
    (headers, content)
}

fn release_page(catalogue: &Catalogue, published: &Published) -> Response {
    match ReleasePage::new(catalogue, published) {
        Ok(page) => html(StatusCode::OK, &page),
        Err(error) => failed(&error),
    }
}

pub(super) fn missing(catalogue: &Catalogue) -> Response {
    html(StatusCode::NOT_FOUND, &NotFoundPage::new(catalogue))
}

fn html(status: StatusCode, page: &impl Template) -> Response {
    rendered(status, page.render())
}

fn rendered(status: StatusCode, text: Result<String, askama::Error>) -> Response {
    match text {
        Ok(text) => (status, [(CACHE_CONTROL, "no-cache")], Html(text)).into_response(),
        Err(error) => failed(&error),
    }
}

pub(super) fn failed(error: &dyn std::error::Error) -> Response {
    tracing::error!(%error, "a page could not be written");
    let said = "This page could not be written. Please try again later.\n";
    (StatusCode::INTERNAL_SERVER_ERROR, said).into_response()
}

/// The file of a release with this name, if it has one.
fn file_of(published: &Published, file: &str, headers: &HeaderMap) -> Option<Response> {
    if file == RELEASE_FILE {
        let content = Content {
            media_type: JSON,
            bytes: published.json().to_vec(),
            file_name: None,
        };
        return Some(conditional(headers, content));
    }
    let file = ReleaseFile::named(published, file)?;
    let release = published.release();
    Some(match file.bytes(published) {
        Ok(bytes) => {
            let content = Content {
                media_type: file.format.media_type(),
                bytes,
                file_name: Some(format!(
                    "{}-{}-{}",
                    release.programme,
                    release.period,
                    file.name()
                )),
            };
            conditional(headers, content)
        }
        Err(error) => failed(&error),
    })
}

fn csv(content: Result<Vec<u8>, csv::Error>, name: &str) -> Response {
    let disposition = format!("attachment; filename=\"{}.csv\"", plain_file_name(name));
    match content {
        Ok(bytes) => {
            let headers = [
                (CONTENT_TYPE, CSV),
                (CONTENT_DISPOSITION, disposition.as_str()),
                (CACHE_CONTROL, "no-cache"),
            ];
            (headers, bytes).into_response()
        }
        Err(error) => failed(&error),
    }
}

/// `name` with everything but letters, digits and hyphens as hyphens, so that it fits a header and a file system.
fn plain_file_name(name: &str) -> String {
    name.chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect()
}

async fn with_security_headers(mut response: Response) -> Response {
    let headers: [(HeaderName, &'static str); 3] = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
    ];
    for (name, value) in headers {
        response
            .headers_mut()
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::watch;

    use super::super::fixture;
    use super::*;

    #[tokio::test]
    async fn the_estimates_of_a_release_are_there_before_anybody_asks() {
        const MOST_LOOKS: usize = 600;
        let (catalogue, seen) = watch::channel(Arc::new(Catalogue::default()));
        let state = SiteState::new(seen);
        let looking = tokio::spawn(state.clone().look_ahead());
        assert_eq!(state.estimates.count_changes(), 0);
        let quarters = Arc::new(fixture::quarters());
        catalogue.send_replace(Arc::clone(&quarters));
        let (_, programme) = quarters.programmes().next().unwrap();
        let tables = programme.releases().last().unwrap().release().tables.len();
        for _ in 0..MOST_LOOKS {
            if state.estimates.count_changes() >= tables {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        assert!(state.estimates.count_changes() >= tables);
        drop(catalogue);
        looking.await.unwrap();
    }
}
