//! Text formats: fetched whole or as they are read, inflated, and read as texts that become what they are wanted as.

use std::io::{BufRead, BufReader, Read};
use std::sync::Arc;

use arrow_array::StringArray;
use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use object_store::ObjectStoreExt;
use tokio::runtime::Handle;

use super::ranges::{Failure, Ranges, Unmarked};
use super::{Decoded, Format, csv, ndjson};
use crate::convert;
use crate::error::ReadError;
use crate::files::File;
use crate::request::Slot;

/// Bytes from which the kinds of columns are guessed.
const HEAD_BYTES: u64 = 256 * 1024;

/// A file whose first two lines are longer than this is no table.
const HEAD_BYTES_MAX: u64 = HEAD_BYTES << 9;

pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// All bytes of a text file, as stored.
pub(crate) struct Whole {
    file: Arc<File>,
    bytes: Bytes,
}

impl Whole {
    pub(super) fn file(&self) -> &Arc<File> {
        &self.file
    }

    pub(super) async fn fetch(file: Arc<File>) -> Result<Whole, ReadError> {
        let range = 0..file.size_bytes;
        let bytes = file.store.get_range(&file.path, range).await.map_err(|error| file.fetch_error(error))?;
        file.count(bytes.len());
        Ok(Whole { file, bytes })
    }

    pub(super) fn decode(&self, slots: &[Slot]) -> Result<Decoded, ReadError> {
        let mut inflated = Vec::new();
        let text = match self.file.format.is_gzip() {
            true => {
                let mut gzip = MultiGzDecoder::new(self.bytes.as_ref());
                gzip.read_to_end(&mut inflated).map_err(|error| self.file.damaged(error))?;
                inflated.as_slice()
            }
            false => self.bytes.as_ref(),
        };
        let text = without_mark(text);
        let mut whole = Decoded::default();
        read(&self.file, text, &|| text, slots, &mut |piece| {
            whole.rows += piece.rows;
            whole.columns.extend(piece.columns);
            Ok::<_, ReadError>(())
        })?;
        Ok(whole)
    }
}

/// Reads a file in pieces, fetching it as it is read.
pub(crate) fn scan<E: From<ReadError>>(
    file: &Arc<File>,
    slots: &[Slot],
    handle: &Handle,
    take: &mut dyn FnMut(Decoded) -> Result<(), E>,
) -> Result<(), E> {
    let head = handle.block_on(head(file, file.format.is_gzip()))?;
    let failure = Failure::default();
    let open = || open(file, handle, &failure);
    let done = read(file, &head, &open, slots, take);
    // What looks like a damaged file may be one that could not be fetched.
    match failure.take() {
        Some(error) => Err(file.fetch_error(error).into()),
        None => done,
    }
}

/// The text of a file, fetched as it is read; when that fails, `failure` knows why.
pub(super) fn open(file: &Arc<File>, handle: &Handle, failure: &Failure) -> BufReader<Box<dyn Read + Send>> {
    let stored = Ranges::new(file.clone(), handle.clone(), failure.clone());
    let text: Box<dyn Read + Send> = match file.format.is_gzip() {
        true => Box::new(MultiGzDecoder::new(BufReader::new(stored))),
        false => Box::new(stored),
    };
    BufReader::new(Box::new(Unmarked::new(text)))
}

fn read<R: BufRead, E: From<ReadError>>(
    file: &File,
    head: &[u8],
    open: &dyn Fn() -> R,
    slots: &[Slot],
    take: &mut dyn FnMut(Decoded) -> Result<(), E>,
) -> Result<(), E> {
    match file.format {
        Format::Csv { delimiter, .. } => csv::read(file, (head, open()), delimiter, slots, take),
        _ => {
            let spelled = ndjson::spelled(file, open(), slots)?;
            ndjson::read(file, open, (slots, &spelled), take)
        }
    }
}

/// The first lines of a file: as many as [`HEAD_BYTES`] hold, and two at least, if there are as many.
pub(super) async fn head(file: &File, gzip: bool) -> Result<Vec<u8>, ReadError> {
    let mut size_bytes = HEAD_BYTES;
    loop {
        let (text, is_whole) = head_of(file, gzip, size_bytes).await?;
        let mut ends = text.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at);
        match (ends.next(), ends.next()) {
            _ if is_whole => return Ok(without_mark(&text).to_vec()),
            (Some(last), Some(_)) => return Ok(without_mark(&text[..=last]).to_vec()),
            _ if size_bytes >= HEAD_BYTES_MAX => {
                let limit = format!("its first two lines are longer than {} MiB", HEAD_BYTES_MAX >> 20);
                return Err(file.damaged(limit));
            }
            _ => size_bytes *= 8,
        }
    }
}

/// The first bytes of a file's text, and whether they are all of it.
async fn head_of(file: &File, gzip: bool, size_bytes: u64) -> Result<(Vec<u8>, bool), ReadError> {
    let stored = file.size_bytes.min(size_bytes);
    let bytes = file.store.get_range(&file.path, 0..stored).await.map_err(|error| file.fetch_error(error))?;
    file.count(bytes.len());
    if !gzip {
        return Ok((bytes.to_vec(), stored == file.size_bytes));
    }
    let mut text = Vec::new();
    let read = MultiGzDecoder::new(bytes.as_ref()).take(size_bytes).read_to_end(&mut text);
    match read {
        // The end of the head is not the end of the file, so that it stops short says nothing.
        Err(error) if text.is_empty() => Err(file.damaged(error)),
        _ => {
            let is_whole = stored == file.size_bytes && (text.len() as u64) < size_bytes;
            Ok((text, is_whole))
        }
    }
}

fn without_mark(text: &[u8]) -> &[u8] {
    text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text)
}

/// Makes batches of texts into what they are wanted as.
pub(super) struct Collector<'a> {
    file: &'a File,
    slots: &'a [Slot],
    /// Rows before the next batch.
    rows: usize,
}

impl<'a> Collector<'a> {
    pub(super) fn new(file: &'a File, slots: &'a [Slot]) -> Collector<'a> {
        Collector { file, slots, rows: 0 }
    }

    /// The next `rows` rows; `text_of` gives a column's texts, unless the folders spell it.
    pub(super) fn piece<'b>(
        &mut self,
        rows: usize,
        text_of: impl Fn(&str) -> Option<&'b StringArray>,
    ) -> Result<Decoded, ReadError> {
        let mut piece = Decoded { rows, ..Decoded::default() };
        for (at, slot) in self.slots.iter().enumerate() {
            let column = match text_of(&slot.name) {
                Some(texts) => {
                    let column = convert::from_texts(texts.iter(), slot.role);
                    column.map_err(|wrong| wrong.at(self.file, slot, self.rows))?
                }
                None => convert::key_column(self.file, slot, rows)?,
            };
            piece.columns.push((at, column));
        }
        self.rows += rows;
        Ok(piece)
    }
}
