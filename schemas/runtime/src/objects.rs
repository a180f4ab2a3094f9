//! Opening places in file systems and object storage by URL or path.

use std::path::{Path as FilePath, PathBuf};
use std::sync::{Arc, Once};

use object_store::ObjectStore;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::local::LocalFileSystem;
use object_store::path::Path;

/// A place: a store and the path inside it.
#[derive(Debug, Clone)]
pub struct Place {
    /// The store: the file system's root, or a bucket.
    pub store: Arc<dyn ObjectStore>,
    /// The path from there; globs are kept as they were written.
    pub path: String,
    /// How to write a path of this store for people: `s3://bucket/` or `/`.
    pub root: String,
}

/// Why a place could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A scheme that is not built in.
    #[error("{url}: no support for `{scheme}:`; use a path, file: or s3:")]
    Scheme {
        /// The URL.
        url: String,
        /// Its scheme.
        scheme: String,
    },
    /// The store's settings are incomplete.
    #[error(
        "{url}: the store's settings are not complete (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ENDPOINT_URL)"
    )]
    Settings {
        /// The URL.
        url: String,
        /// What is missing.
        #[source]
        source: object_store::Error,
    },
    /// The current folder is gone.
    #[error("{url}: cannot be made an absolute path")]
    Folder {
        /// The path.
        url: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// Opens a path, `file:` URL or `s3://bucket/path` URL. No byte is read yet.
///
/// S3 settings come from the environment as the AWS tools name them (`AWS_ENDPOINT_URL`, `AWS_REGION`,
/// `AWS_ACCESS_KEY_ID` …); plain HTTP is used only when the endpoint says `http:`.
///
/// # Errors
/// [`OpenError`] for another scheme or incomplete settings.
pub fn open(url: &str) -> Result<Place, OpenError> {
    match url.split_once("://").or_else(|| url.split_once(':').filter(|(scheme, _)| *scheme == "file")) {
        None => local(FilePath::new(url), url),
        Some(("file", path)) => local(FilePath::new(path), url),
        Some(("s3", rest)) => s3(rest, url),
        Some((scheme, _)) => Err(OpenError::Scheme { url: url.to_owned(), scheme: scheme.to_owned() }),
    }
}

fn local(path: &FilePath, url: &str) -> Result<Place, OpenError> {
    let folder = |source| OpenError::Folder { url: url.to_owned(), source };
    let absolute: PathBuf = std::path::absolute(path).map_err(folder)?;
    Ok(Place {
        store: Arc::new(LocalFileSystem::new()),
        path: absolute.to_string_lossy().trim_start_matches('/').to_owned(),
        root: "/".into(),
    })
}

fn s3(rest: &str, url: &str) -> Result<Place, OpenError> {
    install_tls();
    let (bucket, path) = rest.split_once('/').unwrap_or((rest, ""));
    let builder = AmazonS3Builder::from_env().with_bucket_name(bucket);
    let endpoint = builder.get_config_value(&AmazonS3ConfigKey::Endpoint).unwrap_or_default();
    let builder = builder.with_allow_http(endpoint.starts_with("http:"));
    let store = builder.build().map_err(|source| OpenError::Settings { url: url.to_owned(), source })?;
    Ok(Place { store: Arc::new(store), path: path.to_owned(), root: format!("s3://{bucket}/") })
}

/// Chooses the process's TLS implementation, once.
pub fn install_tls() {
    static ONCE: Once = Once::new();
    // An error means that a provider is installed already, which serves as well.
    ONCE.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
}

impl Place {
    /// The place as people write it.
    pub fn url(&self, path: &Path) -> String {
        format!("{}{path}", self.root)
    }
}
