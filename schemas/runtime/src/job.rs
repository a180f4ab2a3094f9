//! The work queue, from a trainer: packs come out, leased, and are answered for.

use std::time::{Duration, Instant};

use async_nats::jetstream::consumer::PullConsumer;
use async_nats::jetstream::consumer::pull::BatchConfig;
use async_nats::jetstream::{self, AckKind};
use async_nats::{StatusCode, Subject, Subscriber};
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use schemas::envelope::{self, EnvelopeError};
use schemas::pack::Pack;
use schemas::subjects::{self, Priority};

use crate::broker::{Broker, BrokerError};
use crate::ledger::Landed;

/// Where a trainer gets its packs.
#[derive(Debug)]
pub struct JobSource {
    queues: Vec<Queue>,
    wake: Subscriber,
    broker: Broker,
}

/// The packs of one priority.
#[derive(Debug)]
struct Queue {
    consumer: PullConsumer,
    /// Where packs come in: subscribing anew for each handful costs the broker more than the packs do. None until packs are asked
    /// for, and after an answer that did not come to its end.
    inbox: Option<Inbox>,
    /// When it last had fewer packs than were wanted.
    emptied: Option<Instant>,
}

#[derive(Debug)]
struct Inbox {
    subject: Subject,
    subscriber: Subscriber,
}

/// The longest that packs of another priority are taken without a look at one that had no more.
const SKIPPED: Duration = Duration::from_millis(100);

/// The longest that the broker may take to say what waits.
const TAKE_LIMIT: Duration = Duration::from_secs(5);

/// The longest that an answer for a pack may take to be confirmed.
const CONFIRM_LIMIT: Duration = Duration::from_secs(10);

/// The longest an idle trainer goes without looking: bounds the delay of a redelivered pack.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

impl JobSource {
    /// Opens the queue of a declared topology.
    ///
    /// # Errors
    /// [`BrokerError`] when the topology is not there.
    pub fn open<'a>(broker: &'a Broker) -> BoxFuture<'a, Result<JobSource, BrokerError>> {
        Box::pin(async move {
            let mut queues = Vec::new();
            for priority in Priority::ALL {
                let consumer = crate::topology::open_consumer(broker, priority).await?;
                queues.push(Queue { consumer, inbox: None, emptied: None });
            }
            let wake = broker.client.subscribe(subjects::WAKE).await;
            let wake = wake.map_err(|error| BrokerError::new("subscribe to wake-up calls", error))?;
            Ok(JobSource { queues, wake, broker: broker.clone() })
        })
    }

    /// Up to `free_slots` packs, most urgent first: what waits now, or nothing.
    ///
    /// Only as many as can start at once are taken: the lease of a pack that lies in a buffer runs out.
    ///
    /// # Errors
    /// [`BrokerError`] when the broker does not answer.
    pub fn take<'a>(&'a mut self, free_slots: usize) -> BoxFuture<'a, Result<Vec<Job>, BrokerError>> {
        Box::pin(async move {
            if self.is_called() {
                self.queues.iter_mut().for_each(|queue| queue.emptied = None);
            }
            let mut jobs = Vec::new();
            let (promising, skipped): (Vec<_>, Vec<_>) =
                self.queues.iter_mut().partition(|queue| queue.may_have_some());
            // Where too little comes from the others, the skipped ones have their turn at once.
            for queue in promising.into_iter().chain(skipped) {
                if jobs.len() >= free_slots {
                    break;
                }
                match queue.take(&self.broker, free_slots, &mut jobs).await {
                    // What has come is kept: its leases run.
                    Err(_) if !jobs.is_empty() => break,
                    taken => taken?,
                }
            }
            Ok(jobs)
        })
    }

    /// Whether a wake-up call has come.
    fn is_called(&mut self) -> bool {
        let mut called = false;
        while let Some(Some(_)) = self.wake.next().now_or_never() {
            called = true;
        }
        called
    }

    /// Returns when it is worth looking again: at a wake-up call, or after two seconds.
    pub fn wait<'a>(&'a mut self) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            match tokio::time::timeout(LOOK_AGAIN, self.wake.next()).await {
                // One look answers all calls that came meanwhile.
                Ok(Some(_)) => {
                    self.is_called();
                    self.queues.iter_mut().for_each(|queue| queue.emptied = None);
                }
                Ok(None) => tokio::time::sleep(LOOK_AGAIN).await,
                Err(_) => {}
            }
        })
    }
}

impl Queue {
    fn may_have_some(&self) -> bool {
        self.emptied.is_none_or(|at| at.elapsed() > SKIPPED)
    }

    /// Adds packs until there are `most`.
    ///
    /// # Errors
    /// [`BrokerError`] when the broker does not answer; what came before has been added.
    async fn take(&mut self, broker: &Broker, most: usize, jobs: &mut Vec<Job>) -> Result<(), BrokerError> {
        let failed = |error: async_nats::Error| BrokerError::new("hand out packs", error);
        let lease = self.consumer.cached_info().config.ack_wait;
        self.emptied = None;
        let mut inbox = match self.inbox.take() {
            Some(inbox) => inbox,
            None => Inbox::open(broker).await.map_err(failed)?,
        };
        let wanted = BatchConfig { batch: most - jobs.len(), no_wait: true, ..BatchConfig::default() };
        let asked = self.consumer.request_batch(wanted, inbox.subject.clone()).await;
        asked.map_err(|error| failed(error.into()))?;
        while jobs.len() < most {
            // What asks a broker that has just died gets no answer at all.
            let next = tokio::time::timeout(TAKE_LIMIT, inbox.subscriber.next()).await;
            let next = next.map_err(|late| failed(late.into()))?;
            let message = next.ok_or_else(|| failed("the subscription ended".into()))?;
            match message.status {
                None | Some(StatusCode::OK) => {
                    let message = jetstream::Message { message, context: broker.jetstream.clone() };
                    jobs.push(Job { message, broker: broker.clone(), lease });
                }
                // There are no more.
                Some(StatusCode::NOT_FOUND | StatusCode::TIMEOUT) => break,
                Some(status) => {
                    let why = message.description.as_deref().unwrap_or_default();
                    return Err(failed(format!("{status} {why}").into()));
                }
            }
        }
        self.inbox = Some(inbox);
        self.emptied = (jobs.len() < most).then(Instant::now);
        Ok(())
    }
}

impl Inbox {
    async fn open(broker: &Broker) -> Result<Inbox, async_nats::Error> {
        let subject = Subject::from(broker.client.new_inbox());
        let subscriber = broker.client.subscribe(subject.clone()).await?;
        Ok(Inbox { subject, subscriber })
    }
}

/// A pack in the hands of a trainer, leased until it is finished, handed back or set aside.
#[derive(Debug, Clone)]
pub struct Job {
    message: jetstream::Message,
    broker: Broker,
    lease: Duration,
}

impl Job {
    /// The pack.
    ///
    /// # Errors
    /// [`EnvelopeError`] when the message is none that this release can read.
    pub fn pack(&self) -> Result<Pack, EnvelopeError> {
        envelope::decode(&self.message.payload)
    }

    /// Silence after which it goes to another trainer.
    pub fn lease(&self) -> Duration {
        self.lease
    }

    /// The message's bytes.
    pub fn payload(&self) -> &[u8] {
        &self.message.payload
    }

    /// Where it was published.
    pub fn subject(&self) -> &str {
        self.message.subject.as_str()
    }

    /// How often it has been delivered, this time included.
    pub fn deliveries(&self) -> u32 {
        self.message.info().map_or(1, |info| u32::try_from(info.delivered).unwrap_or(u32::MAX))
    }

    /// Its place in the JOBS stream.
    pub fn stream_sequence(&self) -> u64 {
        self.message.info().map_or(0, |info| info.stream_sequence)
    }

    /// Takes the pack off the queue, confirmed by the broker: its outcomes stand in the ledger.
    ///
    /// # Errors
    /// [`BrokerError`] when the confirmation does not come: the pack may be delivered again.
    pub async fn finish(&self, _: Landed) -> Result<(), BrokerError> {
        self.confirmed(AckKind::Ack, "take a finished pack off the queue").await
    }

    /// Takes the pack off the queue for good although it is not done, confirmed by the broker.
    ///
    /// # Errors
    /// [`BrokerError`] when the confirmation does not come.
    pub(crate) async fn set_aside(&self) -> Result<(), BrokerError> {
        self.confirmed(AckKind::Term, "take a dead pack off the queue").await
    }

    /// Hands the pack back, to be delivered again after `wait`.
    ///
    /// # Errors
    /// [`BrokerError`] when the broker cannot be told: the lease then runs out by itself.
    pub async fn hand_back(&self, wait: Duration) -> Result<(), BrokerError> {
        self.confirmed(AckKind::Nak(Some(wait)), "take a pack back").await
    }

    /// Renews the lease.
    ///
    /// # Errors
    /// [`BrokerError`] when the broker cannot be told.
    pub fn renew<'a>(&'a self) -> BoxFuture<'a, Result<(), BrokerError>> {
        Box::pin(async move {
            let sent = self.message.ack_with(AckKind::Progress).await;
            sent.map_err(|error| BrokerError::new("renew a lease", error))
        })
    }

    /// An acknowledgement as a request: unlike the client's `double_ack`, it does not take "nobody there" for a yes.
    async fn confirmed(&self, kind: AckKind, action: &str) -> Result<(), BrokerError> {
        let Some(reply) = self.message.reply.clone() else {
            return Err(BrokerError::new(action, "the message has no reply subject".to_owned()));
        };
        let asked = self.broker.client.request(reply, kind.into());
        match tokio::time::timeout(CONFIRM_LIMIT, asked).await {
            Ok(done) => done.map(|_| ()).map_err(|error| BrokerError::new(action, error)),
            Err(late) => Err(BrokerError::new(action, late)),
        }
    }
}
