//! TLS for the client library, by the implementation that the other connections have.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::Socket;
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio_rustls::TlsConnector;

use super::certificate::{Check, Demand};

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Encrypts connections.
#[derive(Clone)]
pub(super) struct Encryption(Arc<ClientConfig>);

impl Encryption {
    /// Encryption with servers whose certificates meet `demand`.
    pub(super) fn new(demand: Demand) -> Encryption {
        runtime::objects::install_tls();
        let builder = ClientConfig::builder();
        let algorithms = builder.crypto_provider().signature_verification_algorithms;
        let check = Arc::new(Check { demand, algorithms });
        let mut config = builder.dangerous().with_custom_certificate_verifier(check).with_no_client_auth();
        // What libpq says. Servers insist on it where TLS begins at once.
        config.alpn_protocols = vec![b"postgresql".to_vec()];
        Encryption(Arc::new(config))
    }
}

impl MakeTlsConnect<Socket> for Encryption {
    type Stream = Encrypted;
    type TlsConnect = Handshake;
    type Error = Infallible;

    fn make_tls_connect(&mut self, host: &str) -> Result<Handshake, Infallible> {
        Ok(Handshake { config: self.0.clone(), host: host.to_owned() })
    }
}

/// One connection's beginning.
pub(super) struct Handshake {
    config: Arc<ClientConfig>,
    host: String,
}

impl TlsConnect<Socket> for Handshake {
    type Stream = Encrypted;
    type Error = Cause;
    type Future = BoxFuture<'static, Result<Encrypted, Cause>>;

    fn connect(self, socket: Socket) -> Self::Future {
        Box::pin(async move {
            let server = ServerName::try_from(self.host)?;
            let connected = TlsConnector::from(self.config).connect(server, socket).await;
            connected.map(Encrypted).map_err(unwrapped)
        })
    }
}

/// What TLS found wrong comes as if it were a failure of the network, which would pass.
fn unwrapped(error: io::Error) -> Cause {
    match error.downcast::<rustls::Error>() {
        Ok(wrong) => wrong.into(),
        Err(network) => network.into(),
    }
}

/// An encrypted connection.
pub(super) struct Encrypted(tokio_rustls::client::TlsStream<Socket>);

impl TlsStream for Encrypted {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl AsyncRead for Encrypted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Encrypted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
