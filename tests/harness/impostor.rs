//! A predictor that says what a test wants it to say.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::StreamExt;
use schemas::announce::{Announcement, Role};
use schemas::predict::{PredictReply, PredictRequest, Predictions, UsedFit};
use schemas::scope::Scope;
use schemas::{envelope, subjects};
use serde_json::Value;

use crate::{Stack, settled, until};

/// Its name.
pub const NAME: &str = "predictor-impostor";

/// What it says to requests; `None` is nothing.
pub type Says = fn(&[PredictRequest]) -> Option<Vec<u8>>;

/// The id of an answer, by that of its request: the subject that it is sent to.
pub type To = fn(&str) -> String;

/// A predictor of ours, alive until it is dropped.
#[derive(Debug)]
pub struct Impostor {
    task: tokio::task::JoinHandle<()>,
    asked: Arc<AtomicUsize>,
}

impl Drop for Impostor {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Impostor {
    /// Starts it and waits until the gateway counts so many predictors.
    pub async fn start(stack: &Stack, says: Says, predictors: u64) -> Impostor {
        Impostor::start_answering(stack, (says, |id| id.to_owned()), predictors).await
    }

    /// The same, with answers under the id that `to` makes of that of the request.
    pub async fn start_answering(stack: &Stack, (says, to): (Says, To), predictors: u64) -> Impostor {
        let client = stack.nats.client().await;
        let asked = Arc::new(AtomicUsize::new(0));
        let requests = client.subscribe(subjects::infer(NAME)).await.expect("the broker takes it");
        let [.., ping] = subjects::discovery("PING", "scopeforge-predictor", NAME);
        let pings = client.subscribe(ping).await.expect("the broker takes it");
        settled(&client).await;
        let task = tokio::spawn(live(client, (requests, pings), (says, to), asked.clone()));
        until("the gateway seeing the impostor", || async {
            let ready: Value = serde_json::from_str(&stack.get("/readyz").await.1).ok()?;
            (ready["predictors"] == predictors).then_some(())
        })
        .await;
        Impostor { task, asked }
    }

    /// How many messages have come to it.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

async fn live(
    client: async_nats::Client,
    // Questions whether it is there find somebody, who does not answer.
    (mut requests, _pings): (async_nats::Subscriber, async_nats::Subscriber),
    (says, to): (Says, To),
    asked: Arc<AtomicUsize>,
) {
    let word = Announcement {
        worker: NAME.into(),
        role: Role::Predictor,
        version: "0".into(),
        slots: 4,
        busy: 0,
        ready: true,
        draining: false,
        fits: 1,
        messages: envelope::NAMED,
        bundle: None,
        busy_share: None,
    };
    let word = envelope::encode(&word).expect("it serialises");
    let mut beats = tokio::time::interval(Duration::from_millis(500));
    loop {
        let (subject, payload): (async_nats::Subject, _) = tokio::select! {
            _ = beats.tick() => (subjects::announce("predictor", NAME).into(), word.clone()),
            Some(message) = requests.next() => {
                asked.fetch_add(1, Ordering::Relaxed);
                let asked: Vec<PredictRequest> = envelope::decode(&message.payload).expect("a request");
                match (message.reply, says(&asked)) {
                    (Some(reply), Some(payload)) => (to(&reply).into(), payload),
                    _ => continue,
                }
            }
        };
        client.publish(subject, payload.into()).await.expect("the broker takes it");
    }
}

/// The same to each of the requests.
pub fn to_each(asked: &[PredictRequest], answer: impl Fn(u32) -> Predictions) -> Option<Vec<u8>> {
    let replies: Vec<PredictReply> = asked.iter().map(|one| PredictReply::Done(answer(one.rows))).collect();
    Some(envelope::encode(&replies).expect("it serialises"))
}

/// One and the same number for all rows, by a fit that there is nowhere else.
pub fn always(value: f64, rows: u32) -> Predictions {
    let fit = UsedFit {
        scope: Scope::all(),
        level: 0,
        fingerprint: NAME.into(),
        campaign: NAME.into(),
        scores: 0,
        trained_at_ms: 0,
        classes: Vec::new(),
    };
    let rows = rows as usize;
    let (values, fit_of, fits) = (vec![value; rows], vec![0; rows], vec![Arc::new(fit)]);
    Predictions { values, fit_of, fits, ..Predictions::default() }
}
