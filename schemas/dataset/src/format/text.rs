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

/// The first lines of a file.
pub(super) async fn head(file: &File, gzip: bool) -> Result<Vec<u8>, ReadError> {
    let stored = file.size_bytes.min(HEAD_BYTES);
    let bytes = file.store.get_range(&file.path, 0..stored).await.map_err(|error| file.fetch_error(error))?;
    let mut text = Vec::new();
    if gzip {
        let read = MultiGzDecoder::new(bytes.as_ref()).take(HEAD_BYTES).read_to_end(&mut text);
        // The end of the head is not the end of the file, so that it stops short says nothing.
        if let Err(error) = read
            && text.is_empty()
        {
            return Err(file.damaged(error));
        }
    } else {
        text.extend_from_slice(&bytes);
    }
    let is_whole = stored == file.size_bytes && (!gzip || (text.len() as u64) < HEAD_BYTES);
    if !is_whole && let Some(last) = text.iter().rposition(|byte| *byte == b'\n') {
        text.truncate(last + 1);
    }
    Ok(without_mark(&text).to_vec())
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
