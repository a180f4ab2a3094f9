//! The HTTP handlers.

mod arrow;
pub(crate) mod campaigns;
mod explanations;
pub(crate) mod health;
mod intervals;
pub(crate) mod models;
mod ndjson;
mod plain;
pub(crate) mod predict;
pub(crate) mod queue;
pub(crate) mod train;
pub(crate) mod v2;

pub(crate) use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use schemas::limits::PREDICT_BODY_BYTES_MAX;

use crate::app::Shared;
use crate::openapi;
use crate::problem::Problem;
use v2::V2Problem;

/// Bytes of a refusal by the framework.
const REFUSAL_BYTES_MAX: usize = 4_096;

/// All routes.
pub fn router(app: Shared) -> Router {
    Router::new()
        .route("/v1/models", get(models::list))
        .route("/v1/models/{model}", get(models::show))
        .route("/v1/models/{model}/fits", get(models::fits))
        .route(predict::PATH, post(predict::predict))
        .route("/v1/models/{model}/train", post(train::train))
        .route("/v1/campaigns", get(campaigns::list))
        .route("/v1/campaigns/{id}", get(campaigns::show))
        .route("/v1/queue", get(queue::queue))
        .route("/v2", get(v2::server))
        .route("/v2/health/live", get(v2::live))
        .route("/v2/health/ready", get(v2::ready))
        .route("/v2/models/{model}", get(v2::model))
        .route("/v2/models/{model}/ready", get(v2::model_ready))
        .route("/v2/models/{model}/infer", post(v2::infer))
        .route("/v2/models/{model}/versions/{version}", get(v2::model_version))
        .route("/v2/models/{model}/versions/{version}/ready", get(v2::model_version_ready))
        .route("/v2/models/{model}/versions/{version}/infer", post(v2::infer_version))
        .route("/openapi.json", get(openapi::json))
        .route("/docs", get(openapi::page))
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
    let is_v2 = v2::is_own(request.uri());
    let path = request.extensions().get::<MatchedPath>();
    // Unknown paths are counted together: callers must not be able to make up labels.
    let metrics = app.metrics.route(path.map_or("other", MatchedPath::as_str));
    let open = metrics.opened();
    let answer = explained(next.run(request).await, is_v2).await;
    open.answered(answer.status().as_u16());
    answer
}

/// Refusals of the framework itself (a path that is no text, a query it cannot read) as problems, like all others.
async fn explained(response: Response, is_v2: bool) -> Response {
    let is_text = |kind: &HeaderValue| kind.as_bytes().starts_with(b"text/plain");
    let plain = response.headers().get(header::CONTENT_TYPE).is_some_and(is_text);
    if !response.status().is_client_error() || !plain {
        return response;
    }
    let status = response.status();
    let text = axum::body::to_bytes(response.into_body(), REFUSAL_BYTES_MAX).await.unwrap_or_default();
    refusal(Problem::new(status, "bad request", String::from_utf8_lossy(&text)), is_v2)
}

/// A problem in the form of the protocol that was spoken.
fn refusal(problem: Problem, is_v2: bool) -> Response {
    if is_v2 { V2Problem::from(problem).into_response() } else { problem.into_response() }
}

async fn no_route(uri: Uri) -> Response {
    let known = [
        "/v1/models",
        "/v1/campaigns",
        "/v1/queue",
        "/v2",
        "/docs",
        "/openapi.json",
        "/healthz",
        "/readyz",
        "/metrics",
    ];
    let hint = schemas::suggest::hint(uri.path(), known);
    refusal(Problem::not_found(format!("no route {}{hint}", uri.path())), v2::is_own(&uri))
}

async fn no_method(method: Method, uri: Uri) -> Response {
    let detail = format!("{} does not take {method}", uri.path());
    let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method not allowed", detail);
    refusal(problem, v2::is_own(&uri))
}
