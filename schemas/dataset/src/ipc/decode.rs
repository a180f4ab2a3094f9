//! Batches of a stream, as its bytes come.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_ipc::convert::try_fb_to_schema;
use arrow_ipc::reader::{read_dictionary, read_record_batch};
use arrow_ipc::{MessageHeader, root_as_message};
use arrow_schema::{DataType, SchemaRef};

use super::check;
use super::error::IpcError;
use super::frame::{Frame, Frames};
use crate::convert::Mismatch;
use crate::fields::{Fields, Taken, Wrong};

/// Bounds on what one stream can make this process hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one message, and of all dictionaries together.
    pub message_bytes_max: usize,
    /// Rows of one batch.
    pub batch_rows_max: usize,
    /// Bytes of one batch's columns as a model reads them.
    pub taken_bytes_max: usize,
}

impl Default for Limits {
    /// 64 MiB and a million rows, as 256 MiB of columns.
    fn default() -> Limits {
        Limits { message_bytes_max: 64 << 20, batch_rows_max: 1 << 20, taken_bytes_max: 256 << 20 }
    }
}

/// Decodes one stream. After an error it is of no more use.
pub struct Decoder {
    frames: Frames,
    fields: Fields,
    limits: Limits,
    schema: Option<SchemaRef>,
    dictionaries: HashMap<i64, ArrayRef>,
    /// Bytes of each of them.
    dictionary_bytes: HashMap<i64, usize>,
}

impl Decoder {
    /// A decoder of a stream's first byte on, for the columns in `fields`.
    pub fn new(fields: Fields, limits: Limits) -> Decoder {
        Decoder {
            frames: Frames::new(limits.message_bytes_max),
            fields,
            limits,
            schema: None,
            dictionaries: HashMap::new(),
            dictionary_bytes: HashMap::new(),
        }
    }

    /// The next batch; `None` when all of `bytes` were taken, and more are needed for one. Takes from the front of `bytes`
    /// what it has read, so it is to be called until it gives `None`.
    ///
    /// # Errors
    /// [`IpcError`] for bytes that are no such stream, or that are refused.
    pub fn next(&mut self, bytes: &mut &[u8]) -> Result<Option<Taken>, IpcError> {
        while let Some(frame) = self.frames.next(bytes)? {
            // All claims have been checked by then; a decoder's own mistakes are still the sender's error.
            let read = catch_unwind(AssertUnwindSafe(|| self.message(&frame)));
            if let Some(taken) = read.unwrap_or_else(|_| Err(IpcError::damaged("it cannot be decoded")))? {
                return Ok(Some(taken));
            }
        }
        Ok(None)
    }

    /// Ends the stream.
    ///
    /// # Errors
    /// [`IpcError::Truncated`] when it may not end here.
    pub fn finish(self) -> Result<(), IpcError> {
        if self.frames.may_end() && self.schema.is_some() { Ok(()) } else { Err(IpcError::Truncated) }
    }

    fn message(&mut self, frame: &Frame) -> Result<Option<Taken>, IpcError> {
        let message = root_as_message(frame.metadata()).map_err(IpcError::damaged)?;
        let lost = || IpcError::damaged("a message that is not what it says");
        let (body, version) = (frame.body(), message.version());
        let held = check::Body { bytes: body.len(), limits: &self.limits };
        match (message.header_type(), self.schema.clone()) {
            (MessageHeader::Schema, None) => {
                let declared = message.header_as_schema().ok_or_else(lost)?;
                check::schema(&declared)?;
                self.schema = Some(Arc::new(try_fb_to_schema(declared).map_err(IpcError::damaged)?));
                Ok(None)
            }
            (MessageHeader::DictionaryBatch, Some(schema)) => {
                let batch = message.header_as_dictionary_batch().ok_or_else(lost)?;
                held.holds_dictionary(&batch, &schema)?;
                self.hold(batch.id(), batch.isDelta(), body.len())?;
                read_dictionary(&body, batch, &schema, &mut self.dictionaries, &version)
                    .map_err(IpcError::damaged)?;
                Ok(None)
            }
            (MessageHeader::RecordBatch, Some(schema)) => {
                let batch = message.header_as_record_batch().ok_or_else(lost)?;
                held.holds_rows(&batch, &schema)?;
                let batch = read_record_batch(&body, batch, schema, &self.dictionaries, None, &version);
                self.take(&batch.map_err(IpcError::damaged)?).map(Some)
            }
            (MessageHeader::Schema, Some(_)) => Err(IpcError::damaged("a second schema")),
            (_, None) => Err(IpcError::damaged("rows before their schema")),
            (header, Some(_)) => Err(IpcError::damaged(format!("an unknown message {header:?}"))),
        }
    }

    /// Notes the bytes of a dictionary, which stays for all batches that follow.
    fn hold(&mut self, id: i64, is_delta: bool, bytes: usize) -> Result<(), IpcError> {
        let held = self.dictionary_bytes.entry(id).or_default();
        *held = if is_delta { *held + bytes } else { bytes };
        let (bytes, bytes_max) =
            (self.dictionary_bytes.values().sum::<usize>(), self.limits.message_bytes_max);
        match bytes > bytes_max {
            true => Err(IpcError::TooLarge { bytes: bytes as u64, bytes_max }),
            false => Ok(()),
        }
    }

    fn take(&self, batch: &RecordBatch) -> Result<Taken, IpcError> {
        let bytes_max = self.limits.taken_bytes_max;
        let texts: usize = batch.columns().iter().map(view_bytes).sum();
        let bytes = batch.num_rows() * (8 * (self.fields.slots().count() + batch.num_columns())) + texts;
        if bytes > bytes_max {
            return Err(IpcError::TooLarge { bytes: bytes as u64, bytes_max });
        }
        self.fields.of_batch(batch).map_err(|Wrong { slot, what }| match what {
            Mismatch::Kind(found) => IpcError::Kind { column: slot.name, found, wanted: slot.role },
            Mismatch::Value(error) => IpcError::damaged(error),
            Mismatch::Text { row, text } => {
                IpcError::damaged(format!("column `{}` has {text:?} in row {}", slot.name, row + 1))
            }
        })
    }
}

/// Bytes of the texts of views: many of them may be of the same few bytes.
fn view_bytes(column: &ArrayRef) -> usize {
    match column.data_type() {
        DataType::Utf8View => column.as_string_view().lengths().map(|length| length as usize).sum(),
        DataType::Dictionary(..) => view_bytes(column.as_any_dictionary().values()),
        _ => 0,
    }
}
