//! A store in memory, for tests.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use async_trait::async_trait;
use bytes::Bytes;

use super::{ModelStore, StoreError, Stored};

/// Bytes by name, gone with the process.
#[derive(Debug, Default)]
pub struct MemoryStore {
    blobs: Mutex<BTreeMap<String, (Bytes, Instant)>>,
    reads: AtomicUsize,
}

impl MemoryStore {
    /// How often something was read.
    pub fn reads(&self) -> usize {
        self.reads.load(Ordering::Relaxed)
    }

    fn blobs(&self) -> MutexGuard<'_, BTreeMap<String, (Bytes, Instant)>> {
        self.blobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl ModelStore for MemoryStore {
    async fn put(&self, name: &str, bytes: Bytes) -> Result<(), StoreError> {
        self.blobs().insert(name.to_owned(), (bytes, Instant::now()));
        Ok(())
    }

    async fn get(&self, name: &str) -> Result<Option<Bytes>, StoreError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        Ok(self.blobs().get(name).map(|(bytes, _)| bytes.clone()))
    }

    async fn has(&self, name: &str) -> Result<bool, StoreError> {
        Ok(self.blobs().contains_key(name))
    }

    async fn delete(&self, name: &str) -> Result<(), StoreError> {
        self.blobs().remove(name);
        Ok(())
    }

    async fn list(&self) -> Result<Vec<Stored>, StoreError> {
        let stored = |(name, (_, at)): (&String, &(Bytes, Instant))| Stored {
            name: name.clone(),
            age_seconds: at.elapsed().as_secs(),
        };
        Ok(self.blobs().iter().map(stored).collect())
    }

    fn address(&self) -> &str {
        "memory:"
    }
}
