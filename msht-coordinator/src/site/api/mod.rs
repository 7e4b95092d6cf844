//! The read-only HTTP API: numbers of releases as JSON, and a description of it that comes from the code.

mod answers;
mod handlers;
mod openapi;
#[cfg(test)]
mod tests;
mod types;

use axum::Router;
use axum::routing::get;

use super::routes::SiteState;

/// The routes of the API; they are those of the description, which a test compares with the running server.
pub(super) fn router() -> Router<SiteState> {
    Router::new()
        .route("/api/v1/programmes", get(handlers::programmes))
        .route("/api/v1/programmes/{programme}", get(handlers::programme))
        .route(
            "/api/v1/programmes/{programme}/tables/{table}",
            get(handlers::series),
        )
        .route("/api/v1/releases/{round}", get(handlers::release))
        .route(
            "/api/v1/releases/{round}/tables/{table}",
            get(handlers::table),
        )
        .route("/api/v1/baselines", get(handlers::baselines))
        .route("/api/v1/openapi.json", get(handlers::description))
        .route("/api/{*rest}", get(handlers::nowhere))
}
