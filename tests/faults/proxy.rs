//! A TCP proxy on loopback that passes everything on, delays what comes back, or refuses connections.

use std::time::Duration;

use anyhow::Result;
use tests::servers::free_port;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// What the proxy does with connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    Pass,
    /// Each piece of an answer comes so much later.
    Delay(Duration),
    /// Nobody listens, and present connections are cut.
    Refuse,
}

/// A proxy; it ends when it is dropped.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    manner: watch::Sender<Manner>,
    task: JoinHandle<Result<()>>,
}

impl Proxy {
    /// A proxy of the server on port `behind`.
    pub(crate) fn start(behind: u16) -> Proxy {
        let port = free_port();
        let (manner, told) = watch::channel(Manner::Pass);
        let task = tokio::spawn(serve(port, behind, told));
        Proxy { port, manner, task }
    }

    /// Changes what it does, from now on.
    pub(crate) fn set(&self, manner: Manner) {
        self.manner.send_replace(manner);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(port: u16, behind: u16, mut told: watch::Receiver<Manner>) -> Result<()> {
    loop {
        told.wait_for(|manner| *manner != Manner::Refuse).await.map(drop)?;
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        let mut connections = JoinSet::new();
        let mut refusing = told.clone();
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    connections.spawn(pass(accepted?.0, behind, told.clone()));
                }
                done = refusing.wait_for(|manner| *manner == Manner::Refuse) => {
                    done.map(drop)?;
                    break;
                }
            }
        }
        // Dropping the set cuts its connections, dropping the listener refuses new ones.
    }
}

/// One connection. That either side goes away is no error of the proxy.
async fn pass(client: TcpStream, behind: u16, told: watch::Receiver<Manner>) {
    let Ok(server) = TcpStream::connect(("127.0.0.1", behind)).await else { return };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let back = async {
        let mut piece = vec![0; 64 * 1024];
        while let Ok(read @ 1..) = from_server.read(&mut piece).await {
            let manner = *told.borrow();
            if let Manner::Delay(time) = manner {
                tokio::time::sleep(time).await;
            }
            if to_client.write_all(&piece[..read]).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        _ = tokio::io::copy(&mut from_client, &mut to_server) => {}
        () = back => {}
    }
}
