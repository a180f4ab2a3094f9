//! Where fits rest.

mod blobs;
mod memory;
mod object;
mod redis;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use schemas::subjects::STORE_SETTING;

pub use self::blobs::Blobs;
pub use self::memory::MemoryStore;
pub use self::object::FolderStore;
pub use self::redis::RedisStore;
use crate::broker::Broker;
use crate::bucket::{self, BucketError};
use crate::settings::redact;

/// Why a store did not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The address names no store.
    #[error("{address} names no store: use file:FOLDER, s3://BUCKET/PREFIX, redis://HOST:PORT or memory:")]
    Address {
        /// The address, without secrets.
        address: String,
        /// What is wrong with it, if more is known.
        #[source]
        source: Option<Failure>,
    },
    /// The store failed or is absent.
    #[error("the store {address} failed to {action}")]
    Failed {
        /// The store's address, without secrets.
        address: String,
        /// What was attempted.
        action: String,
        /// Why.
        #[source]
        source: Failure,
    },
    /// A blob that the ledger names is not there.
    #[error("the store {address} has no blob {blob}")]
    Missing {
        /// The store's address, without secrets.
        address: String,
        /// The blob's name.
        blob: String,
    },
    /// A blob is not what was written.
    #[error("store {address}")]
    Damaged {
        /// The store's address, without secrets.
        address: String,
        /// How it shows.
        #[source]
        source: schemas::blob::BlobError,
    },
}

/// Something in a store.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stored {
    /// Its name.
    pub name: String,
    /// Seconds since it was written, as far as the store can tell; never more.
    pub age_seconds: u64,
}

/// Any cause.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A store of named bytes. Writing a name again replaces it whole: readers see the old or the new bytes.
#[async_trait]
pub trait ModelStore: std::fmt::Debug + Send + Sync {
    /// Writes `bytes` under `name`.
    async fn put(&self, name: &str, bytes: Bytes) -> Result<(), StoreError>;
    /// The bytes under `name`, if there are any.
    async fn get(&self, name: &str) -> Result<Option<Bytes>, StoreError>;
    /// Whether there is something under `name`.
    async fn has(&self, name: &str) -> Result<bool, StoreError>;
    /// Removes `name`; nothing happens if it is not there.
    async fn delete(&self, name: &str) -> Result<(), StoreError>;
    /// Everything there is, sorted by name.
    async fn list(&self) -> Result<Vec<Stored>, StoreError>;
    /// Where the store is, without secrets.
    fn address(&self) -> &str;
}

/// Why a system's store could not be found.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// Nobody has named one.
    #[error(
        "no store is named: give --store or SCOPEFORGE_STORE (file:FOLDER, s3://BUCKET/PREFIX or redis://HOST:PORT) to this process, or to any worker that starts before it"
    )]
    Unnamed,
    /// The broker could not be asked.
    #[error(transparent)]
    Broker(#[from] BucketError),
    /// What was named is none.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Opens the store of the system on `broker`: the one at `given`, else the one that a worker told the broker. So a
/// process joins with nothing but the broker's address.
///
/// # Errors
/// [`FindError`] when no store is named, or the address is none.
pub async fn find(broker: &Broker, given: Option<String>) -> Result<Blobs, FindError> {
    let url = match given {
        Some(url) => Some(url),
        None => bucket::settings(broker)
            .await
            .map_err(BucketError::from)?
            .get(STORE_SETTING)
            .await?
            .map(|s| s.value),
    };
    Ok(Blobs::new(open(&url.ok_or(FindError::Unnamed)?)?))
}

/// Tells the broker the store's address, password and all, for processes that are given none.
///
/// # Errors
/// [`BucketError`] when the broker fails.
pub async fn tell(broker: &Broker, url: &str) -> Result<(), BucketError> {
    let settings = bucket::settings(broker).await?;
    let known = settings.get(STORE_SETTING).await?.map(|known| known.value);
    if known.as_deref() == Some(url) {
        return Ok(());
    }
    if let Some(known) = known {
        let (old, new) = (redact(&known), redact(url));
        tracing::warn!(old, new, "this worker names another store than the system had; the new one counts");
    }
    settings.put(STORE_SETTING, &url.to_owned()).await.map(|_| ())
}

/// Opens the store at `url`. Nothing is read yet: an absent server shows at the first use.
///
/// # Errors
/// [`StoreError::Address`] when the URL names none.
pub fn open(url: &str) -> Result<Arc<dyn ModelStore>, StoreError> {
    let address = || redact(url);
    match url.split_once(':').map(|(scheme, _)| scheme) {
        Some("memory") => Ok(Arc::new(MemoryStore::default())),
        Some("redis") => Ok(Arc::new(RedisStore::open(url)?)),
        Some("file" | "s3") => Ok(Arc::new(FolderStore::open(url)?)),
        _ => Err(StoreError::Address { address: address(), source: None }),
    }
}
