//! Predictors and trainers in the broker's service discovery (`nats micro ls`, `info`, `stats`).

use std::collections::BTreeSet;

use futures::StreamExt;
use serde_json::{Value, json};
use tests::shops::{name, row};
use tests::{Setup, Stack, until};

const SHOPS: usize = 8;

/// All answers to an empty request on a subject, at least so many.
async fn asked(client: &async_nats::Client, subject: &str, answers: usize) -> Vec<Value> {
    let found = until("the services answering", || async {
        let inbox = client.new_inbox();
        let mut replies = client.subscribe(inbox.clone()).await.expect("the broker takes it");
        let subject = subject.to_owned();
        client.publish_with_reply(subject, inbox, "".into()).await.expect("the broker takes it");
        let mut found = Vec::new();
        while found.len() < answers {
            let reply = replies.next().await.expect("an answer");
            if reply.status.is_some() {
                return None;
            }
            found.push(serde_json::from_slice(&reply.payload).expect("JSON"));
        }
        Some(found)
    });
    found.await
}

/// The only answer.
async fn one(client: &async_nats::Client, subject: &str) -> Value {
    asked(client, subject, 1).await.remove(0)
}

#[tokio::test]
async fn workers_are_found_and_tell_what_they_have_done() {
    let stack = Stack::start(Setup { predictors: 2, ..Setup::default() }).await;
    stack.add_shops(SHOPS, "").await;
    stack.train_shops("shop=*", SHOPS).await;
    let client = stack.nats.client().await;

    // Everyone: a trainer and two predictors.
    let pongs = asked(&client, "$SRV.PING", 3).await;
    let version = env!("CARGO_PKG_VERSION");
    let mut names: Vec<&str> = Vec::new();
    for pong in &pongs {
        assert_eq!(pong["type"], "io.nats.micro.v1.ping_response", "{pong}");
        assert_eq!(pong["version"], version, "{pong}");
        assert!(pong["metadata"]["worker"] == pong["id"] && pong["id"].is_string(), "{pong}");
        names.push(pong["name"].as_str().expect("a name"));
    }
    names.sort_unstable();
    assert_eq!(names, ["scopeforge-predictor", "scopeforge-predictor", "scopeforge-trainer"]);

    // By kind, and by itself.
    let known = asked(&client, "$SRV.INFO.scopeforge-predictor", 2).await;
    let ids: BTreeSet<&str> = known.iter().map(|info| info["id"].as_str().expect("an id")).collect();
    assert_eq!(ids.len(), 2);
    for id in &ids {
        let info = one(&client, &format!("$SRV.INFO.scopeforge-predictor.{id}")).await;
        let endpoint =
            json!({"name": "infer", "subject": format!("infer.{id}"), "queue_group": "", "metadata": {}});
        let expected = json!({"type": "io.nats.micro.v1.info_response", "name": "scopeforge-predictor", "id": id,
            "version": version, "metadata": {"worker": id}, "description": info["description"], "endpoints": [endpoint]});
        assert_eq!(info, expected);
        assert!(info["description"].as_str().is_some_and(|text| !text.is_empty()), "{info}");
    }
    let trainer = one(&client, "$SRV.INFO.scopeforge-trainer").await;
    assert_eq!(trainer["endpoints"], json!([]), "it takes packs from the queue and no requests");

    // What they have done: a request that cannot be read is an error.
    let before = counted(&client, &ids).await;
    let rows: Vec<Value> = (0..SHOPS).map(|shop| row(&name(shop), 1.0)).collect();
    let body = json!({ "rows": rows }).to_string();
    for _ in 0..5 {
        assert_eq!(stack.predict("shops", body.clone()).await.0, 200);
    }
    let id = ids.first().expect("an id");
    client.request(format!("infer.{id}"), "no request".into()).await.expect("a refusal");
    let after = counted(&client, &ids).await;
    let more: Vec<(u64, u64)> = before.iter().zip(&after).map(|(b, a)| (a.0 - b.0, a.1 - b.1)).collect();
    assert_eq!((more[0].1, more[1].1), (1, 0), "errors of {more:?}");
    assert!(more[0].0 + more[1].0 > 5, "requests of {more:?}");

    let gone = client.request("$SRV.PING.scopeforge-nobody", "".into()).await;
    assert!(gone.is_err(), "somebody answers for a service that is not there: {gone:?}");
}

/// Requests and errors of the predictors, whose numbers must fit together.
async fn counted(client: &async_nats::Client, ids: &BTreeSet<&str>) -> Vec<(u64, u64)> {
    let mut counted = Vec::new();
    for id in ids {
        let stats = one(client, &format!("$SRV.STATS.scopeforge-predictor.{id}")).await;
        assert_eq!(stats["type"], "io.nats.micro.v1.stats_response", "{stats}");
        assert_eq!((&stats["id"], &stats["metadata"]["worker"]), (&json!(id), &json!(id)), "{stats}");
        let started = stats["started"].as_str().expect("a time");
        assert!(started.starts_with("20") && started.ends_with('Z'), "{stats}");
        let endpoint = &stats["endpoints"][0];
        assert_eq!(
            (&endpoint["name"], &endpoint["subject"]),
            (&json!("infer"), &json!(format!("infer.{id}")))
        );
        let number = |name: &str| endpoint[name].as_u64().unwrap_or_else(|| panic!("{name} in {stats}"));
        let (requests, errors) = (number("num_requests"), number("num_errors"));
        let (all_ns, mean_ns) = (number("processing_time"), number("average_processing_time"));
        assert_eq!(mean_ns, all_ns.checked_div(requests).unwrap_or_default(), "{stats}");
        assert_eq!((all_ns > 0, errors > 0), (requests > 0, endpoint["last_error"] != ""), "{stats}");
        counted.push((requests, errors));
    }
    counted
}
