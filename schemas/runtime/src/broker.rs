//! The connection to the broker.

use futures::future::BoxFuture;
use std::time::{Duration, Instant};

use async_nats::jetstream::stream::Stream;
use async_nats::jetstream::{self, Context};
use async_nats::{Client, ConnectOptions, Event};
use tokio_util::sync::CancellationToken;

use schemas::retry::Backoff;

use crate::settings::redact;

/// A connected broker; clones share the connection.
#[derive(Debug, Clone)]
pub struct Broker {
    pub(crate) client: Client,
    pub(crate) jetstream: Context,
    address: String,
}

/// The broker could not be reached.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// It did not answer in time.
    #[error(
        "no broker answers at {address} after {waited_s:.0} s; start one (`enqueue dev`, or nats-server -js), or give --nats-url"
    )]
    Absent {
        /// Where it was looked for.
        address: String,
        /// How long.
        waited_s: f64,
        /// The last refusal.
        #[source]
        source: async_nats::ConnectError,
    },
    /// The address is none, or the credentials are refused.
    #[error("the broker at {address} cannot be used")]
    Refused {
        /// The address.
        address: String,
        /// Why.
        #[source]
        source: async_nats::ConnectError,
    },
    /// The process was told to end first.
    #[error("ended while waiting for the broker at {address}")]
    Cancelled {
        /// Where it was looked for.
        address: String,
    },
}

/// The broker did not do as asked.
#[derive(Debug, thiserror::Error)]
#[error("the broker failed to {action}")]
pub struct BrokerError {
    action: String,
    #[source]
    source: async_nats::Error,
}

impl AsRef<dyn std::error::Error + Send + Sync> for BrokerError {
    fn as_ref(&self) -> &(dyn std::error::Error + Send + Sync + 'static) {
        self
    }
}

impl BrokerError {
    /// Wraps the client's error with what was attempted: `read the campaign 20261122t215601-7k3qm`.
    pub(crate) fn new(action: impl Into<String>, source: impl Into<async_nats::Error>) -> BrokerError {
        BrokerError { action: action.into(), source: source.into() }
    }

    /// Whether the broker may do it later: unless it said that it never will (settings that contradict what it holds, no
    /// JetStream, no permission).
    pub fn is_transient(&self) -> bool {
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&*self.source);
        while let Some(error) = cause {
            let never = |e: &jetstream::Error| {
                (400..500).contains(&e.code())
                    || e.error_code() == jetstream::ErrorCode::STREAM_REPLICAS_NOT_SUPPORTED
            };
            if error.downcast_ref::<jetstream::Error>().is_some_and(never) {
                return false;
            }
            cause = error.source();
        }
        true
    }
}

/// How to connect.
#[derive(Debug, Clone)]
pub struct ConnectRequest {
    /// One address or several, separated by commas.
    pub url: String,
    /// What to call this connection in the broker's own listings.
    pub name: String,
    /// How long to try; `None` for ever.
    pub patience: Option<Duration>,
}

impl Broker {
    /// Connects, trying again while the broker is absent, and says so in the log.
    ///
    /// # Errors
    /// [`ConnectError`] after the request's patience, at once when the broker refuses, or when `shutdown` comes first.
    pub fn connect<'a>(
        request: &'a ConnectRequest,
        shutdown: &'a CancellationToken,
    ) -> BoxFuture<'a, Result<Broker, ConnectError>> {
        Box::pin(async move {
            let address = redact(&request.url);
            let began = Instant::now();
            let mut backoff = Backoff::new(50, 5_000, u64::from(std::process::id()));
            loop {
                let source = match options(&request.name).connect(servers(&request.url)).await {
                    Ok(client) => {
                        let jetstream = jetstream::new(client.clone());
                        return Ok(Broker { client, jetstream, address });
                    }
                    Err(source) => source,
                };
                if is_final(&source) {
                    return Err(ConnectError::Refused { address, source });
                }
                let waited_s = began.elapsed().as_secs_f64();
                let Some(wait) = backoff.next_within(began.elapsed(), request.patience) else {
                    return Err(ConnectError::Absent { address, waited_s, source });
                };
                tracing::info!(%address, waited_s, "no broker answers ({source}); trying again");
                tokio::select! {
                    () = tokio::time::sleep(wait) => {}
                    () = shutdown.cancelled() => return Err(ConnectError::Cancelled { address }),
                }
            }
        })
    }

    /// A stream of the topology, to be asked for more: nothing is sent yet.
    pub(crate) async fn stream(&self, name: &str) -> Result<Stream<()>, BrokerError> {
        let stream = self.jetstream.get_stream_no_info(name).await;
        stream.map_err(|error| BrokerError::new(format!("open the stream {name}"), error))
    }

    /// Where the broker is, without secrets.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Whether the connection stands right now.
    pub fn is_connected(&self) -> bool {
        self.client.connection_state() == async_nats::connection::State::Connected
    }

    /// Sends what is still buffered and closes the connection.
    pub fn close<'a>(&'a self) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            // A broker that is gone has nothing more to receive.
            let _ = tokio::time::timeout(Duration::from_secs(2), self.client.flush()).await;
        })
    }
}

fn servers(url: &str) -> Vec<String> {
    url.split(',').map(|one| one.trim().to_owned()).collect()
}

fn is_final(error: &async_nats::ConnectError) -> bool {
    use async_nats::ConnectErrorKind as Kind;
    matches!(
        error.kind(),
        Kind::ServerParse | Kind::Authentication | Kind::AuthorizationViolation | Kind::Tls
    )
}

fn options(name: &str) -> ConnectOptions {
    ConnectOptions::new()
        .name(name)
        .ping_interval(Duration::from_secs(10))
        .connection_timeout(Duration::from_secs(3))
        .request_timeout(Some(Duration::from_secs(5)))
        .event_callback(|event| async move {
            match event {
                Event::Connected => tracing::info!("broker connected"),
                Event::Disconnected => tracing::warn!("broker disconnected; reconnecting"),
                // Permission violations come only this way: the call itself just times out.
                Event::ServerError(error) => tracing::error!(%error, "the broker refused something"),
                Event::SlowConsumer(sid) => {
                    tracing::error!(sid, "messages were dropped: a subscription is full")
                }
                other => tracing::debug!(%other, "broker event"),
            }
        })
}
