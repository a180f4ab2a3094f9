//! A file of which only some byte ranges are in memory.

use std::ops::Range;
use std::sync::Arc;

use bytes::{Buf, Bytes, buf::Reader};
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{ChunkReader, Length};

/// The fetched ranges of a file.
#[derive(Clone)]
pub(crate) struct Sparse {
    size_bytes: u64,
    /// Sorted by their first byte.
    chunks: Arc<Vec<(u64, Bytes)>>,
}

impl Sparse {
    pub(crate) fn new(size_bytes: u64, mut chunks: Vec<(u64, Bytes)>) -> Sparse {
        chunks.sort_by_key(|(start, _)| *start);
        Sparse { size_bytes, chunks: Arc::new(chunks) }
    }

    /// The ranges of both.
    pub(crate) fn join(&self, other: &Sparse) -> Sparse {
        Sparse::new(self.size_bytes, self.chunks.iter().chain(other.chunks.iter()).cloned().collect())
    }

    /// Whether all bytes of `range` are in memory.
    pub(crate) fn holds(&self, range: &Range<u64>) -> bool {
        self.chunk(range.clone()).is_ok()
    }

    /// The rest, from `start` on, of the chunk that holds all of `range`.
    fn chunk(&self, range: Range<u64>) -> Result<Bytes> {
        let after = self.chunks.partition_point(|(start, _)| *start <= range.start);
        let held = self.chunks[..after].iter().rev().find_map(|(start, bytes)| {
            let skip = usize::try_from(range.start - start).ok()?;
            let end = start.checked_add(bytes.len() as u64)?;
            (range.end <= end && skip <= bytes.len()).then(|| bytes.slice(skip..))
        });
        held.ok_or_else(|| ParquetError::EOF(format!("bytes {range:?} lie outside of their column")))
    }
}

impl Length for Sparse {
    fn len(&self) -> u64 {
        self.size_bytes
    }
}

impl ChunkReader for Sparse {
    type T = Reader<Bytes>;

    fn get_read(&self, start: u64) -> Result<Reader<Bytes>> {
        Ok(self.chunk(start..start)?.reader())
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        let end = start.checked_add(length as u64);
        let end = end.ok_or_else(|| ParquetError::EOF(format!("{length} bytes from {start}")))?;
        Ok(self.chunk(start..end)?.slice(..length))
    }
}
