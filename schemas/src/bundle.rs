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

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use crate::catalog::ModelSnapshot;
use crate::channel::Channel;
use crate::envelope::EnvelopeError;
use crate::limits::{BUNDLE_CONTENTS_BYTES_MAX, BUNDLE_FIT_BYTES_MAX};
use crate::spec::ModelSpec;

/// The first bytes. They change when a program takes the file for a text.
pub const MAGIC: &[u8; 8] = b"\x89SFB\r\n\x1a\n";

/// The version that is written. History:
/// * 1: the first.
pub const VERSION: u32 = 1;

/// Bytes of the header.
pub const HEADER_BYTES: usize = 72;

/// Bytes of the part that every version has: magic, version and their check.
const PREFIX_BYTES: usize = 16;

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

/// Where the contents are, and what all bytes are to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Bytes of the whole file.
    pub file_bytes: u64,
    /// Where the contents begin.
    pub contents_offset: u64,
    /// Their bytes in the file.
    pub contents_bytes: u64,
    /// Their bytes when they are unpacked.
    pub contents_unpacked_bytes: u64,
    /// [`Digest`] of all that follows the header.
    pub digest: u128,
}

impl Header {
    /// Its bytes.
    pub fn to_bytes(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = Vec::with_capacity(HEADER_BYTES);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&check_of(&bytes).to_le_bytes());
        for number in
            [self.file_bytes, self.contents_offset, self.contents_bytes, self.contents_unpacked_bytes]
        {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(&self.digest.to_le_bytes());
        bytes.extend_from_slice(&xxh3_64(&bytes).to_le_bytes());
        let mut header = [0; HEADER_BYTES];
        header.copy_from_slice(&bytes);
        header
    }

    /// Reads the first bytes of a file that has `file_bytes` of them; `start` is as much of the header as there is.
    ///
    /// # Errors
    /// [`BundleError`], telling other files from newer, torn and damaged ones.
    pub fn read(start: &[u8], file_bytes: u64) -> Result<Header, BundleError> {
        let prefix = &start[..start.len().min(MAGIC.len())];
        if prefix.is_empty() || !MAGIC.starts_with(prefix) {
            return Err(BundleError::Foreign);
        }
        if start.len() < PREFIX_BYTES {
            return Err(BundleError::Torn { expected: HEADER_BYTES as u64, found: file_bytes });
        }
        if check_of(&start[..12]) != u32_at(start, 12) {
            return Err(BundleError::Damaged { part: "first bytes" });
        }
        match u32_at(start, 8) {
            VERSION => {}
            found => return Err(BundleError::Newer { found }),
        }
        if start.len() < HEADER_BYTES {
            return Err(BundleError::Torn { expected: HEADER_BYTES as u64, found: file_bytes });
        }
        if xxh3_64(&start[..HEADER_BYTES - 8]) != u64_at(start, HEADER_BYTES - 8) {
            return Err(BundleError::Damaged { part: "first bytes" });
        }
        let header = Header {
            file_bytes: u64_at(start, 16),
            contents_offset: u64_at(start, 24),
            contents_bytes: u64_at(start, 32),
            contents_unpacked_bytes: u64_at(start, 40),
            digest: u128::from(u64_at(start, 48)) | u128::from(u64_at(start, 56)) << 64,
        };
        header.check(file_bytes)?;
        Ok(header)
    }

    fn check(&self, file_bytes: u64) -> Result<(), BundleError> {
        if self.file_bytes != file_bytes {
            return Err(BundleError::Torn { expected: self.file_bytes, found: file_bytes });
        }
        let ends = self.contents_offset.checked_add(self.contents_bytes);
        if self.contents_offset < HEADER_BYTES as u64 || ends != Some(file_bytes) {
            return Err(unsound("they do not end where the file ends"));
        }
        if self.contents_unpacked_bytes > BUNDLE_CONTENTS_BYTES_MAX {
            return Err(unsound("they are too large"));
        }
        Ok(())
    }
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

/// What is in a bundle.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Contents {
    /// The channel whose fits these are.
    pub channel: String,
    /// When it was exported, milliseconds since 1970.
    pub made_at_ms: i64,
    /// The release that wrote it.
    pub made_by: String,
    /// By name.
    pub models: Vec<BundledModel>,
    /// In the order of the file.
    pub blocks: Vec<Block>,
}

/// A model with all of its fits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BundledModel {
    /// Its spec.
    pub spec: ModelSpec,
    /// Its channel: the campaigns alone.
    pub channel: Channel,
    /// The fits that answer in the channel, and in which block each is.
    pub catalog: ModelSnapshot,
}

/// Some fits in the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// The name of the blob that it unpacks to.
    pub name: String,
    /// Where it begins.
    pub offset: u64,
    /// Its bytes in the file.
    pub bytes: u64,
    /// Its bytes when it is unpacked.
    pub unpacked_bytes: u64,
    /// Fits in it.
    pub fits: u32,
}

impl Contents {
    /// Whether everything that is named is there, within the file of `header`.
    ///
    /// # Errors
    /// [`BundleError::Unsound`] with the first contradiction.
    pub fn check(&self, header: &Header) -> Result<(), BundleError> {
        let fits = self.check_blocks(header)?;
        let mut names = HashSet::new();
        for model in &self.models {
            let name = &model.spec.name;
            model.spec.check().map_err(|error| unsound(format!("model {name}: {error}")))?;
            if *name != model.catalog.model || !names.insert(name) {
                return Err(unsound(format!("model {name} has another catalog, or is there twice")));
            }
            let lost = model.catalog.places().find(|place| {
                place.is_none_or(|(blob, index)| fits.get(blob).is_none_or(|fits| index >= *fits))
            });
            if lost.is_some() {
                return Err(unsound(format!("model {name} has a fit that is in no block")));
            }
        }
        Ok(())
    }

    /// The number of fits of each block by its name.
    fn check_blocks(&self, header: &Header) -> Result<HashMap<&str, u32>, BundleError> {
        let mut end = HEADER_BYTES as u64;
        let mut fits = HashMap::with_capacity(self.blocks.len());
        for block in &self.blocks {
            if block.offset != end || block.unpacked_bytes > BUNDLE_FIT_BYTES_MAX {
                return Err(unsound(format!("block {} lies elsewhere, or is too large", block.name)));
            }
            end = end
                .checked_add(block.bytes)
                .filter(|end| *end <= header.contents_offset)
                .ok_or_else(|| unsound(format!("block {} reaches into what stands behind it", block.name)))?;
            if fits.insert(block.name.as_str(), block.fits).is_some() {
                return Err(unsound(format!("block {} is there twice", block.name)));
            }
        }
        match end == header.contents_offset {
            true => Ok(fits),
            false => Err(unsound("there are bytes between blocks and contents")),
        }
    }
}

fn unsound(problem: impl Into<String>) -> BundleError {
    BundleError::Unsound { problem: problem.into() }
}

fn check_of(bytes: &[u8]) -> u32 {
    xxh3_64(bytes) as u32
}

/// `bytes` reaches past `at + 4`, as the callers have checked.
fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut number = [0; 4];
    number.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(number)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn header() -> Header {
        Header {
            file_bytes: 1_000,
            contents_offset: 900,
            contents_bytes: 100,
            contents_unpacked_bytes: 400,
            digest: 7 << 70 | 5,
        }
    }

    #[test]
    fn a_header_comes_back_and_its_first_version_is_pinned() {
        let bytes = header().to_bytes();
        assert_eq!(Header::read(&bytes, 1_000), Ok(header()));
        let hash = blake3::hash(&bytes).to_hex();
        assert_eq!(&hash[..16], PINNED, "the header of version 1 never changes");
    }

    const PINNED: &str = "0000000000000000";

    #[test]
    fn other_and_newer_files_are_told_apart_from_damaged_ones() {
        let whole = header().to_bytes();
        assert_eq!(Header::read(b"", 0), Err(BundleError::Foreign));
        assert_eq!(Header::read(b"PAR1 and so on", 14), Err(BundleError::Foreign));
        // What a transfer as text makes of it.
        assert_eq!(Header::read(&whole.map(|byte| byte & 0x7f), 1_000), Err(BundleError::Foreign));
        let mut newer = whole;
        newer[8..12].copy_from_slice(&2u32.to_le_bytes());
        assert_eq!(Header::read(&newer, 1_000), Err(BundleError::Damaged { part: "first bytes" }));
        let check = check_of(&newer[..12]);
        newer[12..16].copy_from_slice(&check.to_le_bytes());
        assert_eq!(Header::read(&newer, 1_000), Err(BundleError::Newer { found: 2 }));
    }

    #[test]
    fn contents_that_reach_out_of_the_file_are_refused() {
        let at = |offset, bytes| Header { contents_offset: offset, contents_bytes: bytes, ..header() };
        for header in [at(10, 990), at(900, 101), at(900, u64::MAX), at(u64::MAX, 1)] {
            let read = Header::read(&header.to_bytes(), 1_000);
            assert!(matches!(read, Err(BundleError::Unsound { .. })), "{read:?}");
        }
        let huge = Header { contents_unpacked_bytes: u64::MAX, ..header() };
        assert!(matches!(Header::read(&huge.to_bytes(), 1_000), Err(BundleError::Unsound { .. })));
    }

    proptest! {
        #[test]
        fn each_cut_and_each_flip_of_a_header_is_named(cut in 0usize..HEADER_BYTES, flip in 1u8..) {
            let whole = header().to_bytes();
            let torn = Header::read(&whole[..cut], cut as u64);
            let expected = if cut == 0 { BundleError::Foreign } else {
                BundleError::Torn { expected: HEADER_BYTES as u64, found: cut as u64 }
            };
            prop_assert_eq!(torn, Err(expected));
            let mut flipped = whole;
            flipped[cut] ^= flip;
            let expected = if cut < MAGIC.len() { BundleError::Foreign } else {
                BundleError::Damaged { part: "first bytes" }
            };
            prop_assert_eq!(Header::read(&flipped, 1_000), Err(expected));
        }

        #[test]
        fn no_bytes_at_all_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = Header::read(&bytes, bytes.len() as u64);
            let _ = Header::read(&[&MAGIC[..], &bytes].concat(), bytes.len() as u64);
        }
    }
}
