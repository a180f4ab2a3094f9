//! Fits in a store: content-addressed, verified whenever they are read.

use std::sync::Arc;

use bytes::Bytes;
use schemas::blob::{self, Blob, FitBody};
use schemas::fit::{Fit, FitRef};

use super::{ModelStore, StoreError, Stored};

/// A verified blob with its name.
type Named = Option<(String, Blob<Bytes>)>;

/// Blobs of fits in a store. The last blob read stays in memory, since neighbours tend to be read together.
#[derive(Debug, Clone)]
pub struct Blobs {
    store: Arc<dyn ModelStore>,
    last: Arc<std::sync::Mutex<Named>>,
}

impl Blobs {
    /// The blobs of `store`.
    pub fn new(store: Arc<dyn ModelStore>) -> Blobs {
        Blobs { store, last: Arc::default() }
    }

    /// Where they are, without secrets.
    pub fn address(&self) -> &str {
        self.store.address()
    }

    /// Writes fits into one blob and returns its name; `attempt` differs between attempts at the same fits.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn put(&self, fits: &[Fit], attempt: &str) -> Result<String, StoreError> {
        self.put_bytes("", blob::write(fits, attempt).map_err(|source| self.damaged(source))?.into()).await
    }

    /// As [`Blobs::put`], of fits that have their form.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn put_bodies(&self, fits: &[FitBody], attempt: &str) -> Result<String, StoreError> {
        self.put_bytes("", blob::join(fits, attempt).into()).await
    }

    /// Writes bytes that are no fits under `prefix` and their BLAKE3; returns their name.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn put_bytes(&self, prefix: &str, bytes: Bytes) -> Result<String, StoreError> {
        let name = format!("{prefix}{}", blob::name(&bytes));
        self.store.put(&name, bytes).await?;
        Ok(name)
    }

    /// What [`Blobs::put_bytes`] wrote under `prefix`, verified.
    ///
    /// # Errors
    /// [`StoreError`] when it is missing or damaged, or the store fails.
    pub async fn get_bytes(&self, prefix: &str, name: &str) -> Result<Bytes, StoreError> {
        let missing = || StoreError::Missing { address: self.address().to_owned(), blob: name.to_owned() };
        let bytes = self.store.get(name).await?.ok_or_else(missing)?;
        let found = blob::name(&bytes);
        if name.strip_prefix(prefix) != Some(&found) {
            let problem = format!("its bytes hash to {found}");
            return Err(self.damaged(schemas::blob::BlobError::Damaged { blob: name.to_owned(), problem }));
        }
        Ok(bytes)
    }

    /// Everything in the store.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn list(&self) -> Result<Vec<Stored>, StoreError> {
        self.store.list().await
    }

    /// Removes a blob, or what [`Blobs::put_bytes`] wrote.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn delete(&self, name: &str) -> Result<(), StoreError> {
        self.store.delete(name).await
    }

    /// Whether the blob called `name` is there. It is not read.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn has(&self, name: &str) -> Result<bool, StoreError> {
        self.store.has(name).await
    }

    /// The blob called `name`, verified.
    ///
    /// # Errors
    /// [`StoreError`] when it is missing or damaged, or the store fails.
    pub async fn get(&self, name: &str) -> Result<Blob<Bytes>, StoreError> {
        let recent =
            |last: &Named| last.as_ref().filter(|(known, _)| known == name).map(|(_, blob)| blob.clone());
        if let Some(blob) = recent(&self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner)) {
            return Ok(blob);
        }
        let missing = || StoreError::Missing { address: self.address().to_owned(), blob: name.to_owned() };
        let bytes = self.store.get(name).await?.ok_or_else(missing)?;
        let blob = Blob::verify(name, bytes).map_err(|source| self.damaged(source))?;
        let mut last = self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *last = Some((name.to_owned(), blob.clone()));
        Ok(blob)
    }

    /// The fit at `place`, verified.
    ///
    /// # Errors
    /// [`StoreError`] when its blob is missing or damaged, or the store fails.
    pub async fn fit(&self, place: &FitRef) -> Result<Fit, StoreError> {
        let blob = self.get(&place.blob).await?;
        blob.fit(place.index).map_err(|source| self.damaged(source))
    }

    /// Asks the store for a blob that does not exist: fails exactly when the store does not answer.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn check(&self) -> Result<(), StoreError> {
        self.store.get("0").await.map(|_| ())
    }

    fn damaged(&self, source: schemas::blob::BlobError) -> StoreError {
        StoreError::Damaged { address: self.address().to_owned(), source }
    }
}
