//! Whether the gateway lives and can answer, and its numbers.

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use serde_json::{Value, json};

use crate::app::{App, Shared};
use crate::openapi::Refusals;
use crate::problem::Problem;

/// The process runs
#[utoipa::path(
    get,
    path = "/healthz",
    tag = "operation",
    responses((status = 200, description = "It does", body = Object, content_type = "application/json"), Refusals)
)]
pub(crate) async fn alive() -> Json<Value> {
    Json(json!({"status": "alive"}))
}

/// Predictions can be answered: the broker is connected and a predictor is ready
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "operation",
    responses((status = 200, description = "They can, by so many predictors", body = Object, content_type = "application/json"), Refusals)
)]
pub(crate) async fn ready(State(app): State<Shared>) -> Result<Json<Value>, Problem> {
    let predictors = readiness(&app)?;
    Ok(Json(json!({"status": "ready", "predictors": predictors})))
}

/// How many predictors are ready.
///
/// # Errors
/// A 503 that says what is missing.
pub(super) fn readiness(app: &App) -> Result<usize, Problem> {
    // The one of this process is there before it has heard itself.
    let near = usize::from(app.lanes.near().is_some());
    // With a bundle, it answers whatever becomes of the broker.
    let needed = app.broker.as_ref().filter(|_| app.bundle.is_none() || near == 0);
    if let Some(broker) = needed.filter(|broker| !broker.is_connected()) {
        return Err(Problem::unavailable(format!("the broker at {} does not answer", broker.address())));
    }
    if !(app.models.is_ready() && app.channels.is_ready() && app.campaigns.is_ready()) {
        return Err(Problem::unavailable("models and channels are still being read"));
    }
    match app.lanes.table().predictors().len().max(near) {
        0 => Err(Problem::unavailable("no predictor is ready; start one with `worker infer`")),
        predictors => Ok(predictors),
    }
}

/// Numbers for Prometheus
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "operation",
    responses((status = 200, description = "In Prometheus' text format", body = String, content_type = "text/plain"), Refusals)
)]
pub(crate) async fn metrics(State(app): State<Shared>) -> Result<impl IntoResponse, Problem> {
    match &app.bundle {
        // A bundle has no queue, but there are predictors of it.
        Some(_) => app
            .metrics
            .predictors(app.lanes.table().predictors().len().max(usize::from(app.lanes.own().is_some()))),
        // The other numbers are wanted most when the broker is away, which the log has by now.
        None => drop(app.lag().await.map(|lag| app.metrics.queue(&lag))),
    }
    let text = app.metrics.text().map_err(Problem::internal)?;
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text))
}
