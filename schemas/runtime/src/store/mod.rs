//! Where fits rest.

mod blobs;
mod memory;
mod object;
mod redis;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

pub use self::blobs::Blobs;
pub use self::memory::MemoryStore;
pub use self::object::FolderStore;
pub use self::redis::RedisStore;
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

/// Any cause.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A store of named bytes. Writing a name again replaces it whole: readers see the old or the new bytes.
#[async_trait]
pub trait ModelStore: std::fmt::Debug + Send + Sync {
    /// Writes `bytes` under `name`.
    async fn put(&self, name: &str, bytes: Bytes) -> Result<(), StoreError>;
    /// The bytes under `name`, if there are any.
    async fn get(&self, name: &str) -> Result<Option<Bytes>, StoreError>;
    /// Removes `name`; nothing happens if it is not there.
    async fn delete(&self, name: &str) -> Result<(), StoreError>;
    /// All names, sorted.
    async fn list(&self) -> Result<Vec<String>, StoreError>;
    /// Where the store is, without secrets.
    fn address(&self) -> &str;
}

/// Opens the store at `url`. Nothing is read yet: an absent server shows at the first use.
///
/// # Errors
/// [`StoreError::Address`] when the URL names none.
pub fn open(url: &str) -> Result<Arc<dyn ModelStore>, StoreError> {
    let address = || redact(url);
    match url.split_once(':').map(|(scheme, _)| scheme) {
        Some("memory") => Ok(Arc::new(MemoryStore::default())),
        Some("redis" | "rediss") => Ok(Arc::new(RedisStore::open(url)?)),
        Some("file" | "s3") => Ok(Arc::new(FolderStore::open(url)?)),
        _ => Err(StoreError::Address { address: address(), source: None }),
    }
}
