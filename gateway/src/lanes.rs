//! One lane per predictor: requests that wait for it travel together in one message. A predictor in this process needs no
//! message, and is asked at once.
//!
//! Batching adapts by itself and uses no timer: while all of a lane's messages are out, what comes waits and is joined;
//! when one comes back, everything that waits leaves at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use predictor::Handle;
use runtime::broker::Broker;
use runtime::rpc::RequestError;
use schemas::limits::{MESSAGE_BYTES_MAX, MESSAGE_ROWS_MAX};
use schemas::predict::{PredictReply, PredictRequest, Refusal};
use schemas::{envelope, subjects};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

/// Messages of one lane that may be out at once: enough to keep a predictor's cores busy while answers travel.
const OUT_MAX: usize = 8;

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

/// A request that waits in a lane. It is dropped unsent when its caller has gone.
struct Item {
    request: PredictRequest,
    until: Instant,
    reply: oneshot::Sender<Result<PredictReply, LaneError>>,
}

/// The lanes to all predictors, made as they are needed.
#[derive(Debug, Clone)]
pub struct Lanes {
    broker: Broker,
    local: Option<Handle>,
    waiting_max: usize,
    senders: Arc<Mutex<HashMap<String, mpsc::Sender<Item>>>>,
    tasks: TaskTracker,
}

impl Lanes {
    /// Lanes in each of which at most `waiting_max` requests wait, and the predictor of this process, if there is one.
    pub fn new(broker: Broker, local: Option<Handle>, waiting_max: usize) -> Lanes {
        Lanes { broker, local, waiting_max, senders: Arc::default(), tasks: TaskTracker::new() }
    }

    /// The predictor of this process, while it has room for a request.
    pub fn local(&self) -> Option<&str> {
        self.local.as_ref().filter(|local| local.has_room()).map(Handle::worker)
    }

    /// Asks `worker`; the answer comes before `until` or is an error.
    ///
    /// # Errors
    /// [`LaneError`], telling whether another worker is worth asking.
    pub async fn ask(
        &self,
        worker: &str,
        request: PredictRequest,
        until: Instant,
    ) -> Result<PredictReply, LaneError> {
        if let Some(local) = self.local.as_ref().filter(|local| local.worker() == worker) {
            let late = |_| LaneError::Late { worker: worker.to_owned() };
            return tokio::time::timeout_at(until, local.answer(request)).await.map_err(late);
        }
        let (reply, answer) = oneshot::channel();
        let full = || LaneError::Full { worker: worker.to_owned() };
        self.sender(worker).try_send(Item { request, until, reply }).map_err(|_| full())?;
        match tokio::time::timeout_at(until, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(LaneError::Gone { worker: worker.to_owned() }),
            Err(_) => Err(LaneError::Late { worker: worker.to_owned() }),
        }
    }

    /// Lets go of the lanes of workers that are no longer among `alive`.
    pub fn keep(&self, alive: &[String]) {
        let mut senders = self.senders.lock().unwrap_or_else(PoisonError::into_inner);
        if senders.len() > alive.len() {
            senders.retain(|worker, _| alive.contains(worker));
        }
    }

    /// Ends all lanes when what waits in them has left.
    pub async fn close(&self) {
        self.senders.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.tasks.close();
        self.tasks.wait().await;
    }

    fn sender(&self, worker: &str) -> mpsc::Sender<Item> {
        let mut senders = self.senders.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = senders.get(worker).filter(|sender| !sender.is_closed()) {
            return sender.clone();
        }
        let (sender, items) = mpsc::channel(self.waiting_max);
        senders.insert(worker.to_owned(), sender.clone());
        let lane = Lane { broker: self.broker.clone(), worker: worker.to_owned(), tasks: self.tasks.clone() };
        self.tasks.spawn(lane.run(items));
        sender
    }
}

struct Lane {
    broker: Broker,
    worker: String,
    tasks: TaskTracker,
}

impl Lane {
    async fn run(self, mut items: mpsc::Receiver<Item>) {
        let out = Arc::new(Semaphore::new(OUT_MAX));
        let mut left = None;
        while let Some(first) = match left.take() {
            Some(item) => Some(item),
            None => items.recv().await,
        } {
            // Never closed, so the permit always comes.
            let Ok(permit) = out.clone().acquire_owned().await else { return };
            let batch;
            (batch, left) = join(first, &mut items);
            if batch.is_empty() {
                continue;
            }
            let (broker, worker) = (self.broker.clone(), self.worker.clone());
            self.tasks.spawn(send(broker, worker, batch, permit));
        }
    }
}

/// Everything that waits, up to the bounds on rows and bytes, without what nobody waits for any more; and what did not
/// fit, to be sent next.
fn join(first: Item, items: &mut mpsc::Receiver<Item>) -> (Vec<Item>, Option<Item>) {
    let (mut rows, mut bytes) = (0, 0);
    let mut batch = Vec::new();
    let mut next = Some(first);
    while let Some(item) = next {
        if !item.reply.is_closed() {
            bytes += item.request.size_bytes();
            if bytes > MESSAGE_BYTES_MAX && !batch.is_empty() {
                return (batch, Some(item));
            }
            rows += item.request.rows as usize;
            batch.push(item);
        }
        next = if rows < MESSAGE_ROWS_MAX { items.try_recv().ok() } else { None };
    }
    (batch, None)
}

async fn send(broker: Broker, worker: String, batch: Vec<Item>, _permit: OwnedSemaphorePermit) {
    let until = batch.iter().map(|item| item.until).max().unwrap_or_else(Instant::now);
    let (requests, replies): (Vec<_>, Vec<_>) =
        batch.into_iter().map(|item| (item.request, item.reply)).unzip();
    let answers = exchange_or_split(&broker, &worker, &requests, until).await;
    let garbled = || LaneError::Garbled { worker: worker.clone(), problem: "answers are missing".into() };
    match answers {
        Ok(answers) => {
            let mut answers = answers.into_iter();
            for reply in replies {
                // A caller that has gone needs no answer.
                let _ = reply.send(answers.next().ok_or_else(garbled));
            }
        }
        Err(error) => replies.into_iter().for_each(|reply| drop(reply.send(Err(error.clone())))),
    }
}

/// Asks for all at once, then for each alone if the answers to all are too large for one message.
async fn exchange_or_split(
    broker: &Broker,
    worker: &str,
    requests: &[PredictRequest],
    until: Instant,
) -> Result<Vec<PredictReply>, LaneError> {
    let replies = exchange(broker, worker, requests, until).await?;
    let too_large = matches!(replies.as_slice(), [PredictReply::Refused(Refusal::AnswerTooLarge)]);
    if !too_large || requests.len() == 1 {
        return Ok(replies);
    }
    let mut replies = Vec::with_capacity(requests.len());
    for request in requests {
        replies.extend(exchange(broker, worker, std::slice::from_ref(request), until).await?);
    }
    Ok(replies)
}

async fn exchange(
    broker: &Broker,
    worker: &str,
    requests: &[PredictRequest],
    until: Instant,
) -> Result<Vec<PredictReply>, LaneError> {
    let limit = until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
    let garbled = |problem: String| LaneError::Garbled { worker: worker.to_owned(), problem };
    let payload = envelope::encode(&requests).map_err(|error| garbled(error.to_string()))?;
    let answer = broker.request(&subjects::infer(worker), Bytes::from(payload), limit).await;
    let answer = answer.map_err(|error| match error {
        RequestError::NobodyThere { .. } => LaneError::Gone { worker: worker.to_owned() },
        RequestError::TimedOut { .. } => LaneError::Late { worker: worker.to_owned() },
        RequestError::Broker(error) => garbled(format!("{:#}", anyhow::Error::from(error))),
    })?;
    let replies: Vec<PredictReply> = envelope::decode(&answer).map_err(|error| garbled(error.to_string()))?;
    match replies.as_slice() {
        [PredictReply::Refused(Refusal::Overloaded)] => Err(LaneError::Full { worker: worker.to_owned() }),
        [PredictReply::Refused(Refusal::BadRequest { problem })] if requests.len() != 1 => {
            Err(garbled(problem.clone()))
        }
        _ => Ok(replies),
    }
}
