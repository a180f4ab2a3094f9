//! One request over many predictors: rows are grouped by scope, sent to the predictor that each scope prefers,
//! and the answers joined in the order of the rows.

use std::sync::Arc;

use futures::future::{BoxFuture, try_join_all};
use schemas::alike::Alike;
use schemas::column::TextColumn;
use schemas::limits::MESSAGE_BYTES_MAX;
use schemas::predict::{NamedColumn, PredictReply, PredictRequest, Predictions, Refusal, text_column};
use schemas::scope::Scope;
use schemas::spec::ModelSpec;
use tokio::time::Instant;

use crate::cut::{Cutter, is_one_message};
use crate::join::{Part, join};
use crate::lanes::{LaneError, Lanes};
use crate::route::{bounded, favourite};

/// Others that are asked and have too much to do, before a request is refused: where all have, asking all makes it worse.
const FULL_ASKED_MAX: usize = 3;

/// Why rows could not be predicted.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum DispatchError {
    /// No predictor is alive.
    #[error("no predictor is ready; start one with `worker infer`")]
    Nobody,
    /// The last predictor that was asked did not answer.
    #[error(transparent)]
    Lane(#[from] LaneError),
    /// A predictor refused the request.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A row is too large for any message.
    #[error("one row takes {row_bytes} bytes, more than the {MESSAGE_BYTES_MAX} that a message may have")]
    RowTooLarge {
        /// Its size.
        row_bytes: usize,
    },
}

/// What to predict.
#[derive(Debug)]
pub struct Order<'a> {
    /// The model.
    pub spec: &'a ModelSpec,
    /// The rows.
    pub request: PredictRequest,
    /// When it is too late for an answer.
    pub until: Instant,
}

/// Predicts the order's rows; the result has one entry for each of them, in their order.
///
/// # Errors
/// [`DispatchError`] when some rows cannot be answered by anyone: a request is answered whole or not at all.
pub async fn dispatch(lanes: &Lanes, order: Order<'_>) -> Result<Predictions, DispatchError> {
    let workers = lanes.predictors();
    let near = lanes.near();
    if workers.is_empty() && near.is_none() {
        return Err(nobody(lanes));
    }
    lanes.keep(&workers);
    let Order { spec, request, until } = order;
    let rows = request.rows as usize;
    let asking = Asking { lanes, near, workers: &workers, until };
    // Whatever the scopes prefer, none of them is nearer.
    let one_asked = near.is_some() || workers.len() == 1 || rows == 1;
    if one_asked && is_one_message(&request.columns, rows) {
        // With nobody to choose from, nothing is to be preferred.
        let key = if workers.len() > 1 { Scopes::of(spec, &request.columns).key(0) } else { 0 };
        let request = Arc::new(request);
        return match asking.ask(key, &request).await {
            Err(DispatchError::Refused(Refusal::AnswerTooLarge)) if rows > 1 => {
                Ok(join(rows, asking.halves(key, request, (0..rows as u32).collect()).await?))
            }
            answered => answered,
        };
    }
    let shares = match one_asked {
        true => vec![(0, (0..rows as u32).collect())],
        false => shares(&Scopes::of(spec, &request.columns), &workers, rows),
    };
    let (mut cutter, mut parts) = (Cutter::new(&request.columns), Vec::new());
    for (key, places) in &shares {
        parts.extend(cutter.cut(places)?.into_iter().map(|part| (*key, part)));
    }
    let asked = parts
        .into_iter()
        .map(|(key, places)| asking.part(key, Arc::new(request.take(places)), places.to_vec()));
    Ok(join(rows, try_join_all(asked).await?.concat()))
}

/// Why nobody can be asked: the predictor of this process, the only one, has no room, or there is none.
fn nobody(lanes: &Lanes) -> DispatchError {
    match lanes.own() {
        Some(own) => LaneError::Full { worker: own.to_owned() }.into(),
        None => DispatchError::Nobody,
    }
}

/// One order under way.
struct Asking<'a> {
    lanes: &'a Lanes,
    /// The predictor of this process, if it has room.
    near: Option<&'a str>,
    workers: &'a [String],
    until: Instant,
}

impl Asking<'_> {
    /// Predicts a request whose rows stand at `places`, in halves if the answer is too large for one message.
    fn part(
        &self,
        key: u64,
        request: Arc<PredictRequest>,
        places: Vec<u32>,
    ) -> BoxFuture<'_, Result<Vec<Part>, DispatchError>> {
        Box::pin(async move {
            match self.ask(key, &request).await {
                Err(DispatchError::Refused(Refusal::AnswerTooLarge)) if places.len() > 1 => {
                    self.halves(key, request, places).await
                }
                answered => Ok(vec![(places, answered?)]),
            }
        })
    }

    async fn halves(
        &self,
        key: u64,
        request: Arc<PredictRequest>,
        places: Vec<u32>,
    ) -> Result<Vec<Part>, DispatchError> {
        let middle = places.len() / 2;
        let half = |rows: std::ops::Range<usize>| {
            let own: Vec<u32> = rows.clone().map(|row| row as u32).collect();
            self.part(key, Arc::new(request.take(&own)), places[rows].to_vec())
        };
        let halves = tokio::try_join!(half(0..middle), half(middle..places.len()))?;
        Ok([halves.0, halves.1].concat())
    }

    /// Asks the predictor of this process or the one that `key` prefers; if it fails, another one.
    async fn ask(&self, key: u64, request: &Arc<PredictRequest>) -> Result<Predictions, DispatchError> {
        let first = match (self.near, self.workers) {
            (Some(near), _) => near,
            (None, [only]) => only,
            (None, workers) => match bounded(key, workers, &self.lanes.open(workers)).first().copied() {
                Some(worker) => worker,
                None => return Err(DispatchError::Nobody),
            },
        };
        // The first may use half of the time that is left, so that there is some for another one.
        let others = self.workers.iter().any(|worker| worker != first);
        let now = Instant::now();
        let half = now + self.until.saturating_duration_since(now) / 2;
        match self.ask_one(first, request, if others { half } else { self.until }).await {
            Err(error) if is_its_own(&error) => self.ask_others(key, request, (first, error)).await,
            answered => answered,
        }
    }

    /// Asks those that are alive by now, when the first has failed: until one has worked on the request, which may be what
    /// ended the first, or several have too much to do.
    async fn ask_others(
        &self,
        key: u64,
        request: &Arc<PredictRequest>,
        (first, mut error): (&str, DispatchError),
    ) -> Result<Predictions, DispatchError> {
        let (mut tried, mut full) = (vec![first.to_owned()], 0);
        loop {
            let workers = self.lanes.predictors();
            let preferred = bounded(key, &workers, &self.lanes.open(&workers));
            let next = preferred.into_iter().find(|worker| !tried.iter().any(|known| known == worker));
            let Some(worker) = next.map(str::to_owned) else { return Err(error) };
            match self.ask_one(&worker, request, self.until).await {
                Err(
                    unseen @ (DispatchError::Lane(LaneError::Gone { .. } | LaneError::Full { .. })
                    | DispatchError::Refused(Refusal::Behind)),
                ) => error = unseen,
                answered => return answered,
            }
            full += usize::from(matches!(error, DispatchError::Lane(LaneError::Full { .. })));
            if full >= FULL_ASKED_MAX {
                return Err(error);
            }
            tried.push(worker);
        }
    }

    async fn ask_one(
        &self,
        worker: &str,
        request: &Arc<PredictRequest>,
        until: Instant,
    ) -> Result<Predictions, DispatchError> {
        let answered = match self.lanes.ask(worker, request.clone(), until).await {
            Ok(PredictReply::Refused(refusal)) => Err(refusal.into()),
            Ok(PredictReply::Done(predictions)) => match problem_of(&predictions, request.rows as usize) {
                None => Ok(predictions),
                Some(problem) => {
                    let (worker, problem) = (worker.to_owned(), problem.to_owned());
                    Err(LaneError::Garbled { worker, problem }.into())
                }
            },
            Err(error) => {
                if matches!(error, LaneError::Gone { .. } | LaneError::Lost { .. }) {
                    self.lanes.table().forget(worker);
                }
                Err(error.into())
            }
        };
        if let Err(error) = &answered
            && is_its_own(error)
        {
            tracing::warn!("{error}");
        }
        answered
    }
}

/// Whether it is the predictor that failed, so that another one may answer.
fn is_its_own(error: &DispatchError) -> bool {
    matches!(error, DispatchError::Lane(_) | DispatchError::Refused(Refusal::Behind))
}

/// What is wrong with an answer to so many rows.
fn problem_of(predictions: &Predictions, rows: usize) -> Option<&'static str> {
    if !predictions.has_rows(rows) {
        return Some("an answer to other rows");
    }
    (!predictions.adds_up()).then_some("probabilities that belong to no classes")
}

/// The columns that say of which scope a row is.
#[derive(Debug)]
pub struct Scopes<'a> {
    texts: Vec<(&'a str, &'a TextColumn)>,
    dimensions: usize,
}

impl<'a> Scopes<'a> {
    /// Those among `columns`.
    pub fn of(spec: &'a ModelSpec, columns: &'a [NamedColumn]) -> Scopes<'a> {
        let text = |name: &'a String| Some((name.as_str(), text_column(columns, name)?));
        let dimensions = &spec.scope.dimensions;
        Scopes { texts: dimensions.iter().filter_map(text).collect(), dimensions: dimensions.len() }
    }

    /// A number for the row's scope, the same at all times and everywhere.
    pub fn key(&self, row: usize) -> u64 {
        let fixed = self.texts.iter().filter_map(|(name, text)| Some((*name, text.get(row)?)));
        Scope::new(fixed).stable_hash()
    }

    /// The rows by their scopes.
    fn alike(&self, rows: usize) -> Alike {
        let texts: Vec<&TextColumn> = self.texts.iter().map(|(_, text)| *text).collect();
        Alike::of(&texts, rows)
    }

    /// The row's most exact scope; `None` where a dimension has no value.
    pub fn exact(&self, row: usize) -> Option<Scope> {
        let fixed: Option<Vec<(&str, &str)>> =
            self.texts.iter().map(|(name, text)| Some((*name, text.get(row)?))).collect();
        fixed.filter(|fixed| fixed.len() == self.dimensions).map(Scope::new)
    }
}

/// The rows by the predictor their scope prefers, ascending, each with the key of its first row.
fn shares(scopes: &Scopes, workers: &[String], rows: usize) -> Vec<(u64, Vec<u32>)> {
    let mut shares: Vec<Option<(u64, Vec<u32>)>> = vec![None; workers.len()];
    for alike in scopes.alike(rows).groups() {
        let key = scopes.key(alike[0] as usize);
        let worker = favourite(key, workers).unwrap_or_default();
        shares[worker].get_or_insert_with(|| (key, Vec::new())).1.extend(alike);
    }
    let mut shares: Vec<(u64, Vec<u32>)> = shares.into_iter().flatten().collect();
    shares.iter_mut().for_each(|(_, rows)| rows.sort_unstable());
    shares
}
