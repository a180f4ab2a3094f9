//! The blocks of a bundle as a store, which is only read.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use super::Bundle;
use crate::store::{ModelStore, StoreError, Stored};

/// Blobs by name, read from a file that stays open.
#[derive(Debug)]
pub(super) struct BundleStore {
    bundle: Arc<Bundle>,
    address: String,
}

impl BundleStore {
    pub(super) fn new(bundle: Bundle) -> BundleStore {
        let address = format!("bundle:{}", bundle.file().display());
        BundleStore { bundle: Arc::new(bundle), address }
    }

    fn only_read(&self, action: &str) -> StoreError {
        let source = "a bundle is only read; export another one".into();
        StoreError::Failed { address: self.address.clone(), action: action.to_owned(), source }
    }
}

#[async_trait]
impl ModelStore for BundleStore {
    async fn put(&self, name: &str, _: Bytes) -> Result<(), StoreError> {
        Err(self.only_read(&format!("write {name}")))
    }

    async fn get(&self, name: &str) -> Result<Option<Bytes>, StoreError> {
        let (bundle, own) = (self.bundle.clone(), name.to_owned());
        let read = tokio::task::spawn_blocking(move || bundle.block(&own)).await;
        let read = read.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
        read.map_err(|error| StoreError::Failed {
            address: self.address.clone(),
            action: format!("read {name}"),
            source: Box::new(error),
        })
    }

    async fn has(&self, name: &str) -> Result<bool, StoreError> {
        Ok(self.bundle.contents().blocks.iter().any(|block| block.name == name))
    }

    async fn delete(&self, name: &str) -> Result<(), StoreError> {
        Err(self.only_read(&format!("remove {name}")))
    }

    async fn list(&self) -> Result<Vec<Stored>, StoreError> {
        let blocks = self.bundle.contents().blocks.iter();
        let mut all: Vec<Stored> =
            blocks.map(|block| Stored { name: block.name.clone(), age_seconds: 0 }).collect();
        all.sort_unstable();
        Ok(all)
    }

    fn address(&self) -> &str {
        &self.address
    }
}
