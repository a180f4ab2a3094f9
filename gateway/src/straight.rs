//! Predictions of the plainest kind, answered on their connection without an HTTP library and a router in between, which
//! would take half of the time of a request for one row. Whatever else a client asks for is theirs, and so is the rest of its
//! connection.

mod head;
mod prefixed;
mod reply;

use std::pin::pin;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::front::Front;
use crate::payload::too_slow;
use crate::problem::Problem;
use crate::routes::predict;

use head::Plain;
pub use prefixed::Prefixed;
use reply::{write_predictions, write_refusal};

/// Room that is made for what comes.
const READ_BYTES: usize = 8 * 1024;

/// What a connection keeps between two requests, and reads ahead of an answer, at the most.
const KEPT_BYTES_MAX: usize = 64 * 1024;

/// A connection is closed when nothing was asked for so long, or for up to twice as long.
const IDLE_LIMIT: Duration = Duration::from_secs(60);

/// Answers plain predictions until the connection ends, also since it is `closing` and nothing was asked (`None`); or until
/// something else is asked for, or the head is not there in one piece: then what it gives has still to be served.
pub async fn serve(stream: TcpStream, front: &Front, closing: &CancellationToken) -> Option<Prefixed> {
    let mut connection = Connection { front, stream, read: BytesMut::new(), out: Vec::new() };
    let (mut closed, mut idle) = (pin!(closing.cancelled()), pin!(sleep(IDLE_LIMIT)));
    let mut asked_lately = true;
    loop {
        while connection.read.is_empty() {
            tokio::select! {
                biased;
                came = connection.more() => if !came { return None },
                () = &mut closed => return None,
                () = &mut idle => match std::mem::take(&mut asked_lately) {
                    true => idle.as_mut().reset(Instant::now() + IDLE_LIMIT),
                    false => return None,
                },
            }
        }
        asked_lately = true;
        let Some(plain) = Plain::of(&connection.read) else {
            return Some(Prefixed::new(connection.read, connection.stream));
        };
        if !connection.answer(plain).await {
            return None;
        }
    }
}

struct Connection<'a> {
    front: &'a Front,
    stream: TcpStream,
    /// What came and is not answered yet.
    read: BytesMut,
    out: Vec<u8>,
}

impl Connection<'_> {
    /// Answers the first of the requests that came; false when the connection has ended.
    async fn answer(&mut self, Plain { model, body }: Plain) -> bool {
        let Front { app, predictions, .. } = self.front;
        let open = predictions.opened();
        let (mut last, body_end) = (false, body.end);
        let asked = match self.whole(body_end).await {
            Ok(()) => {
                let model = std::str::from_utf8(&self.read[model]).unwrap_or_default();
                predict::read(app, model, None, &self.read[body])
            }
            // Where the next request would begin nobody knows.
            Err(problem) => {
                last = true;
                Err(problem)
            }
        };
        self.read.advance(body_end.min(self.read.len()));
        let answer = match asked {
            Ok(asked) => tokio::select! {
                biased;
                answer = asked.answer(app) => answer,
                () = self.left() => return false,
            },
            Err(problem) => Err(problem),
        };
        open.answered(answer.as_ref().map_or_else(|problem| problem.status, |_| 200));
        self.send(answer, last || self.front.is_leaving()).await
    }

    async fn send(&mut self, answer: Result<Vec<u8>, Problem>, last: bool) -> bool {
        self.out.clear();
        match answer {
            Ok(json) => write_predictions(&mut self.out, &json, last),
            Err(problem) => write_refusal(&mut self.out, problem, last).await,
        }
        let sent = self.stream.write_all(&self.out).await.is_ok();
        if last {
            // It may be closed already, which is as well.
            let _ = self.stream.shutdown().await;
        }
        if self.out.capacity() > KEPT_BYTES_MAX {
            self.out = Vec::new();
        }
        if self.read.capacity() > KEPT_BYTES_MAX {
            self.read = BytesMut::from(&self.read[..]);
        }
        sent && !last
    }

    /// Waits until so many bytes are there.
    async fn whole(&mut self, bytes: usize) -> Result<(), Problem> {
        if self.read.len() >= bytes {
            return Ok(());
        }
        self.read.reserve(bytes - self.read.len());
        let limit = self.front.app.deadline;
        let rest = async {
            while self.read.len() < bytes {
                if !self.more().await {
                    return Err(Problem::bad_request("the body ended early"));
                }
            }
            Ok(())
        };
        timeout(limit, rest).await.unwrap_or_else(|_| Err(too_slow(limit)))
    }

    /// Reads what comes next; false when nothing will.
    async fn more(&mut self) -> bool {
        self.read.reserve(READ_BYTES);
        self.stream.read_buf(&mut self.read).await.is_ok_and(|bytes| bytes > 0)
    }

    /// Returns when the client has left before its answer. What it sends meanwhile is kept.
    async fn left(&mut self) {
        while self.more().await {
            if self.read.len() >= KEPT_BYTES_MAX {
                std::future::pending::<()>().await;
            }
        }
    }
}
