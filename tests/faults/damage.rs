//! Blobs that are not what was written: predictors name them, and never answer from them.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tests::Program;
use tests::servers::free_port;
use tests::until;

use crate::audit::Audit;
use crate::data::Data;
use crate::field::Field;
use crate::raw::{self, Store};

/// Asks for predictions at this place.
const X: f64 = 3.25;

/// A harm done to a blob, given the bytes of another one.
type Harm = fn(&[u8], &[u8]) -> Option<Vec<u8>>;

const HARMS: [(&str, Harm); 5] = [
    ("a flipped bit", |bytes, _| {
        let mut bytes = bytes.to_vec();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        Some(bytes)
    }),
    ("a cut end", |bytes, _| Some(bytes[..bytes.len() - 7].to_vec())),
    ("the bytes of another blob", |_, other| Some(other.to_vec())),
    ("no bytes", |_, _| Some(Vec::new())),
    ("no blob", |_, _| None),
];

/// Damages one blob after the other, and asks for predictions of a scope in it together with one in a whole blob.
pub(crate) async fn answers(field: &Field, audit: &mut Audit) -> Result<()> {
    let js = raw::jetstream(&field.url).await?;
    let newest = newest(&js, field).await?;
    let mut store = Store::open(&field.store_itself).await?;
    let blobs: BTreeSet<&str> = newest.values().map(String::as_str).collect();
    let blobs: Vec<&str> = blobs.into_iter().collect();
    ensure!(blobs.len() > HARMS.len(), "only {} blobs answer", blobs.len());
    let whole = blobs[HARMS.len()];
    for ((_, harm), blob) in HARMS.iter().zip(&blobs) {
        let bytes = store.get(blob).await?.context("the blob")?;
        let other = store.get(whole).await?.context("another blob")?;
        match harm(&bytes, &other) {
            Some(bytes) => store.put(blob, &bytes).await?,
            None => store.remove(blob).await?,
        }
    }
    let mut gateway = Gateway::start(field).await;
    let one_of = |blob: &str| newest.iter().find(|(_, own)| *own == blob).map(|(scope, _)| scope.as_str());
    let sound = one_of(whole).context("a scope")?;
    for ((what, _), blob) in HARMS.iter().zip(&blobs) {
        let scope = one_of(blob).context("a scope")?;
        let (status, alone) = gateway.ask(&[scope]).await?;
        if status == 200 || !alone.to_string().contains(blob) {
            audit.lost(format!("{what} in {blob}: {status} {alone}"));
        }
        let (status, both) = gateway.ask(&[scope, sound]).await?;
        let right = Data::predicts(sound, X).context("a reference")?;
        let error = both["predictions"][1].as_f64().map(|found| (found - right).abs());
        let named = both["errors"].to_string().contains(blob);
        if status != 200
            || !both["predictions"][0].is_null()
            || !named
            || error.is_none_or(|error| error > 1e-6)
        {
            audit.lost(format!("{what} in {blob}, beside a whole one: {status} {both}"));
        }
    }
    let kinds: Vec<&str> = HARMS.iter().map(|(what, _)| *what).collect();
    field.note(format!("predictions were asked of blobs with: {}", kinds.join(", ")));
    Ok(())
}

/// The blob that answers for each scope: its newest landing's, in the order of campaigns.
async fn newest(js: &async_nats::jetstream::Context, field: &Field) -> Result<BTreeMap<String, String>> {
    let mut landings: Vec<Value> = Vec::new();
    for (_, _, payload) in raw::messages(js, "LEDGER").await? {
        landings.push(raw::body(&payload)?);
    }
    let channel = raw::bucket(js, "channels").await?;
    let order: Vec<String> = channel
        .values()
        .flat_map(|channel| channel["campaigns"].as_array().cloned().unwrap_or_default())
        .filter_map(|id| id.as_str().map(str::to_owned))
        .collect();
    ensure!(!order.is_empty(), "no channel: {channel:?}");
    landings.sort_by_key(|landing| order.iter().position(|id| landing["campaign"] == id.as_str()));
    let mut newest = BTreeMap::new();
    for outcome in landings.iter().filter_map(|landing| landing["outcomes"].as_array()).flatten() {
        if let (Some(scope), Some(blob)) = (outcome["scope"].as_str(), outcome["fit"]["blob"].as_str())
            && !field.ends.contains_key(scope)
        {
            newest.insert(scope.to_owned(), blob.to_owned());
        }
    }
    Ok(newest)
}

/// A predictor and a gateway.
struct Gateway {
    _predictor: Program,
    _gateway: Program,
    url: String,
    http: reqwest::Client,
}

impl Gateway {
    async fn start(field: &Field) -> Gateway {
        let mut command = field.command("worker");
        command.arg("infer").env_remove("SCOPEFORGE_LEASE_SECONDS");
        let mut predictor = Program::start(command);
        predictor.says("predicting").await;
        let url = format!("http://127.0.0.1:{}", free_port());
        let mut command = field.command("gateway");
        command.args(["--listen", url.trim_start_matches("http://")]);
        let gateway = Program::start(command);
        let http = reqwest::Client::new();
        until("the gateway being ready", || async {
            let asked = http.get(format!("{url}/readyz")).send().await.ok()?;
            asked.status().is_success().then_some(())
        })
        .await;
        Gateway { _predictor: predictor, _gateway: gateway, url, http }
    }

    /// Predictions for one row of each scope.
    async fn ask(&mut self, scopes: &[&str]) -> Result<(u16, Value)> {
        let row = |scope: &&str| {
            let (group, member) = scope.trim_start_matches("g=").split_once(",k=").unwrap_or_default();
            json!({"g": group, "k": member, "x": X})
        };
        let rows: Vec<Value> = scopes.iter().map(row).collect();
        let url = format!("{}/v1/models/m/predict", self.url);
        let answer = self.http.post(url).json(&json!({ "rows": rows })).send().await?;
        Ok((answer.status().as_u16(), answer.json().await?))
    }
}
