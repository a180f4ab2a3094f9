//! How much work waits, and who is there to do it.

use futures::future::BoxFuture;
use schemas::announce::Role;
use schemas::campaign::Campaign;
use schemas::subjects::{self, Priority};
use serde::{Deserialize, Serialize};

use crate::broker::{Broker, BrokerError};
use crate::bucket::{self, BucketError};
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
    /// Living trainers.
    pub trainers: u64,
    /// Living predictors.
    pub predictors: u64,
}

/// Measures the queue.
///
/// # Errors
/// [`BucketError`] when the broker does not answer.
pub fn measure<'a>(broker: &'a Broker) -> BoxFuture<'a, Result<Lag, BucketError>> {
    Box::pin(async move {
        let (queue, dead, workers, running) = tokio::join!(
            queue(broker),
            dead::count(broker),
            presence::roll_call(broker),
            running_campaigns(broker),
        );
        let mut lag = queue?;
        lag.dead = dead?;
        let workers = workers?;
        let alive = |role| workers.iter().filter(|w| w.role == role).count() as u64;
        lag.trainers = alive(Role::Trainer);
        lag.predictors = alive(Role::Predictor);
        lag.seconds_of_work = seconds_of_work(lag.pending + lag.in_flight, &running?);
        Ok(lag)
    })
}

async fn running_campaigns(broker: &Broker) -> Result<Vec<Campaign>, BucketError> {
    let all = bucket::campaigns(broker).await?.all().await?;
    Ok(campaigns::running(all.iter().map(|(_, campaign)| campaign)).cloned().collect())
}

async fn queue(broker: &Broker) -> Result<Lag, BrokerError> {
    let mut lag = Lag::default();
    for priority in Priority::ALL {
        let consumer = topology::open_consumer(broker, priority).await?;
        let info = consumer.cached_info();
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

/// The work in `packs`, each as large as the average pack of the running campaigns.
fn seconds_of_work(packs: u64, running: &[Campaign]) -> f64 {
    let planned: f64 = running.iter().map(|c| f64::from(c.packs)).sum();
    let seconds: f64 = running.iter().map(|c| c.estimated_seconds).sum();
    if planned > 0.0 { seconds / planned * packs as f64 } else { 0.0 }
}
