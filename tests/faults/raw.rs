//! Streams, buckets and stores as they lie there, read without any code of the product.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use async_nats::jetstream::{self, Context as JetStream};
use futures::TryStreamExt;
use redis::AsyncCommands;
use serde_json::Value;

/// What the keys of blobs in Redis begin with.
pub(crate) const REDIS_PREFIX: &str = "scopeforge:blob:";

/// A client of the broker.
pub(crate) async fn jetstream(url: &str) -> Result<JetStream> {
    let urls: Vec<async_nats::ServerAddr> =
        url.split(',').map(str::parse).collect::<Result<_, _>>().context("addresses")?;
    let options = async_nats::ConnectOptions::new().request_timeout(Some(Duration::from_secs(5)));
    Ok(jetstream::new(options.connect(urls).await?))
}

/// The subjects of a stream that has messages on them, with their numbers.
pub(crate) async fn subjects(js: &JetStream, stream: &str) -> Result<BTreeMap<String, usize>> {
    let stream = js.get_stream(stream).await?;
    Ok(stream.info_with_subjects(">").await?.try_collect().await?)
}

/// All messages of a stream: place, subject, payload.
pub(crate) async fn messages(js: &JetStream, name: &str) -> Result<Vec<(u64, String, bytes::Bytes)>> {
    use jetstream::stream::RawMessageErrorKind as Kind;
    let mut stream = js.get_stream(name).await?;
    let state = stream.info().await?.state.clone();
    let mut found = Vec::new();
    if state.messages == 0 {
        return Ok(found);
    }
    for sequence in state.first_sequence..=state.last_sequence {
        match stream.get_raw_message(sequence).await {
            Ok(message) => found.push((sequence, message.subject.to_string(), message.payload)),
            Err(error) if error.kind() == Kind::NoMessageFound => {}
            Err(error) => return Err(error.into()),
        }
    }
    ensure!(
        found.len() as u64 == state.messages,
        "{name} says {} messages, has {}",
        state.messages,
        found.len()
    );
    Ok(found)
}

/// The body of a message, after its version was found to be 1.
pub(crate) fn body(payload: &[u8]) -> Result<Value> {
    let mut message: Value = rmp_serde::from_slice(payload).context("MessagePack")?;
    ensure!(message["v"] == 1, "version {}", message["v"]);
    Ok(message["body"].take())
}

/// The newest value of each key of a bucket.
pub(crate) async fn bucket(js: &JetStream, name: &str) -> Result<BTreeMap<String, Value>> {
    let stream = format!("KV_{name}");
    let prefix = format!("$KV.{name}.");
    let mut values = BTreeMap::new();
    for (_, subject, payload) in messages(js, &stream).await? {
        let key = subject.strip_prefix(&prefix).context("a key")?.to_owned();
        values.insert(key, body(&payload).with_context(|| subject.clone())?);
    }
    Ok(values)
}

/// Messages of all consumers of JOBS that wait, and that are out.
pub(crate) async fn unfinished(js: &JetStream) -> Result<(u64, u64)> {
    let stream = js.get_stream("JOBS").await?;
    let consumers: Vec<jetstream::consumer::Info> = stream.consumers().try_collect().await?;
    ensure!(consumers.len() == 3, "{} consumers", consumers.len());
    let sum = |sum: (u64, u64), info: &jetstream::consumer::Info| {
        (sum.0 + info.num_pending, sum.1 + info.num_ack_pending as u64)
    };
    Ok(consumers.iter().fold((0, 0), sum))
}

/// A store, opened at its address.
pub(crate) enum Store {
    Folder(std::path::PathBuf),
    Redis(Box<redis::aio::MultiplexedConnection>),
}

impl Store {
    pub(crate) async fn open(address: &str) -> Result<Store> {
        match address.strip_prefix("file:") {
            Some(folder) => Ok(Store::Folder(folder.into())),
            None => {
                let connection = redis::Client::open(address)?.get_multiplexed_async_connection().await?;
                Ok(Store::Redis(Box::new(connection)))
            }
        }
    }

    /// The bytes of a blob.
    pub(crate) async fn get(&mut self, name: &str) -> Result<Option<Vec<u8>>> {
        match self {
            Store::Folder(folder) => match std::fs::read(folder.join(name)) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
                read => Ok(Some(read?)),
            },
            Store::Redis(redis) => Ok(redis.get(format!("{REDIS_PREFIX}{name}")).await?),
        }
    }

    /// Replaces the bytes of a blob.
    pub(crate) async fn put(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        match self {
            Store::Folder(folder) => Ok(std::fs::write(folder.join(name), bytes)?),
            Store::Redis(redis) => Ok(redis.set(format!("{REDIS_PREFIX}{name}"), bytes).await?),
        }
    }

    /// Removes a blob.
    pub(crate) async fn remove(&mut self, name: &str) -> Result<()> {
        match self {
            Store::Folder(folder) => Ok(std::fs::remove_file(folder.join(name))?),
            Store::Redis(redis) => Ok(redis.del(format!("{REDIS_PREFIX}{name}")).await?),
        }
    }

    /// The names of all blobs. A folder may also hold what a killed writer left unfinished.
    pub(crate) async fn list(&mut self) -> Result<Vec<String>> {
        match self {
            Store::Folder(folder) if !folder.exists() => Ok(Vec::new()),
            Store::Folder(folder) => {
                let mut names = Vec::new();
                for entry in std::fs::read_dir(folder)? {
                    names.push(entry?.file_name().to_string_lossy().into_owned());
                }
                Ok(names)
            }
            Store::Redis(redis) => {
                let keys: Vec<String> = redis.keys(format!("{REDIS_PREFIX}*")).await?;
                Ok(keys.iter().filter_map(|key| key.strip_prefix(REDIS_PREFIX)).map(str::to_owned).collect())
            }
        }
    }
}
