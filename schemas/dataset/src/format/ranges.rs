//! A stored file as a stream of bytes that is fetched range by range.

use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Buf, Bytes};
use object_store::ObjectStoreExt;
use tokio::runtime::Handle;

use super::text::BYTE_ORDER_MARK;
use crate::files::File;

/// Bytes fetched at a time.
const RANGE_BYTES: u64 = 4 << 20;

/// The bytes of a file, in order. For threads that may wait.
pub(super) struct Ranges {
    file: Arc<File>,
    handle: Handle,
    failure: Failure,
    next: u64,
    rest: Bytes,
}

/// Why a stream ended early: decoders keep only the text of an error.
#[derive(Clone, Default)]
pub(super) struct Failure(Arc<Mutex<Option<object_store::Error>>>);

impl Failure {
    pub(super) fn take(&self) -> Option<object_store::Error> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Ranges {
    pub(super) fn new(file: Arc<File>, handle: Handle, failure: Failure) -> Ranges {
        Ranges { file, handle, failure, next: 0, rest: Bytes::new() }
    }
}

impl Read for Ranges {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.rest.is_empty() && self.next < self.file.size_bytes {
            let range = self.next..self.file.size_bytes.min(self.next + RANGE_BYTES);
            let fetched = self.handle.block_on(self.file.store.get_range(&self.file.path, range));
            self.rest = fetched.map_err(|error| {
                let text = error.to_string();
                *self.failure.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                io::Error::other(text)
            })?;
            if self.rest.is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.file.count(self.rest.len());
            self.next += self.rest.len() as u64;
        }
        let size = out.len().min(self.rest.len());
        self.rest.copy_to_slice(&mut out[..size]);
        Ok(size)
    }
}

/// A text without its byte order mark.
pub(super) struct Unmarked<R> {
    text: R,
    /// Bytes that were looked at, and how many of them have been handed out.
    head: Vec<u8>,
    given: usize,
    looked: bool,
}

impl<R: Read> Unmarked<R> {
    pub(super) fn new(text: R) -> Unmarked<R> {
        Unmarked { text, head: Vec::new(), given: 0, looked: false }
    }
}

impl<R: Read> Read for Unmarked<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if !self.looked {
            self.looked = true;
            self.text.by_ref().take(BYTE_ORDER_MARK.len() as u64).read_to_end(&mut self.head)?;
            self.given = if self.head == BYTE_ORDER_MARK { self.head.len() } else { 0 };
        }
        if self.given == self.head.len() {
            return self.text.read(out);
        }
        let size = out.len().min(self.head.len() - self.given);
        out[..size].copy_from_slice(&self.head[self.given..][..size]);
        self.given += size;
        Ok(size)
    }
}
