//! Predictions of the plainest kind, answered on their connection without an HTTP library and a router in between, which
//! would take half of the time of a request for one row. Whatever else a client asks for is theirs, and so is the rest of its
//! connection.

mod head;
mod incoming;
mod patient;
mod prefixed;
mod reply;

use std::pin::pin;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::front::Front;
use crate::payload::too_slow;
use crate::problem::Problem;
use crate::room::Place;
use crate::routes::predict;

use head::Plain;
use incoming::{Incoming, KEPT_BYTES_MAX};
use patient::Patient;
pub use prefixed::Prefixed;
use reply::{write_predictions, write_refusal};

/// Answers plain predictions until the connection ends, also since it is `closing` and nothing was asked (`None`); or until
/// something else is asked for, or the head is not there in one piece: then what it gives has still to be served. It is closed
/// when nothing was asked for the time that it may be idle, or for up to twice as long, and when its client takes nothing of
/// an answer for so long.
pub async fn serve(stream: TcpStream, front: &Front, closing: &CancellationToken) -> Option<Prefixed> {
    let incoming = Incoming::new(Patient::new(stream, front.idle));
    let mut connection = Connection { front, incoming, out: Vec::new() };
    let (mut closed, mut idle) = (pin!(closing.cancelled()), pin!(sleep(front.idle)));
    let mut asked_lately = true;
    loop {
        while connection.incoming.read().is_empty() {
            tokio::select! {
                biased;
                came = connection.incoming.wait_some() => if !came { return None },
                () = &mut closed => return None,
                () = &mut idle => match std::mem::take(&mut asked_lately) {
                    true => idle.as_mut().reset(Instant::now() + front.idle),
                    false => return None,
                },
            }
        }
        asked_lately = true;
        let Some(plain) = Plain::of(connection.incoming.read()) else {
            return Some(connection.incoming.into_rest());
        };
        match connection.answer(plain).await {
            Next::Open => connection.incoming.let_others().await,
            Next::Gone => return None,
            Next::Last => {
                // It may be closed already, which is as well.
                let _ = connection.incoming.into_rest().shutdown().await;
                return None;
            }
        }
    }
}

/// How a connection goes on.
#[derive(Debug, Clone, Copy)]
enum Next {
    /// With requests.
    Open,
    /// Not: the client was told so.
    Last,
    /// Not: the client has left.
    Gone,
}

struct Connection<'a> {
    front: &'a Front,
    incoming: Incoming,
    out: Vec<u8>,
}

impl Connection<'_> {
    /// Answers the first of the requests that came.
    async fn answer(&mut self, Plain { model, body }: Plain) -> Next {
        let Front { app, predictions, .. } = self.front;
        let open = predictions.opened();
        let body_end = body.end;
        // Where the next request would begin nobody knows when this one is not whole.
        let (asked, last, _place) = match self.whole(body_end).await {
            Ok(place) => {
                let model = std::str::from_utf8(&self.incoming.read()[model]).unwrap_or_default();
                (predict::read(app, model, None, &self.incoming.read()[body]), false, place)
            }
            Err(problem) => (Err(problem), true, Place::default()),
        };
        self.incoming.used(body_end);
        let answer = match asked {
            Ok(asked) => tokio::select! {
                biased;
                answer = asked.answer(app) => answer,
                () = self.incoming.wait_left() => return Next::Gone,
            },
            Err(problem) => Err(problem),
        };
        open.answered(answer.as_ref().map_or_else(|problem| problem.status, |_| 200));
        self.send(answer, last || self.front.is_leaving()).await
    }

    async fn send(&mut self, answer: Result<Vec<u8>, Problem>, last: bool) -> Next {
        self.out.clear();
        match answer {
            Ok(json) => write_predictions(&mut self.out, &json, last),
            Err(problem) => write_refusal(&mut self.out, problem, last).await,
        }
        let sent = self.incoming.stream.write_all(&self.out).await;
        if self.out.capacity() > KEPT_BYTES_MAX {
            self.out = Vec::new();
        }
        match sent {
            Err(_) => Next::Gone,
            Ok(()) if last => Next::Last,
            Ok(()) => Next::Open,
        }
    }

    /// Waits until so many bytes are there, and for the place that they need.
    async fn whole(&mut self, bytes: usize) -> Result<Place, Problem> {
        if self.incoming.read().len() >= bytes {
            return Ok(Place::default());
        }
        let limit = self.front.app.deadline;
        let place = self.front.app.room.place(bytes, limit).await?;
        match timeout(limit, self.incoming.wait_whole(bytes)).await {
            Ok(true) => Ok(place),
            Ok(false) => Err(Problem::bad_request("the body ended early")),
            Err(_) => Err(too_slow(limit)),
        }
    }
}
