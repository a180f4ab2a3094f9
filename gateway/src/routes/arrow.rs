//! An Arrow stream of rows in, an Arrow stream of predictions out, batch by batch.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use dataset::ipc::{Decoder, Encoder, Limits};
use dataset::{Answer, Fields, Taken};
use futures::{Stream, StreamExt, stream};

use crate::app::Shared;
use crate::predicting::By;
use crate::problem::Problem;
use crate::rows::{Layout, Rows, note_mistyped};

/// What the body and the answer are called.
pub(super) const ARROW: &str = "application/vnd.apache.arrow.stream";

/// Batches that are predicted at once; their answers wait for each other.
const AHEAD: usize = 4;

/// Answers batch by batch. What is wrong with the first one is refused as such; later, the answer ends early.
///
/// # Errors
/// A 400 for a body that is no such stream.
pub(super) async fn predict(
    app: Shared,
    layout: Arc<Layout>,
    by: Arc<By>,
    body: Body,
) -> Result<Response, Problem> {
    let decoder = Decoder::new(Fields::of(&by.spec).and_others(), Limits::default());
    // One without rows has ended with its first look, and is looked at once more.
    let mut batches = Box::pin(batches(body.into_data_stream(), decoder, app.deadline).fuse());
    let first = batches.next().await.transpose().map_err(Problem::bad_request)?;
    let (encoder, head) = Encoder::new(Answer::of(&by.spec)).map_err(Problem::internal)?;
    let answers = stream::iter(first.map(Ok)).chain(batches).map(move |batch: Result<Taken, String>| {
        let (app, by, layout) = (app.clone(), by.clone(), layout.clone());
        async move {
            let Taken { rows, columns, mut errors } = batch?;
            note_mistyped(&layout, rows, &columns, &mut errors);
            let rows = Rows { channel: None, explain: false, rows, columns, errors };
            let answer = by.predict_patiently(&app, rows).await.map_err(|problem| problem.detail)?;
            Ok::<_, String>(answer.of_model(&by.spec))
        }
    });
    let ends = answers.buffered(AHEAD).map(Some).chain(stream::iter([None]));
    let encoded = ends.scan(Some(encoder), |encoder, answer| {
        let bytes = match (encoder.as_mut(), answer) {
            (None, _) => return std::future::ready(None),
            (Some(own), Some(Ok(answer))) => own.batch(&answer).map_err(io::Error::other),
            (Some(_), Some(Err(problem))) => {
                *encoder = None;
                tracing::debug!(problem, "an Arrow stream ended early");
                Err(io::Error::other(problem))
            }
            (Some(_), None) => match encoder.take() {
                Some(own) => own.finish().map_err(io::Error::other),
                None => return std::future::ready(None),
            },
        };
        std::future::ready(Some(bytes.map(Bytes::from)))
    });
    let body = Body::from_stream(stream::iter([Ok(Bytes::from(head))]).chain(encoded));
    Ok(([(header::CONTENT_TYPE, HeaderValue::from_static(ARROW))], body).into_response())
}

/// Batches as they come; an error ends them.
fn batches(
    body: BodyDataStream,
    decoder: Decoder,
    deadline: Duration,
) -> impl Stream<Item = Result<Taken, String>> + Send {
    let state = Some((body, decoder, VecDeque::new()));
    stream::unfold(state, move |state| async move {
        let (mut body, mut decoder, mut ready) = state?;
        loop {
            if let Some(taken) = ready.pop_front() {
                return Some((Ok(taken), Some((body, decoder, ready))));
            }
            let read = match tokio::time::timeout(deadline, body.next()).await {
                Err(_) => Err(format!("no more of the body came within {} ms", deadline.as_millis())),
                Ok(Some(Err(error))) => Err(format!("the body ended early: {error}")),
                Ok(Some(Ok(bytes))) => decode(&mut decoder, &bytes, &mut ready),
                Ok(None) => return decoder.finish().err().map(|error| (Err(error.to_string()), None)),
            };
            if let Err(problem) = read {
                return Some((Err(problem), None));
            }
        }
    })
}

fn decode(decoder: &mut Decoder, mut bytes: &[u8], ready: &mut VecDeque<Taken>) -> Result<(), String> {
    while let Some(taken) = decoder.next(&mut bytes).map_err(|error| error.to_string())? {
        if taken.rows > 0 {
            ready.push_back(taken);
        }
    }
    Ok(())
}
