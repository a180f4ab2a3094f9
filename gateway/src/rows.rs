//! JSON rows, straight into typed columns.
//!
//! A value of the wrong kind does not fail the request: it becomes an error at its row, and the row is left out.

mod columns;
mod field;
mod json;

use schemas::limits::PREDICT_ROWS_MAX;
use schemas::predict::{NamedColumn, RowError};
use schemas::spec::ModelSpec;
use serde::de::DeserializeSeed;

use columns::Columns;
use json::RequestSeed;

/// A prediction request as it came over HTTP.
#[derive(Debug)]
pub struct Rows {
    /// The channel it names.
    pub channel: Option<String>,
    /// Number of rows.
    pub rows: usize,
    /// One entry per row each; where a row has an error, the value is missing.
    pub columns: Vec<NamedColumn>,
    /// Rows with a value of the wrong kind, ascending, at most one error each.
    pub errors: Vec<RowError>,
}

/// Why a body is no prediction request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RowsError {
    /// Not JSON, or not of the form `{"rows": [{…}]}`.
    #[error("the body is not of the form {{\"rows\": [{{\"field\": value}}]}}: {0}")]
    Json(String),
    /// Without rows there is nothing to predict.
    #[error("the request has no rows; send {{\"rows\": [{{…}}]}} with at least one")]
    Empty,
    /// More rows than one request may have.
    #[error("the request has more than {PREDICT_ROWS_MAX} rows; send them in several requests")]
    TooMany,
}

impl Rows {
    /// Parses a body by the model's spec. Fields that the spec does not name are kept too, since fits made with an
    /// earlier spec may read them.
    ///
    /// # Errors
    /// [`RowsError`] when the body as a whole cannot be used.
    pub fn parse(body: &[u8], spec: &ModelSpec) -> Result<Rows, RowsError> {
        let mut columns = Columns::new(spec);
        let mut json = serde_json::Deserializer::from_slice(body);
        let channel = RequestSeed { columns: &mut columns }.deserialize(&mut json).and_then(|channel| {
            json.end()?;
            Ok(channel)
        });
        let channel = channel.map_err(|error| match columns.too_many {
            true => RowsError::TooMany,
            false => RowsError::Json(error.to_string()),
        })?;
        match columns.rows {
            0 => Err(RowsError::Empty),
            _ => Ok(columns.finish(channel)),
        }
    }
}
