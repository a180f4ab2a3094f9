//! One prediction request, from parsed rows to their answers, whatever form it came in.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use dispatch::{DispatchError, LaneError, Order, Other, dispatch, with_canary};
use schemas::channel::{ChannelState, Share};
use schemas::predict::{
    NamedColumn, PredictRequest, Predictions, Refusal, RowError, RowErrorKind, sound_rows,
};
use schemas::spec::{ModelSpec, OnMiss};
use schemas::subjects::channel_key;
use tokio::time::Instant;

use crate::app::App;
use crate::metrics::RowMetrics;
use crate::problem::{Problem, RowProblem};
use crate::rows::Rows;

/// Rows at fault that a refusal names; a caller mends them by kind, not one by one.
const ERRORS_NAMED_MAX: usize = 100;

/// Time until the next try while all predictors have too much to do.
const FULL_WAIT: Duration = Duration::from_millis(20);

/// By what rows are predicted.
#[derive(Debug, Clone)]
pub struct By {
    /// The model.
    pub spec: Arc<ModelSpec>,
    /// Its name.
    pub model: Arc<str>,
    /// The channel that answers.
    pub channel: Arc<str>,
    /// Which of its campaigns answer: the same for all parts of a stream.
    pub state: Arc<ChannelState>,
    /// Another one that answers for some scopes.
    pub canary: Option<Other>,
    /// Another one that is compared for some scopes.
    pub shadow: Option<Other>,
    /// Where rows are counted.
    pub metrics: RowMetrics,
}

impl By {
    /// The model `spec` by the channel called `name`, in the state that it is in now.
    ///
    /// # Errors
    /// A 400 for a name that no channel can have; a 404 for one that none of the model's has, with the nearest right one.
    pub fn new(app: &App, spec: Arc<ModelSpec>, name: &str) -> Result<By, Problem> {
        let own = app.channel(&spec.name, name)?;
        let record = |name: &str| app.channels.get(&channel_key(&spec.name, name)).unwrap_or_default();
        let beside = |share: &Option<Share>| {
            let share = share.clone()?;
            let state = Arc::new(record(&share.channel).state());
            Some(Other { share, state })
        };
        let (canary, shadow, state) = (beside(&own.canary), beside(&own.shadow), Arc::new(own.state()));
        let (model, metrics) = (spec.name.as_str().into(), app.metrics.rows(&spec.name));
        Ok(By { channel: name.into(), state, spec, model, canary, shadow, metrics })
    }

    /// Predicts all rows; those that cannot be are errors in the answer.
    ///
    /// # Errors
    /// When nobody can answer.
    pub async fn predict(self: &Arc<By>, app: &App, parsed: Rows) -> Result<Predictions, Problem> {
        self.predict_until(app, parsed, Instant::now() + app.deadline).await
    }

    async fn predict_until(
        self: &Arc<By>,
        app: &App,
        parsed: Rows,
        until: Instant,
    ) -> Result<Predictions, Problem> {
        let Rows { rows, columns, errors, explain, .. } = parsed;
        let misses = app.misses.as_ref().filter(|_| self.spec.release.on_miss == OnMiss::Train);
        let follows = self.shadow.is_some() || misses.is_some();
        let kept = follows.then(|| columns.clone());
        let whole = match errors.is_empty() {
            true => self.ask(app, explain, (rows, columns), until).await?,
            false => {
                let good = sound_rows(rows, &errors);
                let answer = match good.is_empty() {
                    true => Predictions::default(),
                    false => self.ask(app, explain, (good.len(), take(&columns, &good)), until).await?,
                };
                answer.spread(rows, &good, errors)
            }
        };
        if let Some(columns) = kept {
            let campaigns = self.state.campaigns as usize;
            if let Some(misses) = misses {
                misses.note((&self.spec, &self.channel), campaigns, &columns, &whole);
            }
            app.shadows.compare(app, self, columns, &whole);
        }
        self.metrics.note(rows - whole.errors.len(), whole.errors.len());
        Ok(whole)
    }

    /// [`By::predict`] for a part of a stream: a stream has time, and a slower one is better than one with holes.
    ///
    /// # Errors
    /// When nobody can answer before the deadline.
    pub async fn predict_patiently(self: &Arc<By>, app: &App, rows: Rows) -> Result<Predictions, Problem> {
        let until = Instant::now() + app.deadline;
        loop {
            match self.predict_until(app, rows.clone(), until).await {
                Err(problem) if problem.is_passing() && Instant::now() < until => {
                    tokio::time::sleep(FULL_WAIT).await;
                }
                done => return done,
            }
        }
    }

    async fn ask(
        &self,
        app: &App,
        explain: bool,
        columns: (usize, Vec<NamedColumn>),
        until: Instant,
    ) -> Result<Predictions, Problem> {
        let request = self.request(app, explain, columns);
        with_canary(&self.spec, self.canary.as_ref(), request, |request| self.send(app, request, until)).await
    }

    /// So many rows, with their columns, asked of the channel.
    pub fn request(
        &self,
        app: &App,
        explain: bool,
        (rows, columns): (usize, Vec<NamedColumn>),
    ) -> PredictRequest {
        PredictRequest {
            model: self.model.clone(),
            channel: self.channel.clone(),
            state: Some(self.state.clone()),
            explain,
            bundle: app.bundle.as_ref().map(|bundle| bundle.digest.clone()),
            rows: rows as u32,
            columns,
        }
    }

    /// Predicts a request's rows by the channel that it names.
    ///
    /// # Errors
    /// When nobody can answer `until` then.
    pub async fn send(
        &self,
        app: &App,
        request: PredictRequest,
        until: Instant,
    ) -> Result<Predictions, Problem> {
        let order = Order { spec: &self.spec, request, until };
        dispatch(&app.lanes, order).await.map_err(|error| refused(&error))
    }
}

/// Some rows of all columns.
pub fn take(columns: &[NamedColumn], rows: &[u32]) -> Vec<NamedColumn> {
    columns.iter().map(|named| named.take(rows)).collect()
}

/// The status that fits every row's error.
pub fn all_failed(errors: &[RowError]) -> Problem {
    let only = |kind: RowErrorKind| errors.iter().all(|error| error.kind == kind);
    let first = errors.first().map(|error| format!("row {}: {error}", error.row));
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
        DispatchError::Nobody
        | DispatchError::Lane(LaneError::Gone { .. } | LaneError::Lost { .. } | LaneError::Full { .. }) => {
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
