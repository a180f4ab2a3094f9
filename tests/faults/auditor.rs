//! The auditor itself: it objects to each kind of loss, made by hand.

use std::sync::Arc;

use anyhow::{Result, ensure};
use async_nats::jetstream::Context as JetStream;

use crate::audit::{Audit, audit};
use crate::crew::Crew;
use crate::data::Data;
use crate::field::Field;
use crate::raw::{self, Store};
use crate::server::Server;
use crate::{Mode, Ran};

pub(crate) async fn run(mode: Mode) -> Result<Ran> {
    let nats = Server::nats().await;
    let data = Data { groups: 8, per_group: 50, rows: 11 };
    let field = Arc::new(Field::new(nats.nats_url(), data, mode.seed));
    let crew = Crew::plain(&field, 1);
    field.declared().await;
    field.add_model("", "").await;
    field.order_some(8, &["--wait"]).await;
    let clean = audit(&field).await?;
    crew.stop().await;
    ensure!(clean.losses == 0, "{:?}", clean.told);
    let js = raw::jetstream(&field.url).await?;
    blobs(&field).await?;
    ledger(&field, &js).await?;
    record(&field, &js).await?;
    field.note("it objected to a lost, damaged and exchanged blob, a lost and a doubled landing, a wrong and a lost record");
    Ok(Ran { field, kills: 0, audit: clean })
}

async fn objects(field: &Arc<Field>, words: &str) -> Result<()> {
    let Audit { told, .. } = audit(field).await?;
    ensure!(told.iter().any(|told| told.contains(words)), "{words:?} is not among {told:?}");
    Ok(())
}

async fn blobs(field: &Arc<Field>) -> Result<()> {
    let mut store = Store::open(&field.store_itself).await?;
    let names = store.list().await?;
    let [one, other] = [&names[0], &names[1]];
    let whole = store.get(one).await?.unwrap_or_default();
    let mut damaged = whole.clone();
    damaged[whole.len() / 2] ^= 1;
    store.put(one, &damaged).await?;
    objects(field, "has other bytes than its name says").await?;
    let foreign = store.get(other).await?.unwrap_or_default();
    store.put(one, &foreign).await?;
    objects(field, "has other bytes than its name says").await?;
    store.remove(one).await?;
    objects(field, "is not in the store").await?;
    store.put(one, &whole).await
}

async fn ledger(field: &Arc<Field>, js: &JetStream) -> Result<()> {
    let landings = raw::messages(js, "LEDGER").await?;
    let (place, subject, payload) = &landings[0];
    js.publish(subject.clone(), payload.clone()).await?.await?;
    objects(field, "has a second landing").await?;
    let stream = js.get_stream("LEDGER").await?;
    stream.delete_message(landings.len() as u64 + 1).await?;
    stream.delete_message(*place).await?;
    objects(field, "scopes without an outcome").await?;
    js.publish(subject.clone(), payload.clone()).await?.await?;
    Ok(())
}

async fn record(field: &Arc<Field>, js: &JetStream) -> Result<()> {
    let (_, subject, payload) = raw::messages(js, "KV_campaigns").await?.remove(0);
    let mut message: serde_json::Value = rmp_serde::from_slice(&payload)?;
    let trained = &mut message["body"]["closed"]["tally"]["outcomes"]["trained"];
    *trained = (trained.as_u64().unwrap_or_default() + 1).into();
    js.publish(subject.clone(), rmp_serde::to_vec_named(&message)?.into()).await?.await?;
    objects(field, "its record says").await?;
    js.get_stream("KV_campaigns").await?.purge().await?;
    objects(field, "which is not on record").await
}
