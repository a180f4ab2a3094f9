//! Models and their fits.

use axum::Json;
use axum::extract::{Path, Query, State};
use runtime::fits::{self, FitView, Selection};
use schemas::channel::LIVE;
use schemas::scope::Scope;
use schemas::spec::ModelSpec;
use schemas::subjects::channel_key;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::app::Shared;
use crate::problem::Problem;

pub(super) async fn list(State(app): State<Shared>) -> Json<Value> {
    let models = app.models.all();
    Json(models.iter().map(|(_, spec)| describe(spec)).collect())
}

pub(super) async fn show(
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
pub(super) struct Which {
    /// Only this scope; the empty text is the scope of all rows.
    scope: Option<String>,
    channel: Option<String>,
}

pub(super) async fn fits(
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
    let channel = app.channels.get(&channel_key(&model, &channel)).unwrap_or_default();
    let selection = Selection { spec: &spec, channel: &channel, scopes: &scopes };
    Ok(Json(fits::list(&app.broker, &app.blobs, selection).await.map_err(Problem::internal)?))
}
