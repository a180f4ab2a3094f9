//! External merge sort: records of one width are sorted in runs that fit into memory, and the runs are merged.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::path::PathBuf;

use super::layout::KEY_BYTES;

/// Runs that are merged at once: each is an open file with a buffer.
const FAN_IN_MAX: usize = 128;

/// Bytes of the smallest buffer that is worth a read, and of the largest.
const BUFFER_BYTES_MIN: usize = 64 << 10;
const BUFFER_BYTES_MAX: usize = 4 << 20;

/// A key as numbers that sort alike, and the record that has it.
type Entry = (u128, u64, u64, u32);

/// Takes records in any order, and hands them out sorted by the bytes of their keys.
pub(super) struct Sorter {
    width: usize,
    memory_bytes: usize,
    /// Records in memory.
    capacity: usize,
    records: Vec<u8>,
    runs: Vec<File>,
    folder: PathBuf,
}

impl Sorter {
    /// Sorts records of `width` bytes in `memory_bytes`, with runs in `folder`; `None` when that is too little memory.
    pub(super) fn new(width: usize, memory_bytes: u64, folder: PathBuf) -> Option<Sorter> {
        let memory_bytes = usize::try_from(memory_bytes).ok()?;
        let capacity = (memory_bytes / (width + size_of::<Entry>())).min(u32::MAX as usize);
        (capacity >= 2).then(|| Sorter {
            width,
            memory_bytes,
            capacity,
            records: Vec::new(),
            runs: Vec::new(),
            folder,
        })
    }

    /// Runs on disk so far.
    pub(super) fn runs(&self) -> usize {
        self.runs.len()
    }

    /// Room for the next record.
    pub(super) fn next(&mut self) -> io::Result<&mut [u8]> {
        if self.records.len() >= self.capacity * self.width {
            self.spill()?;
        }
        if self.records.capacity() == 0 {
            // Once, so that growing never holds the records twice.
            self.records.reserve_exact(self.capacity * self.width);
        }
        let start = self.records.len();
        self.records.resize(start + self.width, 0);
        Ok(&mut self.records[start..])
    }

    /// Hands out all records in order.
    pub(super) fn finish<E: From<io::Error>>(
        mut self,
        take: &mut dyn FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.runs.is_empty() {
            for entry in self.sorted() {
                take(self.record(entry))?;
            }
            return Ok(());
        }
        self.spill()?;
        self.records = Vec::new();
        while self.runs.len() > FAN_IN_MAX {
            let merged: Vec<File> = self.runs.drain(..FAN_IN_MAX).collect();
            let mut run = BufWriter::with_capacity(BUFFER_BYTES_MAX, tempfile::tempfile_in(&self.folder)?);
            merge(merged, self.width, self.memory_bytes, &mut |record| run.write_all(record))?;
            self.runs.push(run.into_inner().map_err(io::IntoInnerError::into_error)?);
        }
        merge(self.runs, self.width, self.memory_bytes, take)
    }

    fn spill(&mut self) -> io::Result<()> {
        let mut run = BufWriter::with_capacity(BUFFER_BYTES_MAX, tempfile::tempfile_in(&self.folder)?);
        for entry in self.sorted() {
            run.write_all(self.record(entry))?;
        }
        self.runs.push(run.into_inner().map_err(io::IntoInnerError::into_error)?);
        self.records.clear();
        Ok(())
    }

    fn sorted(&self) -> Vec<Entry> {
        let mut entries: Vec<Entry> = Vec::with_capacity(self.records.len() / self.width);
        for (record, at) in self.records.chunks_exact(self.width).zip(0u32..) {
            entries.push((
                u128::from_be_bytes(bytes(record, 0)),
                u64::from_be_bytes(bytes(record, 16)),
                u64::from_be_bytes(bytes(record, 24)),
                at,
            ));
        }
        entries.sort_unstable();
        entries
    }

    fn record(&self, (_, _, _, at): Entry) -> &[u8] {
        &self.records[at as usize * self.width..][..self.width]
    }
}

fn bytes<const N: usize>(record: &[u8], at: usize) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(&record[at..at + N]);
    bytes
}

/// Hands out the records of sorted runs in order.
fn merge<E: From<io::Error>>(
    runs: Vec<File>,
    width: usize,
    memory_bytes: usize,
    take: &mut dyn FnMut(&[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let buffer = (memory_bytes / runs.len().max(1)).clamp(BUFFER_BYTES_MIN, BUFFER_BYTES_MAX);
    let mut heads = Vec::with_capacity(runs.len());
    let mut next = BinaryHeap::with_capacity(runs.len());
    for mut run in runs {
        run.rewind()?;
        let mut head = Run { rest: BufReader::with_capacity(buffer, run), record: vec![0; width] };
        if head.advance()? {
            next.push(Reverse((bytes::<KEY_BYTES>(&head.record, 0), heads.len())));
        }
        heads.push(head);
    }
    while let Some(mut least) = next.peek_mut() {
        let Reverse((key, at)) = &mut *least;
        let head = &mut heads[*at];
        take(&head.record)?;
        match head.advance()? {
            true => *key = bytes(&head.record, 0),
            false => drop(std::collections::binary_heap::PeekMut::pop(least)),
        }
    }
    Ok(())
}

/// A run, and its first record that has not been handed out.
struct Run {
    rest: BufReader<File>,
    record: Vec<u8>,
}

impl Run {
    fn advance(&mut self) -> io::Result<bool> {
        match self.rest.read_exact(&mut self.record) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn records_come_out_sorted_whatever_fits_into_memory(
            keys in proptest::collection::vec((0u8..4, any::<u16>()), 0..700),
            capacity in 2usize..900,
        ) {
            let width = KEY_BYTES + 3;
            let memory_bytes = capacity * (width + size_of::<Entry>());
            let mut sorter = Sorter::new(width, memory_bytes as u64, std::env::temp_dir()).unwrap();
            let mut expected = Vec::new();
            for (at, (first, last)) in keys.iter().enumerate() {
                let record = sorter.next().unwrap();
                record[0] = *first;
                record[22..24].copy_from_slice(&last.to_be_bytes());
                record[28..32].copy_from_slice(&(at as u32).to_be_bytes());
                record[KEY_BYTES] = *first ^ 7;
                expected.push(record.to_vec());
            }
            expected.sort();
            prop_assert_eq!(sorter.runs(), keys.len().saturating_sub(1) / capacity);
            let mut found = Vec::new();
            sorter.finish(&mut |record| { found.push(record.to_vec()); Ok::<_, io::Error>(()) }).unwrap();
            prop_assert_eq!(found, expected);
        }
    }
}
