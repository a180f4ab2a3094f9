//! Keepers that died between two of their steps: the next one finishes, and what was done is not done again.

use std::time::Duration;

use runtime::broker::{Broker, ConnectRequest};
use runtime::{bucket, campaigns, channels, jobs, ledger, plans};
use schemas::campaign::Campaign;
use schemas::envelope;
use schemas::outcome::{Landing, OutcomeKind};
use schemas::pack::Pack;
use serde_json::{Value, json};
use tests::{Setup, Stack, flights, until};
use tokio_util::sync::CancellationToken;

/// A stack without trainers, and a connection such as a keeper has.
async fn stack() -> (Stack, Broker) {
    let setup = Setup { trainers: 0, gateway: false, predictors: 0, ..Setup::default() };
    let stack = Stack::start(setup).await;
    stack.add_model(&flights::spec()).await;
    let patience = Some(Duration::from_secs(10));
    let request = ConnectRequest { url: stack.nats.url(), name: "test".into(), patience };
    let broker = Broker::connect(&request, &CancellationToken::new()).await.expect("a broker");
    (stack, broker)
}

/// Orders a campaign of several packs; gives its record and its packs.
async fn order(stack: &Stack, broker: &Broker, more: &[&str]) -> (Campaign, Vec<Pack>) {
    let order = ["train", "arrival_delay", "--scope", "carrier=*,origin=*"];
    let ordered = stack.ask(&[&order[..], more].concat()).await;
    let id = ordered["id"].as_str().expect("an id");
    let records = bucket::campaigns(broker).await.expect("the bucket");
    let campaign = records.get(id).await.expect("read").expect("on record").value;
    let mut packs = Vec::new();
    for pack in 0..campaign.packs {
        let planned = plans::get(broker, id, pack).await.expect("read").expect("planned");
        packs.push(envelope::decode(&planned).expect("a pack"));
    }
    (campaign, packs)
}

async fn land(broker: &Broker, campaign: &Campaign, packs: &[Pack], kind: OutcomeKind) {
    for pack in packs {
        let landing = Landing::without_fits(&campaign.spec, pack, (kind, "by the test"), "test", 1);
        assert!(ledger::land(broker, &landing).await.expect("landed").first);
    }
}

/// The campaign when it has ended.
async fn ended(stack: &Stack, id: &str) -> Value {
    until("the campaign ending", || async {
        let shown = stack.ask(&["campaign", "show", id]).await;
        (shown["state"] != "running" && shown["landed_packs"] == shown["packs"]).then_some(shown)
    })
    .await
}

async fn no_plans(broker: &Broker, id: &str) {
    until("the packs being forgotten", || async {
        plans::get(broker, id, 0).await.expect("read").is_none().then_some(())
    })
    .await;
}

/// Dead after the last landing, and after moving the channel: the record is closed, the channel names the campaign once.
#[tokio::test]
async fn a_channel_that_was_moved_is_not_moved_again() {
    let (mut stack, broker) = stack().await;
    let more = ["--publish", "together", "--channel", "next"];
    let (campaign, packs) = order(&stack, &broker, &more).await;
    land(&broker, &campaign, &packs, OutcomeKind::TooFewRows).await;
    let buckets = bucket::channels(&broker).await.expect("the bucket");
    channels::promote_all(&broker, &buckets, ("arrival_delay", "next"), std::slice::from_ref(&campaign.id))
        .await
        .expect("moved");
    stack.add_trainer().await;
    let closed = ended(&stack, &campaign.id).await;
    assert_eq!(
        (&closed["state"], closed["outcomes"]["too_few_rows"].as_u64()),
        (&json!("complete"), Some(campaign.planned))
    );
    let channel = channels::read(&buckets, "arrival_delay", "next").await.expect("read");
    assert_eq!(channel.campaigns, std::slice::from_ref(&campaign.id));
    no_plans(&broker, &campaign.id).await;
}

/// Dead after marking a campaign as cancelled, with some packs landed and some taken off the queue.
#[tokio::test]
async fn a_half_cancelled_campaign_is_cancelled_to_its_end() {
    let (mut stack, broker) = stack().await;
    let (campaign, packs) = order(&stack, &broker, &[]).await;
    assert!(packs.len() > 1, "several packs");
    land(&broker, &campaign, &packs[..1], OutcomeKind::Cancelled).await;
    let records = bucket::campaigns(&broker).await.expect("the bucket");
    campaigns::cancel(&records, &campaign.id).await.expect("marked");
    stack.add_trainer().await;
    let closed = ended(&stack, &campaign.id).await;
    assert_eq!(closed["outcomes"], json!({"cancelled": campaign.planned}), "{closed}");
    assert!(jobs::waiting(&broker, &campaign.id).await.expect("looked").is_empty());
    no_plans(&broker, &campaign.id).await;
}

/// Dead after closing the record: the packs that nobody needs any more are forgotten by the next keeper.
#[tokio::test]
async fn packs_of_an_ended_campaign_are_forgotten() {
    let (mut stack, broker) = stack().await;
    let (campaign, packs) = order(&stack, &broker, &[]).await;
    land(&broker, &campaign, &packs, OutcomeKind::TooFewRows).await;
    stack.add_trainer().await;
    ended(&stack, &campaign.id).await;
    no_plans(&broker, &campaign.id).await;
    stack.trainers.pop().expect("a trainer").stop().await;
    let again = jobs::messages(&packs).expect("messages");
    // Another name: the broker drops a message that it has seen a moment ago.
    let copies: Vec<jobs::Message> =
        again.into_iter().map(|message| jobs::Message { pack: message.pack + 1_000, ..message }).collect();
    plans::store(&broker, &campaign.id, &copies).await.expect("stored");
    assert!(plans::get(&broker, &campaign.id, 1_000).await.expect("read").is_some());
    stack.add_trainer().await;
    until("the packs being forgotten again", || async {
        plans::get(&broker, &campaign.id, 1_000).await.expect("read").is_none().then_some(())
    })
    .await;
}
