//! One lane per predictor: requests that wait for it travel together in one message. A predictor in this process needs no
//! message, and is asked at once.
//!
//! Batching adapts by itself: while messages are out, what comes waits and is joined; it leaves when one comes back, or when
//! enough requests wait, beside those that are out.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ahash::HashMap;
use futures::future::BoxFuture;
use runtime::broker::Broker;
use runtime::presence::Table;
use schemas::predict::{PredictReply, PredictRequest};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::batch::{Batch, Item, Out, SLOW_AFTER};
use crate::exchange::Exchange;

/// Why a predictor did not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LaneError {
    /// It is gone, and has not seen the request: others may answer.
    #[error("predictor {worker} is gone")]
    Gone {
        /// The predictor.
        worker: String,
    },
    /// It went with the request: another one may answer, if it was not the request that ended it.
    #[error("predictor {worker} went before it answered")]
    Lost {
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
    /// The same one, as another thread asks it.
    fn for_thread(&self) -> Arc<dyn Near>;
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
    broker: Option<Broker>,
    table: Table,
    near: Option<Arc<dyn Near>>,
    waiting_max: usize,
    entrances: Arc<Mutex<HashMap<String, Entrance>>>,
    tasks: TaskTracker,
}

impl Lanes {
    /// Lanes to the predictors of `table`, in each of which at most `waiting_max` requests wait, and the predictor of this
    /// process, if there is one. Without a broker that one is all there is.
    pub fn new(
        broker: Option<Broker>,
        table: Table,
        near: Option<Arc<dyn Near>>,
        waiting_max: usize,
    ) -> Lanes {
        Lanes { broker, table, near, waiting_max, entrances: Arc::default(), tasks: TaskTracker::new() }
    }

    /// Lanes to the same predictors by another connection.
    #[must_use]
    pub fn on(&self, broker: Option<Broker>, waiting_max: usize) -> Lanes {
        let near = self.near.as_ref().map(|near| near.for_thread());
        Lanes::new(broker, self.table.clone(), near, waiting_max)
    }

    /// The workers that there are.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// The predictor of this process, whether it has room or not.
    pub fn own(&self) -> Option<&str> {
        self.near.as_ref().map(|near| near.worker())
    }

    /// The predictor of this process, while it has room for a request.
    pub fn near(&self) -> Option<&str> {
        self.near.as_ref().filter(|near| near.has_room()).map(|near| near.worker())
    }

    /// The predictors that may be asked: those that are alive, but not that of this process while it has no room.
    pub fn predictors(&self) -> Arc<[String]> {
        let alive = self.table.predictors();
        match (self.own(), self.near()) {
            (Some(own), None) => alive.iter().filter(|worker| *worker != own).cloned().collect(),
            _ => alive,
        }
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
        let entrance = self.entrance(worker).ok_or_else(|| LaneError::Gone { worker: worker.to_owned() })?;
        entrance.open.fetch_add(1, Ordering::Relaxed);
        let _open = Open(entrance.open.clone());
        entrance.items.try_send(Item { request, until, reply }).map_err(|error| match error {
            TrySendError::Full(_) => LaneError::Full { worker: worker.to_owned() },
            TrySendError::Closed(_) => LaneError::Gone { worker: worker.to_owned() },
        })?;
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

    fn entrance(&self, worker: &str) -> Option<Entrance> {
        let broker = self.broker.as_ref()?;
        let mut entrances = self.entrances.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = entrances.get(worker).filter(|known| !known.items.is_closed()) {
            return Some(known.clone());
        }
        let (items, waiting) = mpsc::channel(self.waiting_max);
        let entrance = Entrance { items, open: Arc::default() };
        entrances.insert(worker.to_owned(), entrance.clone());
        let exchange = Exchange {
            broker: broker.clone(),
            worker: worker.into(),
            table: self.table.clone(),
            gone: CancellationToken::new(),
        };
        let lane = Lane { exchange, tasks: self.tasks.clone() };
        self.tasks.spawn(lane.run(waiting));
        Some(entrance)
    }
}

struct Lane {
    exchange: Exchange,
    tasks: TaskTracker,
}

impl Lane {
    /// Carries what comes. When the worker is gone, what waits is dropped and what is out is given up, to go elsewhere.
    async fn run(self, items: mpsc::Receiver<Item>) {
        let (gone, out) = (self.exchange.gone.clone(), Arc::new(Out::new(SLOW_AFTER)));
        let carrying = async {
            gone.run_until_cancelled(self.carry(items, &out)).await;
            out.none().await;
        };
        tokio::select! {
            () = carrying => {}
            () = self.exchange.leaves(&out) => gone.cancel(),
        }
    }

    async fn carry(&self, mut items: mpsc::Receiver<Item>, out: &Arc<Out>) {
        let mut left = None;
        while let Some(first) = match left.take() {
            Some(item) => Some(item),
            None => items.recv().await,
        } {
            let mut batch = Batch::default();
            left = batch.add(first);
            batch.gather(&mut items, out, &mut left).await;
            if batch.items.is_empty() {
                continue;
            }
            let leave = out.leave(batch.items.len());
            let exchange = self.exchange.clone();
            self.tasks.spawn(async move {
                exchange.run(batch.items).await;
                drop(leave);
            });
        }
    }
}
