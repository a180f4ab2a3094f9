//! The form of a bundle: one file with all that answering a channel needs, for machines that reach neither broker nor store.
//!
//! ```text
//! header   magic, u32 version, u32 check of these two; u64 bytes of the file; contents: u64 offset, u64 bytes, u64 unpacked;
//!          u128 xxh3 of all that follows the header, u64 xxh3 of the header up to here
//! blocks   the fits, some of them together: each a blob (see [`crate::blob`]), compressed
//! contents specs, channels, catalogs and where the blocks are: an envelope, compressed
//! ```
//! Numbers are little-endian. The contents stand behind the blocks, so that writing needs no more memory than a block; who
//! reads finds them by the header. This module says what the bytes mean; `runtime::bundle` compresses, reads and writes.

mod contents;
mod header;

use xxhash_rust::xxh3::Xxh3;

pub use self::contents::{Block, BundledModel, Contents};
pub use self::header::{HEADER_BYTES, Header, MAGIC, VERSION};
use crate::envelope::EnvelopeError;

/// Why bytes are no bundle that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// Another kind of file.
    #[error("it is no bundle of fits; make one with `enqueue channel export`")]
    Foreign,
    /// Written by a newer release.
    #[error(
        "it is of version {found}, and this release reads up to {VERSION}: upgrade this program, or export with this release"
    )]
    Newer {
        /// The file's version.
        found: u32,
    },
    /// Cut off, or longer than it was.
    #[error("it should have {expected} bytes and has {found}: copy it again, or export it again")]
    Torn {
        /// As its header says.
        expected: u64,
        /// As it is.
        found: u64,
    },
    /// Not the bytes that were written.
    #[error("its {part} differ from what was written: copy it again, or export it again")]
    Damaged {
        /// Where it shows.
        part: &'static str,
    },
    /// The contents are whole, and none.
    #[error("its contents cannot be read")]
    Contents(#[from] EnvelopeError),
    /// The contents contradict themselves: no release writes them so.
    #[error("its contents contradict themselves ({problem}): export it again")]
    Unsound {
        /// How.
        problem: String,
    },
}

/// A checksum of bytes that come one after another.
#[derive(Clone, Default)]
pub struct Digest(Xxh3);

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Digest({:032x})", self.value())
    }
}

impl Digest {
    /// Takes in more bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The checksum so far.
    pub fn value(&self) -> u128 {
        self.0.digest128()
    }
}

fn unsound(problem: impl Into<String>) -> BundleError {
    BundleError::Unsound { problem: problem.into() }
}
