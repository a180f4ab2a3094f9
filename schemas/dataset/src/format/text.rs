//! Text formats: the whole file is fetched, inflated, and read as texts that become what they are wanted as.

use std::io::Read;
use std::sync::Arc;

use arrow_array::StringArray;
use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use object_store::ObjectStoreExt;

use super::{Decoded, Format, csv, ndjson};
use crate::convert;
use crate::error::ReadError;
use crate::files::File;
use crate::request::Slot;

/// Bytes from which the kinds of columns are guessed.
const HEAD_BYTES: u64 = 256 * 1024;

/// A file whose first two lines are longer than this is no table.
const HEAD_BYTES_MAX: u64 = HEAD_BYTES << 9;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

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
        Ok(Whole { file, bytes })
    }

    pub(super) fn decode(&self, slots: &[Slot]) -> Result<Decoded, ReadError> {
        let mut inflated = Vec::new();
        let text = match self.file.format {
            Format::Csv { gzip: true, .. } | Format::Ndjson { gzip: true } => {
                let mut gzip = MultiGzDecoder::new(self.bytes.as_ref());
                gzip.read_to_end(&mut inflated).map_err(|error| self.file.damaged(error))?;
                inflated.as_slice()
            }
            _ => self.bytes.as_ref(),
        };
        let text = without_mark(text);
        match self.file.format {
            Format::Csv { delimiter, .. } => csv::decode(&self.file, text, delimiter, slots),
            _ => ndjson::decode(&self.file, text, slots),
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

/// Collects batches of texts into what they are wanted as.
pub(super) struct Collector<'a> {
    file: &'a File,
    slots: &'a [Slot],
    decoded: Decoded,
}

impl<'a> Collector<'a> {
    pub(super) fn new(file: &'a File, slots: &'a [Slot]) -> Collector<'a> {
        Collector { file, slots, decoded: Decoded::default() }
    }

    /// Adds `rows` rows; `text_of` gives a column's texts, unless the folders spell it.
    pub(super) fn add<'b>(
        &mut self,
        rows: usize,
        text_of: impl Fn(&str) -> Option<&'b StringArray>,
    ) -> Result<(), ReadError> {
        for (at, slot) in self.slots.iter().enumerate() {
            let piece = match text_of(&slot.name) {
                Some(texts) => {
                    let piece = convert::from_texts(texts.iter(), slot.role);
                    piece.map_err(|wrong| wrong.at(self.file, slot, self.decoded.rows))?
                }
                None => convert::key_column(self.file, slot, rows)?,
            };
            self.decoded.columns.push((at, piece));
        }
        self.decoded.rows += rows;
        Ok(())
    }

    pub(super) fn finish(self) -> Decoded {
        self.decoded
    }
}
