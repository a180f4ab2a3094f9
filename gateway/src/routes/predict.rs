//! `POST /v1/models/{model}/predict`.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequest, Path, Query, Request, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use schemas::label::Label;
use schemas::predict::{NO_FIT, Predictions, UsedFit};
use schemas::time::format_ms;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;
use utoipa::ToSchema;

use super::arrow::{self, ARROW};
use super::explanations::Explanation;
use super::intervals::Intervals;
use super::ndjson::{self, NDJSON};
use super::plain;
use crate::app::{App, Shared};
use crate::openapi::Refusals;
use crate::payload::{Payload, check_unpacked};
use crate::predicting::{By, all_failed};
use crate::problem::{Problem, RowProblem};
use crate::rows::{Rows, RowsError};

/// The route.
pub(crate) const PATH: &str = "/v1/models/{model}/predict";

/// What the query says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    /// The channel, unless the body names one.
    channel: Option<String>,
}

/// Rows to predict.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
pub(crate) struct Body {
    /// Fields by name, as the model reads them: dimensions, features, times.
    #[schema(value_type = Vec<Object>, min_items = 1)]
    rows: Vec<Value>,
    /// The channel that answers.
    channel: Option<String>,
    /// Whether each prediction is to be taken apart into what each feature adds to it.
    explain: Option<bool>,
}

/// An answer.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Answer<'a> {
    /// One per row; `null` where `errors` has the row.
    #[schema(value_type = Vec<Value>)]
    predictions: Vec<Option<Predicted>>,
    /// One per row where classifiers answered; `null` for the other rows.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Value>, required = false)]
    probabilities: Vec<Option<Probabilities>>,
    fits: Vec<FitUsed<'a>>,
    /// Per row the index into `fits`; `null` where `errors` has the row.
    fit_of: Vec<Option<u32>>,
    /// One per row where a fit has intervals, else empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Value>, required = false)]
    intervals: Vec<Intervals>,
    /// One per row where explanations were asked for: `base` and `contributions` by feature, of more than two classes under
    /// `classes` by class, and the `link` from their sum to the prediction, unless they are the same; `null` where the fit
    /// is no sum.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Vec<Value>, required = false)]
    explanations: Option<Vec<Option<Explanation>>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    errors: Vec<RowProblem>,
}

/// A number, a class by its label, or the scores of components.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Predicted {
    Number(f64),
    Class(Label),
    Scores(Vec<f64>),
}

/// Probabilities by class, in the classes' order.
#[derive(Debug)]
pub(super) struct Probabilities(Vec<(Label, f64)>);

impl Serialize for Probabilities {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(label, probability)| (label.to_string(), probability)))
    }
}

/// A fit that answered.
#[derive(Debug, Serialize, ToSchema)]
struct FitUsed<'a> {
    scope: &'a str,
    level: u8,
    fingerprint: &'a str,
    campaign: &'a str,
    trained_at: String,
}

impl<'a> From<&'a UsedFit> for FitUsed<'a> {
    fn from(used: &'a UsedFit) -> Self {
        FitUsed {
            scope: used.scope.as_str(),
            level: used.level,
            fingerprint: &used.fingerprint,
            campaign: &used.campaign,
            trained_at: format_ms(used.trained_at_ms),
        }
    }
}

/// Predicts rows, each by the fit of its scope or of the nearest level above that has one
///
/// A row that cannot be predicted is an error at its index, beside the predictions of the others. As `application/x-ndjson`,
/// one row a line, any number of rows is answered line by line; as `application/vnd.apache.arrow.stream`, batch by batch.
#[utoipa::path(
    post,
    path = "/v1/models/{model}/predict",
    tag = "predictions",
    params(
        ("model" = String, Path, description = "The model's name", example = "arrival_delay"),
        ("channel" = Option<String>, Query, description = "The channel that answers, unless the body names one; `live` without"),
    ),
    request_body(
        content((Body = "application/json", example = json!({"rows": [{"carrier": "UA", "origin": "EWR", "dest": "IAH",
            "dep_delay": 12, "distance": 1400, "hour": 9, "month": 12, "day": 3, "time_hour": "2013-12-03T14:00:00Z"}]})),
            (String = "application/x-ndjson"),
            (Vec<u8> = "application/vnd.apache.arrow.stream")),
    ),
    responses(
        (status = 200, description = "One entry for each row", content(
            (Answer = "application/json", example = json!({"predictions": [4.93], "fits": [{"scope": "carrier=UA,origin=EWR,dest=IAH",
                "level": 0, "fingerprint": "9f0c", "campaign": "20261122t215601047-7k3qm", "trained_at": "2026-11-22T21:56:01Z"}], "fit_of": [0]})),
            (String = "application/x-ndjson"),
            (Vec<u8> = "application/vnd.apache.arrow.stream"))),
        Refusals
    )
)]
pub(crate) async fn predict(
    State(app): State<Shared>,
    Path(model): Path<String>,
    asked: Result<Query<Asked>, QueryRejection>,
    request: Request,
) -> Result<Response, Problem> {
    let Query(asked) = asked.map_err(|error| Problem::bad_request(error.body_text()))?;
    if let Some(stream) = stream_of(content_type(&request)) {
        check_unpacked(request.headers())?;
        let known = app.known(&model)?;
        let by = known.by(&app, asked.channel.as_deref())?;
        return match stream {
            Stream::Lines => Ok(ndjson::predict(app, &known, by, request.into_body())),
            Stream::Batches => arrow::predict(app, known.layout.clone(), by, request.into_body()).await,
        };
    }
    let Payload { body, place: _place } = Payload::from_request(request, &app).await?;
    let asked = read(&app, &model, asked.channel.as_deref(), &body)?;
    // What is waited for needs it no more.
    drop(body);
    let body = asked.answer(&app).await?;
    Ok(([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response())
}

/// What a body asks for.
pub(crate) struct Read {
    by: Arc<By>,
    rows: Rows,
}

/// Reads the rows of a body, which may name another channel than the one asked for beside it.
///
/// # Errors
/// What is wrong with the request as a whole.
pub(crate) fn read(app: &App, model: &str, channel: Option<&str>, body: &[u8]) -> Result<Read, Problem> {
    let known = app.known(model)?;
    let rows = Rows::parse(body, &known.layout).map_err(|error| match error {
        RowsError::TooMany => Problem::too_large(error.to_string()),
        RowsError::Json(_) | RowsError::Empty => Problem::bad_request(error.to_string()),
    })?;
    let by = known.by(app, rows.channel.as_deref().or(channel))?;
    Ok(Read { by, rows })
}

impl Read {
    /// Predicts the rows; the answer is JSON.
    ///
    /// # Errors
    /// When nobody can answer, or none of the rows.
    pub(crate) async fn answer(self, app: &App) -> Result<Vec<u8>, Problem> {
        let explain = self.rows.explain;
        let whole = self.by.predict(app, self.rows).await?;
        if whole.errors.len() == whole.values.len() {
            return Err(all_failed(&whole.errors));
        }
        if !explain && let Some(body) = plain::written(&whole) {
            return Ok(body);
        }
        let explanations = explain.then(|| Explanation::by_row(&whole));
        let answer = Answer { explanations, ..Answer::from(&whole) };
        let mut body = plain::room(&whole);
        serde_json::to_writer(&mut body, &answer).map_err(Problem::internal)?;
        Ok(body)
    }
}

fn content_type(request: &Request) -> &str {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    kind.unwrap_or_default()
}

/// What is answered as it comes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Stream {
    /// NDJSON.
    Lines,
    /// An Arrow IPC stream.
    Batches,
}

/// The stream that a content type says that a body is, whatever its letters' case and its parameters.
pub(crate) fn stream_of(content_type: &str) -> Option<Stream> {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    let known = [(NDJSON, Stream::Lines), (ARROW, Stream::Batches)];
    known.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(essence)).map(|(_, stream)| stream)
}

impl Predicted {
    /// One for each row; `None` for those without.
    pub(super) fn by_row(whole: &Predictions) -> Vec<Option<Predicted>> {
        let fit = |row: usize| whole.fits.get(whole.fit_of[row] as usize);
        // Only classes and scores stand in spans.
        let plain = whole.probabilities.is_empty();
        let spans = if plain { Vec::new() } else { whole.spans().unwrap_or_default() };
        let list =
            |row: usize| Some(Predicted::Scores(whole.probabilities[spans.get(row)?.clone()].to_vec()));
        let class =
            |row: usize| Some(Predicted::Class(fit(row)?.classes.get(whole.values[row] as usize)?.clone()));
        let predicted = |(row, value): (usize, &f64)| match fit(row) {
            _ if !value.is_finite() => None,
            Some(fit) if fit.scores > 0 => list(row),
            Some(fit) if !fit.classes.is_empty() => class(row),
            _ => Some(Predicted::Number(*value)),
        };
        whole.values.iter().enumerate().map(predicted).collect()
    }
}

impl Probabilities {
    /// One for each row, where a classifier is among the fits; `None` for the rows of others.
    pub(super) fn by_row(whole: &Predictions) -> Vec<Option<Probabilities>> {
        if whole.fits.iter().all(|fit| fit.classes.is_empty()) {
            return Vec::new();
        }
        let of_row = |(row, span): (usize, std::ops::Range<usize>)| {
            let classes = &whole.fits.get(whole.fit_of[row] as usize)?.classes;
            let named = classes.iter().cloned().zip(whole.probabilities[span].iter().copied());
            (!classes.is_empty()).then(|| Probabilities(named.collect()))
        };
        whole.spans().unwrap_or_default().into_iter().enumerate().map(of_row).collect()
    }
}

impl<'a> From<&'a Predictions> for Answer<'a> {
    fn from(whole: &'a Predictions) -> Answer<'a> {
        Answer {
            predictions: Predicted::by_row(whole),
            probabilities: Probabilities::by_row(whole),
            explanations: None,
            intervals: Intervals::by_row(&whole.intervals, whole.values.len()),
            fit_of: whole.fit_of.iter().map(|fit| (*fit != NO_FIT).then_some(*fit)).collect(),
            errors: whole.errors.iter().cloned().map(RowProblem::from).collect(),
            fits: whole.fits.iter().map(|fit| FitUsed::from(&**fit)).collect(),
        }
    }
}
