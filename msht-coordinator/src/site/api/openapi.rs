//! The OpenAPI description, derived from the handlers and their types.

use utoipa::OpenApi;

use super::handlers;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Modern slavery and human trafficking, counted together",
        version = "1",
        description = "Read-only numbers of signed releases. Every number has its 95 % interval. Answers carry entity \
                       tags; ask again with If-None-Match. Nothing here has another source than the signed releases, and \
                       baselines that an operator imported from what others publish.",
        license(name = "As the coordinator's operator states; the software is MIT or Apache-2.0")
    ),
    paths(
        handlers::programmes,
        handlers::programme,
        handlers::series,
        handlers::release,
        handlers::table,
        handlers::baselines,
        handlers::description,
        handlers::release_json,
        handlers::file,
        handlers::feed,
    )
)]
struct Description;

/// The description as JSON.
///
/// # Errors
/// Only those of the JSON writer.
pub(super) fn description_json() -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec_pretty(&Description::openapi())
}
