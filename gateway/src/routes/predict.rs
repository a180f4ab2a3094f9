//! `POST /v1/models/{model}/predict`.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use schemas::channel::LIVE;
use schemas::forecast::Band;
use schemas::label::Label;
use schemas::predict::{NO_FIT, Predictions, Refusal, RowError, RowErrorKind, UsedFit};
use schemas::subjects::channel_key;
use schemas::time::format_ms;
use serde::{Deserialize, Serialize, Serializer};

use super::intervals::Intervals;
use crate::app::Shared;
use crate::dispatch::{DispatchError, Order, dispatch};
use crate::lanes::LaneError;
use crate::problem::{Problem, RowProblem};
use crate::rows::{Rows, RowsError};

/// Rows at fault that a refusal names; a caller mends them by kind, not one by one.
const ERRORS_NAMED_MAX: usize = 100;

/// What the query says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// The channel, unless the body names one.
    channel: Option<String>,
}

/// An answer.
#[derive(Debug, Serialize)]
pub(super) struct Answer {
    /// One per row; `null` where `errors` has the row.
    predictions: Vec<Option<Predicted>>,
    /// One per row where classifiers answered; `null` for the other rows.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    probabilities: Vec<Option<Probabilities>>,
    fits: Vec<FitUsed>,
    /// Per row the index into `fits`; `null` where `errors` has the row.
    fit_of: Vec<Option<u32>>,
    /// One per row where a fit has intervals, else empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    intervals: Vec<Intervals>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<RowProblem>,
}

/// A number, a class by its label, or the scores of components.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Predicted {
    Number(f64),
    Class(Label),
    Scores(Vec<f64>),
}

/// Probabilities by class, in the classes' order.
#[derive(Debug)]
struct Probabilities(Vec<(Label, f64)>);

impl Serialize for Probabilities {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(label, probability)| (label.to_string(), probability)))
    }
}

/// A fit that answered.
#[derive(Debug, Serialize)]
struct FitUsed {
    scope: String,
    level: u8,
    fingerprint: String,
    campaign: String,
    trained_at: String,
}

impl From<UsedFit> for FitUsed {
    fn from(used: UsedFit) -> Self {
        FitUsed {
            scope: used.scope.to_string(),
            level: used.level,
            fingerprint: used.fingerprint,
            campaign: used.campaign,
            trained_at: format_ms(used.trained_at_ms),
        }
    }
}

pub(super) async fn predict(
    State(app): State<Shared>,
    Path(model): Path<String>,
    asked: Result<Query<Asked>, QueryRejection>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Answer>, Problem> {
    let Query(asked) = asked.map_err(|error| Problem::bad_request(error.body_text()))?;
    let body = body.map_err(unreadable)?;
    let spec = app.model(&model)?;
    let parsed = Rows::parse(&body, &spec).map_err(|error| match error {
        RowsError::TooMany => Problem::too_large(error.to_string()),
        RowsError::Json(_) | RowsError::Empty => Problem::bad_request(error.to_string()),
    })?;
    drop(body);
    let channel = parsed.channel.as_deref().or(asked.channel.as_deref()).unwrap_or(LIVE);
    schemas::name::check("channel", channel).map_err(|error| Problem::bad_request(error.to_string()))?;
    let bad: Vec<u32> = parsed.errors.iter().map(|error| error.row).collect();
    let rows: Vec<u32> = (0..parsed.rows as u32).filter(|row| bad.binary_search(row).is_err()).collect();
    let mut answer = Predictions::default();
    if !rows.is_empty() {
        let state = app.channels.get(&channel_key(&model, channel)).unwrap_or_default().state();
        let (state, columns, limit) = (&state, &parsed.columns, app.deadline);
        let order = Order { spec: &spec, channel, state, columns, rows: &rows, limit };
        answer = dispatch(&app.lanes, &app.table, order).await.map_err(|error| refused(&error))?;
    }
    let whole = spread(parsed.rows, &rows, answer, parsed.errors);
    app.metrics.rows(&model, parsed.rows - whole.errors.len(), whole.errors.len());
    if whole.errors.len() == parsed.rows {
        return Err(all_failed(&whole.errors));
    }
    Ok(Json(Answer::from(whole)))
}

impl From<Predictions> for Answer {
    fn from(whole: Predictions) -> Answer {
        let classes =
            |row: usize| whole.fits.get(whole.fit_of[row] as usize).map_or(&[][..], |fit| &fit.classes);
        let spans = whole.spans().unwrap_or_default();
        let scores =
            |row: usize| whole.fits.get(whole.fit_of[row] as usize).is_some_and(|fit| fit.scores > 0);
        let predicted = |(row, value): (usize, &f64)| {
            let class = || classes(row).get(*value as usize).cloned().map(Predicted::Class);
            let span = |row: usize| spans.get(row).cloned().unwrap_or_default();
            let list = || Predicted::Scores(whole.probabilities[span(row)].to_vec());
            value.is_finite().then(|| match scores(row) {
                true => list(),
                false => class().unwrap_or(Predicted::Number(*value)),
            })
        };
        let has_classes = whole.fits.iter().any(|fit| !fit.classes.is_empty());
        let probabilities = |(row, span): (usize, std::ops::Range<usize>)| {
            let named = classes(row).iter().cloned().zip(whole.probabilities[span].iter().copied());
            (!classes(row).is_empty()).then(|| Probabilities(named.collect()))
        };
        Answer {
            predictions: whole.values.iter().enumerate().map(predicted).collect(),
            probabilities: match has_classes {
                false => Vec::new(),
                true => spans.iter().cloned().enumerate().map(probabilities).collect(),
            },
            intervals: Intervals::by_row(&whole.intervals, whole.values.len()),
            fit_of: whole.fit_of.iter().map(|fit| (*fit != NO_FIT).then_some(*fit)).collect(),
            errors: whole.errors.into_iter().map(RowProblem::from).collect(),
            fits: whole.fits.into_iter().map(FitUsed::from).collect(),
        }
    }
}

/// The answers for `rows` in their places among all rows, with the errors found before.
fn spread(all: usize, rows: &[u32], answer: Predictions, mut errors: Vec<RowError>) -> Predictions {
    let mut whole = Predictions {
        values: vec![f64::NAN; all],
        fit_of: vec![NO_FIT; all],
        fits: answer.fits,
        // Rows that were not sent have none, and the others keep their order.
        probabilities: answer.probabilities,
        ..Predictions::default()
    };
    Band::spread(&mut whole.intervals, all, &answer.intervals, rows);
    for ((row, value), fit) in rows.iter().zip(answer.values).zip(answer.fit_of) {
        whole.values[*row as usize] = value;
        whole.fit_of[*row as usize] = fit;
    }
    let moved = |error: RowError| Some(RowError { row: *rows.get(error.row as usize)?, ..error });
    errors.extend(answer.errors.into_iter().filter_map(moved));
    errors.sort_by_key(|error| error.row);
    whole.errors = errors;
    whole
}

fn unreadable(error: BytesRejection) -> Problem {
    match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::too_large(format!(
            "a request has at most {} MiB; send the rows in several",
            schemas::limits::PREDICT_BODY_BYTES_MAX / 1024 / 1024
        )),
        _ => Problem::bad_request(error.body_text()),
    }
}

/// The status that fits every row's error.
fn all_failed(errors: &[RowError]) -> Problem {
    let only = |kind: RowErrorKind| errors.iter().all(|error| error.kind == kind);
    let first = errors.first().map(|error| {
        let field = error.field.as_ref().map(|field| format!("`{field}`: ")).unwrap_or_default();
        format!("row {}: {field}{}", error.row, error.message)
    });
    let detail = |what: &str| format!("{what}: {}", first.as_deref().unwrap_or_default());
    let problem = if only(RowErrorKind::NoFit) {
        Problem::not_found(detail("no row has a fit"))
    } else if only(RowErrorKind::Unavailable) {
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "fit unavailable", detail("fits cannot be read"))
    } else {
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "no usable row", detail("no row can be predicted"))
    };
    let named = errors.iter().take(ERRORS_NAMED_MAX).cloned().map(RowProblem::from).collect();
    Problem { errors: named, ..problem }
}

fn refused(error: &DispatchError) -> Problem {
    match error {
        DispatchError::Nobody | DispatchError::Lane(LaneError::Gone { .. } | LaneError::Full { .. }) => {
            Problem::unavailable(error.to_string())
        }
        DispatchError::Lane(LaneError::Late { .. }) => {
            Problem::new(StatusCode::GATEWAY_TIMEOUT, "timed out", error.to_string())
        }
        DispatchError::Lane(LaneError::Garbled { .. }) => {
            Problem::new(StatusCode::BAD_GATEWAY, "bad gateway", error.to_string())
        }
        DispatchError::Refused(Refusal::NoModel { .. }) => Problem::not_found(error.to_string()),
        DispatchError::Refused(Refusal::Failed) => {
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "predictor failed", error.to_string())
        }
        DispatchError::Refused(Refusal::Overloaded | Refusal::Behind) => {
            Problem::unavailable(error.to_string())
        }
        DispatchError::Refused(Refusal::BadRequest { .. }) => Problem::bad_request(error.to_string()),
        DispatchError::Refused(Refusal::AnswerTooLarge) | DispatchError::RowTooLarge { .. } => {
            Problem::too_large(error.to_string())
        }
    }
}
