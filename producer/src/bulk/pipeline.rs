//! Read, ask, write: several batches in flight, in order. Each stage waits for the next, so that memory stays what the
//! batches in flight take.

use anyhow::Context;
use dataset::stream::{Original, Sink, Stream, WriteError};
use futures::StreamExt;
use schemas::predict::Predictions;
use tokio::sync::mpsc;

use super::asking::Asking;

/// Batches that are asked for at once: some for each predictor, and no more than this.
const IN_FLIGHT_MAX: usize = 64;

/// Batches between two stages.
const BETWEEN: usize = 2;

/// How rows fared.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// All rows.
    pub rows: u64,
    /// Those without a prediction.
    pub failed: u64,
    /// The first of them, counted from 1, and what is wrong with it.
    pub first_failed: Option<(u64, String)>,
}

impl Tally {
    fn add(&mut self, predictions: &Predictions) {
        for error in dataset::answers::errors(predictions) {
            self.rows += 1;
            if let Some(error) = error {
                self.failed += 1;
                self.first_failed.get_or_insert((self.rows, error));
            }
        }
    }
}

/// Predicts all rows of `input` into `sink`, which is not yet finished then. `progress` is told how many rows are done.
///
/// # Errors
/// When rows cannot be read or written, or nobody answers.
pub async fn run(
    input: Stream,
    sink: Sink,
    asking: &Asking,
    predictors: usize,
    progress: impl Fn(u64),
) -> anyhow::Result<(Tally, Sink)> {
    let (to_ask, batches) = mpsc::channel(BETWEEN);
    let (to_write, answers) = mpsc::channel(BETWEEN);
    let reading = tokio::task::spawn_blocking(move || {
        // Whoever asks may have given up.
        let _ = input.into_iter().try_for_each(|batch| to_ask.blocking_send(batch));
    });
    let writing = tokio::task::spawn_blocking(move || write(sink, answers));
    let batches = futures::stream::unfold(batches, async |mut batches: mpsc::Receiver<_>| {
        batches.recv().await.map(|batch| (batch, batches))
    });
    let ask = |batch: Result<dataset::stream::Batch, dataset::ReadError>| async {
        let batch = batch.map_err(dataset::Error::from)?;
        let predictions = asking.predict(batch.taken).await?;
        Ok::<_, anyhow::Error>((batch.original, predictions))
    };
    let mut asked = std::pin::pin!(batches.map(ask).buffered((4 * predictors + 4).min(IN_FLIGHT_MAX)));
    let mut tally = Tally::default();
    while let Some(answered) = asked.next().await {
        let (original, predictions) = answered?;
        tally.add(&predictions);
        progress(tally.rows);
        if to_write.send((original, predictions)).await.is_err() {
            // The writer tells why.
            break;
        }
    }
    drop(to_write);
    let sink = writing.await.context("writing")??;
    reading.await.context("reading")?;
    Ok((tally, sink))
}

fn write(mut sink: Sink, mut answers: mpsc::Receiver<(Original, Predictions)>) -> Result<Sink, WriteError> {
    while let Some((original, predictions)) = answers.blocking_recv() {
        sink.write(&original, &predictions)?;
    }
    Ok(sink)
}
