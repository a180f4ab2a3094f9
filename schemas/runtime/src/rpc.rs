//! Request-reply between gateway and predictors.

use futures::future::BoxFuture;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;

use crate::broker::{Broker, BrokerError};

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// Nobody listens on the subject: safe to ask another.
    #[error("nobody answers on {subject}")]
    NobodyThere {
        /// The subject.
        subject: String,
    },
    /// No answer in time.
    #[error("no answer on {subject} within {limit_ms} ms")]
    TimedOut {
        /// The subject.
        subject: String,
        /// The limit.
        limit_ms: u128,
    },
    /// The broker failed.
    #[error(transparent)]
    Broker(#[from] BrokerError),
}

impl Broker {
    /// Asks on `subject` and waits for the answer, at most `limit`.
    ///
    /// # Errors
    /// [`RequestError`], telling an absent worker from a silent one.
    pub fn request<'a>(
        &'a self,
        subject: &'a str,
        payload: Bytes,
        limit: Duration,
    ) -> BoxFuture<'a, Result<Bytes, RequestError>> {
        Box::pin(async move {
            use async_nats::RequestErrorKind as Kind;
            let request = async_nats::Request::new().payload(payload).timeout(Some(limit));
            let answer = self.client.send_request(subject.to_owned(), request).await;
            answer.map(|message| message.payload).map_err(|error| match error.kind() {
                Kind::NoResponders => RequestError::NobodyThere { subject: subject.to_owned() },
                Kind::TimedOut => {
                    RequestError::TimedOut { subject: subject.to_owned(), limit_ms: limit.as_millis() }
                }
                _ => BrokerError::new(format!("carry a request to {subject}"), error).into(),
            })
        })
    }

    /// The largest message the broker takes, in bytes.
    pub fn message_bytes_max(&self) -> usize {
        self.client.server_info().max_payload
    }
}

/// Requests to a worker's own subject.
#[derive(Debug)]
pub struct Requests {
    incoming: async_nats::Subscriber,
    broker: Broker,
    received: u64,
    leaving: bool,
}

/// One request; it must be answered.
#[derive(Debug)]
pub struct Request {
    /// What was asked.
    pub payload: Bytes,
    reply: Option<async_nats::Subject>,
    broker: Broker,
}

/// More requests than can be on their way to one worker when it leaves.
const IN_FLIGHT_MAX: u64 = 256;

/// Silence after which a leaving worker believes that nothing more is on its way.
const QUIET: Duration = Duration::from_millis(500);

impl Requests {
    /// Listens on `subject`.
    ///
    /// # Errors
    /// [`BrokerError`] when the broker refuses.
    pub fn listen<'a>(broker: &'a Broker, subject: &'a str) -> BoxFuture<'a, Result<Requests, BrokerError>> {
        Box::pin(async move {
            let incoming = broker.client.subscribe(subject.to_owned()).await;
            let incoming =
                incoming.map_err(|error| BrokerError::new(format!("listen on {subject}"), error))?;
            Ok(Requests { incoming, broker: broker.clone(), received: 0, leaving: false })
        })
    }

    /// The next request; `None` after [`Requests::leave`], when none is on its way any more.
    pub fn next<'a>(&'a mut self) -> BoxFuture<'a, Option<Request>> {
        Box::pin(async move {
            let message = if self.leaving {
                tokio::time::timeout(QUIET, self.incoming.next()).await.ok()??
            } else {
                self.incoming.next().await?
            };
            self.received += 1;
            Some(Request { payload: message.payload, reply: message.reply, broker: self.broker.clone() })
        })
    }

    /// Begins to leave. Server and client count to the same number of messages, so that none on its way is dropped,
    /// which the client's own `drain` does not guarantee.
    pub fn leave<'a>(&'a mut self) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            self.leaving = true;
            if let Err(error) = self.incoming.unsubscribe_after(self.received + IN_FLIGHT_MAX).await {
                tracing::debug!(%error, "unsubscribing");
            }
        })
    }
}

impl Request {
    /// Sends the answer.
    pub fn answer(self, payload: Bytes) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            let Some(reply) = self.reply else { return };
            if let Err(error) = self.broker.client.publish(reply, payload).await {
                tracing::warn!(%error, "an answer could not be sent");
            }
        })
    }
}
