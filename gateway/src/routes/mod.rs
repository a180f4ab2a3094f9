//! The HTTP handlers.

mod campaigns;
mod health;
mod models;
mod predict;

use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::{Method, Uri};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, post};
use schemas::limits::PREDICT_BODY_BYTES_MAX;

use crate::app::Shared;
use crate::problem::Problem;

/// All routes.
pub fn router(app: Shared) -> Router {
    Router::new()
        .route("/v1/models", get(models::list))
        .route("/v1/models/{model}", get(models::show))
        .route("/v1/models/{model}/fits", get(models::fits))
        .route("/v1/models/{model}/predict", post(predict::predict))
        .route("/v1/campaigns", get(campaigns::list))
        .route("/v1/campaigns/{id}", get(campaigns::show))
        .route("/v1/queue", get(campaigns::queue))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
        .layer(DefaultBodyLimit::max(PREDICT_BODY_BYTES_MAX))
        .layer(middleware::from_fn_with_state(app.clone(), count))
        .with_state(app)
}

/// Counts and times every answer.
async fn count(State(app): State<Shared>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    // Unknown paths are counted together: callers must not be able to make up labels.
    let route = route.as_deref().unwrap_or("other");
    let began = std::time::Instant::now();
    let _open = app.metrics.opened(route);
    let response = next.run(request).await;
    app.metrics.answered(route, response.status().as_u16(), began.elapsed());
    response
}

async fn no_route(uri: Uri) -> Problem {
    let known = ["/v1/models", "/v1/campaigns", "/v1/queue", "/healthz", "/readyz", "/metrics"];
    Problem::not_found(format!("no route {}{}", uri.path(), schemas::suggest::hint(uri.path(), known)))
}

async fn no_method(method: Method, uri: Uri) -> Problem {
    let detail = format!("{} does not take {method}", uri.path());
    Problem::new(axum::http::StatusCode::METHOD_NOT_ALLOWED, "method not allowed", detail)
}
