//! Typed key-value buckets.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::time::Duration;

use async_nats::jetstream::kv::{self, Operation, Store};
use async_nats::jetstream::stream::LastRawMessageErrorKind;
use futures::StreamExt;
use schemas::campaign::Campaign;
use schemas::channel::Channel;
use schemas::envelope::{self, Decode, Encode, EnvelopeError};
use schemas::spec::ModelSpec;
use schemas::subjects;

use crate::broker::{Broker, BrokerError};
use crate::snapshots::Manifest;
use crate::stored::is_taken;

/// Longest wait for the next value while a bucket is listed.
const LIST_LIMIT: Duration = Duration::from_secs(10);

/// The header that marks a key as deleted.
const KV_OPERATION: &str = "KV-Operation";

/// A bucket whose values are `T`.
#[derive(Debug, Clone)]
pub struct Bucket<T> {
    pub(crate) store: Store,
    _values: PhantomData<fn() -> T>,
}

/// A value and the revision to name when replacing it.
#[derive(Debug, Clone, PartialEq)]
pub struct Revised<T> {
    /// The value.
    pub value: T,
    /// Its revision.
    pub revision: u64,
}

/// Why a bucket did not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum BucketError {
    /// The broker failed.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// The stored bytes are no such value.
    #[error("bucket {bucket}: the value of {key} cannot be read")]
    Value {
        /// The bucket.
        bucket: String,
        /// The key.
        key: String,
        /// Why.
        #[source]
        source: EnvelopeError,
    },
    /// Another process replaced the value in between.
    #[error("bucket {bucket}: {key} was changed by another process")]
    Conflict {
        /// The bucket.
        bucket: String,
        /// The key.
        key: String,
    },
}

impl BucketError {
    /// Whether the broker may do it later.
    pub fn is_transient(&self) -> bool {
        matches!(self, BucketError::Broker(error) if error.is_transient())
    }
}

/// The bucket of model specs.
///
/// # Errors
/// When the broker has none: declare the topology first.
pub async fn models(broker: &Broker) -> Result<Bucket<ModelSpec>, BrokerError> {
    Bucket::open(broker, subjects::MODELS_BUCKET).await
}

/// The bucket of campaign records.
///
/// # Errors
/// When the broker has none: declare the topology first.
pub async fn campaigns(broker: &Broker) -> Result<Bucket<Campaign>, BrokerError> {
    Bucket::open(broker, subjects::CAMPAIGNS_BUCKET).await
}

/// The bucket of channels.
///
/// # Errors
/// When the broker has none: declare the topology first.
pub async fn channels(broker: &Broker) -> Result<Bucket<Channel>, BrokerError> {
    Bucket::open(broker, subjects::CHANNELS_BUCKET).await
}

/// The bucket that says where the newest snapshot of the catalog is.
///
/// # Errors
/// When the broker has none: declare the topology first.
pub async fn snapshots(broker: &Broker) -> Result<Bucket<Manifest>, BrokerError> {
    Bucket::open(broker, subjects::SNAPSHOTS_BUCKET).await
}

/// The bucket of the scopes that were trained because they were asked for, each with its campaign.
///
/// # Errors
/// When the broker has none: declare the topology first.
pub async fn misses(broker: &Broker) -> Result<Bucket<String>, BrokerError> {
    Bucket::open(broker, subjects::MISSES_BUCKET).await
}

/// The bucket of settings that a whole system shares.
///
/// # Errors
/// When the broker has none: declare the topology first.
pub async fn settings(broker: &Broker) -> Result<Bucket<String>, BrokerError> {
    Bucket::open(broker, subjects::SETTINGS_BUCKET).await
}

impl<T: Encode + Decode> Bucket<T> {
    async fn open(broker: &Broker, name: &str) -> Result<Bucket<T>, BrokerError> {
        let store = broker.jetstream.get_key_value(name).await;
        let store = store.map_err(|error| BrokerError::new(format!("open the bucket {name}"), error))?;
        Ok(Bucket { store, _values: PhantomData })
    }

    /// The value of `key`, as the bucket's leader has it. (The client's own way of reading asks any replica, and one that
    /// lags behind does not know what was written a moment ago.)
    ///
    /// # Errors
    /// [`BucketError`] when the broker fails or the bytes cannot be read.
    pub async fn get(&self, key: &str) -> Result<Option<Revised<T>>, BucketError> {
        let subject = format!("{}{key}", self.store.prefix);
        let found = match self.store.stream.get_last_raw_message_by_subject(&subject).await {
            Ok(found) => found,
            Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => return Ok(None),
            Err(error) => return Err(self.failed("read", key, error).into()),
        };
        if found.headers.get(KV_OPERATION).is_some_and(|operation| operation.as_str() != "PUT") {
            // Deleted or purged.
            return Ok(None);
        }
        let value = self.decode(key, &found.payload)?;
        Ok(Some(Revised { value, revision: found.sequence }))
    }

    /// Sets `key`, whatever it was.
    ///
    /// # Errors
    /// [`BucketError`] when the broker fails.
    pub async fn put(&self, key: &str, value: &T) -> Result<u64, BucketError> {
        let put = self.store.put(key, self.encode(key, value)?.into()).await;
        Ok(put.map_err(|error| self.failed("write", key, error))?)
    }

    /// Sets `key` if its revision is still `revision` (0: if it does not exist).
    ///
    /// # Errors
    /// [`BucketError::Conflict`] when another process was faster.
    pub async fn replace(&self, key: &str, value: &T, revision: u64) -> Result<u64, BucketError> {
        let updated = self.store.update(key, self.encode(key, value)?.into(), revision).await;
        updated.map_err(|error| match is_taken(&error) {
            true => BucketError::Conflict { bucket: self.store.name.clone(), key: key.to_owned() },
            false => self.failed("write", key, error).into(),
        })
    }

    /// Removes `key` without a trace: it can be set as if it had never been.
    ///
    /// # Errors
    /// [`BucketError`] when the broker fails.
    pub async fn erase(&self, key: &str) -> Result<(), BucketError> {
        let erased = self.store.stream.purge().filter(format!("{}{key}", self.store.prefix)).await;
        Ok(erased.map(|_| ()).map_err(|error| self.failed("erase", key, error))?)
    }

    /// All keys and values, in key order, in one pass over the bucket.
    ///
    /// # Errors
    /// [`BucketError`] when the broker fails or a value cannot be read.
    pub async fn all(&self) -> Result<Vec<(String, T)>, BucketError> {
        let mut all = BTreeMap::new();
        if self.is_empty().await? {
            return Ok(Vec::new());
        }
        let mut watch = self.watch().await?;
        // The last value may vanish between the count and the watch, which would then wait for ever.
        while let Ok(Some(entry)) = tokio::time::timeout(LIST_LIMIT, watch.next()).await {
            let entry = entry.map_err(|error| self.failed("list", "its values", error))?;
            match entry.operation {
                Operation::Put => all.insert(entry.key.clone(), self.decode(&entry.key, &entry.value)?),
                Operation::Delete | Operation::Purge => all.remove(&entry.key),
            };
            if entry.seen_current {
                return Ok(all.into_iter().collect());
            }
        }
        Err(self.failed("list", "its values", "it stopped before the end".to_owned()).into())
    }

    /// Whether nothing was ever written, or all of it is gone. (A watch of nothing never says that it has seen all.)
    pub(crate) async fn is_empty(&self) -> Result<bool, BrokerError> {
        let status = self.store.status().await.map_err(|error| self.failed("count", "its values", error))?;
        Ok(status.values() == 0)
    }

    pub(crate) fn decode(&self, key: &str, bytes: &[u8]) -> Result<T, BucketError> {
        envelope::decode(bytes).map_err(|source| self.unreadable(key, source))
    }

    fn encode(&self, key: &str, value: &T) -> Result<Vec<u8>, BucketError> {
        envelope::encode(value).map_err(|source| self.unreadable(key, source))
    }

    fn unreadable(&self, key: &str, source: EnvelopeError) -> BucketError {
        BucketError::Value { bucket: self.store.name.clone(), key: key.to_owned(), source }
    }

    fn failed(&self, verb: &str, key: &str, error: impl Into<async_nats::Error>) -> BrokerError {
        BrokerError::new(format!("{verb} {key} in the bucket {}", self.store.name), error)
    }

    /// The present values, then every change. (The client's `watch_all` begins with the next change.)
    pub(crate) async fn watch(&self) -> Result<kv::Watch, BrokerError> {
        self.store.watch_with_history(">").await.map_err(|error| self.failed("watch", "all keys", error))
    }
}
