//! Who is alive: workers announce themselves once a second and answer a roll call.

use futures::future::BoxFuture;
use std::collections::HashMap;
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::StreamExt;
use schemas::announce::{Announcement, Role};
use schemas::{envelope, subjects};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::broker::{Broker, BrokerError};
use crate::discovery::{Discovery, Endpoint};

/// Time between announcements.
const BEAT: Duration = Duration::from_secs(1);

/// Silence after which a worker counts as gone.
const GONE_AFTER: Duration = Duration::from_secs(3);

/// How long a list of living workers is good for, if nobody announces anything: within that a silent one counts as gone.
const LISTED_FOR: Duration = Duration::from_millis(100);

/// How long a roll call waits for its first answer, and then for each further one.
const FIRST_ANSWER: Duration = Duration::from_millis(250);
const NEXT_ANSWER: Duration = Duration::from_millis(25);

/// Within so long every living worker has announced itself.
pub const BEAT_AND_MORE: Duration = Duration::from_millis(1_500);

/// What announces a worker; `now` is asked at each announcement.
pub struct Announcer<F> {
    broker: Broker,
    calls: async_nats::Subscriber,
    discovery: Discovery,
    now: F,
}

impl<F: Fn() -> Announcement + Send + 'static> Announcer<F> {
    /// Prepares to announce, and joins the broker's service discovery; `endpoint` is where it takes requests, if it does.
    ///
    /// # Errors
    /// [`BrokerError`] when the broker refuses.
    pub async fn open(
        broker: &Broker,
        endpoint: Option<Arc<Endpoint>>,
        now: F,
    ) -> Result<Announcer<F>, BrokerError> {
        let calls = broker.client.subscribe(subjects::ROLL_CALL).await;
        let calls = calls.map_err(|error| BrokerError::new("subscribe to roll calls", error))?;
        let discovery = Discovery::join(broker, &now(), endpoint).await?;
        Ok(Announcer { broker: broker.clone(), calls, discovery, now })
    }

    /// Announces until `shutdown`, at last with whatever `now` says then.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let mut beats = crate::clock::ticks(BEAT);
        loop {
            let to = tokio::select! {
                _ = beats.tick() => None,
                Some(call) = self.calls.next() => call.reply,
                Some(question) = self.discovery.next() => {
                    self.discovery.answer(question).await;
                    continue;
                }
                () = shutdown.cancelled() => break,
            };
            self.say(to).await;
        }
        self.say(None).await;
    }

    async fn say(&self, to: Option<async_nats::Subject>) {
        self.broker.say(&(self.now)(), to).await;
    }
}

impl Broker {
    /// Announces a worker out of turn, as when it begins to leave.
    pub fn announce<'a>(&'a self, word: &'a Announcement) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            self.say(word, None).await;
        })
    }

    async fn say(&self, word: &Announcement, to: Option<async_nats::Subject>) {
        let subject = to.unwrap_or_else(|| subjects::announce(word.role.name(), &word.worker).into());
        let Ok(payload) = envelope::encode(word) else { return };
        if let Err(error) = self.client.publish(subject, Bytes::from(payload)).await {
            tracing::debug!(%error, "not announced");
        }
    }
}

/// Everyone who answers a roll call.
///
/// # Errors
/// [`BrokerError`] when the broker does not take the call.
pub fn roll_call<'a>(broker: &'a Broker) -> BoxFuture<'a, Result<Vec<Announcement>, BrokerError>> {
    Box::pin(async move {
        let failed = |error: async_nats::Error| BrokerError::new("call the roll", error);
        let inbox = broker.client.new_inbox();
        let mut answers = broker.client.subscribe(inbox.clone()).await.map_err(|e| failed(e.into()))?;
        let call = broker.client.publish_with_reply(subjects::ROLL_CALL, inbox, Bytes::new());
        call.await.map_err(|e| failed(e.into()))?;
        let mut present = Vec::new();
        let mut patience = FIRST_ANSWER;
        while let Ok(Some(answer)) = tokio::time::timeout(patience, answers.next()).await {
            if let Ok(word) = envelope::decode::<Announcement>(&answer.payload) {
                present.push(word);
                patience = NEXT_ANSWER;
            } else if answer.status.is_some() {
                // "No responders": nobody is there.
                break;
            }
        }
        Ok(present)
    })
}

/// Living workers, kept fresh.
#[derive(Debug, Clone, Default)]
pub struct Table {
    /// The bundle that is answered from: only predictors that have the same one count. None for those that have none.
    bundle: Option<Arc<String>>,
    workers: Arc<RwLock<HashMap<String, Seen>>>,
    /// What [`Table::predictors`] said last, until somebody announces something else.
    predictors: Arc<RwLock<Option<Listed>>>,
    /// Told at each announcement.
    noted: Arc<Notify>,
}

/// Names, and when they were listed.
type Listed = (Arc<[String]>, Instant);

#[derive(Debug, Clone)]
struct Seen {
    word: Announcement,
    at: Instant,
}

impl Table {
    /// An empty table of the workers that answer from `bundle`, or from none, and the task that keeps it fresh until
    /// `shutdown`; the caller owns the task. Whoever is there already is known within a second, or after [`Table::call`].
    ///
    /// # Errors
    /// [`BrokerError`] when the broker refuses the subscription.
    pub async fn follow(
        broker: &Broker,
        bundle: Option<Arc<String>>,
        shutdown: CancellationToken,
    ) -> Result<(Table, impl Future<Output = ()> + Send + 'static), BrokerError> {
        let words = broker.client.subscribe(subjects::ANNOUNCE).await;
        let mut words = words.map_err(|error| BrokerError::new("follow announcements", error))?;
        let table = Table { bundle, ..Table::default() };
        let own = table.clone();
        let task = async move {
            loop {
                let message = tokio::select! {
                    message = words.next() => message,
                    () = shutdown.cancelled() => return,
                };
                let Some(message) = message else { return };
                match envelope::decode::<Announcement>(&message.payload) {
                    Ok(word) => own.note(word, Instant::now()),
                    Err(error) => {
                        tracing::warn!(subject = %message.subject, "announcement passed over: {error}")
                    }
                }
            }
        };
        Ok((table, task))
    }

    /// Calls the roll, and notes everyone who answers.
    ///
    /// # Errors
    /// As [`roll_call`].
    pub async fn call(&self, broker: &Broker) -> Result<(), BrokerError> {
        let present = roll_call(broker).await?;
        present.into_iter().for_each(|word| self.note(word, Instant::now()));
        Ok(())
    }

    /// Waits until a predictor takes requests, at most `limit`.
    pub async fn wait_predictor(&self, limit: Duration) {
        let one_comes = async {
            loop {
                // Heard from here on, so that none is missed between the look and the wait.
                let noted = self.noted.notified();
                if !self.predictors().is_empty() {
                    return;
                }
                noted.await;
            }
        };
        // Without one, everybody waits as long as they would.
        let _ = tokio::time::timeout(limit, one_comes).await;
    }

    fn note(&self, word: Announcement, at: Instant) {
        let mut workers = self.workers.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        workers.retain(|_, seen| at.duration_since(seen.at) < GONE_AFTER);
        workers.insert(word.worker.clone(), Seen { word, at });
        drop(workers);
        self.list_anew();
        self.noted.notify_waiters();
    }

    fn list_anew(&self) {
        *self.predictors.write().unwrap_or_else(std::sync::PoisonError::into_inner) = None;
    }

    /// Strikes a worker that did not answer, until it announces itself again.
    pub fn forget(&self, worker: &str) {
        self.workers.write().unwrap_or_else(std::sync::PoisonError::into_inner).remove(worker);
        self.list_anew();
    }

    /// The living workers of one role, by name.
    pub fn alive(&self, role: Role) -> Vec<Announcement> {
        let workers = self.workers.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        let bundle = self.bundle.as_deref();
        let fresh = workers.values().filter(|seen| {
            seen.word.role == role && seen.at.elapsed() < GONE_AFTER && seen.word.bundle.as_ref() == bundle
        });
        let mut alive: Vec<Announcement> = fresh.map(|seen| seen.word.clone()).collect();
        alive.sort_by(|a, b| a.worker.cmp(&b.worker));
        alive
    }

    /// The version of messages in which to speak to a worker; the oldest to one that is not known.
    pub fn messages(&self, worker: &str) -> u16 {
        let workers = self.workers.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        workers.get(worker).map_or(envelope::NAMED, |seen| envelope::common(seen.word.messages))
    }

    /// The names of the predictors that take requests: ready and not leaving. Asked for at each prediction, so that it is
    /// worked out once for many.
    pub fn predictors(&self) -> Arc<[String]> {
        let known = self.predictors.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        if let Some((names, at)) = known
            && at.elapsed() < LISTED_FOR
        {
            return names;
        }
        // Held while they are listed: who announces itself meanwhile strikes the list right afterwards.
        let mut listed = self.predictors.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        let at = Instant::now();
        let alive = self.alive(Role::Predictor).into_iter();
        let names: Arc<[String]> =
            alive.filter(|word| word.ready && !word.draining).map(|word| word.worker).collect();
        *listed = Some((names.clone(), at));
        names
    }
}
