//! A source's files: what is to be read, and the identity of its content.

use futures::future::BoxFuture;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore};
use runtime::objects::Place;
use schemas::spec::Source;

use crate::error::{OpenError, ReadError};
use crate::format::{self, Format};
use crate::kind::Kind;

/// Places looked up, and files fetched, at the same time.
pub(crate) const REQUESTS_MAX: usize = 16;

/// The files of a source in reading order, as they were when it was opened.
#[derive(Debug, Clone)]
pub struct Files {
    pub(crate) files: Vec<Arc<File>>,
}

/// One file.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) path: Path,
    /// The path as people write it.
    pub(crate) url: String,
    pub(crate) size_bytes: u64,
    pub(crate) version: String,
    pub(crate) format: Format,
    /// Columns that the folders' names spell: `month=01`.
    pub(crate) keys: Vec<(String, Option<String>)>,
    /// Bytes fetched so far.
    fetched_bytes: AtomicU64,
}

/// Resolves the places of a source to files: one file, those that match a glob, or those in and under a folder.
/// Files come in the order of places, then of paths; names that begin with `_` or `.` are skipped.
///
/// # Errors
/// [`OpenError`] names the place where nothing is, or that cannot be looked up, and the file that is empty,
/// of unknown format, or named twice.
pub fn open<'a>(source: &'a Source) -> BoxFuture<'a, Result<Files, OpenError>> {
    Box::pin(async move {
        let places = futures::stream::iter(source.places().to_vec());
        let found: Vec<Vec<Arc<File>>> = places
            .map(|place| async move { open_place(&place).await })
            .buffered(REQUESTS_MAX)
            .try_collect()
            .await?;
        let files = found.concat();
        let mut seen = HashSet::new();
        match files.iter().find(|file| !seen.insert(file.url.as_str())) {
            Some(file) => Err(OpenError::Twice { file: file.url.clone() }),
            None => Ok(Files { files }),
        }
    })
}

async fn open_place(text: &str) -> Result<Vec<Arc<File>>, OpenError> {
    let place = runtime::objects::open(text)?;
    let objects = crate::resolve::objects(&place).await?;
    objects.into_iter().map(|meta| File::new(&place, meta).map(Arc::new)).collect()
}

impl File {
    fn new(place: &Place, meta: ObjectMeta) -> Result<File, OpenError> {
        let url = place.url(&meta.location);
        let Some(format) = Format::of(meta.location.as_ref()) else {
            return Err(OpenError::Format { file: url });
        };
        if meta.size == 0 {
            return Err(OpenError::Empty { file: url });
        }
        Ok(File {
            store: place.store.clone(),
            version: version(&meta),
            size_bytes: meta.size,
            keys: keys(&meta.location),
            path: meta.location,
            url,
            format,
            fetched_bytes: AtomicU64::new(0),
        })
    }

    /// Notes that so many bytes were fetched.
    pub(crate) fn count(&self, bytes: usize) {
        self.fetched_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Whether this is still the content that was opened.
    pub(crate) fn is_same(&self, meta: &ObjectMeta) -> bool {
        version(meta) == self.version && meta.size == self.size_bytes
    }

    pub(crate) fn fetch_error(&self, source: object_store::Error) -> ReadError {
        ReadError::Fetch { file: self.url.clone(), source }
    }

    pub(crate) fn damaged(&self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ReadError {
        ReadError::Damaged { file: self.url.clone(), format: self.format.name(), source: source.into() }
    }

    /// The error for a column that is neither among `columns` nor spelled by the folders.
    pub(crate) fn unknown<'a>(&'a self, column: &str, columns: impl Iterator<Item = &'a str>) -> ReadError {
        let known = columns.chain(self.keys.iter().map(|(name, _)| name.as_str()));
        ReadError::unknown(&self.url, column, known)
    }

    /// The value that the folders spell for `column`.
    pub(crate) fn key(&self, column: &str) -> Option<Option<&str>> {
        self.keys.iter().find(|(name, _)| name == column).map(|(_, value)| value.as_deref())
    }
}

/// The store's tag, which changes with the content; stores without tags have the time of writing.
fn version(meta: &ObjectMeta) -> String {
    meta.e_tag.clone().unwrap_or_else(|| meta.last_modified.timestamp_micros().to_string())
}

/// `key=value` folders of a path. Hive writes a null as `__HIVE_DEFAULT_PARTITION__` and escapes as URLs do.
fn keys(path: &Path) -> Vec<(String, Option<String>)> {
    let folders = path.as_ref().rsplit_once('/').map_or("", |(folders, _)| folders);
    let pairs = folders.split('/').filter_map(|folder| folder.split_once('='));
    pairs
        .filter(|(name, _)| !name.is_empty())
        .map(|(name, value)| match value {
            "" | "__HIVE_DEFAULT_PARTITION__" => (unescape(name), None),
            value => (unescape(name), Some(unescape(value))),
        })
        .collect()
}

/// Resolves `%2F` and the like; what is no such escape stays as it is.
fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = after.get(..2).filter(|hex| *first == b'%' && hex.iter().all(u8::is_ascii_hexdigit));
        let escaped = hex.and_then(|hex| u8::from_str_radix(str::from_utf8(hex).ok()?, 16).ok());
        bytes.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { &after[2..] } else { after };
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

impl Files {
    /// A name of the exact content: paths, sizes and versions of all files. 32 hex digits.
    pub fn identity(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for file in &self.files {
            for part in [file.url.as_str(), file.version.as_str()] {
                hasher.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
            }
            hasher.update(&file.size_bytes.to_le_bytes());
        }
        hasher.finalize().to_hex()[..32].to_owned()
    }

    /// Bytes of all files as they are stored.
    pub fn size_bytes(&self) -> u64 {
        self.files.iter().map(|file| file.size_bytes).sum()
    }

    /// Bytes fetched so far.
    pub fn fetched_bytes(&self) -> u64 {
        self.files.iter().map(|file| file.fetched_bytes.load(Ordering::Relaxed)).sum()
    }

    /// The files as people write them, in reading order.
    pub fn urls(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(|file| file.url.as_str())
    }

    /// Names and kinds of the columns, from the first file's footer or head and from the folders' names.
    /// Formats without declared types have the kind of their first rows.
    ///
    /// # Errors
    /// [`ReadError`] when that file cannot be read.
    pub fn columns<'a>(&'a self) -> BoxFuture<'a, Result<Vec<(String, Kind)>, ReadError>> {
        Box::pin(async move {
            let Some(first) = self.files.first() else { return Ok(Vec::new()) };
            let mut columns = format::columns(first).await?;
            for (name, _) in &first.keys {
                if !columns.iter().any(|(known, _)| known == name) {
                    let values = self.files.iter().filter_map(|file| file.key(name).flatten());
                    columns.push((name.clone(), Kind::of_texts(values)));
                }
            }
            Ok(columns)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_spell_keys_with_nulls_and_escapes() {
        let path =
            Path::parse("a/month=01/city=S%C3%A3o%2FX%/shop=__HIVE_DEFAULT_PARTITION__/x=1.csv").unwrap();
        let text = |text: &str| Some(text.to_owned());
        let expected = [("month".into(), text("01")), ("city".into(), text("São/X%")), ("shop".into(), None)];
        assert_eq!(keys(&path), expected);
    }
}
