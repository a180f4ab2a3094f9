//! The Open Inference Protocol v2 over HTTP.

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequest, Path, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use schemas::subjects::channel_key;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::app::{App, Shared};
use crate::known::Known;
use crate::openapi::V2Refusals;
use crate::payload::Payload;
use crate::predicting::all_failed;
use crate::problem::Problem;
use crate::v2::{Encoded, HEADER_LENGTH, Inference, ModelMetadata, encode, model_metadata};

/// A problem in the protocol's form.
#[derive(Debug)]
pub(crate) struct V2Problem(Problem);

impl From<Problem> for V2Problem {
    fn from(problem: Problem) -> V2Problem {
        V2Problem(problem)
    }
}

impl IntoResponse for V2Problem {
    fn into_response(self) -> Response {
        self.0.respond(&json!({"error": self.0.detail}))
    }
}

/// Whether a path is one of the protocol's, or is meant to be.
pub(crate) fn is_own(uri: &Uri) -> bool {
    uri.path().strip_prefix("/v2").is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// A model, and the version of it where the path names one.
#[derive(Debug, Deserialize)]
pub(crate) struct Named {
    model: String,
    version: Option<String>,
}

impl Named {
    fn known(&self, app: &App) -> Result<Arc<Known>, Problem> {
        let known = app.known(&self.model)?;
        match &self.version {
            Some(version) if *version != known.layout.revision => Err(Problem::not_found(format!(
                "model `{}` has the version {} and no `{version}`",
                self.model, known.layout.revision
            ))),
            _ => Ok(known),
        }
    }
}

/// What serves, and by which extensions
#[utoipa::path(
    get,
    path = "/v2",
    tag = "inference protocol",
    responses((status = 200, description = "Name, version, extensions", body = Object, content_type = "application/json"), V2Refusals)
)]
pub(crate) async fn server() -> Json<Value> {
    Json(json!({
        "name": "scopeforge",
        "version": env!("CARGO_PKG_VERSION"),
        "extensions": ["binary_tensor_data"],
    }))
}

/// Whether the server lives
#[utoipa::path(
    get,
    path = "/v2/health/live",
    tag = "inference protocol",
    responses((status = 200, description = "It does", body = Object, content_type = "application/json"), V2Refusals)
)]
pub(crate) async fn live() -> Json<Value> {
    Json(json!({"live": true}))
}

/// Whether the server is ready
#[utoipa::path(
    get,
    path = "/v2/health/ready",
    tag = "inference protocol",
    responses((status = 200, description = "It is", body = Object, content_type = "application/json"), V2Refusals)
)]
pub(crate) async fn ready(State(app): State<Shared>) -> Result<Json<Value>, V2Problem> {
    super::health::readiness(&app)?;
    Ok(Json(json!({"ready": true})))
}

/// What a model takes and gives
#[utoipa::path(
    get,
    path = "/v2/models/{model}",
    tag = "inference protocol",
    params(("model" = String, Path, description = "The model's name", example = "arrival_delay")),
    responses((status = 200, description = "Its inputs and outputs", body = Object, content_type = "application/json"), V2Refusals)
)]
pub(crate) async fn model(
    State(app): State<Shared>,
    Path(named): Path<Named>,
) -> Result<Json<ModelMetadata>, V2Problem> {
    let known = named.known(&app)?;
    Ok(Json(model_metadata(&known.spec, &known.layout)))
}

/// Whether a model is ready: somebody predicts, and it has been trained
#[utoipa::path(
    get,
    path = "/v2/models/{model}/ready",
    tag = "inference protocol",
    params(("model" = String, Path, description = "The model's name", example = "arrival_delay")),
    responses((status = 200, description = "It is", body = Object, content_type = "application/json"), V2Refusals)
)]
pub(crate) async fn model_ready(
    State(app): State<Shared>,
    Path(named): Path<Named>,
) -> Result<Json<Value>, V2Problem> {
    let known = named.known(&app)?;
    super::health::readiness(&app)?;
    let live = app.channels.get(&channel_key(&known.spec.name, schemas::channel::LIVE));
    match live.is_some_and(|live| !live.campaigns.is_empty()) {
        true => Ok(Json(json!({"name": known.spec.name, "ready": true}))),
        false => {
            Err(Problem::unavailable(format!("no fit of model `{}` has landed yet", known.spec.name)).into())
        }
    }
}

/// Predicts tensors
#[utoipa::path(
    post,
    path = "/v2/models/{model}/infer",
    tag = "inference protocol",
    params(("model" = String, Path, description = "The model's name", example = "arrival_delay")),
    request_body(
        content = Object,
        content_type = "application/json",
        description = "Tensors of one element for each row; behind the JSON may stand binary data, as the header inference-header-content-length says",
        example = json!({"inputs": [
            {"name": "carrier", "shape": [1], "datatype": "BYTES", "data": ["UA"]},
            {"name": "dep_delay", "shape": [1], "datatype": "FP64", "data": [12.0]}]})
    ),
    responses(
        (status = 200, description = "Predictions, and for each row the scope, level and name of the fit, or its error", content(
            (Object = "application/json"), (Vec<u8> = "application/octet-stream"))), V2Refusals)
)]
pub(crate) async fn infer(
    State(app): State<Shared>,
    Path(named): Path<Named>,
    request: Request,
) -> Result<Response, V2Problem> {
    let known = named.known(&app)?;
    let headers = request.headers().clone();
    let Payload { body, place: _place } = Payload::from_request(request, &app).await?;
    let (json, tail) = split(&headers, &body)?;
    let inference = Inference::parse(json)?;
    inference.check_parameters()?;
    let rows = inference.rows(&known.layout, tail)?;
    let by = known.by(&app, inference.text_parameter("channel")?)?;
    let answer = by.predict(&app, rows).await?.of_model(&by.spec);
    if answer.errors.len() == answer.values.len() {
        return Err(all_failed(&answer.errors).into());
    }
    let mut head = json!({"model_name": by.spec.name, "model_version": known.layout.revision});
    if let Some(id) = &inference.id {
        head["id"] = json!(id);
    }
    Ok(respond(encode(head, &answer, &inference.wanted())?))
}

/// The JSON of a body, and the binary data behind it.
fn split<'b>(headers: &HeaderMap, body: &'b [u8]) -> Result<(&'b [u8], &'b [u8]), Problem> {
    let Some(length) = headers.get(HEADER_LENGTH) else { return Ok((body, &[])) };
    let length = length.to_str().ok().and_then(|length| length.trim().parse::<usize>().ok());
    let parts = length.and_then(|length| body.split_at_checked(length));
    parts.ok_or_else(|| {
        let detail =
            format!("the header {HEADER_LENGTH} is no place within the body of {} bytes", body.len());
        Problem::bad_request(detail)
    })
}

fn respond(Encoded { body, json_bytes }: Encoded) -> Response {
    let kind = if json_bytes.is_some() { "application/octet-stream" } else { "application/json" };
    let mut response = (StatusCode::OK, [(header::CONTENT_TYPE, kind)], body).into_response();
    if let Some(bytes) = json_bytes {
        response.headers_mut().insert(HeaderName::from_static(HEADER_LENGTH), HeaderValue::from(bytes));
    }
    response
}

/// What a version of a model takes and gives
#[utoipa::path(
    get,
    path = "/v2/models/{model}/versions/{version}",
    tag = "inference protocol",
    params(
        ("model" = String, Path, description = "The model's name", example = "arrival_delay"),
        ("version" = String, Path, description = "The revision of its spec"),
    ),
    responses((status = 200, description = "Its inputs and outputs", body = Object, content_type = "application/json"), V2Refusals)
)]
pub(crate) async fn model_version(
    app: State<Shared>,
    named: Path<Named>,
) -> Result<Json<ModelMetadata>, V2Problem> {
    model(app, named).await
}

/// Whether a version of a model is ready
#[utoipa::path(
    get,
    path = "/v2/models/{model}/versions/{version}/ready",
    tag = "inference protocol",
    params(
        ("model" = String, Path, description = "The model's name", example = "arrival_delay"),
        ("version" = String, Path, description = "The revision of its spec"),
    ),
    responses((status = 200, description = "It is", body = Object, content_type = "application/json"), V2Refusals)
)]
pub(crate) async fn model_version_ready(
    app: State<Shared>,
    named: Path<Named>,
) -> Result<Json<Value>, V2Problem> {
    model_ready(app, named).await
}

/// Predicts tensors by a version of a model
#[utoipa::path(
    post,
    path = "/v2/models/{model}/versions/{version}/infer",
    tag = "inference protocol",
    params(
        ("model" = String, Path, description = "The model's name", example = "arrival_delay"),
        ("version" = String, Path, description = "The revision of its spec"),
    ),
    request_body(
        content = Object,
        content_type = "application/json",
        description = "Tensors of one element for each row; behind the JSON may stand binary data, as the header inference-header-content-length says",
        example = json!({"inputs": [
            {"name": "carrier", "shape": [1], "datatype": "BYTES", "data": ["UA"]},
            {"name": "dep_delay", "shape": [1], "datatype": "FP64", "data": [12.0]}]})
    ),
    responses(
        (status = 200, description = "Predictions, and for each row the scope, level and name of the fit, or its error", content(
            (Object = "application/json"), (Vec<u8> = "application/octet-stream"))), V2Refusals)
)]
pub(crate) async fn infer_version(
    app: State<Shared>,
    named: Path<Named>,
    request: Request,
) -> Result<Response, V2Problem> {
    infer(app, named, request).await
}
