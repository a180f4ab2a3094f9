//! Bytes into messages of bounded size. A message is a marker, the length of its metadata, the metadata, which tells the
//! length of the body, and the body.

use arrow_buffer::Buffer;
use arrow_ipc::root_as_message;

use super::error::IpcError;

const MARKER: [u8; 4] = [0xff; 4];

/// Marker and length.
const HEAD_BYTES: usize = 8;

/// Messages as their bytes come. Never holds more than one.
pub(super) struct Frames {
    held: Vec<u8>,
    /// How long the message at hand is, as far as that is known.
    needed: usize,
    bytes_max: usize,
    begun: bool,
    is_ended: bool,
}

/// One whole message.
pub(super) struct Frame {
    bytes: Buffer,
    metadata_bytes: usize,
}

impl Frame {
    pub(super) fn metadata(&self) -> &[u8] {
        &self.bytes.as_slice()[HEAD_BYTES..HEAD_BYTES + self.metadata_bytes]
    }

    pub(super) fn body(&self) -> Buffer {
        self.bytes.slice(HEAD_BYTES + self.metadata_bytes)
    }
}

impl Frames {
    pub(super) fn new(bytes_max: usize) -> Frames {
        Frames { held: Vec::new(), needed: HEAD_BYTES, bytes_max, begun: false, is_ended: false }
    }

    /// The next message, once all of it has come; takes from the front of `bytes` what belongs to it. What follows the
    /// end of the stream is taken and forgotten.
    pub(super) fn next(&mut self, bytes: &mut &[u8]) -> Result<Option<Frame>, IpcError> {
        while !self.is_ended {
            let wanted = self.needed - self.held.len();
            let (taken, rest) = bytes.split_at(wanted.min(bytes.len()));
            self.held.extend_from_slice(taken);
            *bytes = rest;
            if self.held.len() < self.needed {
                return Ok(None);
            }
            if let Some(metadata_bytes) = self.measure()? {
                let whole = std::mem::take(&mut self.held);
                self.needed = HEAD_BYTES;
                return Ok(Some(Frame { bytes: Buffer::from_vec(whole), metadata_bytes }));
            }
        }
        *bytes = &[];
        Ok(None)
    }

    /// Whether the stream may end here.
    pub(super) fn may_end(&self) -> bool {
        self.begun && (self.is_ended || self.held.is_empty())
    }

    /// Looks at what is held: the length of the metadata when the message is whole, else `needed` is known better.
    fn measure(&mut self) -> Result<Option<usize>, IpcError> {
        let (head, rest) = self.held.split_at(HEAD_BYTES);
        let (marker, length) = head.split_at(4);
        if marker != MARKER {
            return Err(match self.begun {
                true => IpcError::damaged("a message without its marker"),
                false => IpcError::NoStream { found: String::from_utf8_lossy(head).into_owned() },
            });
        }
        let length = length.iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        if length == 0 {
            self.is_ended = true;
            self.held.clear();
            return Ok(None);
        }
        self.bound(length)?;
        // Bounded, so that it is a size.
        let metadata_bytes = length as usize;
        if rest.len() < metadata_bytes {
            self.needed = HEAD_BYTES + metadata_bytes;
            return Ok(None);
        }
        let message = root_as_message(&rest[..metadata_bytes]).map_err(IpcError::damaged)?;
        let body = u64::try_from(message.bodyLength()).map_err(IpcError::damaged)?;
        self.bound(length.saturating_add(body))?;
        self.begun = true;
        self.needed = HEAD_BYTES + metadata_bytes + body as usize;
        Ok((self.held.len() == self.needed).then_some(metadata_bytes))
    }

    fn bound(&self, bytes: u64) -> Result<(), IpcError> {
        match bytes > self.bytes_max as u64 {
            true => Err(IpcError::TooLarge { bytes, bytes_max: self.bytes_max }),
            false => Ok(()),
        }
    }
}
