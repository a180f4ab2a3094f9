//! How much work waits, and who is there to do it.

use futures::future::BoxFuture;
use schemas::announce::Role;
use schemas::campaign::Campaign;
use schemas::subjects::{self, Priority};
use serde::{Deserialize, Serialize};

use crate::broker::{Broker, BrokerError};
use crate::clock::now_ms;
use crate::{campaigns, dead, presence, topology};

/// The state of the queue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Lag {
    /// Packs that wait.
    pub pending: u64,
    /// Packs with trainers, or waiting for another try.
    pub in_flight: u64,
    /// Packs that were delivered more than once and are not finished.
    pub redelivered: u64,
    /// Packs that were set aside.
    pub dead: u64,
    /// Age of the oldest unfinished pack, in seconds.
    pub oldest_seconds: f64,
    /// Estimated work left, in seconds of one core.
    pub seconds_of_work: f64,
    /// Whether the queue is held.
    pub paused: bool,
    /// Living trainers.
    pub trainers: u64,
    /// Living predictors.
    pub predictors: u64,
}

/// Measures the queue, whose packs take `pack_seconds` each, see [`mean_pack_seconds`].
///
/// # Errors
/// [`BrokerError`] when the broker does not answer.
pub fn measure<'a>(broker: &'a Broker, pack_seconds: f64) -> BoxFuture<'a, Result<Lag, BrokerError>> {
    Box::pin(async move {
        let (queue, dead, workers) =
            tokio::join!(queue(broker), dead::count(broker), presence::roll_call(broker));
        let mut lag = queue?;
        lag.dead = dead?;
        let workers = workers?;
        let alive = |role| workers.iter().filter(|w| w.role == role).count() as u64;
        lag.trainers = alive(Role::Trainer);
        lag.predictors = alive(Role::Predictor);
        lag.seconds_of_work = pack_seconds * (lag.pending + lag.in_flight) as f64;
        Ok(lag)
    })
}

/// Seconds of one core that an average pack of the running campaigns takes, as planned; 0 when none runs.
pub fn mean_pack_seconds<'a>(all: impl IntoIterator<Item = &'a Campaign>) -> f64 {
    let sum = |(packs, seconds): (f64, f64), campaign: &Campaign| {
        (packs + f64::from(campaign.packs), seconds + campaign.estimated_seconds)
    };
    let (packs, seconds) = campaigns::running(all).fold((0.0, 0.0), sum);
    if packs > 0.0 { seconds / packs } else { 0.0 }
}

async fn queue(broker: &Broker) -> Result<Lag, BrokerError> {
    let mut lag = Lag::default();
    for priority in Priority::ALL {
        let consumer = topology::open_consumer(broker, priority).await?;
        let info = consumer.cached_info();
        lag.paused |= info.paused;
        lag.pending += info.num_pending;
        lag.in_flight += info.num_ack_pending as u64;
        lag.redelivered += info.num_redelivered as u64;
    }
    let failed = |error: async_nats::Error| BrokerError::new("look at the queue", error);
    let stream = broker.jetstream.get_stream(subjects::JOBS_STREAM).await.map_err(|e| failed(e.into()))?;
    let state = &stream.cached_info().state;
    if state.messages > 0 {
        let first_ms = state.first_timestamp.unix_timestamp_nanos() / 1_000_000;
        lag.oldest_seconds = (i128::from(now_ms()) - first_ms).max(0) as f64 / 1_000.0;
    }
    Ok(lag)
}
