//! One request over many predictors: rows are grouped by scope, sent to the predictor that each scope prefers,
//! and the answers joined in the order of the rows.

use std::collections::HashMap;
use std::time::Duration;

use futures::future::{BoxFuture, try_join_all};
use runtime::presence::Table;
use schemas::channel::ChannelState;
use schemas::column::Column;
use schemas::forecast::Band;
use schemas::limits::{MESSAGE_BYTES_MAX, MESSAGE_ROWS_MAX};
use schemas::predict::{NO_FIT, NamedColumn, PredictReply, PredictRequest, Predictions, Refusal};
use schemas::scope::Scope;
use schemas::spec::ModelSpec;
use tokio::time::Instant;

use crate::lanes::{LaneError, Lanes};
use crate::route::{favourite, preference};

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
#[derive(Debug, Clone, Copy)]
pub struct Order<'a> {
    /// The model.
    pub spec: &'a ModelSpec,
    /// The channel.
    pub channel: &'a str,
    /// The state of the channel that answers.
    pub state: &'a ChannelState,
    /// The rows, by columns.
    pub columns: &'a [NamedColumn],
    /// Which of the columns' rows to predict.
    pub rows: &'a [u32],
    /// How long it may take.
    pub limit: Duration,
}

/// Predicts `order.rows`; the result has one entry for each of them, in their order.
///
/// # Errors
/// [`DispatchError`] when some rows cannot be answered by anyone: a request is answered whole or not at all.
pub async fn dispatch(lanes: &Lanes, table: &Table, order: Order<'_>) -> Result<Predictions, DispatchError> {
    let workers: Vec<String> = table.predictors().into_iter().map(|word| word.worker).collect();
    let local = lanes.local();
    if workers.is_empty() && local.is_none() {
        return Err(DispatchError::Nobody);
    }
    lanes.keep(&workers);
    let rows_max = rows_per_message(order.columns)?;
    let shares = match local {
        // Whatever the scopes prefer, none of them is nearer.
        Some(_) => vec![(0, (0..order.rows.len() as u32).collect())],
        None => shares(&order, &workers),
    };
    let until = Instant::now() + order.limit;
    let asking = Asking { lanes, table, order, local, workers: &workers, until };
    let parts = shares.iter().flat_map(|(key, places)| places.chunks(rows_max).map(|part| (*key, part)));
    let asked = parts.map(|(key, places)| asking.part(key, places));
    Ok(join(order.rows.len(), try_join_all(asked).await?.concat()))
}

/// Places in `Order::rows`, and what was answered for them.
type Part<'a> = (&'a [u32], Predictions);

/// One order under way.
struct Asking<'a> {
    lanes: &'a Lanes,
    table: &'a Table,
    order: Order<'a>,
    /// The predictor of this process, if it has room.
    local: Option<&'a str>,
    workers: &'a [String],
    until: Instant,
}

impl Asking<'_> {
    /// Predicts the rows at `places`, in halves if the answer is too large for one message.
    fn part<'a>(
        &'a self,
        key: u64,
        places: &'a [u32],
    ) -> BoxFuture<'a, Result<Vec<Part<'a>>, DispatchError>> {
        Box::pin(async move {
            let rows: Vec<u32> = places.iter().map(|place| self.order.rows[*place as usize]).collect();
            match self.ask(key, request(&self.order, &rows)).await {
                Err(DispatchError::Refused(Refusal::AnswerTooLarge)) if places.len() > 1 => {
                    let (first, second) = places.split_at(places.len() / 2);
                    let halves = tokio::try_join!(self.part(key, first), self.part(key, second))?;
                    Ok([halves.0, halves.1].concat())
                }
                answered => Ok(vec![(places, answered?)]),
            }
        })
    }

    /// Asks the predictor of this process or the one that `key` prefers, then once the next one.
    async fn ask(&self, key: u64, request: PredictRequest) -> Result<Predictions, DispatchError> {
        let others = preference(key, self.workers).into_iter().filter(|worker| Some(*worker) != self.local);
        let candidates: Vec<&str> = self.local.into_iter().chain(others).take(2).collect();
        let mut last = DispatchError::Nobody;
        for (tried, worker) in candidates.iter().copied().enumerate() {
            // The first may use half of the time that is left, so that there is some for the second.
            let now = Instant::now();
            let half = now + self.until.saturating_duration_since(now) / 2;
            let limit = if tried + 1 < candidates.len() { half } else { self.until };
            match self.lanes.ask(worker, request.clone(), limit).await {
                Ok(PredictReply::Done(predictions)) if predictions.spans().is_none() => {
                    let problem = "probabilities that belong to no classes".into();
                    return Err(LaneError::Garbled { worker: worker.to_owned(), problem }.into());
                }
                Ok(PredictReply::Done(predictions)) => return Ok(predictions),
                Ok(PredictReply::Refused(refusal)) => return Err(refusal.into()),
                Err(error) => {
                    tracing::warn!("{error}");
                    if matches!(error, LaneError::Gone { .. }) {
                        self.table.forget(worker);
                    }
                    last = error.into();
                }
            }
        }
        Err(last)
    }
}

/// The places in `order.rows` by the predictor their scope prefers, each with the key of its first row.
fn shares(order: &Order, workers: &[String]) -> Vec<(u64, Vec<u32>)> {
    let mut shares: Vec<Option<(u64, Vec<u32>)>> = vec![None; workers.len()];
    let mut known: HashMap<Vec<u32>, (u64, usize)> = HashMap::new();
    let texts: Vec<(&str, &schemas::column::TextColumn)> = order
        .spec
        .scope
        .dimensions
        .iter()
        .filter_map(|name| {
            let texts = order.columns.iter().filter(|named| named.name == *name);
            texts
                .filter_map(|named| match &named.column {
                    Column::Text(text) => Some((name.as_str(), text)),
                    _ => None,
                })
                .next()
        })
        .collect();
    let mut codes = Vec::with_capacity(texts.len());
    for (place, row) in (0u32..).zip(order.rows) {
        codes.clear();
        codes.extend(texts.iter().map(|(_, text)| text.codes[*row as usize]));
        let (key, worker) = *known.entry(codes.clone()).or_insert_with(|| {
            let fixed = texts.iter().filter_map(|(name, text)| Some((*name, text.get(*row as usize)?)));
            let key = Scope::new(fixed).stable_hash();
            (key, favourite(key, workers).unwrap_or_default())
        });
        shares[worker].get_or_insert_with(|| (key, Vec::new())).1.push(place);
    }
    shares.into_iter().flatten().collect()
}

fn request(order: &Order, rows: &[u32]) -> PredictRequest {
    let columns = order.columns.iter();
    PredictRequest {
        model: order.spec.name.clone(),
        channel: order.channel.to_owned(),
        state: Some(order.state.clone()),
        rows: rows.len() as u32,
        columns: columns
            .map(|named| NamedColumn { name: named.name.clone(), column: named.column.take(rows) })
            .collect(),
    }
}

/// How many rows of these columns one message takes.
fn rows_per_message(columns: &[NamedColumn]) -> Result<usize, DispatchError> {
    let mut fixed = 1_024;
    let mut row_bytes = 0;
    for NamedColumn { name, column } in columns {
        let per_row = if matches!(column, Column::Text(_)) { 4 } else { 8 };
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
fn join(rows: usize, parts: Vec<Part>) -> Predictions {
    let mut whole =
        Predictions { values: vec![f64::NAN; rows], fit_of: vec![NO_FIT; rows], ..Predictions::default() };
    // Row by row, as the parts' rows stand between each other.
    let mut probabilities: Vec<Vec<f64>> = vec![Vec::new(); rows];
    for (places, part) in parts {
        for (place, span) in places.iter().zip(part.spans().unwrap_or_default()) {
            probabilities[*place as usize] = part.probabilities[span].to_vec();
        }
        Band::spread(&mut whole.intervals, rows, &part.intervals, places);
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

    fn used(scope: &str) -> UsedFit {
        UsedFit {
            scope: Scope::new([("carrier", scope)]),
            level: 0,
            fingerprint: scope.into(),
            campaign: "c".into(),
            scores: 0,
            trained_at_ms: 0,
            classes: Vec::new(),
        }
    }

    /// A fit that tells so many classes apart.
    fn classifier(scope: &str, classes: i64) -> UsedFit {
        UsedFit { classes: (0..classes).map(schemas::label::Label::Integer).collect(), ..used(scope) }
    }

    #[test]
    fn probabilities_stay_with_their_rows() {
        let part = |fits: Vec<UsedFit>, fit_of: Vec<u32>, probabilities: Vec<f64>| Predictions {
            values: vec![0.0; fit_of.len()],
            fit_of,
            fits,
            probabilities,
            ..Predictions::default()
        };
        let first = part(vec![classifier("UA", 2), used("DL")], vec![1, 0, NO_FIT], vec![0.1, 0.9]);
        let second = part(vec![classifier("AA", 3)], vec![0], vec![0.2, 0.3, 0.5]);
        let whole = join(4, vec![(&[3, 1, 2][..], first), (&[0][..], second)]);
        assert_eq!(whole.probabilities, [0.2, 0.3, 0.5, 0.1, 0.9]);
        assert_eq!(whole.spans(), Some(vec![0..3, 3..5, 5..5, 5..5]));
        assert_eq!(part(vec![classifier("UA", 2)], vec![0], vec![0.5]).spans(), None);
    }

    #[test]
    fn answers_come_back_in_the_order_of_the_rows_and_fits_are_named_once() {
        let part = |values: Vec<f64>, fits: Vec<UsedFit>, fit_of: Vec<u32>| Predictions {
            values,
            fit_of,
            fits,
            ..Predictions::default()
        };
        let first = part(vec![1.0, 3.0], vec![used("UA"), used("DL")], vec![1, 0]);
        let second = part(vec![0.0, f64::NAN], vec![used("UA")], vec![0, NO_FIT]);
        let whole = join(4, vec![(&[1, 3][..], first), (&[0, 2][..], second)]);
        assert_eq!(whole.fits, [used("UA"), used("DL")]);
        assert_eq!((&whole.values[..2], whole.values[3]), (&[0.0, 1.0][..], 3.0));
        assert_eq!(whole.fit_of, [0, 1, NO_FIT, 0]);
    }
}
