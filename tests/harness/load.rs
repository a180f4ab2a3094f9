//! Clients that ask without a pause.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::wait::until;

/// What is wrong with an answer, if anything is.
pub type Check = Arc<dyn Fn(&Value) -> Option<String> + Send + Sync>;

/// What one client asks and expects.
#[derive(Clone)]
pub struct Asks {
    /// Where, in the order in which it tries: it goes on to the next one when an address takes no connections any more.
    pub urls: Vec<String>,
    /// The JSON body.
    pub body: String,
    /// What must be so of each answer.
    pub problem_of: Check,
}

/// Clients under way, each of which keeps its connection and asks again as soon as it is answered.
#[derive(Debug)]
pub struct Load {
    answers: Vec<Arc<AtomicU64>>,
    clients: JoinSet<()>,
    enough: CancellationToken,
}

impl Load {
    /// Starts one client for each of these.
    pub fn start(asks: Vec<Asks>) -> Load {
        let mut load =
            Load { answers: Vec::new(), clients: JoinSet::new(), enough: CancellationToken::new() };
        for one in asks {
            let answers = Arc::new(AtomicU64::new(0));
            load.answers.push(answers.clone());
            load.clients.spawn(ask(one, answers, load.enough.clone()));
        }
        load
    }

    /// Waits until every client has so many more answers; panics when one was not answered, or wrongly.
    pub async fn more(&mut self, answers: u64) {
        let before = self.answers();
        until("more answers", || {
            while let Some(ended) = self.clients.try_join_next() {
                ended.expect("the client goes on");
            }
            let all = self.answers().iter().zip(&before).all(|(now, before)| *now >= before + answers);
            std::future::ready(all.then_some(()))
        })
        .await;
    }

    /// How many answers each client has had.
    pub fn answers(&self) -> Vec<u64> {
        self.answers.iter().map(|count| count.load(Ordering::Relaxed)).collect()
    }

    /// Ends all clients when they have their last answers; panics as [`Load::more`] does.
    pub async fn end(mut self) {
        self.enough.cancel();
        while let Some(ended) = self.clients.join_next().await {
            ended.expect("the client ends");
        }
    }
}

async fn ask(asks: Asks, answers: Arc<AtomicU64>, enough: CancellationToken) {
    let http = reqwest::Client::new();
    let mut urls = asks.urls.iter().peekable();
    while !enough.is_cancelled() {
        let url = *urls.peek().expect("somebody takes connections");
        let asked = http.post(url).header("content-type", "application/json").body(asks.body.clone());
        let answer = match asked.send().await {
            Ok(answer) => answer,
            // Nobody has taken this one: it is none of those that must not be lost.
            Err(error) if error.is_connect() => {
                urls.next();
                continue;
            }
            Err(error) => panic!("a request to {url} was lost: {error:?}"),
        };
        let status = answer.status().as_u16();
        let answer =
            answer.bytes().await.unwrap_or_else(|error| panic!("half an answer of {url}: {error:?}"));
        let text = || String::from_utf8_lossy(&answer).chars().take(1_000).collect::<String>();
        assert_eq!(status, 200, "{url}: {}", text());
        let answer: Value = serde_json::from_slice(&answer).unwrap_or_else(|_| panic!("{url}: {}", text()));
        if let Some(problem) = (asks.problem_of)(&answer) {
            panic!("{url}: {problem}");
        }
        answers.fetch_add(1, Ordering::Relaxed);
    }
}

/// How many predictions the gateway on a port has not answered yet.
pub async fn predictions_open(port: u16) -> u64 {
    let metrics = reqwest::get(format!("http://127.0.0.1:{port}/metrics")).await.expect("an answer");
    let metrics = metrics.text().await.expect("a body");
    let name = "scopeforge_requests_open{route=\"/v1/models/{model}/predict\"} ";
    let number = metrics.lines().find_map(|line| line.strip_prefix(name)).expect("a number");
    number.parse().expect("a number")
}
