//! Gateways and predictors of different releases: they speak the newest version of messages that both read.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt;
use schemas::announce::Announcement;
use schemas::column::{Column, TextColumn};
use schemas::predict::{NO_FIT, NamedColumn, PredictReply, PredictRequest, Predictions, Refusal, UsedFit};
use schemas::scope::Scope;
use schemas::{envelope, subjects};
use serde_json::{Value, json};
use tests::shops::{name, row, sold};
use tests::{Setup, Stack, settled, until};

/// What a predictor of the first release said of itself, byte for byte.
const FIRST: &[u8] = include_bytes!("../../schemas/golden/v1/announcement");

/// A gateway that writes one version is answered in that version, and the same.
#[tokio::test]
async fn a_gateway_of_any_release_is_answered_in_its_version() {
    let stack = Stack::start(Setup::default()).await;
    stack.add_shops(1, "").await;
    stack.train_shops("shop=*", 1).await;
    let client = stack.nats.client().await;
    let mut words =
        client.subscribe(subjects::announce("predictor", "*")).await.expect("the broker takes it");
    let word = words.next().await.expect("a predictor announces itself");
    let predictor: Announcement = envelope::decode(&word.payload).expect("an announcement");
    assert_eq!(predictor.messages, envelope::NEWEST);
    let ask = async |version: u16, request: &PredictRequest| {
        let payload = envelope::encode_as(version, [request].as_slice()).expect("it serialises");
        let answer =
            client.request(subjects::infer(&predictor.worker), payload.into()).await.expect("an answer");
        envelope::decode_versioned::<Vec<PredictReply>>(&answer.payload).expect("replies")
    };
    let shop = Column::Text(TextColumn::from_rows([Some("shop0"), None]));
    let request = PredictRequest {
        model: "shops".into(),
        channel: "live".into(),
        state: None,
        explain: false,
        bundle: None,
        rows: 2,
        columns: vec![NamedColumn::new("shop", shop), NamedColumn::new("x", Column::Number(vec![3.0, 4.0]))],
    };
    for version in envelope::NAMED..=envelope::NEWEST {
        let (found, replies) = ask(version, &request).await;
        let [PredictReply::Done(done)] = replies.as_slice() else { panic!("refused: {replies:?}") };
        assert_eq!((found, done.fit_of.as_slice()), (version, [0, NO_FIT].as_slice()));
        assert!((done.values[0] - sold(0, 3.0)).abs() < 1e-6, "{done:?}");
    }
    // One that is newer than any is told so in words that it reads.
    let (found, replies) = ask(envelope::NEWEST + 1, &request).await;
    let [PredictReply::Refused(Refusal::BadRequest { problem })] = replies.as_slice() else {
        panic!("not refused: {replies:?}")
    };
    assert!(found == envelope::NAMED && problem.contains("upgrade this process"), "{problem}");
}

/// A predictor that announces these bytes and answers 7 to every row; the versions in which it was asked.
struct Other {
    task: tokio::task::JoinHandle<()>,
    versions: Arc<Mutex<BTreeSet<u16>>>,
}

impl Drop for Other {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Other {
    async fn start(stack: &Stack, word: Vec<u8>) -> Other {
        let own: Announcement = envelope::decode(&word).expect("an announcement");
        let client = stack.nats.client().await;
        let mut requests = client.subscribe(subjects::infer(&own.worker)).await.expect("the broker takes it");
        settled(&client).await;
        let versions = Arc::new(Mutex::new(BTreeSet::new()));
        let asked = versions.clone();
        let task = tokio::spawn(async move {
            let mut beats = tokio::time::interval(Duration::from_millis(500));
            loop {
                let (subject, payload) = tokio::select! {
                    _ = beats.tick() => (subjects::announce("predictor", &own.worker).into(), word.clone()),
                    Some(message) = requests.next() => {
                        let (version, answer) = sevens(&message.payload);
                        asked.lock().expect("one looks at a time").insert(version);
                        (message.reply.expect("a place for the answer"), answer)
                    }
                };
                client.publish(subject, payload.into()).await.expect("the broker takes it");
            }
        });
        Other { task, versions }
    }
}

/// The version of a message, and the answer 7 to each of its rows, in the same.
fn sevens(message: &[u8]) -> (u16, Vec<u8>) {
    let (version, asked) = envelope::decode_versioned::<Vec<PredictRequest>>(message).expect("requests");
    let fit = UsedFit {
        scope: Scope::new([("shop", "shop0")]),
        level: 0,
        fingerprint: "f".into(),
        campaign: "c".into(),
        trained_at_ms: 0,
        classes: Vec::new(),
        scores: 0,
    };
    let answer = |one: &PredictRequest| {
        let (values, fit_of) = (vec![7.0; one.rows as usize], vec![0; one.rows as usize]);
        PredictReply::Done(Predictions {
            values,
            fit_of,
            fits: vec![fit.clone().into()],
            ..Predictions::default()
        })
    };
    let replies: Vec<PredictReply> = asked.iter().map(answer).collect();
    (version, envelope::encode_as(version, &replies).expect("it serialises"))
}

/// What one says of itself who reads up to this version.
fn reading(messages: u16) -> Vec<u8> {
    let first: Announcement = envelope::decode(FIRST).expect("an announcement");
    envelope::encode(&Announcement { messages, worker: format!("predictor-of-{messages}"), ..first })
        .expect("it serialises")
}

#[tokio::test]
async fn a_predictor_of_any_release_is_asked_in_a_version_that_it_reads() {
    let known = [(FIRST.to_vec(), 1), (reading(1), 1), (reading(2), 2), (reading(99), envelope::NEWEST)];
    for (word, version) in known {
        let stack = Stack::start(Setup { predictors: 0, ..Setup::default() }).await;
        stack.add_shops(1, "").await;
        let other = Other::start(&stack, word).await;
        let body = json!({"rows": [row(&name(0), 3.0)]}).to_string();
        let answer: Value = until("an answer", || async {
            let (status, answer) = stack.predict("shops", body.clone()).await;
            (status == 200).then_some(answer)
        })
        .await;
        assert_eq!(answer["predictions"], json!([7.0]));
        assert_eq!(*other.versions.lock().expect("one looks at a time"), BTreeSet::from([version]));
    }
}
