//! Rows as lines in, predictions as lines out, for as many as there are: a chunk of them is in memory at a time.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use schemas::predict::{Predictions, RowError};
use serde::Serialize;

use super::intervals::Intervals;
use super::predict::{Predicted, Probabilities};
use crate::app::Shared;
use crate::known::Known;
use crate::lines::Lines;
use crate::predicting::By;
use crate::problem::Problem;
use crate::rows::{Layout, Rows};

/// What the body and the answer are called.
pub(super) const NDJSON: &str = "application/x-ndjson";

/// Chunks that are predicted at once; their answers wait for each other.
const AHEAD: usize = 4;

/// How long whole lines wait for more: who waits for an answer before the next line gets one.
const LINES_WAIT: Duration = Duration::from_millis(20);

/// One line of the answer.
#[derive(Debug, Default, Serialize)]
struct Line<'a> {
    prediction: Option<Predicted>,
    #[serde(skip_serializing_if = "Option::is_none")]
    probabilities: Option<Probabilities>,
    #[serde(skip_serializing_if = "Option::is_none")]
    intervals: Option<Intervals>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    level: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fingerprint: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

/// Answers line by line.
pub(super) fn predict(app: Shared, known: &Known, by: Arc<By>, body: Body) -> Response {
    let layout = known.layout.clone();
    let answers = chunks(body.into_data_stream(), app.deadline).map(move |chunk| {
        let (app, by, layout) = (app.clone(), by.clone(), layout.clone());
        async move {
            match chunk {
                Ok(chunk) => answer(&app, &by, &layout, &chunk).await,
                Err(problem) => line(&Line { error: Some(&problem), ..Line::default() }),
            }
        }
    });
    let answers = answers.buffered(AHEAD).map(Ok::<_, std::convert::Infallible>);
    ([(header::CONTENT_TYPE, HeaderValue::from_static(NDJSON))], Body::from_stream(answers)).into_response()
}

/// Lines that have come, and those that are to come.
struct Incoming {
    body: BodyDataStream,
    lines: Lines,
    deadline: Duration,
    /// Why no more can come, once that is known.
    problem: Option<String>,
}

/// Whole lines as they come; an error ends them.
fn chunks(body: BodyDataStream, deadline: Duration) -> impl Stream<Item = Result<Vec<u8>, String>> + Send {
    let incoming = Incoming { body, lines: Lines::default(), deadline, problem: None };
    stream::unfold(Some(incoming), async |incoming| incoming?.next().await)
}

impl Incoming {
    /// The next lines, and what comes after them.
    async fn next(mut self) -> Option<(Result<Vec<u8>, String>, Option<Incoming>)> {
        while self.problem.is_none() {
            match self.read().await {
                Ok(Some(chunk)) => return Some((Ok(chunk), Some(self))),
                Ok(None) => {}
                Err(None) => return self.lines.finish().map(|rest| (Ok(rest), None)),
                Err(problem) => self.problem = problem,
            }
        }
        // The lines that came before are answered first.
        match self.lines.take() {
            Some(lines) => Some((Ok(lines), Some(self))),
            None => self.problem.map(|problem| (Err(problem), None)),
        }
    }

    /// Reads on; gives lines once there are many, or no more come for a moment. The error is the end, or why there is none.
    async fn read(&mut self) -> Result<Option<Vec<u8>>, Option<String>> {
        let deadline = self.deadline;
        let patience = if self.lines.has_whole() { LINES_WAIT.min(deadline) } else { deadline };
        match tokio::time::timeout(patience, self.body.next()).await {
            Err(_) if self.lines.has_whole() => Ok(self.lines.take()),
            Err(_) => Err(Some(format!("no more of the body came within {} ms", deadline.as_millis()))),
            Ok(None) => Err(None),
            Ok(Some(Err(error))) => Err(Some(format!("the body ended early: {error}"))),
            Ok(Some(Ok(bytes))) => self.lines.push(&bytes).map_err(|error| Some(error.to_string())),
        }
    }
}

async fn answer(app: &Shared, by: &Arc<By>, layout: &Layout, chunk: &[u8]) -> Bytes {
    let rows = Rows::of_lines(chunk, layout);
    let count = rows.rows;
    match by.predict_patiently(app, rows).await {
        Ok(whole) => lines(&whole),
        Err(Problem { detail, .. }) => {
            line(&Line { error: Some(&detail), ..Line::default() }).repeat(count).into()
        }
    }
}

fn lines(whole: &Predictions) -> Bytes {
    let mut out = Vec::with_capacity(whole.values.len() * 128);
    let mut errors = whole.errors.iter().peekable();
    // Empty where no row has any.
    let mut probabilities = Probabilities::by_row(whole).into_iter();
    let mut intervals = Intervals::by_row(&whole.intervals, whole.values.len()).into_iter();
    for (row, predicted) in Predicted::by_row(whole).into_iter().enumerate() {
        let error = errors.next_if(|error| error.row as usize == row);
        let fit = whole.fits.get(whole.fit_of[row] as usize);
        let line = Line {
            prediction: predicted,
            probabilities: probabilities.next().flatten(),
            intervals: intervals.next().filter(|levels| !levels.is_empty()),
            scope: fit.map(|fit| fit.scope.as_str()),
            level: fit.map(|fit| fit.level),
            fingerprint: fit.map(|fit| fit.fingerprint.as_str()),
            field: error.and_then(|error: &RowError| error.field.as_deref()),
            error: error.map(|error| error.message.as_str()),
        };
        write(&mut out, &line);
    }
    out.into()
}

fn line(line: &Line) -> Bytes {
    let mut out = Vec::new();
    write(&mut out, line);
    out.into()
}

fn write(out: &mut Vec<u8>, line: &Line) {
    // A line of plain numbers and texts always serialises, and a vector takes all bytes.
    let _ = serde_json::to_writer(&mut *out, line);
    out.push(b'\n');
}
