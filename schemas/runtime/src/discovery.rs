//! The broker's service discovery (`nats micro ls`, `info`, `stats`): each worker answers `$SRV.PING`, `$SRV.INFO` and
//! `$SRV.STATS`, asked of all services, of those of its role, or of itself by its name.
//!
//! The client library's own services count only requests that they hand out themselves, and lose some when they stop.
//!
//! Source: NATS's ADR-32, "Service API".

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_nats::{Message, Subscriber};
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{SelectAll, select_all};
use schemas::announce::{Announcement, Role};
use schemas::subjects;
use schemas::time::format_ms;
use serde_json::{Value, json};

use crate::broker::{Broker, BrokerError};
use crate::clock::now_ms;
use crate::rpc::RequestError;

/// How long a worker may take to say that it is there, before it counts as one that is busy or frozen.
const PING_LIMIT: Duration = Duration::from_secs(1);

/// Whether a worker is connected to the broker, even if it does not answer.
pub async fn is_there(broker: &Broker, role: Role, worker: &str) -> bool {
    let [.., subject] = subjects::discovery("PING", &service(role), worker);
    let answer = broker.request(&subject, Bytes::new(), PING_LIMIT).await;
    !matches!(answer, Err(RequestError::NobodyThere { .. }))
}

/// What workers of a role are called as services.
fn service(role: Role) -> String {
    format!("scopeforge-{}", role.name())
}

/// Where a worker takes requests, and how they went.
#[derive(Debug)]
pub struct Endpoint {
    subject: String,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    requests: u64,
    errors: u64,
    took: Duration,
    last_error: String,
}

impl Endpoint {
    /// An endpoint that nobody has asked yet.
    pub fn new(subject: impl Into<String>) -> Endpoint {
        Endpoint { subject: subject.into(), counts: Mutex::default() }
    }

    /// Counts a request, how long it took, and the error that was answered, if one was.
    pub fn note(&self, took: Duration, error: Option<String>) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.requests += 1;
        counts.took += took;
        if let Some(error) = error {
            counts.errors += 1;
            counts.last_error = error;
        }
    }

    fn info(&self) -> Value {
        json!({"name": "infer", "subject": self.subject, "queue_group": "", "metadata": {}})
    }

    fn stats(&self) -> Value {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let nanoseconds = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let took = nanoseconds(counts.took);
        json!({
            "name": "infer",
            "subject": self.subject,
            "queue_group": "",
            "num_requests": counts.requests,
            "num_errors": counts.errors,
            "last_error": counts.last_error,
            "processing_time": took,
            "average_processing_time": took.checked_div(counts.requests).unwrap_or_default(),
        })
    }
}

/// What can be asked.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Verb {
    Ping,
    Info,
    Stats,
}

/// Which question a message is.
type Asked = fn(Message) -> Question;

/// A worker's place in the discovery.
pub(crate) struct Discovery {
    broker: Broker,
    name: String,
    id: String,
    version: String,
    started_ms: i64,
    endpoint: Option<Arc<Endpoint>>,
    questions: SelectAll<futures::stream::Map<Subscriber, Asked>>,
}

/// A question, and what it asks.
pub(crate) type Question = (Verb, Message);

impl Discovery {
    /// Joins as what `word` says.
    pub(crate) async fn join(
        broker: &Broker,
        word: &Announcement,
        endpoint: Option<Arc<Endpoint>>,
    ) -> Result<Discovery, BrokerError> {
        let name = service(word.role);
        let verbs: [(&str, Asked); 3] = [
            ("PING", |message| (Verb::Ping, message)),
            ("INFO", |message| (Verb::Info, message)),
            ("STATS", |message| (Verb::Stats, message)),
        ];
        let mut questions = Vec::new();
        for (verb, question) in verbs {
            for subject in subjects::discovery(verb, &name, &word.worker) {
                let asked = broker.client.subscribe(subject).await;
                let asked = asked.map_err(|error| BrokerError::new("join the service discovery", error))?;
                questions.push(asked.map(question));
            }
        }
        Ok(Discovery {
            broker: broker.clone(),
            name,
            id: word.worker.clone(),
            version: word.version.clone(),
            started_ms: now_ms(),
            endpoint,
            questions: select_all(questions),
        })
    }

    /// The next question.
    pub(crate) async fn next(&mut self) -> Option<Question> {
        self.questions.next().await
    }

    /// Answers a question.
    pub(crate) async fn answer(&self, (verb, message): Question) {
        let Some(reply) = message.reply else { return };
        let payload = Bytes::from(self.reply(verb).to_string());
        if let Err(error) = self.broker.client.publish(reply, payload).await {
            tracing::debug!(%error, "service discovery not answered");
        }
    }

    fn reply(&self, verb: Verb) -> Value {
        let kind = match verb {
            Verb::Ping => "ping",
            Verb::Info => "info",
            Verb::Stats => "stats",
        };
        let mut reply = json!({
            "type": format!("io.nats.micro.v1.{kind}_response"),
            "name": self.name,
            "id": self.id,
            "version": self.version,
            "metadata": {"worker": self.id},
        });
        match verb {
            Verb::Ping => {}
            Verb::Info => {
                reply["description"] = json!("a Scopeforge worker");
                reply["endpoints"] = self.endpoint.iter().map(|endpoint| endpoint.info()).collect();
            }
            Verb::Stats => {
                reply["started"] = json!(format_ms(self.started_ms));
                reply["endpoints"] = self.endpoint.iter().map(|endpoint| endpoint.stats()).collect();
            }
        }
        reply
    }
}
