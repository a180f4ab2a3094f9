//! `POST /v1/models/{model}/train`.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use runtime::campaigns::view_of;
use runtime::exact::{self, Exact};
use schemas::campaign::{Campaign, Tally};
use schemas::channel::LIVE;
use schemas::limits::TRAIN_SCOPES_MAX;
use schemas::pattern::Pattern;
use schemas::scope::Scope;
use schemas::spec::ModelSpec;
use schemas::subjects::Priority;
use schemas::window::Window;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::app::{App, Shared};
use crate::openapi::Refusals;
use crate::payload::Payload;
use crate::problem::Problem;

/// What to train.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    /// As `--scope` of `enqueue train`, but without `*` and `time=last:…`, for which the source has to be read.
    #[schema(min_items = 1)]
    scopes: Vec<String>,
    /// The channel that the fits go to, each as it lands: `live` by default.
    channel: Option<String>,
    /// How urgent it is: `high`, `normal` by default, or `low`.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    priority: Priority,
    /// Whether scopes are trained where nothing has changed.
    #[serde(default)]
    force: bool,
}

/// Train scopes
///
/// Orders a campaign of scopes that are named one by one, and says where to follow it.
#[utoipa::path(
    post,
    path = "/v1/models/{model}/train",
    tag = "campaigns",
    params(("model" = String, Path, description = "The model's name")),
    request_body(content = Wanted, example = json!({"scopes": ["carrier=UA,origin=EWR,dest=IAH|ORD"]})),
    responses((status = 202, description = "The campaign; `location` says where it is shown", body = Object, content_type = "application/json"), Refusals)
)]
pub(crate) async fn train(
    State(app): State<Shared>,
    Path(model): Path<String>,
    Payload { body, place: _place }: Payload,
) -> Result<Response, Problem> {
    let spec = app.model(&model)?;
    app.ledger()?;
    let unlike = |problem: String| {
        let form =
            r#"{"scopes": ["dimension=value"], "channel": "live", "priority": "normal", "force": false}"#;
        Problem::bad_request(format!("the body is not of the form {form}: {problem}"))
    };
    // A list of the same values in their order would be taken as well.
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(unlike("it is no object".into()));
    }
    let wanted: Wanted = serde_json::from_slice(&body).map_err(|error| unlike(error.to_string()))?;
    let channel = wanted.channel.as_deref().unwrap_or(LIVE);
    schemas::name::check("channel", channel).map_err(|error| Problem::bad_request(error.to_string()))?;
    let scopes = named(&spec, &wanted.scopes)?;
    let exact = Exact { spec: &spec, channel, priority: wanted.priority, force: wanted.force };
    let campaign = Campaign { patterns: wanted.scopes, ..exact.campaign() };
    let campaign = ordered(&app, campaign, scopes).await?;
    let place =
        HeaderValue::from_str(&format!("/v1/campaigns/{}", campaign.id)).map_err(Problem::internal)?;
    let view = Json(view_of(&campaign, &Tally::default()));
    Ok((StatusCode::ACCEPTED, [(header::LOCATION, place)], view).into_response())
}

/// The scopes that patterns name, each once.
fn named(spec: &ModelSpec, patterns: &[String]) -> Result<Vec<(Scope, Window)>, Problem> {
    let dimensions = &spec.scope.dimensions;
    let mut all = Vec::new();
    for text in patterns {
        let pattern = Pattern::parse(text, dimensions, spec.data.time.is_some());
        let exact = pattern.and_then(|pattern| pattern.exact(text, dimensions, TRAIN_SCOPES_MAX));
        all.extend(exact.map_err(|error| Problem::bad_request(error.to_string()))?);
        if all.len() > TRAIN_SCOPES_MAX {
            let detail = format!("more than {TRAIN_SCOPES_MAX} scopes; order them in several requests");
            return Err(Problem::too_large(detail));
        }
    }
    all.sort_unstable();
    all.dedup();
    match all.is_empty() {
        true => Err(Problem::bad_request("`scopes` is empty; name at least one".to_owned())),
        false => Ok(all),
    }
}

/// Orders a campaign: what exists may have to be read first, and that is no work for a thread that answers requests.
async fn ordered(app: &App, campaign: Campaign, scopes: Vec<(Scope, Window)>) -> Result<Campaign, Problem> {
    let (broker, blobs) = (app.ledger()?.clone(), app.blobs.clone());
    let order = async move { exact::order(&broker, &blobs, campaign, scopes, false).await };
    app.background.spawn(order).await.map_err(Problem::internal)?.map_err(|error| {
        let error = anyhow::Error::from(error);
        Problem::unavailable(format!("the campaign could not be ordered: {error:#}; try again"))
    })
}
