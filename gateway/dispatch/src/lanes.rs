//! One lane per predictor: requests that wait for it travel together in one message. A predictor in this process needs no
//! message, and is asked at once.
//!
//! Batching adapts by itself: while messages are out, what comes waits and is joined; it leaves when one comes back, or when
//! as many requests wait as are out.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use runtime::broker::Broker;
use runtime::rpc::RequestError;
use schemas::predict::{PredictReply, PredictRequest, Refusal};
use schemas::{envelope, subjects};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use crate::batch::{Batch, Item, Out, SLOW_AFTER};
use crate::merge::Merged;

/// Why a predictor did not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LaneError {
    /// It is gone: another one may answer.
    #[error("predictor {worker} is gone")]
    Gone {
        /// The predictor.
        worker: String,
    },
    /// It has too much to do, or too many wait for it.
    #[error("predictor {worker} has too much to do")]
    Full {
        /// The predictor.
        worker: String,
    },
    /// It did not answer in time.
    #[error("predictor {worker} did not answer in time")]
    Late {
        /// The predictor.
        worker: String,
    },
    /// Its answer is not one.
    #[error("predictor {worker} answered what cannot be read: {problem}")]
    Garbled {
        /// The predictor.
        worker: String,
        /// What is wrong.
        problem: String,
    },
}

/// A predictor in this process.
pub trait Near: Send + Sync + std::fmt::Debug {
    /// Its name.
    fn worker(&self) -> &str;
    /// Whether it takes a request now.
    fn has_room(&self) -> bool;
    /// Its answer.
    fn answer<'a>(&'a self, request: &'a PredictRequest) -> BoxFuture<'a, PredictReply>;
}

/// The way to one lane, and the requests that are in it or out.
#[derive(Debug, Clone)]
struct Entrance {
    items: mpsc::Sender<Item>,
    open: Arc<AtomicUsize>,
}

/// One request less when it is dropped, answered or not.
struct Open(Arc<AtomicUsize>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The lanes to all predictors, made as they are needed.
#[derive(Debug, Clone)]
pub struct Lanes {
    broker: Broker,
    near: Option<Arc<dyn Near>>,
    waiting_max: usize,
    entrances: Arc<Mutex<HashMap<String, Entrance>>>,
    tasks: TaskTracker,
}

impl Lanes {
    /// Lanes in each of which at most `waiting_max` requests wait, and the predictor of this process, if there is one.
    pub fn new(broker: Broker, near: Option<Arc<dyn Near>>, waiting_max: usize) -> Lanes {
        Lanes { broker, near, waiting_max, entrances: Arc::default(), tasks: TaskTracker::new() }
    }

    /// The predictor of this process, while it has room for a request.
    pub fn near(&self) -> Option<&str> {
        self.near.as_ref().filter(|near| near.has_room()).map(|near| near.worker())
    }

    /// Asks `worker`; the answer comes before `until` or is an error.
    ///
    /// # Errors
    /// [`LaneError`], telling whether another worker is worth asking.
    pub async fn ask(
        &self,
        worker: &str,
        request: Arc<PredictRequest>,
        until: Instant,
    ) -> Result<PredictReply, LaneError> {
        if let Some(near) = self.near.as_ref().filter(|near| near.worker() == worker) {
            let late = |_| LaneError::Late { worker: worker.to_owned() };
            return tokio::time::timeout_at(until, near.answer(&request)).await.map_err(late);
        }
        let (reply, answer) = oneshot::channel();
        let entrance = self.entrance(worker);
        entrance.open.fetch_add(1, Ordering::Relaxed);
        let _open = Open(entrance.open.clone());
        let full = |_| LaneError::Full { worker: worker.to_owned() };
        entrance.items.try_send(Item { request, until, reply }).map_err(full)?;
        match tokio::time::timeout_at(until, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(LaneError::Gone { worker: worker.to_owned() }),
            Err(_) => Err(LaneError::Late { worker: worker.to_owned() }),
        }
    }

    /// How many requests wait for each of `workers` or are out to it.
    pub fn open(&self, workers: &[String]) -> Vec<usize> {
        let entrances = self.entrances.lock().unwrap_or_else(PoisonError::into_inner);
        let open =
            |worker| entrances.get(worker).map_or(0, |known: &Entrance| known.open.load(Ordering::Relaxed));
        workers.iter().map(open).collect()
    }

    /// Lets go of the lanes of workers that are no longer among `alive`.
    pub fn keep(&self, alive: &[String]) {
        let mut entrances = self.entrances.lock().unwrap_or_else(PoisonError::into_inner);
        if entrances.len() > alive.len() {
            entrances.retain(|worker, _| alive.contains(worker));
        }
    }

    /// Ends all lanes when what waits in them has left.
    pub async fn close(&self) {
        self.entrances.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.tasks.close();
        self.tasks.wait().await;
    }

    fn entrance(&self, worker: &str) -> Entrance {
        let mut entrances = self.entrances.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = entrances.get(worker).filter(|known| !known.items.is_closed()) {
            return known.clone();
        }
        let (items, waiting) = mpsc::channel(self.waiting_max);
        let entrance = Entrance { items, open: Arc::default() };
        entrances.insert(worker.to_owned(), entrance.clone());
        let lane = Lane { broker: self.broker.clone(), worker: worker.into(), tasks: self.tasks.clone() };
        self.tasks.spawn(lane.run(waiting));
        entrance
    }
}

struct Lane {
    broker: Broker,
    worker: Arc<str>,
    tasks: TaskTracker,
}

impl Lane {
    async fn run(self, mut items: mpsc::Receiver<Item>) {
        let out = Arc::new(Out::new(SLOW_AFTER));
        let mut left = None;
        while let Some(first) = match left.take() {
            Some(item) => Some(item),
            None => items.recv().await,
        } {
            let mut batch = Batch::default();
            left = batch.add(first);
            batch.gather(&mut items, &out, &mut left).await;
            if batch.items.is_empty() {
                continue;
            }
            let leave = out.leave(batch.items.len());
            let (broker, worker) = (self.broker.clone(), self.worker.clone());
            self.tasks.spawn(async move {
                Exchange { broker: &broker, worker: &worker }.run(batch.items).await;
                drop(leave);
            });
        }
    }
}

/// One message to a predictor and its answer.
struct Exchange<'a> {
    broker: &'a Broker,
    worker: &'a str,
}

impl Exchange<'_> {
    async fn run(&self, batch: Vec<Item>) {
        let until = batch.iter().map(|item| item.until).max().unwrap_or_else(Instant::now);
        let merged = Merged::of(batch.iter().map(|item| item.request.clone()));
        let answers = match self.ask(&merged.requests, until).await {
            // The answers to all are too large for one message.
            Ok(replies) if replies.len() != merged.requests.len() => vec![None; batch.len()],
            Ok(replies) => merged.split(replies),
            Err(error) => {
                // A caller that has gone needs no answer.
                batch.into_iter().for_each(|item| drop(item.reply.send(Err(error.clone()))));
                return;
            }
        };
        for (item, answer) in batch.into_iter().zip(answers) {
            let answer = match answer {
                Some(answer) => Ok(answer),
                None => self.ask_alone(item.request, item.until).await,
            };
            let _ = item.reply.send(answer);
        }
    }

    async fn ask_alone(
        &self,
        request: Arc<PredictRequest>,
        until: Instant,
    ) -> Result<PredictReply, LaneError> {
        let mut replies = self.ask(&[request], until).await?;
        replies.pop().ok_or_else(|| self.garbled("the answer is missing"))
    }

    /// One reply for each request, or a single refusal that the answers are too large together.
    async fn ask(
        &self,
        requests: &[Arc<PredictRequest>],
        until: Instant,
    ) -> Result<Vec<PredictReply>, LaneError> {
        let worker = || self.worker.to_owned();
        let limit = until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        let whole: Vec<&PredictRequest> = requests.iter().map(|request| &**request).collect();
        let payload = envelope::encode(&whole).map_err(|error| self.garbled(error))?;
        let answer = self.broker.request(&subjects::infer(self.worker), Bytes::from(payload), limit).await;
        let answer = answer.map_err(|error| match error {
            RequestError::NobodyThere { .. } => LaneError::Gone { worker: worker() },
            RequestError::TimedOut { .. } => LaneError::Late { worker: worker() },
            RequestError::Broker(error) => self.garbled(std::error::Error::source(&error).unwrap_or(&error)),
        })?;
        let replies: Vec<PredictReply> = envelope::decode(&answer).map_err(|error| self.garbled(error))?;
        match replies.as_slice() {
            [PredictReply::Refused(Refusal::Overloaded)] => Err(LaneError::Full { worker: worker() }),
            [PredictReply::Refused(Refusal::AnswerTooLarge)] => Ok(replies),
            [PredictReply::Refused(Refusal::BadRequest { problem })] if requests.len() != 1 => {
                Err(self.garbled(problem))
            }
            replies if replies.len() != requests.len() => {
                Err(self.garbled(format!("{} answers to {} requests", replies.len(), requests.len())))
            }
            _ => Ok(replies),
        }
    }

    fn garbled(&self, problem: impl ToString) -> LaneError {
        LaneError::Garbled { worker: self.worker.to_owned(), problem: problem.to_string() }
    }
}
