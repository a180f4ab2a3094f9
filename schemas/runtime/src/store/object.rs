//! A store in a folder of a file system or of S3-compatible storage.

use std::io::Read;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{Error, GetResult, GetResultPayload, ObjectMeta, ObjectStore, ObjectStoreExt};

use super::{ModelStore, StoreError, Stored};
use crate::clock::now_ms;
use crate::objects;
use crate::settings::redact;

/// Objects under one prefix.
#[derive(Debug)]
pub struct FolderStore {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    address: String,
}

impl FolderStore {
    /// Opens `file:FOLDER` or `s3://BUCKET/PREFIX`; a folder is made at the first write.
    ///
    /// # Errors
    /// [`StoreError::Address`] when the URL is none of these, or settings are missing.
    pub fn open(url: &str) -> Result<FolderStore, StoreError> {
        let address = redact(url);
        let place = objects::open(url)
            .map_err(|error| StoreError::Address { address: address.clone(), source: Some(error.into()) })?;
        let prefix = Path::parse(place.path.trim_matches('/'))
            .map_err(|error| StoreError::Address { address: address.clone(), source: Some(error.into()) })?;
        Ok(FolderStore { store: place.store, prefix, address })
    }

    fn path(&self, name: &str) -> Path {
        self.prefix.clone().join(name)
    }

    fn failed(&self, action: String) -> impl FnOnce(Error) -> StoreError {
        let address = self.address.clone();
        move |error| StoreError::Failed { address, action, source: error.into() }
    }
}

/// All bytes of an object. Those of a file are read into memory of the calling thread: what a thread for blocking work has
/// allocated would stay with it, freed, until it is asked to do more.
async fn bytes_of(object: GetResult) -> object_store::Result<Bytes> {
    let GetResultPayload::File(mut file, path) = object.payload else { return object.bytes().await };
    let mut bytes = Vec::with_capacity(object.meta.size as usize);
    let read = tokio::task::spawn_blocking(move || file.read_to_end(&mut bytes).map(|_| bytes)).await?;
    let generic =
        |source| Error::Generic { store: "file", source: format!("{}: {source}", path.display()).into() };
    read.map(Bytes::from).map_err(generic)
}

#[async_trait]
impl ModelStore for FolderStore {
    async fn put(&self, name: &str, bytes: Bytes) -> Result<(), StoreError> {
        let put = self.store.put(&self.path(name), bytes.into()).await;
        put.map(|_| ()).map_err(self.failed(format!("write {name}")))
    }

    async fn get(&self, name: &str) -> Result<Option<Bytes>, StoreError> {
        let failed = || self.failed(format!("read {name}"));
        match self.store.get(&self.path(name)).await {
            Ok(found) => Ok(Some(bytes_of(found).await.map_err(failed())?)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed()(error)),
        }
    }

    async fn has(&self, name: &str) -> Result<bool, StoreError> {
        match self.store.head(&self.path(name)).await {
            Ok(_) => Ok(true),
            Err(Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(self.failed(format!("look for {name}"))(error)),
        }
    }

    async fn delete(&self, name: &str) -> Result<(), StoreError> {
        match self.store.delete(&self.path(name)).await {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.failed(format!("delete {name}"))(error)),
        }
    }

    async fn list(&self) -> Result<Vec<Stored>, StoreError> {
        let objects: Vec<_> = match self.store.list(Some(&self.prefix)).try_collect().await {
            Err(Error::NotFound { .. }) => Vec::new(),
            listed => listed.map_err(self.failed("list its blobs".to_owned()))?,
        };
        let now_ms = now_ms();
        let stored = |object: &ObjectMeta| {
            let name = object.location.filename()?.to_owned();
            let age_ms = now_ms - object.last_modified.timestamp_millis();
            Some(Stored { name, age_seconds: u64::try_from(age_ms / 1_000).unwrap_or_default() })
        };
        let mut all: Vec<Stored> = objects.iter().filter_map(stored).collect();
        all.sort();
        Ok(all)
    }

    fn address(&self) -> &str {
        &self.address
    }
}
