//! A copy of a bucket in memory, kept fresh.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use ahash::HashMap;
use async_nats::jetstream::kv::Operation;
use futures::StreamExt;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use schemas::envelope::{Decode, Encode};
use schemas::retry::Backoff;

use crate::broker::BrokerError;
use crate::bucket::Bucket;

/// The values of a bucket by key, as of a moment ago.
#[derive(Debug)]
pub struct Mirror<T> {
    values: Arc<Values<T>>,
    ready: watch::Receiver<bool>,
}

#[derive(Debug)]
struct Values<T> {
    by_key: RwLock<HashMap<String, Arc<T>>>,
    /// What keys had before, the newest first.
    past: RwLock<HashMap<String, VecDeque<Arc<T>>>>,
    /// Of how many such values.
    past_max: usize,
    /// How often one has changed. It is asked for with every prediction: who waits for a change has the other one, whose
    /// readers write to it as well.
    revision: AtomicU64,
    changed: watch::Sender<u64>,
}

impl<T> Values<T> {
    fn new(by_key: HashMap<String, Arc<T>>, past_max: usize) -> Values<T> {
        let (by_key, past) = (RwLock::new(by_key), RwLock::default());
        Values { by_key, past, past_max, revision: AtomicU64::new(0), changed: watch::Sender::new(0) }
    }

    fn set(&self, key: String, value: Option<Arc<T>>) {
        let mut by_key = self.by_key.write().unwrap_or_else(PoisonError::into_inner);
        let before = match value {
            Some(value) => by_key.insert(key.clone(), value),
            None => by_key.remove(&key),
        };
        // Remembered before the new value can be seen: a value is never in neither place.
        if let (Some(before), 1..) = (before, self.past_max) {
            let mut past = self.past.write().unwrap_or_else(PoisonError::into_inner);
            let past = past.entry(key).or_default();
            past.push_front(before);
            past.truncate(self.past_max);
        }
        drop(by_key);
        self.revision.fetch_add(1, Ordering::Release);
        self.changed.send_modify(|changed| *changed += 1);
    }
}

impl<T> Clone for Mirror<T> {
    fn clone(&self) -> Self {
        Mirror { values: self.values.clone(), ready: self.ready.clone() }
    }
}

impl<T: Encode + Decode + Send + Sync + 'static> Mirror<T> {
    /// A mirror, and the task that keeps it fresh until `shutdown`; the caller owns the task.
    pub fn follow(
        bucket: Bucket<T>,
        shutdown: CancellationToken,
    ) -> (Mirror<T>, impl Future<Output = ()> + Send + 'static) {
        Mirror::follow_with_past(bucket, 0, shutdown)
    }

    /// [`Mirror::follow`], with the last `past_max` values that each key had before.
    pub fn follow_with_past(
        bucket: Bucket<T>,
        past_max: usize,
        shutdown: CancellationToken,
    ) -> (Mirror<T>, impl Future<Output = ()> + Send + 'static) {
        let (ready_tx, ready) = watch::channel(false);
        let mirror = Mirror { values: Arc::new(Values::new(HashMap::default(), past_max)), ready };
        let values = mirror.values.clone();
        let task = async move {
            let mut backoff = Backoff::new(50, 2_000, 7);
            loop {
                let watching = watch_once(&bucket, &values, &ready_tx);
                let ended = tokio::select! {
                    ended = watching => ended,
                    () = shutdown.cancelled() => return,
                };
                let reason = ended.err().map_or_else(|| "it ended".to_owned(), |error| error.to_string());
                tracing::warn!(bucket = bucket.store.name, reason, "watch interrupted; watching again");
                tokio::select! {
                    () = tokio::time::sleep(backoff.next_wait()) => {}
                    () = shutdown.cancelled() => return,
                }
            }
        };
        (mirror, task)
    }
}

async fn watch_once<T: Encode + Decode>(
    bucket: &Bucket<T>,
    values: &Values<T>,
    ready: &watch::Sender<bool>,
) -> Result<(), BrokerError> {
    let mut watch = bucket.watch().await?;
    if bucket.is_empty().await? {
        ready.send_replace(true);
    }
    while let Some(entry) = watch.next().await {
        let entry = entry.map_err(|error| BrokerError::new("watch a bucket", error))?;
        let value = match entry.operation {
            Operation::Put => match bucket.decode(&entry.key, &entry.value) {
                Ok(value) => Some(Arc::new(value)),
                Err(error) => {
                    tracing::error!(key = entry.key, "unreadable value left aside: {error}");
                    None
                }
            },
            Operation::Delete | Operation::Purge => None,
        };
        values.set(entry.key, value);
        if entry.seen_current {
            ready.send_replace(true);
        }
    }
    Ok(())
}

impl<T> Mirror<T> {
    /// Values that never change, of no bucket.
    pub fn fixed(values: impl IntoIterator<Item = (String, Arc<T>)>) -> Mirror<T> {
        let values = Values::new(values.into_iter().collect(), 0);
        Mirror { values: Arc::new(values), ready: watch::channel(true).1 }
    }

    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<Arc<T>> {
        self.values.by_key.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    /// The values that `key` had before, the newest first, if they are remembered.
    pub fn past(&self, key: &str) -> Vec<Arc<T>> {
        let past = self.values.past.read().unwrap_or_else(PoisonError::into_inner);
        past.get(key).map(|past| past.iter().cloned().collect()).unwrap_or_default()
    }

    /// Which state of the values this is: whoever has worked something out of them asks before, and does it again once the
    /// number is another one.
    pub fn revision(&self) -> u64 {
        self.values.revision.load(Ordering::Acquire)
    }

    /// Tells when a value has changed.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.values.changed.subscribe()
    }

    /// All keys and values, in key order.
    pub fn all(&self) -> Vec<(String, Arc<T>)> {
        let values = self.values.by_key.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = values.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    }

    /// Whether every value that was there at the start has been seen.
    pub fn is_ready(&self) -> bool {
        *self.ready.borrow()
    }

    /// Waits until [`Mirror::is_ready`], at most `limit`; says whether it came to be.
    pub async fn wait_ready(&self, limit: Duration) -> bool {
        let mut ready = self.ready.clone();
        let waited = tokio::time::timeout(limit, ready.wait_for(|ready| *ready)).await;
        matches!(waited, Ok(Ok(_)))
    }
}
