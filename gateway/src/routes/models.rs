//! Models and their fits.

use axum::Json;
use axum::extract::{Path, Query, State};
use runtime::fits::{self, FitView, Selection};
use schemas::channel::LIVE;
use schemas::scope::Scope;
use schemas::spec::ModelSpec;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::app::Shared;
use crate::openapi::Refusals;
use crate::problem::Problem;

/// All models
#[utoipa::path(
    get,
    path = "/v1/models",
    tag = "models",
    responses((status = 200, description = "Name, revision, data, scopes and what is learned", body = Vec<Object>, content_type = "application/json"), Refusals)
)]
pub(crate) async fn list(State(app): State<Shared>) -> Json<Value> {
    let models = app.models.all();
    Json(models.iter().map(|(_, spec)| describe(spec)).collect())
}

/// One model
#[utoipa::path(
    get,
    path = "/v1/models/{model}",
    tag = "models",
    params(("model" = String, Path, description = "The model's name", example = "arrival_delay")),
    responses((status = 200, description = "As in the list", body = Object, content_type = "application/json"), Refusals)
)]
pub(crate) async fn show(
    State(app): State<Shared>,
    Path(model): Path<String>,
) -> Result<Json<Value>, Problem> {
    Ok(Json(describe(&*app.model(&model)?)))
}

fn describe(spec: &ModelSpec) -> Value {
    json!({
        "name": spec.name,
        "revision": spec.revision(),
        "data": spec.data,
        "scope": {
            "dimensions": spec.scope.dimensions,
            "fallback": spec.level_masks().into_iter().map(|mask| spec.level_names(mask)).collect::<Vec<_>>(),
        },
        "learn": spec.learn,
    })
}

/// Which fits to list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Which {
    /// Only this scope; the empty text is the scope of all rows.
    scope: Option<String>,
    channel: Option<String>,
}

/// The fits of a model
#[utoipa::path(
    get,
    path = "/v1/models/{model}/fits",
    tag = "models",
    params(
        ("model" = String, Path, description = "The model's name", example = "arrival_delay"),
        ("scope" = Option<String>, Query, description = "Only this scope; the empty text is the scope of all rows", example = "carrier=UA"),
        ("channel" = Option<String>, Query, description = "The channel; `live` without"),
    ),
    responses((status = 200, description = "Each with its scope, scores and parameters", body = Vec<Object>, content_type = "application/json"), Refusals)
)]
pub(crate) async fn fits(
    State(app): State<Shared>,
    Path(model): Path<String>,
    which: Result<Query<Which>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<Vec<FitView>>, Problem> {
    let Query(which) = which.map_err(|error| Problem::bad_request(error.body_text()))?;
    let spec = app.model(&model)?;
    let scope = which.scope.map(|text| Scope::parse(&text, &spec.scope.dimensions)).transpose();
    let scopes: Vec<Scope> =
        scope.map_err(|error| Problem::bad_request(error.to_string()))?.into_iter().collect();
    let channel = which.channel.unwrap_or_else(|| LIVE.into());
    let channel = app.channel(&model, &channel)?;
    // Reading a million fits must not hold up the predictions of this thread.
    let own = app.clone();
    let listing = async move {
        let selection = Selection { spec: &spec, channel: &channel, scopes: &scopes };
        match &own.bundle {
            Some(bundle) => {
                fits::list_of(&bundle.catalog, &own.blobs, selection).await.map_err(Problem::internal)
            }
            None => fits::list(own.ledger()?, &own.blobs, selection).await.map_err(Problem::internal),
        }
    };
    let listed = app.background.spawn(listing).await.map_err(Problem::internal)?;
    Ok(Json(listed?))
}
