//! The trainer's end of one host.

use std::io;
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use schemas::envelope;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::task::AbortOnDropHandle;

use super::wire::{FromHost, LearnOrder, OpenOrder, ToHost};

/// Messages to a host that may wait in its pipe's queue: one order and one kill for each slot, and the first.
const QUEUED_PER_SLOT: usize = 4;

/// Messages of a learner that wait to be looked at: results come once per scope at most.
const ANSWERS_MAX: usize = 4_096;

/// Why a host is of no use.
#[derive(Debug, thiserror::Error)]
pub(in super::super) enum HostError {
    /// It could not be started, or its pipe broke.
    #[error("the process that reads the data failed")]
    Failed(#[from] io::Error),
    /// It ended.
    #[error("the process that reads the data ended ({how}); it may need more memory than there is")]
    Ended {
        /// How.
        how: String,
    },
    /// It said why.
    #[error("{problem}")]
    Refused {
        /// Whether it may be had later.
        transient: bool,
        /// Whether it is more than the memory for it.
        too_large: bool,
        /// Why.
        problem: String,
    },
}

/// A running host, with room for a number of learners.
#[derive(Debug)]
pub(super) struct Host {
    /// What its data takes in memory.
    pub(super) size_bytes: u64,
    /// What it read of the source.
    pub(super) fetched_bytes: u64,
    orders: mpsc::Sender<Vec<u8>>,
    slots: Arc<Slots>,
    _writer: AbortOnDropHandle<()>,
    _reader: AbortOnDropHandle<()>,
}

/// Which slots are free, and who listens to those that are not.
#[derive(Debug)]
struct Slots {
    free: Semaphore,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    free: Vec<u32>,
    listeners: Vec<Option<mpsc::Sender<FromHost>>>,
    ended: bool,
}

impl Host {
    /// Starts a host and waits until its data is ready.
    pub(super) async fn open(order: OpenOrder, slots: u32) -> Result<Host, HostError> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("learn-host").stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        // A learner's last words are a line of the ledger, not a trace.
        command.env("RUST_BACKTRACE", "0");
        // Ctrl-C at a terminal is for the trainer, which lets its learners finish.
        command.process_group(0);
        let mut child = command.spawn()?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (mut stdin, mut stdout) = pipes.ok_or_else(|| io::Error::other("a host without pipes"))?;
        write(&mut stdin, &encode(&ToHost::Open(Box::new(order)))?).await?;
        let (size_bytes, fetched_bytes) = match read(&mut stdout).await? {
            Some(FromHost::Opened { size_bytes, fetched_bytes }) => (size_bytes, fetched_bytes),
            Some(FromHost::Refused { transient, too_large, problem }) => {
                return Err(HostError::Refused { transient, too_large, problem });
            }
            _ => return Err(HostError::Ended { how: child.wait().await?.to_string() }),
        };
        let (orders, queue) = mpsc::channel(slots as usize * QUEUED_PER_SLOT);
        let state = State { free: (0..slots).collect(), listeners: vec![None; slots as usize], ended: false };
        let slots = Arc::new(Slots { free: Semaphore::new(slots as usize), state: Mutex::new(state) });
        let writer = AbortOnDropHandle::new(tokio::spawn(write_all(stdin, queue)));
        let reader = AbortOnDropHandle::new(tokio::spawn(read_all(stdout, child, slots.clone())));
        Ok(Host { size_bytes, fetched_bytes, orders, slots, _writer: writer, _reader: reader })
    }

    /// Whether it has ended.
    pub(super) fn has_ended(&self) -> bool {
        self.slots.lock().ended
    }

    /// A slot for one order; waits until one is free.
    pub(super) async fn slot(&self) -> Result<Slot, HostError> {
        // Never closed.
        if let Ok(permit) = self.slots.free.acquire().await {
            permit.forget();
        }
        let (sender, answers) = mpsc::channel(ANSWERS_MAX);
        let mut state = self.slots.lock();
        let gone = || HostError::Ended { how: "while its learners were waiting".into() };
        let number = state.free.pop().filter(|_| !state.ended).ok_or_else(gone)?;
        state.listeners[number as usize] = Some(sender);
        drop(state);
        Ok(Slot { number, answers, orders: self.orders.clone(), slots: self.slots.clone(), busy: false })
    }
}

/// A learner's place, for one order after another. Dropped in the middle of one, it ends the learner.
#[derive(Debug)]
pub(super) struct Slot {
    number: u32,
    answers: mpsc::Receiver<FromHost>,
    orders: mpsc::Sender<Vec<u8>>,
    slots: Arc<Slots>,
    busy: bool,
}

impl Slot {
    /// Gives the learner work.
    pub(super) async fn order(&mut self, order: LearnOrder) -> Result<(), HostError> {
        let frame = encode(&ToHost::Learn { slot: self.number, order })?;
        self.busy = true;
        self.orders.send(frame).await.map_err(|_| HostError::Ended { how: "unexpectedly".into() })
    }

    /// What the learner says next; `None` when it said nothing for `limit`.
    pub(super) async fn next(&mut self, limit: Duration) -> Result<Option<FromHost>, HostError> {
        match tokio::time::timeout(limit, self.answers.recv()).await {
            Ok(Some(answer)) => Ok(Some(answer)),
            Ok(None) => Err(HostError::Ended { how: "while it was learning".into() }),
            Err(_) => Ok(None),
        }
    }

    /// Ends the learner; its death is its last answer.
    pub(super) async fn kill(&mut self) -> Result<(), HostError> {
        let frame = encode(&ToHost::Kill { slot: self.number })?;
        self.orders.send(frame).await.map_err(|_| HostError::Ended { how: "unexpectedly".into() })
    }

    /// Says that the order is done: the learner may have another.
    pub(super) fn done(&mut self) {
        self.busy = false;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut state = self.slots.lock();
        state.listeners[self.number as usize] = None;
        let dying = self.busy
            && encode(&ToHost::Kill { slot: self.number })
                .is_ok_and(|frame| self.orders.try_send(frame).is_ok());
        if !dying {
            // Otherwise the slot is free again when the learner's death is heard.
            state.give_back(self.number, &self.slots.free);
        }
    }
}

impl State {
    fn give_back(&mut self, slot: u32, free: &Semaphore) {
        if !self.free.contains(&slot) {
            self.free.push(slot);
            free.add_permits(1);
        }
    }
}

impl Slots {
    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is whole between any two statements that could panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Passes an answer to who listens; the death of a learner nobody listens to frees its slot.
    fn hear(&self, answer: FromHost) {
        let slot = match &answer {
            FromHost::Alive { slot } | FromHost::Learned { slot, .. } | FromHost::Died { slot, .. } => *slot,
            FromHost::Opened { .. } | FromHost::Refused { .. } => return,
        };
        let mut state = self.lock();
        match state.listeners.get(slot as usize).cloned().flatten() {
            // A listener that has just gone takes no more.
            Some(listener) => drop(listener.try_send(answer)),
            None if matches!(answer, FromHost::Died { .. }) => state.give_back(slot, &self.free),
            None => {}
        }
    }

    /// The host is gone: everybody who listens or waits hears it.
    fn end(&self) {
        let mut state = self.lock();
        state.ended = true;
        state.listeners.fill(None);
        self.free.add_permits(state.listeners.len());
    }
}

async fn write_all(mut to: ChildStdin, mut queue: mpsc::Receiver<Vec<u8>>) {
    while let Some(frame) = queue.recv().await {
        if write(&mut to, &frame).await.is_err() {
            // The reader hears the end of the host.
            return;
        }
    }
}

async fn read_all(mut from: ChildStdout, mut child: Child, slots: Arc<Slots>) {
    let why = loop {
        match read(&mut from).await {
            Ok(Some(answer)) => slots.hear(answer),
            Ok(None) => break "it ended".to_owned(),
            Err(error) => break error.to_string(),
        }
    };
    slots.end();
    if let Err(error) = child.kill().await {
        tracing::debug!(%error, "a host is gone already");
    }
    tracing::debug!(why, "a host has ended");
}

fn encode(message: &ToHost) -> io::Result<Vec<u8>> {
    envelope::encode(message).map_err(io::Error::other)
}

async fn write(to: &mut ChildStdin, frame: &[u8]) -> io::Result<()> {
    let size = u32::try_from(frame.len()).map_err(io::Error::other)?;
    to.write_all(&size.to_le_bytes()).await?;
    to.write_all(frame).await
}

async fn read(from: &mut ChildStdout) -> io::Result<Option<FromHost>> {
    let mut size = [0; 4];
    match from.read_exact(&mut size).await {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        done => done?,
    };
    let mut frame = vec![0; u32::from_le_bytes(size) as usize];
    from.read_exact(&mut frame).await?;
    envelope::decode(&frame).map(Some).map_err(io::Error::other)
}
