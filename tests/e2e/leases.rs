//! Leases: a pack stays with the trainer that works on it, however long that takes.

use futures::StreamExt;
use serde_json::json;
use tests::wait::LIMIT;
use tests::{Setup, Stack, flights, settled};
use tokio::time::timeout;

/// Signs of life of a pack's trainer: they come three times in the length of a lease.
const SIGNS: usize = 8;

/// How often a message was delivered, by the subject that it is answered on:
/// `$JS.ACK.<stream>.<consumer>.<times>.<sequence>.<sequence>.<time>.<left>`.
fn deliveries(subject: &str) -> u32 {
    let times = subject.split('.').nth(4).expect("a subject of answers");
    times.parse().expect("a number")
}

/// A learner that computes for longer than two leases, while another trainer waits for work.
#[tokio::test]
async fn a_pack_that_takes_longer_than_its_lease_stays_where_it_is() {
    let mut stack =
        Stack::start(Setup { trainers: 0, gateway: false, predictors: 0, ..Setup::default() }).await;
    stack.add_model(&flights::spec()).await;
    let client = stack.nats.client().await;
    let mut answers = client.subscribe("$JS.ACK.JOBS.>").await.expect("listening");
    settled(&client).await;
    let busy = [("FAULT_POISON", "loop:carrier=UA"), ("SCOPEFORGE_LEASE_SECONDS", "1")];
    stack.add_faulty_trainer(&busy).await;
    let ordered = stack.ask(&["train", "arrival_delay", "--scope", "carrier=UA"]).await;
    for sign in 0..SIGNS {
        let answer = timeout(LIMIT, answers.next()).await.expect("a sign of life").expect("the broker");
        assert_eq!((deliveries(&answer.subject), &answer.payload[..]), (1, &b"+WPI"[..]));
        if sign == 0 {
            // Somebody else, who would take it.
            stack.add_trainer().await;
        }
    }
    let lag = stack.ask(&["lag"]).await;
    assert_eq!((&lag["trainers"], &lag["in_flight"], &lag["pending"]), (&json!(2), &json!(1), &json!(0)));
    let ended = stack.ask(&["campaign", "cancel", ordered["id"].as_str().expect("an id")]).await;
    assert_eq!(ended["outcomes"], json!({"cancelled": 1}));
}
