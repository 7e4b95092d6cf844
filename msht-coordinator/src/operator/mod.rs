//! What only the operator reads: where every round stands, whom to remind, metrics and health.
//!
//! It is served apart from the public site, on an address of its own, and everything but `/healthz` and `/readyz`
//! wants the token in the data directory. It changes nothing: the operator acts with commands.

mod metrics;
mod page;
mod token;

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, WWW_AUTHENTICATE,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn_with_state, map_response};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;

use crate::coordinator::Coordinator;
use page::OperatorPage;

pub(crate) use metrics::Metrics;
pub(crate) use page::{awaited_words, left_words};
pub(crate) use token::Token;

const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);
const STYLE: &str = include_str!("../../assets/operator.css");

/// The router of the operator's page; it answers `GET` and `HEAD` only.
pub(crate) fn router(coordinator: Coordinator, token: Token) -> Router {
    let guarded = Router::new()
        .route("/", get(status))
        .route("/metrics", get(metrics_text))
        .route_layer(from_fn_with_state(Arc::new(token), with_token));
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/operator.css", get(style))
        .merge(guarded)
        .layer(map_response(with_headers))
        .with_state(coordinator)
}

async fn with_token(State(token): State<Arc<Token>>, request: Request, next: Next) -> Response {
    if token.is_shown_by(request.headers()) {
        return next.run(request).await;
    }
    let ask = [(
        WWW_AUTHENTICATE,
        "Basic realm=\"msht operator\", charset=\"UTF-8\"",
    )];
    let said = "The operator's token is wanted, as the password: it is in operator.token in the data directory.\n";
    (StatusCode::UNAUTHORIZED, ask, said).into_response()
}

async fn with_headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

async fn style() -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/css; charset=utf-8")], STYLE)
}

/// Whether the store answers, without which no round goes on.
async fn ready(State(coordinator): State<Coordinator>) -> Response {
    match coordinator.store().news_number().await {
        Ok(_) => "ready\n".into_response(),
        Err(error) => failed(&error),
    }
}

async fn status(State(coordinator): State<Coordinator>) -> Response {
    match OperatorPage::of(&coordinator).await {
        Ok(page) => match page.render() {
            Ok(text) => Html(text).into_response(),
            Err(error) => failed(&error),
        },
        Err(error) => failed(&error),
    }
}

async fn metrics_text(State(coordinator): State<Coordinator>) -> Response {
    match coordinator.0.metrics.text(&coordinator).await {
        Ok(text) => ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        Err(error) => failed(&error),
    }
}

fn failed(error: &dyn std::error::Error) -> Response {
    tracing::error!(%error, "the operator's page could not be answered");
    let said = "This could not be read; the log of the coordinator says why.\n";
    (StatusCode::SERVICE_UNAVAILABLE, said).into_response()
}
