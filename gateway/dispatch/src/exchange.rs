//! One message to a predictor, and its answer.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use runtime::broker::Broker;
use runtime::discovery;
use runtime::presence::Table;
use runtime::rpc::RequestError;
use schemas::announce::Role;
use schemas::predict::{PredictReply, PredictRequest, Refusal};
use schemas::{envelope, subjects};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::batch::{Item, Out};
use crate::lanes::LaneError;
use crate::merge::Merged;

/// Without any answer for so long, it is asked whether the predictor is there at all: one that was killed says nothing.
const LOOK_AFTER: Duration = Duration::from_millis(120);

/// The messages of one lane.
#[derive(Debug, Clone)]
pub(crate) struct Exchange {
    pub(crate) broker: Broker,
    pub(crate) worker: Arc<str>,
    /// Which messages the predictor reads: after it was struck and came back, other ones than at first.
    pub(crate) table: Table,
    /// Cancelled once it is known that nobody is there: what was asked before will not be answered.
    pub(crate) gone: CancellationToken,
}

impl Exchange {
    /// Asks for all of a batch in one message, and answers each.
    pub(crate) async fn run(&self, batch: Vec<Item>) {
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
        let worker = || self.worker.to_string();
        let limit = until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        let whole: Vec<&PredictRequest> = requests.iter().map(|request| &**request).collect();
        let payload = envelope::encode_as(self.table.messages(&self.worker), whole.as_slice());
        let payload = payload.map_err(|error| self.garbled(error))?;
        let asked = self.gone.run_until_cancelled(self.answer(Bytes::from(payload), limit)).await;
        let answer = asked.unwrap_or_else(|| Err(LaneError::Lost { worker: worker() }))?;
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

    /// The answer to a message. Whoever finds that nobody is there tells all others of the lane.
    async fn answer(&self, payload: Bytes, limit: Duration) -> Result<Bytes, LaneError> {
        let subject = subjects::infer(&self.worker);
        self.broker.request(&subject, payload, limit).await.map_err(|error| match error {
            RequestError::NobodyThere { .. } => {
                self.gone.cancel();
                LaneError::Gone { worker: self.worker.to_string() }
            }
            RequestError::TimedOut { .. } => LaneError::Late { worker: self.worker.to_string() },
            RequestError::Broker(error) => self.garbled(std::error::Error::source(&error).unwrap_or(&error)),
        })
    }

    /// Returns when the predictor is no longer there, while something is `out` to it.
    pub(crate) async fn leaves(&self, out: &Out) {
        loop {
            out.silent(LOOK_AFTER).await;
            if !discovery::is_there(&self.broker, Role::Predictor, &self.worker).await {
                return;
            }
        }
    }

    fn garbled(&self, problem: impl ToString) -> LaneError {
        LaneError::Garbled { worker: self.worker.to_string(), problem: problem.to_string() }
    }
}
