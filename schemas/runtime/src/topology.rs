//! What the broker must hold: declared by every process at start, unchanged when it is there already.

use futures::future::BoxFuture;
use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, pull};
use async_nats::jetstream::context::{GetStreamError, GetStreamErrorKind};
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType};
use async_nats::jetstream::{self, kv};
use futures::future::{try_join_all, try_join3};
use schemas::limits::DELIVERIES_MAX;
use schemas::subjects::{self, Priority};

use tokio_util::sync::CancellationToken;

use crate::broker::{Broker, BrokerError};
use crate::patience::patiently;

/// Time without a sign of life after which a pack goes to another trainer, unless somebody chose another.
const LEASE: Duration = Duration::from_secs(30);

/// How long a scope that was asked for is not asked for again: by then its data may be another.
const MISSES_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// Packs that may be out with trainers, or waiting for another try, at once.
const ACK_PENDING_MAX: i64 = 10_000;

/// Declares streams, consumers and buckets with `replicas` copies of each (1, or 3 on a cluster). A `lease` replaces the one
/// that the queue has.
///
/// # Errors
/// [`BrokerError`] when the broker has no JetStream, or holds one of them with other settings.
pub fn declare<'a>(
    broker: &'a Broker,
    replicas: usize,
    lease: Option<Duration>,
) -> BoxFuture<'a, Result<(), BrokerError>> {
    Box::pin(async move {
        let streams = async {
            let streams = [jobs(replicas), plans(replicas), ledger(replicas), dead(replicas)];
            try_join_all(streams.map(|config| stream(broker, config))).await?;
            try_join_all(Priority::ALL.map(|priority| consumer(broker, priority, lease))).await
        };
        let buckets = [
            subjects::CAMPAIGNS_BUCKET,
            subjects::CHANNELS_BUCKET,
            subjects::SETTINGS_BUCKET,
            subjects::SNAPSHOTS_BUCKET,
        ];
        let buckets = try_join_all(buckets.map(|name| bucket(broker, name, replicas, Duration::ZERO)));
        let misses = bucket(broker, subjects::MISSES_BUCKET, replicas, MISSES_AGE);
        try_join3(streams, buckets, misses).await?;
        // The last: whoever finds it finds everything.
        bucket(broker, subjects::MODELS_BUCKET, replicas, Duration::ZERO).await
    })
}

/// [`declare`], tried again while the broker cannot (a cluster without a leader, say), at most `patience` (`None`: for ever).
///
/// # Errors
/// The last [`BrokerError`] after that time, or when `shutdown` comes first.
pub async fn declare_patiently(
    broker: &Broker,
    (replicas, lease): (usize, Option<Duration>),
    patience: Option<Duration>,
    shutdown: &CancellationToken,
) -> Result<(), BrokerError> {
    patiently(async || declare(broker, replicas, lease).await, patience, shutdown).await
}

fn base(name: &str, subjects: &[&str], replicas: usize) -> Config {
    Config {
        name: name.into(),
        subjects: subjects.iter().map(|s| (*s).to_owned()).collect(),
        storage: StorageType::File,
        num_replicas: replicas,
        // Old messages are never pushed out by new ones: a full stream refuses instead.
        discard: DiscardPolicy::New,
        allow_direct: true,
        ..Config::default()
    }
}

fn jobs(replicas: usize) -> Config {
    Config {
        retention: RetentionPolicy::WorkQueue,
        ..base(subjects::JOBS_STREAM, &[subjects::JOBS], replicas)
    }
}

fn plans(replicas: usize) -> Config {
    base(subjects::PLANS_STREAM, &[subjects::PLANS], replicas)
}

fn ledger(replicas: usize) -> Config {
    base(subjects::LEDGER_STREAM, &[subjects::LEDGER], replicas)
}

fn dead(replicas: usize) -> Config {
    base(subjects::DEAD_STREAM, &[subjects::DEAD, subjects::MAX_DELIVERIES], replicas)
}

/// Creates the stream, or moves one that an earlier release made to this release's subjects.
async fn stream(broker: &Broker, config: Config) -> Result<(), BrokerError> {
    let action = match config.num_replicas {
        0 | 1 => format!("declare the stream {}", config.name),
        copies => format!("declare the stream {} with {copies} copies, as --replicas has it", config.name),
    };
    let found = broker.jetstream.get_or_create_stream(config.clone()).await;
    let found = found.map_err(|error| BrokerError::new(&action, error))?;
    let known = &found.cached_info().config;
    if known.subjects == config.subjects {
        return Ok(());
    }
    let moved = Config { subjects: config.subjects, ..known.clone() };
    let done = broker.jetstream.update_stream(moved).await;
    done.map(|_| ()).map_err(|error| BrokerError::new(action, error))
}

async fn consumer(broker: &Broker, priority: Priority, lease: Option<Duration>) -> Result<(), BrokerError> {
    let name = priority.consumer();
    let known = open_consumer(broker, priority).await.ok();
    let known = known.map(|consumer| consumer.cached_info().config.clone());
    let is_right = |config: &jetstream::consumer::Config| {
        config.filter_subject == priority.subjects()
            && config.max_deliver == i64::from(DELIVERIES_MAX)
            && lease.is_none_or(|lease| lease == config.ack_wait)
    };
    if known.as_ref().is_some_and(is_right) {
        return Ok(());
    }
    let config = pull::Config {
        durable_name: Some(name.clone()),
        filter_subject: priority.subjects(),
        ack_policy: AckPolicy::Explicit,
        ack_wait: lease.or(known.map(|config| config.ack_wait)).unwrap_or(LEASE),
        max_deliver: i64::from(DELIVERIES_MAX),
        max_ack_pending: ACK_PENDING_MAX,
        max_waiting: 4_096,
        ..pull::Config::default()
    };
    let made = broker.jetstream.create_consumer_on_stream(config, subjects::JOBS_STREAM).await;
    made.map(|_| ()).map_err(|error| BrokerError::new(format!("declare the consumer {name}"), error))
}

/// Declares a bucket whose values are forgotten after `age`; zero for never.
async fn bucket(broker: &Broker, name: &str, replicas: usize, age: Duration) -> Result<(), BrokerError> {
    if has_bucket(broker, name).await? {
        return Ok(());
    }
    let config = kv::Config {
        bucket: name.into(),
        history: 1,
        storage: StorageType::File,
        num_replicas: replicas,
        max_age: age,
        ..kv::Config::default()
    };
    let made = broker.jetstream.create_key_value(config).await;
    made.map(|_| ()).map_err(|error| BrokerError::new(format!("declare the bucket {name}"), error))
}

/// Whether the broker has it. One that does not say so is asked again later: to create it then would be refused for good where
/// it is there with other settings, more copies say.
async fn has_bucket(broker: &Broker, name: &str) -> Result<bool, BrokerError> {
    let failed = |error: GetStreamError| {
        let action = format!("look for the bucket {name}");
        match error.kind() {
            GetStreamErrorKind::JetStream(said) if said.code() == 404 => Ok(false),
            // What it said decides whether it is asked again.
            GetStreamErrorKind::JetStream(said) => Err(BrokerError::new(action, said)),
            _ => Err(BrokerError::new(action, error)),
        }
    };
    broker.jetstream.get_stream(format!("KV_{name}")).await.map(|_| true).or_else(failed)
}

/// The consumer of one priority.
///
/// # Errors
/// [`BrokerError`] when it is not there.
pub(crate) fn open_consumer<'a>(
    broker: &'a Broker,
    priority: Priority,
) -> BoxFuture<'a, Result<jetstream::consumer::PullConsumer, BrokerError>> {
    Box::pin(async move {
        let name = priority.consumer();
        let found = broker.jetstream.get_consumer_from_stream(&name, subjects::JOBS_STREAM).await;
        found.map_err(|error| BrokerError::new(format!("find the consumer {name}"), error))
    })
}
