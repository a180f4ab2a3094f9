//! One request over many predictors: rows are grouped by scope, sent to the predictor that each scope prefers,
//! and the answers joined in the order of the rows.

use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, try_join_all};
use schemas::alike::Alike;
use schemas::column::{Column, TextColumn};
use schemas::forecast::Band;
use schemas::limits::{MESSAGE_BYTES_MAX, MESSAGE_ROWS_MAX};
use schemas::predict::{
    NO_FIT, NamedColumn, PredictReply, PredictRequest, Predictions, Refusal, text_column,
};
use schemas::scope::Scope;
use schemas::spec::ModelSpec;
use tokio::time::Instant;

use crate::lanes::{LaneError, Lanes};
use crate::route::{bounded, favourite};

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
    /// How long it may take.
    pub limit: Duration,
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
    let Order { spec, request, limit } = order;
    let (rows, rows_max) = (request.rows as usize, rows_per_message(&request.columns)?);
    let asking = Asking { lanes, near, workers: &workers, until: Instant::now() + limit };
    // Whatever the scopes prefer, none of them is nearer.
    let one_asked = near.is_some() || workers.len() == 1 || rows == 1;
    if one_asked && rows <= rows_max {
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
    let parts = shares.iter().flat_map(|(key, places)| places.chunks(rows_max).map(|part| (*key, part)));
    let asked = parts.map(|(key, places)| asking.part(key, Arc::new(request.take(places)), places.to_vec()));
    Ok(join(rows, try_join_all(asked).await?.concat()))
}

/// Why nobody can be asked: the predictor of this process, the only one, has no room, or there is none.
fn nobody(lanes: &Lanes) -> DispatchError {
    match lanes.own() {
        Some(own) => LaneError::Full { worker: own.to_owned() }.into(),
        None => DispatchError::Nobody,
    }
}

/// Places in the order's rows, and what was answered for them.
pub type Part = (Vec<u32>, Predictions);

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
    /// ended the first.
    async fn ask_others(
        &self,
        key: u64,
        request: &Arc<PredictRequest>,
        (first, mut error): (&str, DispatchError),
    ) -> Result<Predictions, DispatchError> {
        let mut tried = vec![first.to_owned()];
        loop {
            let workers = self.lanes.predictors();
            let preferred = bounded(key, &workers, &self.lanes.open(&workers));
            let next = preferred.into_iter().find(|worker| !tried.iter().any(|known| known == worker));
            let Some(worker) = next.map(str::to_owned) else { return Err(error) };
            match self.ask_one(&worker, request, self.until).await {
                Err(
                    unseen @ (DispatchError::Lane(LaneError::Gone { .. })
                    | DispatchError::Refused(Refusal::Behind)),
                ) => error = unseen,
                answered => return answered,
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

/// How many rows of these columns one message takes.
fn rows_per_message(columns: &[NamedColumn]) -> Result<usize, DispatchError> {
    let mut fixed = 1_024;
    let mut row_bytes = 0;
    for NamedColumn { name, column } in columns {
        let per_row = if matches!(**column, Column::Text(_)) { 4 } else { 8 };
        row_bytes += per_row;
        fixed += name.len() + 64 + column.size_bytes() - per_row * column.len();
    }
    // Long or many texts can outgrow a message by themselves: then each row travels with few others.
    let left = MESSAGE_BYTES_MAX.saturating_sub(fixed);
    match left / row_bytes.max(1) {
        0 => Err(DispatchError::RowTooLarge { row_bytes: fixed + row_bytes }),
        rows => Ok(rows.min(MESSAGE_ROWS_MAX)),
    }
}

/// Puts partial answers back into the order of the rows.
pub fn join(rows: usize, mut parts: Vec<Part>) -> Predictions {
    if let [(places, _)] = parts.as_slice()
        && places.len() == rows
        && let Some((_, only)) = parts.pop()
    {
        // All rows in one part are in their order.
        return only;
    }
    let mut whole =
        Predictions { values: vec![f64::NAN; rows], fit_of: vec![NO_FIT; rows], ..Predictions::default() };
    // Row by row, as the parts' rows stand between each other.
    let mut probabilities: Vec<Vec<f64>> = vec![Vec::new(); rows];
    for (places, part) in parts {
        for (place, span) in places.iter().zip(part.spans().unwrap_or_default()) {
            probabilities[*place as usize] = part.probabilities[span].to_vec();
        }
        Band::spread(&mut whole.intervals, rows, &part.intervals, &places);
        let moved = |row: u32| places.get(row as usize).copied();
        whole.explained.extend(part.explained.iter().map(|explained| explained.moved(moved)));
        let fits: Vec<u32> = part
            .fits
            .into_iter()
            .map(|fit| {
                let known = whole.fits.iter().position(|other| *other == fit);
                known.unwrap_or_else(|| {
                    whole.fits.push(fit);
                    whole.fits.len() - 1
                }) as u32
            })
            .collect();
        for ((place, value), fit) in places.iter().zip(part.values).zip(part.fit_of) {
            whole.values[*place as usize] = value;
            whole.fit_of[*place as usize] = fits.get(fit as usize).copied().unwrap_or(NO_FIT);
        }
        whole.errors.extend(part.errors.into_iter().filter_map(|error| {
            let place = *places.get(error.row as usize)?;
            Some(schemas::predict::RowError { row: place, ..error })
        }));
    }
    whole.probabilities = probabilities.concat();
    whole.errors.sort_by_key(|error| error.row);
    whole
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::predict::UsedFit;

    fn used(scope: &str) -> Arc<UsedFit> {
        Arc::new(UsedFit {
            scope: Scope::new([("carrier", scope)]),
            level: 0,
            fingerprint: scope.into(),
            campaign: "c".into(),
            scores: 0,
            trained_at_ms: 0,
            classes: Vec::new(),
        })
    }

    /// A fit that tells so many classes apart.
    fn classifier(scope: &str, classes: i64) -> Arc<UsedFit> {
        let classes = (0..classes).map(schemas::label::Label::Integer).collect();
        Arc::new(UsedFit { classes, ..(*used(scope)).clone() })
    }

    #[test]
    fn probabilities_stay_with_their_rows() {
        let part = |fits: Vec<Arc<UsedFit>>, fit_of: Vec<u32>, probabilities: Vec<f64>| Predictions {
            values: vec![0.0; fit_of.len()],
            fit_of,
            fits,
            probabilities,
            ..Predictions::default()
        };
        let first = part(vec![classifier("UA", 2), used("DL")], vec![1, 0, NO_FIT], vec![0.1, 0.9]);
        let second = part(vec![classifier("AA", 3)], vec![0], vec![0.2, 0.3, 0.5]);
        let whole = join(4, vec![(vec![3, 1, 2], first), (vec![0], second)]);
        assert_eq!(whole.probabilities, [0.2, 0.3, 0.5, 0.1, 0.9]);
        assert_eq!(whole.spans(), Some(vec![0..3, 3..5, 5..5, 5..5]));
        assert_eq!(part(vec![classifier("UA", 2)], vec![0], vec![0.5]).spans(), None);
    }

    #[test]
    fn answers_come_back_in_the_order_of_the_rows_and_fits_are_named_once() {
        let part = |values: Vec<f64>, fits: Vec<Arc<UsedFit>>, fit_of: Vec<u32>| Predictions {
            values,
            fit_of,
            fits,
            ..Predictions::default()
        };
        let first = part(vec![1.0, 3.0], vec![used("UA"), used("DL")], vec![1, 0]);
        let second = part(vec![0.0, f64::NAN], vec![used("UA")], vec![0, NO_FIT]);
        let whole = join(4, vec![(vec![1, 3], first), (vec![0, 2], second)]);
        assert_eq!(whole.fits, [used("UA"), used("DL")]);
        assert_eq!((&whole.values[..2], whole.values[3]), (&[0.0, 1.0][..], 3.0));
        assert_eq!(whole.fit_of, [0, 1, NO_FIT, 0]);
    }
}
