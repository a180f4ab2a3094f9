//! The auditor: what must hold after every scenario, read from streams, buckets and store as they lie there.
//!
//! It shares no code with what it examines, except the form of a blob and of a fit.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use async_nats::jetstream::Context as JetStream;
use serde_json::Value;

use crate::blobs;
use crate::crew::Crew;
use crate::field::Field;
use crate::raw;

/// The longest that everything may take to come to rest after the last fault.
const REST_WITHIN: Duration = Duration::from_secs(90);

/// Losses that are told in words; all of them are counted.
const LOSSES_TOLD: usize = 20;

/// Where a fit is said to be: scope, fingerprint, blob, place in it.
pub(crate) type Named = (String, String, String, u64);

/// What the auditor saw.
#[derive(Debug, Default)]
pub(crate) struct Audit {
    pub(crate) campaigns: usize,
    /// Scopes of the campaigns on record, as the scenario knows them.
    pub(crate) planned: u64,
    pub(crate) outcomes: BTreeMap<String, u64>,
    /// Packs that landed.
    pub(crate) landings: usize,
    /// How often packs were learned more often than they landed.
    pub(crate) repeated: usize,
    /// Blobs that no outcome names.
    pub(crate) orphans: usize,
    pub(crate) losses: usize,
    pub(crate) told: Vec<String>,
}

impl Audit {
    /// Remembers something that must not be.
    pub(crate) fn lost(&mut self, what: impl Into<String>) {
        self.losses += 1;
        if self.told.len() < LOSSES_TOLD {
            self.told.push(what.into());
        }
    }

    fn unless(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.lost(what());
        }
    }
}

/// Waits until everything has come to rest and examines it. A trainer must live.
pub(crate) async fn audit(field: &std::sync::Arc<Field>) -> Result<Audit> {
    let js = raw::jetstream(&field.url).await?;
    let mut audit = Audit::default();
    rest(&js, &mut audit).await?;
    forgotten(field, &js, &mut audit).await?;
    let records = raw::bucket(&js, "campaigns").await?;
    let mut landings = landings(field, &js, &mut audit).await?;
    recorded(field, &records, &mut audit);
    let mut named = BTreeSet::new();
    for (id, record) in &records {
        let own = landings.remove(id).unwrap_or_default();
        campaign(field, (id, record), &own, (&mut named, &mut audit));
    }
    for id in landings.keys() {
        audit.lost(format!("the ledger has landings of {id}, which is not on record"));
    }
    audit.campaigns = records.len();
    blobs::examine(field, &named, &mut audit).await?;
    audit.repeated = field.reached("AfterFit").saturating_sub(audit.landings);
    Ok(audit)
}

/// Waits until every campaign is final and no message waits or is out.
async fn rest(js: &JetStream, audit: &mut Audit) -> Result<()> {
    let began = Instant::now();
    loop {
        let found = unfinished(js).await;
        match found {
            Ok(found) if found.is_empty() => return Ok(()),
            Ok(found) if began.elapsed() > REST_WITHIN => {
                found.into_iter().for_each(|what| audit.lost(what));
                return Ok(());
            }
            // A broker that was just started again may still choose its leaders.
            Err(error) if began.elapsed() > REST_WITHIN => return Err(error),
            _ => tokio::time::sleep(Duration::from_millis(200)).await,
        }
    }
}

/// What has not come to its end.
async fn unfinished(js: &JetStream) -> Result<Vec<String>> {
    let records = raw::bucket(js, "campaigns").await?;
    let open = records.iter().filter(|(_, record)| !is_final(record));
    let mut found: Vec<String> = open.map(|(id, record)| format!("{id} stays {}", record["state"])).collect();
    let queued = raw::subjects(js, "JOBS").await?;
    if !queued.is_empty() {
        found.push(format!("JOBS still has {queued:?}"));
    }
    let (waiting, out) = raw::unfinished(js).await?;
    if waiting + out > 0 {
        found.push(format!("the consumers have {waiting} messages waiting and {out} out"));
    }
    Ok(found)
}

fn is_final(record: &Value) -> bool {
    record["state"] == "complete" || record["state"] == "cancelled"
}

/// Waits until PLANS has nothing of final campaigns; starts a trainer that tidies when it has after a while.
async fn forgotten(field: &std::sync::Arc<Field>, js: &JetStream, audit: &mut Audit) -> Result<()> {
    let records = raw::bucket(js, "campaigns").await?;
    let began = Instant::now();
    let mut tidier = None;
    loop {
        let plans = raw::subjects(js, "PLANS").await?;
        let campaign = |subject: &String| subject.split('.').nth(1).unwrap_or_default().to_owned();
        let kept: BTreeSet<String> =
            plans.keys().map(campaign).filter(|id| records.get(id).is_some_and(is_final)).collect();
        if kept.is_empty() {
            break;
        }
        if began.elapsed() > Duration::from_secs(3) && tidier.is_none() {
            field.note(format!("packs of {} ended campaigns were forgotten by the next trainer", kept.len()));
            tidier = Some(Crew::plain(field, 1));
        }
        if began.elapsed() > Duration::from_secs(30) {
            audit.lost(format!("PLANS still has packs of the ended campaigns {kept:?}"));
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    if let Some(tidier) = tidier {
        tidier.stop().await;
    }
    Ok(())
}

/// The landings by campaign and pack; each pack's subject must have one, or copies that the scenario itself made.
async fn landings(
    field: &Field,
    js: &JetStream,
    audit: &mut Audit,
) -> Result<HashMap<String, BTreeMap<u64, Value>>> {
    let mut seen: HashMap<String, bytes::Bytes> = HashMap::new();
    let mut found: HashMap<String, BTreeMap<u64, Value>> = HashMap::new();
    for (place, subject, payload) in raw::messages(js, "LEDGER").await? {
        if let Some(first) = seen.get(&subject) {
            let copy = field.copied_landings && *first == payload;
            audit.unless(copy, || format!("{subject} has a second landing at place {place}"));
            continue;
        }
        let landing = raw::body(&payload).with_context(|| subject.clone())?;
        let mut tokens = subject.rsplit('.');
        let pack: u64 = tokens.next().context("a pack")?.parse().context("a pack's number")?;
        let id = tokens.next().context("a campaign")?.to_owned();
        audit.unless(landing["pack"] == pack && landing["campaign"] == id.as_str(), || {
            format!("{subject} holds the landing of {} {}", landing["campaign"], landing["pack"])
        });
        seen.insert(subject, payload);
        found.entry(id).or_default().insert(pack, landing);
    }
    audit.landings = seen.len();
    Ok(found)
}

/// Everything that was ordered with success is on record, and nothing else than was ordered.
fn recorded(field: &Field, records: &BTreeMap<String, Value>, audit: &mut Audit) {
    let orders = field.orders();
    for id in orders.iter().filter_map(|order| order.id.as_ref()) {
        audit.unless(records.contains_key(id), || format!("{id} was ordered and is not on record"));
    }
    let mut ordered: HashMap<&str, i64> = HashMap::new();
    orders.iter().for_each(|order| *ordered.entry(&order.pattern).or_default() += 1);
    for (id, record) in records {
        let left = record["patterns"][0].as_str().and_then(|pattern| ordered.get_mut(pattern));
        match left {
            Some(left) if *left > 0 => *left -= 1,
            _ => audit.lost(format!("{id} is on record for {}, which was not ordered", record["patterns"])),
        }
    }
}

/// One campaign: its packs, its scopes, its sum.
fn campaign(
    field: &Field,
    (id, record): (&String, &Value),
    landings: &BTreeMap<u64, Value>,
    (named, audit): (&mut BTreeSet<Named>, &mut Audit),
) {
    let mut open = field.scopes(record["patterns"][0].as_str().unwrap_or_default());
    let planned = open.len() as u64;
    audit.planned += planned;
    audit.unless(record["state"] == "complete", || format!("{id} is {}", record["state"]));
    audit.unless(record["planned"] == planned, || format!("{id} plans {}, not {planned}", record["planned"]));
    let packs = record["packs"].as_u64().unwrap_or_default();
    let all_there = landings.keys().copied().eq(0..packs);
    audit.unless(all_there, || format!("{id} has {packs} packs, and landings {:?}", landings.keys()));
    let mut sum: BTreeMap<String, u64> = BTreeMap::new();
    for outcome in landings.values().filter_map(|landing| landing["outcomes"].as_array()).flatten() {
        let scope = outcome["scope"].as_str().unwrap_or_default();
        audit.unless(open.remove(scope), || format!("{id}: {scope:?} ended twice, or was not ordered"));
        let kind = outcome["outcome"].as_str().unwrap_or_default();
        *sum.entry(kind.to_owned()).or_default() += 1;
        end(field, (id, scope, kind), outcome, (named, audit));
    }
    audit.unless(open.is_empty(), || {
        format!("{id}: {} scopes without an outcome: {:?}", open.len(), open.first())
    });
    let closed = serde_json::json!(sum);
    let said = &record["closed"]["tally"]["outcomes"];
    audit.unless(*said == closed, || format!("{id}: its record says {said}, its ledger {closed}"));
    for (kind, count) in sum {
        *audit.outcomes.entry(kind).or_default() += count;
    }
}

/// One outcome: of the right kind, with a fit where there must be one.
fn end(
    field: &Field,
    (id, scope, kind): (&str, &str, &str),
    outcome: &Value,
    (named, audit): (&mut BTreeSet<Named>, &mut Audit),
) {
    let fit = &outcome["fit"];
    let right = match field.ends.get(scope) {
        Some(end) => *end == kind,
        None => kind == "trained" || kind == "unchanged",
    };
    audit.unless(right, || format!("{id}: {scope} ended {kind}: {}", outcome["reason"]));
    audit.unless(fit.is_object() == (kind == "trained" || kind == "unchanged"), || {
        format!("{id}: {scope} ended {kind} with the fit {fit}")
    });
    if fit.is_object() {
        let text = |name: &str| fit[name].as_str().unwrap_or_default().to_owned();
        let place = fit["index"].as_u64().unwrap_or(u64::MAX);
        named.insert((scope.to_owned(), text("fingerprint"), text("blob"), place));
    }
}
