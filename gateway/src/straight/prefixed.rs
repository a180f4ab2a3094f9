//! A connection of which something has been read already, and which is closed so that the last answer arrives.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use super::patient::Patient;

/// After our end, so long a silence ends the connection, and this is how long it may be open at the most.
const QUIET: Duration = Duration::from_millis(250);
const OPEN_AFTER_END: Duration = Duration::from_secs(2);

/// Gives what was read before once more, then what comes. When it is shut down it reads on for a moment: a connection that is
/// closed with unread bytes is reset, and what was sent last is lost (RFC 9112, 9.6).
#[derive(Debug)]
pub struct Prefixed {
    before: BytesMut,
    stream: Patient,
    ending: Option<Ending>,
}

/// Nothing more is sent.
#[derive(Debug)]
struct Ending {
    until: Instant,
    quiet: Pin<Box<Sleep>>,
}

impl Ending {
    fn new() -> Ending {
        Ending { until: Instant::now() + OPEN_AFTER_END, quiet: Box::pin(sleep(QUIET)) }
    }

    /// Something has come.
    fn heard(&mut self) {
        self.quiet.as_mut().reset(self.until.min(Instant::now() + QUIET));
    }
}

impl Prefixed {
    /// A `stream` of which `before` was read.
    pub fn new(before: BytesMut, stream: Patient) -> Prefixed {
        Prefixed { before, stream, ending: None }
    }
}

impl AsyncRead for Prefixed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.before.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buf);
        }
        let given = self.before.len().min(buf.remaining());
        buf.put_slice(&self.before[..given]);
        self.before.advance(given);
        if self.before.is_empty() {
            self.before = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Prefixed {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }
    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Prefixed { stream, ending, .. } = &mut *self;
        if ending.is_none() {
            ready!(Pin::new(&mut *stream).poll_shutdown(cx))?;
        }
        let ending = ending.get_or_insert_with(Ending::new);
        let mut space = [0; 8 * 1024];
        loop {
            let mut buf = ReadBuf::new(&mut space);
            match Pin::new(&mut *stream).poll_read(cx, &mut buf) {
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => ending.heard(),
                // It has ended on the other side as well, or is broken.
                Poll::Ready(_) => return Poll::Ready(Ok(())),
                Poll::Pending => return ending.quiet.as_mut().poll(cx).map(Ok),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::poll;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    async fn pair(before: &[u8]) -> (TcpStream, Prefixed) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let server = Patient::new(listener.accept().await.unwrap().0, Duration::from_secs(3_600));
        (client, Prefixed::new(BytesMut::from(before), server))
    }

    #[tokio::test]
    async fn what_was_read_before_comes_first() {
        let (mut client, mut server) = pair(b"before").await;
        client.write_all(b" and after").await.unwrap();
        client.shutdown().await.unwrap();
        let mut first = [0; 3];
        server.read_exact(&mut first).await.unwrap();
        let mut rest = String::new();
        server.read_to_string(&mut rest).await.unwrap();
        assert_eq!((&first, rest.as_str()), (b"bef", "ore and after"));
        assert_eq!(server.before.capacity(), 0);
    }

    /// A client that sends more than anybody reads has the last answer, and no reset.
    #[tokio::test]
    async fn the_last_answer_arrives_whatever_was_not_read() {
        let (mut client, mut server) = pair(b"").await;
        client.write_all(&[1; 100_000]).await.unwrap();
        server.write_all(&[2; 50_000]).await.unwrap();
        let mut ends = Box::pin(async move { server.shutdown().await });
        // It stays for as long as something may come.
        assert!(poll!(&mut ends).is_pending());
        client.write_all(&[1; 100_000]).await.unwrap();
        assert!(poll!(&mut ends).is_pending());
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.unwrap();
        assert_eq!(answer, [2; 50_000]);
        drop(client);
        ends.await.unwrap();
    }

    #[tokio::test]
    async fn a_client_that_stays_in_silence_is_not_waited_for() {
        let (client, mut server) = pair(b"").await;
        server.shutdown().await.unwrap();
        drop(client);
    }
}
