//! JSON rows, straight into typed columns.
//!
//! A value of the wrong kind does not fail the request: it becomes an error at its row, and the row is left out.

mod columns;
mod field;
mod json;
mod mistyped;
#[cfg(test)]
mod tests;

use schemas::limits::PREDICT_ROWS_MAX;
use schemas::predict::{NamedColumn, RowError};
use serde::de::DeserializeSeed;

pub use columns::Layout;
pub use json::Scalar;
pub use mistyped::note_mistyped;

use columns::Columns;
use json::RequestSeed;

/// A prediction request as it came over HTTP.
#[derive(Debug, Clone)]
pub struct Rows {
    /// The channel it names.
    pub channel: Option<String>,
    /// Whether it asks for explanations.
    pub explain: bool,
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
    /// Rows that came by columns; each has `rows` values.
    pub fn by_columns<'v>(
        layout: &Layout,
        rows: usize,
        named: impl IntoIterator<Item = (&'v str, Vec<Scalar<'v>>)>,
    ) -> Rows {
        let mut columns = Columns::new(layout);
        named.into_iter().for_each(|(name, values)| columns.set_all(name, &values));
        columns.rows = rows;
        columns.finish(json::Asked::default())
    }

    /// Parses lines of one row each; a line that is none is an error at its row. Empty lines are passed over.
    pub fn of_lines(lines: &[u8], layout: &Layout) -> Rows {
        let mut columns = Columns::new(layout);
        let is_blank = |line: &&[u8]| line.iter().all(u8::is_ascii_whitespace);
        for line in lines.split(|byte| *byte == b'\n').filter(|line| !is_blank(line)) {
            if let Err(problem) = columns.read_line(line) {
                columns.spoil_row(format!("the line is no JSON object of fields: {problem}"));
            }
            columns.end_row();
        }
        columns.finish(json::Asked::default())
    }

    /// Parses a body by the layout of the model's spec. Fields that the spec does not name are kept too, since fits made
    /// with an earlier spec may read them.
    ///
    /// # Errors
    /// [`RowsError`] when the body as a whole cannot be used.
    pub fn parse(body: &[u8], layout: &Layout) -> Result<Rows, RowsError> {
        // Looked at once and not string by string, which would take an eighth of the time.
        let body = std::str::from_utf8(body).map_err(|error| RowsError::Json(error.to_string()))?;
        let mut columns = Columns::new(layout);
        let mut json = serde_json::Deserializer::from_str(body);
        let asked = RequestSeed { columns: &mut columns }.deserialize(&mut json).and_then(|asked| {
            json.end()?;
            Ok(asked)
        });
        let asked = asked.map_err(|error| match columns.too_many {
            true => RowsError::TooMany,
            false => RowsError::Json(error.to_string()),
        })?;
        match columns.rows {
            0 => Err(RowsError::Empty),
            _ => Ok(columns.finish(asked)),
        }
    }
}
