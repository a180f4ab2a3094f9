//! What trainer, host and learners say to each other: length-prefixed messages over pipes.

use std::io::{self, Read, Write};

use schemas::blob::FitBody;
use schemas::envelope::{self, Decode, Encode};
use schemas::fit::Input;
use schemas::outcome::ScopeOutcome;
use schemas::pack::PackScope;
use schemas::scope::Scope;
use schemas::spec::ModelSpec;
use schemas::window::Window;
use serde::{Deserialize, Serialize};

use super::super::assignment::Assignment;

/// The largest message: more than any pack's fits take.
const FRAME_BYTES_MAX: u32 = 1 << 30;

/// From trainer to host.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum ToHost {
    /// The first message: what to read and to make ready.
    Open(Box<OpenOrder>),
    /// Work for the learner of a slot, which is made if there is none.
    Learn {
        /// The slot.
        slot: u32,
        /// What to learn.
        order: LearnOrder,
    },
    /// The learner of a slot has to end at once.
    Kill {
        /// The slot.
        slot: u32,
    },
}

/// What a host holds.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct OpenOrder {
    /// Its source is read, its inputs are made ready.
    pub(super) spec: ModelSpec,
    /// Of fits that answer now: their columns are read as well, where they are there.
    pub(super) others: Vec<Input>,
    /// Threads to decode on.
    pub(super) threads: u32,
    /// Levels to index before the first learner is made, so that all share the indices.
    pub(super) masks: Vec<u32>,
    /// Which rows are read; all of them without.
    pub(super) slices: Option<Slices>,
}

/// The rows of some scopes.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Slices {
    /// The scopes, each with its window.
    pub(super) scopes: Vec<(Scope, Window)>,
    /// Memory that they may take.
    pub(super) limit_bytes: u64,
}

/// Scopes to learn.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct LearnOrder {
    /// The scopes.
    pub(super) scopes: Vec<PackScope>,
    /// What to do with them, and how.
    pub(super) assignment: Assignment,
    /// One after another, each answered for itself, instead of all in one pass.
    pub(super) singly: bool,
}

/// From host and learners to the trainer.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum FromHost {
    /// The data is ready.
    Opened {
        /// What it takes in memory.
        size_bytes: u64,
        /// What was read of the source for it.
        fetched_bytes: u64,
    },
    /// The data cannot be had.
    Refused {
        /// Whether it may be had later.
        transient: bool,
        /// Whether it is more than the memory for it.
        too_large: bool,
        /// Why.
        problem: String,
    },
    /// The learner of a slot is at work.
    Alive {
        /// The slot.
        slot: u32,
    },
    /// The next scopes of an order, in its order, are done.
    Learned {
        /// The slot.
        slot: u32,
        /// What came of each.
        results: Vec<(ScopeOutcome, Option<FitBody>)>,
        /// What they took, in seconds of one core.
        seconds: f64,
    },
    /// The learner of a slot has ended, unasked or killed.
    Died {
        /// The slot.
        slot: u32,
        /// How.
        death: Death,
    },
}

/// How a learner ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Death {
    /// The signal that ended it, if one did.
    pub(super) signal: Option<i32>,
    /// Its exit code, if it has one.
    pub(super) code: Option<i32>,
    /// The last it wrote to standard error.
    pub(super) words: String,
    /// The most memory it held, shared data included.
    pub(super) peak_bytes: u64,
}

schemas::message!(ToHost, LearnOrder, FromHost);

/// Writes one message.
pub(super) fn write<T: Encode>(to: &mut impl Write, message: &T) -> io::Result<()> {
    write_frame(to, &envelope::encode(message).map_err(io::Error::other)?)
}

/// Reads one message; `None` when the other side has ended.
pub(super) fn read<T: Decode>(from: &mut impl Read) -> io::Result<Option<T>> {
    let frame = read_frame(from)?;
    frame.map(|frame| envelope::decode(&frame).map_err(io::Error::other)).transpose()
}

/// Messages up to this size are written in one call.
const COPIED_BYTES_MAX: usize = 1 << 16;

/// Writes one message's bytes.
pub(super) fn write_frame(to: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    let size = u32::try_from(bytes.len()).ok().filter(|size| *size <= FRAME_BYTES_MAX);
    let size = size.ok_or_else(|| io::Error::other("a message to or from a learner is too large"))?;
    if bytes.len() > COPIED_BYTES_MAX {
        to.write_all(&size.to_le_bytes())?;
        return to.write_all(bytes);
    }
    let mut frame = Vec::with_capacity(bytes.len() + 4);
    frame.extend_from_slice(&size.to_le_bytes());
    frame.extend_from_slice(bytes);
    to.write_all(&frame)
}

/// Reads one message's bytes; `None` when the other side has ended, even in the middle of a message.
pub(super) fn read_frame(from: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut size = [0; 4];
    if !fill(from, &mut size)? {
        return Ok(None);
    }
    let size = u32::from_le_bytes(size);
    if size > FRAME_BYTES_MAX {
        return Err(io::Error::other("a message to or from a learner is too large"));
    }
    let mut bytes = vec![0; size as usize];
    Ok(fill(from, &mut bytes)?.then_some(bytes))
}

fn fill(from: &mut impl Read, bytes: &mut [u8]) -> io::Result<bool> {
    match from.read_exact(bytes) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_pass_whole_or_not_at_all() {
        let mut bytes = Vec::new();
        write(&mut bytes, &ToHost::Kill { slot: 3 }).unwrap();
        write(&mut bytes, &ToHost::Kill { slot: 4 }).unwrap();
        let mut from = &bytes[..];
        assert!(matches!(read(&mut from).unwrap(), Some(ToHost::Kill { slot: 3 })));
        assert!(matches!(read(&mut from).unwrap(), Some(ToHost::Kill { slot: 4 })));
        assert!(read::<ToHost>(&mut from).unwrap().is_none());
        assert!(read::<ToHost>(&mut &bytes[..bytes.len() / 2 - 1]).unwrap().is_none());
        assert!(read::<ToHost>(&mut &[255u8; 8][..]).is_err());
    }
}
