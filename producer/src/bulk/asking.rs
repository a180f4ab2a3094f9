//! One batch: asked for, and asked again while predictors are away or full.

use std::sync::Arc;
use std::time::{Duration, Instant};

use dataset::Taken;
use dispatch::{DispatchError, LaneError, Lanes, Order, Other, dispatch, with_canary};
use runtime::broker::BrokerError;
use runtime::presence::Table;
use schemas::channel::ChannelState;
use schemas::predict::{PredictRequest, Predictions, Refusal, sound_rows};
use schemas::retry::Backoff;
use schemas::spec::ModelSpec;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::session::Session;

/// How long predictors may take for one batch: the fits of many scopes may have to be loaded first.
const BATCH_LIMIT: Duration = Duration::from_secs(60);

/// Requests that may wait for one predictor. A batch becomes a few of them.
const WAITING_MAX: usize = 4_096;

/// By what rows are predicted.
#[derive(Debug)]
pub struct By {
    /// The model.
    pub spec: ModelSpec,
    /// The channel.
    pub channel: String,
    /// The state of the channel that answers: the same for all rows.
    pub state: ChannelState,
    /// Another channel that answers for some scopes.
    pub canary: Option<Other>,
}

/// The way to the predictors.
pub struct Asking {
    by: By,
    lanes: Lanes,
    /// How long to try again.
    patience: Option<Duration>,
    following: CancellationToken,
    tasks: TaskTracker,
}

impl Asking {
    /// Gets to know the predictors.
    ///
    /// # Errors
    /// When the broker refuses.
    pub async fn open(session: &Session, by: By) -> Result<Asking, BrokerError> {
        let (following, tasks) = (CancellationToken::new(), TaskTracker::new());
        let (table, task) = Table::follow(&session.broker, None, following.clone()).await?;
        tasks.spawn(task);
        table.call(&session.broker).await?;
        let lanes = Lanes::new(Some(session.broker.clone()), table, None, WAITING_MAX);
        Ok(Asking { by, lanes, patience: session.patience(), following, tasks })
    }

    /// Waits for a first predictor; how many there are.
    ///
    /// # Errors
    /// When none comes in time.
    pub async fn wait(&self) -> anyhow::Result<usize> {
        let began = Instant::now();
        let mut looks = tokio::time::interval(Duration::from_millis(20));
        loop {
            looks.tick().await;
            match self.lanes.table().predictors().len() {
                0 if self.is_over(began) => anyhow::bail!(
                    "no predictor is ready after {:.0} s; start one with `worker infer`, or wait longer with --connect-wait-seconds",
                    began.elapsed().as_secs_f64()
                ),
                0 => {}
                ready => return Ok(ready),
            }
        }
    }

    fn is_over(&self, began: Instant) -> bool {
        self.patience.is_some_and(|patience| began.elapsed() > patience)
    }

    /// Predicts all rows; those that cannot be are errors in the answer.
    ///
    /// # Errors
    /// When nobody can answer.
    pub async fn predict(&self, taken: Taken) -> Result<Predictions, DispatchError> {
        let Taken { rows, columns, errors } = taken;
        let request = PredictRequest {
            model: self.by.spec.name.as_str().into(),
            channel: self.by.channel.as_str().into(),
            state: Some(Arc::new(self.by.state.clone())),
            explain: false,
            bundle: None,
            rows: rows as u32,
            columns,
        };
        let By { spec, canary, .. } = &self.by;
        let ask = |request| with_canary(spec, canary.as_ref(), request, |request| self.ask(request));
        if errors.is_empty() {
            return Ok(ask(request).await?.of_model(spec));
        }
        let good = sound_rows(rows, &errors);
        let answer = match good.is_empty() {
            true => Predictions::default(),
            false => ask(request.take(&good)).await?,
        };
        Ok(answer.spread(rows, &good, errors).of_model(spec))
    }

    async fn ask(&self, request: PredictRequest) -> Result<Predictions, DispatchError> {
        let mut troubled = None;
        let mut backoff = Backoff::new(50, 2_000, u64::from(std::process::id()));
        loop {
            let until = tokio::time::Instant::now() + BATCH_LIMIT;
            let order = Order { spec: &self.by.spec, request: request.clone(), until };
            match dispatch(&self.lanes, order).await {
                Err(error)
                    if may_pass(&error) && !self.is_over(*troubled.get_or_insert_with(Instant::now)) =>
                {
                    tracing::debug!("{error}; asking again");
                    tokio::time::sleep(backoff.next_wait()).await;
                }
                done => return done,
            }
        }
    }

    /// Lets go of the predictors.
    pub async fn close(self) {
        self.following.cancel();
        self.lanes.close().await;
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// Whether others may answer, or the same ones later.
fn may_pass(error: &DispatchError) -> bool {
    match error {
        DispatchError::Nobody => true,
        DispatchError::Lane(error) => !matches!(error, LaneError::Garbled { .. }),
        DispatchError::Refused(refusal) => matches!(refusal, Refusal::Overloaded | Refusal::Behind),
        DispatchError::RowTooLarge { .. } => false,
    }
}
