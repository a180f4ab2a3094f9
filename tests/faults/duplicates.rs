//! Messages of the queue are copied under other subjects, and landings are published again: nothing changes.

use std::sync::Arc;

use anyhow::{Result, ensure};
use async_nats::jetstream::{Context as JetStream, message::PublishMessage};
use serde_json::Value;

use crate::audit::audit;
use crate::crew::Crew;
use crate::data::Data;
use crate::field::Field;
use crate::server::Server;
use crate::{Mode, Ran, raw};

type Messages = Vec<(u64, String, bytes::Bytes)>;

pub(crate) async fn run(mode: Mode) -> Result<Ran> {
    let nats = Server::nats().await;
    let data = Data { groups: 8, per_group: mode.choose(200, 50), rows: 11 };
    let mut field = Field::new(nats.nats_url(), data, mode.seed);
    field.copied_landings = true;
    let field = Arc::new(field);
    let crew = Crew::plain(&field, 1);
    field.declared().await;
    crew.stop().await;
    field.add_model("[limits]\nattempts = 49", "").await;
    let mut ids = Vec::new();
    for count in [8, 5, 8, 3] {
        ids.extend(field.order_some(count, &["--force"]).await);
    }
    let js = raw::jetstream(&field.url).await?;
    let waiting = raw::messages(&js, "JOBS").await?;
    let mut copies = 0;
    copies += again(&field, &js, &waiting, (5, 0)).await?;
    let crew = Crew::plain(&field, 2);
    // While the packs land, landings are written once more.
    for _ in 0..4 {
        landings_again(&field, &js).await?;
        field.chance.wait(50, 200).await;
    }
    for id in &ids {
        field.enqueue(&["campaign", "watch", id]).await.ok();
    }
    tests::until("all copies being worked off", || async {
        raw::unfinished(&js).await.is_ok_and(|u| u == (0, 0)).then_some(())
    })
    .await;
    let before = view(&field, &ids).await;
    copies += again(&field, &js, &waiting, (2, copies)).await?;
    landings_again(&field, &js).await?;
    tests::until("all copies being worked off", || async {
        raw::unfinished(&js).await.is_ok_and(|u| u == (0, 0)).then_some(())
    })
    .await;
    let after = view(&field, &ids).await;
    ensure!(before == after, "copies changed what is shown: {before}\n{after}");
    field.note(format!("{copies} copies of {} packs", waiting.len()));
    // Trainers that see the copies from the beginning, and a campaign that asks for what there is.
    crew.stop().await;
    let crew = Crew::plain(&field, 2);
    field.order_some(8, &["--wait"]).await;
    let audit = audit(&field).await?;
    crew.stop().await;
    Ok(Ran { field, kills: 0, audit })
}

/// Queues `times` copies of packs in random order under other subjects; returns how many.
async fn again(
    field: &Field,
    js: &JetStream,
    packs: &Messages,
    (times, from): (usize, usize),
) -> Result<usize> {
    let mut copies: Vec<bytes::Bytes> =
        packs.iter().flat_map(|(_, _, payload)| std::iter::repeat_n(payload.clone(), times)).collect();
    field.chance.shuffle(&mut copies);
    for (place, payload) in copies.iter().enumerate() {
        js.publish(format!("jobs.normal.again.{}", from + place), payload.clone()).await?.await?;
    }
    Ok(copies.len())
}

/// Publishes every landing that there is to its own subject once more.
async fn landings_again(field: &Field, js: &JetStream) -> Result<()> {
    let mut landings = raw::messages(js, "LEDGER").await?;
    landings.dedup_by(|a, b| a.1 == b.1);
    field.chance.shuffle(&mut landings);
    for (place, subject, payload) in landings.into_iter().take(100) {
        let message = PublishMessage::build().payload(payload);
        let message = message.message_id(format!("again-{place}-{}", field.chance.below(1_000_000)));
        js.send_publish(subject, message).await?.await?;
    }
    Ok(())
}

/// What operators see.
async fn view(field: &Field, ids: &[String]) -> Value {
    let mut all = Vec::new();
    for id in ids {
        all.push(field.enqueue(&["campaign", "show", id]).await.ok().json());
    }
    all.push(field.enqueue(&["fits", "m"]).await.ok().json());
    Value::Array(all)
}
