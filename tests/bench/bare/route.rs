//! The bare route.

use std::borrow::Cow;
use std::sync::Arc;

use async_nats::Client;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderName, StatusCode, header};
use axum::routing::post;
use serde::Deserialize;

use crate::answers::Answers;
use crate::hop;

const PATH: &str = "/v1/models/{model}/predict";

/// A request's rows. Fields are read, and checked to be what a prediction would need, even though nothing uses them.
#[derive(Debug, Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    rows: Vec<Row<'a>>,
}

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "parsing them is what is measured")]
struct Row<'a> {
    #[serde(borrow)]
    carrier: Cow<'a, str>,
    #[serde(borrow)]
    origin: Cow<'a, str>,
    #[serde(borrow)]
    dest: Cow<'a, str>,
    dep_delay: f64,
    distance: f64,
    hour: f64,
    month: f64,
    day: f64,
    #[serde(borrow)]
    time_hour: Cow<'a, str>,
}

type Answered = Result<([(HeaderName, &'static str); 1], Bytes), StatusCode>;

/// Answers from memory.
pub(crate) fn stored(answers: Answers) -> Router {
    let answer =
        async |State(answers): State<Arc<Answers>>, Path(name): Path<String>, body: Bytes| -> Answered {
            parse(&body)?;
            Ok(json(answers.get(&name).ok_or(StatusCode::NOT_FOUND)?))
        };
    Router::new().route(PATH, post(answer)).with_state(Arc::new(answers))
}

/// Answers with what the responder says.
pub(crate) fn hop(client: Client) -> Router {
    let answer = async |State(client): State<Client>, Path(name): Path<String>, body: Bytes| -> Answered {
        parse(&body)?;
        let answer = hop::ask(&client, &name, body).await;
        Ok(json(answer.map_err(|_| StatusCode::BAD_GATEWAY)?))
    };
    Router::new().route(PATH, post(answer)).with_state(client)
}

fn json(answer: Bytes) -> ([(HeaderName, &'static str); 1], Bytes) {
    ([(header::CONTENT_TYPE, "application/json")], answer)
}

fn parse(body: &[u8]) -> Result<(), StatusCode> {
    let request: Request<'_> = serde_json::from_slice(body).map_err(|_| StatusCode::BAD_REQUEST)?;
    if request.rows.is_empty() {
        return Err(StatusCode::BAD_REQUEST);
    }
    Ok(())
}
