//! How much work waits, and who is there to do it.

use futures::future::BoxFuture;
use schemas::announce::{Announcement, Role};
use schemas::campaign::Campaign;
use schemas::scaling::{self, Advice, BUSY_TARGET, Situation, Wish};
use schemas::subjects::{self, Priority};
use serde::{Deserialize, Serialize};

use crate::broker::{Broker, BrokerError};
use crate::clock::now_ms;
use crate::{campaigns, dead, topology};

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
    /// Campaigns that have not ended.
    pub campaigns: u64,
    /// Living trainers, without those that are leaving.
    pub trainers: u64,
    /// Packs that they can work on at once, one a core.
    pub trainer_slots: u64,
    /// Living predictors, without those that are leaving.
    pub predictors: u64,
    /// The shares of the last ten seconds or so in which each predictor was busy, added up: 1.5 is what one and a half do.
    pub predictors_busy: f64,
}

impl Lag {
    /// How many workers there should be.
    pub fn advice(&self, wish: &Wish) -> Advice {
        let packs = self.pending + self.in_flight;
        let situation = Situation {
            pending: if self.paused { 0 } else { self.pending },
            in_flight: self.in_flight,
            pack_seconds: if packs > 0 { self.seconds_of_work / packs as f64 } else { 0.0 },
            campaigns: self.campaigns,
            trainers: self.trainers,
            trainer_slots: self.trainer_slots,
            predictors_busy: self.predictors_busy,
        };
        scaling::advise(&situation, wish)
    }

    fn count(&mut self, workers: &[Announcement]) {
        let staying = |role| workers.iter().filter(move |word| word.role == role && !word.draining);
        self.trainers = staying(Role::Trainer).count() as u64;
        self.trainer_slots = staying(Role::Trainer).map(|word| u64::from(word.slots)).sum();
        self.predictors = staying(Role::Predictor).count() as u64;
        // What one that is leaving does will have to be done by others. One of an older release counts as well used.
        let predictors = workers.iter().filter(|word| word.role == Role::Predictor);
        let shares = predictors.map(|word| word.busy_share.unwrap_or(BUSY_TARGET));
        // The sum of nothing would be -0.
        self.predictors_busy = shares.fold(0.0, |sum, share| sum + share);
    }
}

/// The queue, and how many workers there should be for it, as programs see it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct QueueView {
    /// The queue.
    #[serde(flatten)]
    pub lag: Lag,
    /// How many workers there should be.
    #[serde(flatten)]
    pub advice: Advice,
}

impl QueueView {
    /// The queue, with advice as it is wished for.
    pub fn new(lag: Lag, wish: &Wish) -> QueueView {
        QueueView { lag, advice: lag.advice(wish) }
    }
}

/// The campaigns that have not ended.
#[derive(Debug, Clone, Copy, Default)]
pub struct Running {
    campaigns: u64,
    packs: f64,
    seconds: f64,
}

impl Running {
    /// Those of all.
    pub fn of<'a>(all: impl IntoIterator<Item = &'a Campaign>) -> Running {
        campaigns::running(all).fold(Running::default(), |sum, campaign| Running {
            campaigns: sum.campaigns + 1,
            packs: sum.packs + f64::from(campaign.packs),
            seconds: sum.seconds + campaign.estimated_seconds,
        })
    }

    /// Seconds of one core that an average pack takes, as planned; 0 when no campaign runs.
    fn pack_seconds(&self) -> f64 {
        if self.packs > 0.0 { self.seconds / self.packs } else { 0.0 }
    }
}

/// Measures the queue; `running` campaigns say what its packs take, and `workers` who is there.
///
/// # Errors
/// [`BrokerError`] when the broker does not answer.
pub fn measure<'a>(
    broker: &'a Broker,
    running: Running,
    workers: &'a [Announcement],
) -> BoxFuture<'a, Result<Lag, BrokerError>> {
    Box::pin(async move {
        let (queue, dead) = tokio::join!(queue(broker), dead::count(broker));
        let mut lag = queue?;
        lag.dead = dead?;
        lag.campaigns = running.campaigns;
        lag.seconds_of_work = running.pack_seconds() * (lag.pending + lag.in_flight) as f64;
        lag.count(workers);
        Ok(lag)
    })
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
