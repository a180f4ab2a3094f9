//! A connection that waits only so long for the other side to take what is written.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

/// Writing fails when nothing is taken for a while: else a client that never reads would hold an answer, and its place among
/// the connections, for ever. One that reads slowly is waited for.
#[derive(Debug)]
pub struct Patient {
    stream: TcpStream,
    patience: Duration,
    /// Since something could not be written.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Patient {
    /// A `stream` of which the other side takes something within `patience`.
    pub(super) fn new(stream: TcpStream, patience: Duration) -> Patient {
        Patient { stream, patience, stalled: None }
    }

    #[cfg(test)]
    pub(super) fn get_ref(&self) -> &TcpStream {
        &self.stream
    }

    /// What came of a write, or its failure when the other side has not taken anything for too long.
    fn in_time<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(self.patience)));
        stalled.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Patient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Patient {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.in_time(cx, written)
    }
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.in_time(cx, written)
    }
    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A socket keeps nothing back.
        Pin::new(&mut self.stream).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use futures::poll;
    use tokio::io::{self, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// More than systems keep for two sockets that nobody reads.
    const MUCH: usize = 64 << 20;

    async fn pair(patience: Duration) -> (TcpStream, Patient) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (client, Patient::new(listener.accept().await.unwrap().0, patience))
    }

    #[tokio::test]
    async fn who_takes_nothing_is_given_up() {
        let (_client, mut server) = pair(Duration::from_millis(20)).await;
        let error = server.write_all(&vec![1; MUCH]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn who_takes_a_little_is_waited_for_anew() {
        let (mut client, mut server) = pair(Duration::from_secs(3_600)).await;
        let much = vec![1; MUCH];
        while poll!(Box::pin(server.write(&much))).is_ready() {}
        assert!(server.stalled.is_some());
        let reading = tokio::spawn(async move { io::copy(&mut client, &mut io::sink()).await });
        server.write_all(b"more").await.unwrap();
        assert!(server.stalled.is_none());
        drop(server);
        reading.await.unwrap().unwrap();
    }
}
