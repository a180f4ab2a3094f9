//! Bundles: a channel's specs, catalog and fits in one file (see [`schemas::bundle`]), written by `enqueue channel export`
//! and read by predictors and gateways that reach neither broker nor store.

mod packed;
mod read;
mod store;
#[cfg(test)]
mod tests;
mod write;

use std::path::{Path, PathBuf};

use schemas::blob::BlobError;
use schemas::bundle::BundleError;

pub use self::read::{Bundle, Fixed, Held, open};
pub use self::write::{Writer, check};

/// Why a bundle could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file is no bundle, or not whole.
    #[error("{} cannot be used", .file.display())]
    Unusable {
        /// The file.
        file: PathBuf,
        /// What is wrong, and what to do.
        #[source]
        source: BundleError,
    },
    /// A block is whole and holds what is no fit.
    #[error("{} cannot be used", .file.display())]
    Fits {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        #[source]
        source: BlobError,
    },
    /// Something is there already.
    #[error("{} is there already; --force replaces it", .file.display())]
    Exists {
        /// The file.
        file: PathBuf,
    },
    /// The disk failed, or the file is not there.
    #[error("{} cannot be {action}", .file.display())]
    Disk {
        /// The file.
        file: PathBuf,
        /// `read` or `written`.
        action: &'static str,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl Error {
    /// Whether the caller has to change something, and not the machine.
    pub fn is_usage(&self) -> bool {
        match self {
            Error::Exists { .. } => true,
            Error::Disk { source, .. } => source.kind() == std::io::ErrorKind::NotFound,
            Error::Unusable { .. } | Error::Fits { .. } => false,
        }
    }

    fn unusable(file: &Path) -> impl Fn(BundleError) -> Error + use<> {
        let file = file.to_owned();
        move |source| Error::Unusable { file: file.clone(), source }
    }

    fn disk(file: &Path, action: &'static str) -> impl Fn(std::io::Error) -> Error + use<> {
        let file = file.to_owned();
        move |source| Error::Disk { file: file.clone(), action, source }
    }
}
