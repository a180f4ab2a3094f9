//! Predictions as a stream of the columns that an [`Answer`] has, of which each row has a prediction or an error.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{ArrowError, Schema, SchemaRef};
use schemas::predict::Predictions;

use super::error::IpcError;
use crate::answers::Answer;

/// Encodes one stream, whose bytes are handed out as they come.
pub struct Encoder {
    answer: Answer,
    schema: SchemaRef,
    writer: StreamWriter<Vec<u8>>,
}

impl Encoder {
    /// An encoder, and the stream's first bytes: its schema.
    ///
    /// # Errors
    /// [`IpcError::Encode`], which is not expected.
    pub fn new(answer: Answer) -> Result<(Encoder, Vec<u8>), IpcError> {
        let schema = Arc::new(Schema::new(answer.fields(true)));
        let writer = StreamWriter::try_new(Vec::new(), &schema).map_err(failed)?;
        let mut encoder = Encoder { answer, schema, writer };
        let bytes = encoder.written();
        Ok((encoder, bytes))
    }

    /// The bytes of the next rows.
    ///
    /// # Errors
    /// [`IpcError::Encode`], which is not expected.
    pub fn batch(&mut self, predictions: &Predictions) -> Result<Vec<u8>, IpcError> {
        let columns = self.answer.columns(predictions, true);
        let batch = RecordBatch::try_new(self.schema.clone(), columns).map_err(failed)?;
        self.writer.write(&batch).map_err(failed)?;
        Ok(self.written())
    }

    /// The stream's last bytes.
    ///
    /// # Errors
    /// [`IpcError::Encode`], which is not expected.
    pub fn finish(mut self) -> Result<Vec<u8>, IpcError> {
        self.writer.finish().map_err(failed)?;
        Ok(self.written())
    }

    fn written(&mut self) -> Vec<u8> {
        std::mem::take(self.writer.get_mut())
    }
}

fn failed(error: ArrowError) -> IpcError {
    IpcError::Encode { problem: error.to_string() }
}
