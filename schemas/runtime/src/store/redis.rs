//! A store in Redis: one string key per blob.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{AsyncCommands, Client, RedisError};
use tokio::sync::OnceCell;

use super::{ModelStore, StoreError, Stored};
use crate::settings::redact;

/// What all keys begin with.
const PREFIX: &str = "scopeforge:blob:";

/// Keys asked for at once when listing.
const SCAN_COUNT: usize = 1_000;

/// Strings under [`PREFIX`] in one Redis database.
pub struct RedisStore {
    client: Client,
    connection: OnceCell<ConnectionManager>,
    address: String,
}

impl std::fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisStore").field("address", &self.address).finish_non_exhaustive()
    }
}

impl RedisStore {
    /// Opens `redis://HOST:PORT/DATABASE`; the connection is made at the first use, and again whenever it is lost.
    ///
    /// # Errors
    /// [`StoreError::Address`] when the URL is not one of Redis.
    pub fn open(url: &str) -> Result<RedisStore, StoreError> {
        let address = redact(url);
        let client = Client::open(url)
            .map_err(|error| StoreError::Address { address: address.clone(), source: Some(error.into()) })?;
        Ok(RedisStore { client, connection: OnceCell::new(), address })
    }

    async fn connection(&self, action: &str) -> Result<ConnectionManager, StoreError> {
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(Duration::from_secs(3)))
            .set_response_timeout(Some(Duration::from_secs(10)))
            .set_number_of_retries(1);
        let made = self
            .connection
            .get_or_try_init(|| ConnectionManager::new_with_config(self.client.clone(), config))
            .await;
        made.cloned().map_err(self.failed(action))
    }

    fn failed(&self, action: &str) -> impl FnOnce(RedisError) -> StoreError {
        let (address, action) = (self.address.clone(), action.to_owned());
        move |error| StoreError::Failed { address, action, source: error.into() }
    }
}

fn key(name: &str) -> String {
    format!("{PREFIX}{name}")
}

#[async_trait]
impl ModelStore for RedisStore {
    async fn put(&self, name: &str, bytes: Bytes) -> Result<(), StoreError> {
        let action = format!("write {name}");
        let mut connection = self.connection(&action).await?;
        connection.set::<_, _, ()>(key(name), bytes.as_ref()).await.map_err(self.failed(&action))
    }

    async fn get(&self, name: &str) -> Result<Option<Bytes>, StoreError> {
        let action = format!("read {name}");
        let mut connection = self.connection(&action).await?;
        let found: Option<Vec<u8>> = connection.get(key(name)).await.map_err(self.failed(&action))?;
        Ok(found.map(Bytes::from))
    }

    async fn has(&self, name: &str) -> Result<bool, StoreError> {
        let action = format!("look for {name}");
        let mut connection = self.connection(&action).await?;
        connection.exists(key(name)).await.map_err(self.failed(&action))
    }

    async fn delete(&self, name: &str) -> Result<(), StoreError> {
        let action = format!("delete {name}");
        let mut connection = self.connection(&action).await?;
        connection.del::<_, ()>(key(name)).await.map_err(self.failed(&action))
    }

    async fn list(&self) -> Result<Vec<Stored>, StoreError> {
        let action = "list its blobs";
        let mut connection = self.connection(action).await?;
        let mut names = Vec::new();
        let mut cursor = 0u64;
        loop {
            let mut scan = redis::cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(format!("{PREFIX}*")).arg("COUNT").arg(SCAN_COUNT);
            let (next, keys): (u64, Vec<String>) =
                scan.query_async(&mut connection).await.map_err(self.failed(action))?;
            names.extend(keys.iter().filter_map(|key| key.strip_prefix(PREFIX)).map(str::to_owned));
            cursor = next;
            if cursor == 0 {
                break;
            }
        }
        // SCAN may name a key twice.
        names.sort();
        names.dedup();
        let mut all = Vec::with_capacity(names.len());
        for some in names.chunks(SCAN_COUNT) {
            let mut ages = redis::pipe();
            for name in some {
                ages.cmd("OBJECT").arg("IDLETIME").arg(key(name));
            }
            // Reading makes a key younger, and some eviction policies keep no times: both only keep a blob for longer.
            let ages: Vec<Option<u64>> =
                ages.query_async(&mut connection).await.unwrap_or_else(|_| vec![None; some.len()]);
            let stored = |(name, age): (&String, Option<u64>)| Stored {
                name: name.clone(),
                age_seconds: age.unwrap_or_default(),
            };
            all.extend(some.iter().zip(ages).map(stored));
        }
        Ok(all)
    }

    fn address(&self) -> &str {
        &self.address
    }
}
