//! The first bytes of a bundle.

use xxhash_rust::xxh3::xxh3_64;

use super::{BundleError, unsound};
use crate::limits::BUNDLE_CONTENTS_BYTES_MAX;

/// The first bytes. They change when a program takes the file for a text.
pub const MAGIC: &[u8; 8] = b"\x89SFB\r\n\x1a\n";

/// The version that is written. History:
/// * 1: the first.
pub const VERSION: u32 = 1;

/// Bytes of the header.
pub const HEADER_BYTES: usize = 72;

/// Bytes of the part that every version has: magic, version and their check.
const PREFIX_BYTES: usize = 16;

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
    /// [`super::Digest`] of all that follows the header.
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
        assert_eq!(&bytes[..12], b"\x89SFB\r\n\x1a\n\x01\0\0\0");
        let numbers: Vec<u64> = (16..64).step_by(8).map(|at| u64_at(&bytes, at)).collect();
        assert_eq!(numbers, [1_000, 900, 100, 400, 5, 7 << 6]);
    }

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
