//! A host: a process that reads one model's data, makes it ready, and copies itself into learners, which share all of it.
//!
//! It has one thread and waits on pipes: orders from the trainer go to learners, answers come back, and when a learner dies
//! the host says how, and makes a new one for the slot's next order. It ends when the trainer's pipe ends.

use std::fs::File;
use std::io;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use anyhow::{Context, bail};
use dataset::{Cached, Dataset, Filter, Request};
use rustix::process::{Pid, getpid};
use schemas::fit::Input;

use super::super::beyond::wide;
use super::super::prepared::{PrepareError, Prepared};
use super::wire::{self, Death, FromHost, OpenOrder, ToHost};
use super::{learner, sys};

/// The process `worker learn-host`.
///
/// # Errors
/// When the trainer's pipes are not there, or the operating system refuses a learner.
pub fn run() -> anyhow::Result<()> {
    let (mut orders, mut answers) = sys::take_stdio()?;
    let Some(ToHost::Open(open)) = wire::read(&mut orders).context("this command is for `worker train`")?
    else {
        bail!("this command is for `worker train`, which talks to it over pipes");
    };
    let (prepared, fetched_bytes) = match prepare(&open) {
        Ok(prepared) => prepared,
        Err(error) => {
            let transient = matches!(&error, PrepareError::Read(error) if error.is_transient());
            let too_large = matches!(&error, PrepareError::Read(error) if error.is_too_large());
            let problem = format!("{:#}", anyhow::Error::from(error));
            return Ok(wire::write(&mut answers, &FromHost::Refused { transient, too_large, problem })?);
        }
    };
    let size_bytes = prepared.size_bytes() as u64;
    wire::write(&mut answers, &FromHost::Opened { size_bytes, fetched_bytes })?;
    Host { open: *open, prepared, orders, answers, learners: Vec::new() }.serve()
}

/// Reads the source, or slices of it, and makes it ready; tells how many bytes were fetched. All threads that helped are
/// gone afterwards.
fn prepare(open: &OpenOrder) -> Result<(Prepared, u64), PrepareError> {
    let waits = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let waits = waits.map_err(PrepareError::Runtime)?;
    let read: Result<(Arc<Cached>, u64), dataset::Error> = waits.block_on(async {
        let files = dataset::open(&open.spec.data).await?;
        let read = match open.others.is_empty() || files.is_database() {
            true => read(&files, open, &[]).await,
            false => match read(&files, open, &open.others).await {
                // Nobody names those columns any more: they may be gone, or hold what nobody can read.
                Err(error) if !error.is_transient() => read(&files, open, &[]).await,
                read => read,
            },
        };
        Ok((read?, files.fetched_bytes()))
    });
    drop(waits);
    let (cached, fetched_bytes) = read?;
    let mut prepared = Prepared::new(&open.spec, cached)?;
    let levels: Vec<Vec<&str>> = open.masks.iter().map(|mask| open.spec.level_names(*mask)).collect();
    prepared.arrange(&levels, open.threads as usize);
    Ok((prepared, fetched_bytes))
}

/// The rows of a source, or slices of it, with the columns of `others`. They are named by the spec's columns alone.
async fn read(files: &Dataset, open: &OpenOrder, others: &[Input]) -> Result<Arc<Cached>, dataset::Error> {
    let (own, wide) = (Request::for_training(&open.spec), wide(&open.spec, others));
    let threads = open.threads as usize;
    let table = match &open.slices {
        None => files.read(&wide, threads).await?,
        Some(slices) => {
            let scopes = slices.scopes.iter().map(|(scope, window)| (scope, *window));
            let filter = Filter::new(&wide, scopes);
            files.read_slices(&wide, filter, (slices.limit_bytes, threads)).await?
        }
    };
    Ok(Arc::new(Cached::new(table, own)))
}

struct Host {
    open: OpenOrder,
    prepared: Prepared,
    orders: File,
    answers: File,
    learners: Vec<Learner>,
}

struct Learner {
    slot: u32,
    id: Pid,
    socket: UnixStream,
    words: File,
}

impl Host {
    fn serve(mut self) -> anyhow::Result<()> {
        loop {
            let mut files = vec![sys::fd(&self.orders)];
            files.extend(self.learners.iter().map(|learner| sys::fd(&learner.socket)));
            let ready = sys::wait_readable(&files)?;
            // From the last, so that places stay right when a learner is taken out.
            for place in (0..self.learners.len()).rev().filter(|place| ready[place + 1]) {
                self.relay(place)?;
            }
            if ready[0] {
                match wire::read(&mut self.orders)? {
                    Some(ToHost::Learn { slot, order }) => {
                        let learner = self.learner(slot)?;
                        // One that dies just now is found out by the next wait.
                        let _ = wire::write(&mut learner.socket, &order);
                    }
                    Some(ToHost::Kill { slot }) => self.kill(slot)?,
                    Some(ToHost::Open(_)) => bail!("a host opens one source"),
                    None => break,
                }
            }
        }
        self.learners.iter().for_each(|learner| sys::kill(learner.id));
        Ok(())
    }

    /// Passes on one message of a learner, or the news of its death.
    fn relay(&mut self, place: usize) -> io::Result<()> {
        match wire::read_frame(&mut self.learners[place].socket) {
            Ok(Some(frame)) => wire::write_frame(&mut self.answers, &frame),
            Ok(None) | Err(_) => {
                let mut learner = self.learners.swap_remove(place);
                sys::kill(learner.id);
                let death = sys::wait(learner.id, &mut learner.words)?;
                wire::write(&mut self.answers, &FromHost::Died { slot: learner.slot, death })
            }
        }
    }

    /// Kills the slot's learner; its end shows on its pipe. Where there is none, it is dead already.
    fn kill(&mut self, slot: u32) -> io::Result<()> {
        match self.learners.iter().find(|learner| learner.slot == slot) {
            Some(learner) => sys::kill(learner.id),
            None => wire::write(&mut self.answers, &FromHost::Died { slot, death: Death::default() })?,
        }
        Ok(())
    }

    fn learner(&mut self, slot: u32) -> io::Result<&mut Learner> {
        let place = match self.learners.iter().position(|learner| learner.slot == slot) {
            Some(place) => place,
            None => {
                let learner = self.make(slot)?;
                self.learners.push(learner);
                self.learners.len() - 1
            }
        };
        Ok(&mut self.learners[place])
    }

    fn make(&mut self, slot: u32) -> io::Result<Learner> {
        let (ours, theirs) = UnixStream::pair()?;
        let words = sys::words_file()?;
        let host = getpid();
        match sys::fork()? {
            sys::Side::Parent(id) => Ok(Learner { slot, id, socket: ours, words }),
            sys::Side::Child => {
                drop(ours);
                let memory_bytes = self.open.spec.limits.scope_mib.saturating_mul(1024 * 1024);
                let learned = sys::confine(host, &words, memory_bytes)
                    .and_then(|()| learner::run(&self.open.spec, &self.prepared, slot, theirs));
                if let Err(error) = learned {
                    sys::complain(&error);
                }
                sys::leave()
            }
        }
    }
}
