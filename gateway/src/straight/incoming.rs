//! What comes over a connection, read no further than it is wanted.

use std::io;

use bytes::{Buf, BufMut, BytesMut};
use futures::FutureExt;
use tokio::io::AsyncReadExt;
use tokio::task::yield_now;

use super::patient::Patient;
use super::prefixed::Prefixed;

/// Bytes that are read at once at first.
const READ_BYTES: usize = 8 * 1024;

/// A request or an answer of more bytes has a buffer of its own.
pub(super) const KEPT_BYTES_MAX: usize = 64 * 1024;

/// A connection with what was read of it and is not used yet.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) stream: Patient,
    read: BytesMut,
    /// Bytes that are read at once where nobody knows how many are wanted.
    at_once: usize,
}

impl Incoming {
    pub(super) fn new(stream: Patient) -> Incoming {
        Incoming { stream, read: BytesMut::new(), at_once: READ_BYTES }
    }

    /// What was read and is not used yet.
    pub(super) fn read(&self) -> &[u8] {
        &self.read
    }

    /// The connection with what is not used yet, for somebody else to read.
    pub(super) fn into_rest(self) -> Prefixed {
        Prefixed::new(self.read, self.stream)
    }

    /// Waits for something; false when nothing will come any more.
    pub(super) async fn wait_some(&mut self) -> bool {
        !self.read.is_empty() || self.read_on(self.at_once).await.is_ok_and(|bytes| bytes > 0)
    }

    /// Lets the thread's other connections go first where something is there already. Where a client takes its answer and asks
    /// again before we look, it would else be answered some forty times in a row, which is how long tokio lets a task go on.
    pub(super) async fn let_others(&mut self) {
        if self.wait_some().now_or_never().is_some() {
            yield_now().await;
        }
    }

    /// Waits until so many bytes are there; false when they will not come.
    pub(super) async fn wait_whole(&mut self, bytes: usize) -> bool {
        while let left @ 1.. = bytes.saturating_sub(self.read.len()) {
            if !self.read_on(left).await.is_ok_and(|bytes| bytes > 0) {
                return false;
            }
        }
        true
    }

    /// Returns when the other side has left. One that has sent more is taken to be there: whether it still is can only be
    /// known by reading all of it.
    pub(super) async fn wait_left(&mut self) {
        if self.wait_some().await {
            std::future::pending().await
        }
    }

    /// Forgets the first bytes.
    pub(super) fn used(&mut self, bytes: usize) {
        self.read.advance(bytes.min(self.read.len()));
        if bytes > KEPT_BYTES_MAX {
            // What was read after it is little, and the buffer would stay as large as it was.
            self.read = BytesMut::from(&self.read[..]);
            return;
        }
        // The next one will be about as large: a read that has room for more is the only one.
        self.at_once = READ_BYTES.max(bytes + bytes / 4);
    }

    /// Reads up to `most` bytes.
    async fn read_on(&mut self, most: usize) -> io::Result<usize> {
        self.read.reserve(most);
        self.stream.read_buf(&mut (&mut self.read).limit(most)).await
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::poll;
    use tokio::io::AsyncWriteExt;
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    async fn pair() -> (TcpStream, Incoming) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let server = listener.accept().await.unwrap().0;
        (client, Incoming::new(Patient::new(server, Duration::from_secs(3_600))))
    }

    #[tokio::test]
    async fn a_client_that_sends_on_and_on_is_read_no_further_than_wanted() {
        let (mut client, mut incoming) = pair().await;
        let sending = tokio::spawn(async move {
            client.write_all(&[7; 400 * 1000]).await.unwrap();
            client
        });
        for _ in 0..399 {
            assert!(incoming.wait_whole(1000).await);
            for _ in 0..3 {
                incoming.stream.get_ref().readable().await.unwrap();
                assert!(poll!(Box::pin(incoming.wait_left())).is_pending());
                assert!(incoming.read().len() <= 1000 + READ_BYTES);
                assert!(incoming.read.capacity() <= 4 * READ_BYTES, "{}", incoming.read.capacity());
            }
            assert!(incoming.read()[..1000].iter().all(|byte| *byte == 7));
            incoming.used(1000);
        }
        drop(sending.await.unwrap());
        assert!(incoming.wait_whole(1000).await && !incoming.wait_whole(1001).await);
        incoming.used(1000);
        incoming.wait_left().await;
        assert!(!incoming.wait_some().await);
    }

    #[tokio::test]
    async fn others_go_first_only_where_something_is_there() {
        let (mut client, mut incoming) = pair().await;
        assert!(incoming.let_others().now_or_never().is_some());
        client.write_all(b"next").await.unwrap();
        incoming.stream.get_ref().readable().await.unwrap();
        assert!(incoming.let_others().now_or_never().is_none());
        assert_eq!(incoming.read(), b"next");
    }

    #[tokio::test]
    async fn a_large_request_leaves_no_large_buffer() {
        let (mut client, mut incoming) = pair().await;
        let sending = tokio::spawn(async move {
            client.write_all(&[7; 300_000]).await.unwrap();
            client
        });
        assert!(incoming.wait_whole(299_990).await);
        incoming.used(299_990);
        let _client = sending.await.unwrap();
        assert!(incoming.wait_whole(10).await);
        incoming.used(10);
        assert!(poll!(Box::pin(incoming.wait_some())).is_pending());
        assert!(incoming.read.capacity() <= 4 * READ_BYTES, "{}", incoming.read.capacity());
    }
}
