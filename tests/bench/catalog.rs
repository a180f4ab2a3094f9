//! How long a reader takes to know a million fits: from the ledger alone, and from a snapshot with the rest of the ledger.
//! A real broker, a file store; medians of a few rounds.

use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt, stream};
use runtime::broker::{Broker, ConnectRequest};
use runtime::catalog::LiveCatalog;
use runtime::store::{self, Blobs};
use runtime::{ledger, snapshots, topology};
use schemas::algorithm::Algorithm;
use schemas::channel::Channel;
use schemas::fit::{Counts, FitRef, Metrics, RegressionMetrics};
use schemas::outcome::{Landing, OutcomeKind, ScopeOutcome};
use schemas::scope::Scope;
use schemas::window::Window;
use tests::Nats;
use tokio_util::sync::CancellationToken;

const PACKS: u32 = 1_000;
const SCOPES_PER_PACK: u32 = 1_000;
/// Packs that land after the snapshot.
const LATER_PACKS: u32 = 20;
const ROUNDS: usize = 5;
const PATIENCE: Duration = Duration::from_secs(120);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let nats = Nats::start().await;
    let request = ConnectRequest { url: nats.url(), name: "bench".into(), patience: Some(PATIENCE) };
    let broker = Broker::connect(&request, &CancellationToken::new()).await?;
    topology::declare(&broker, 1, None).await?;
    let folder = tempfile::tempdir()?;
    let blobs = Blobs::new(store::open(&format!("file:{}", folder.path().display()))?);
    let fits = PACKS * SCOPES_PER_PACK;
    land(&broker, 0..PACKS - LATER_PACKS).await?;
    land(&broker, PACKS - LATER_PACKS..PACKS).await?;
    show("from the ledger alone", &rounds(&broker, &blobs, fits).await?);
    let began = Instant::now();
    let made = snapshots::make_if_due(&broker, &blobs).await?;
    say(&format!(
        "snapshot of {} fits made in {:.2} s",
        made.unwrap_or_default(),
        began.elapsed().as_secs_f64()
    ));
    land(&broker, PACKS..PACKS + LATER_PACKS).await?;
    let all = fits + LATER_PACKS * SCOPES_PER_PACK;
    show(&format!("from the snapshot and {LATER_PACKS} later packs"), &rounds(&broker, &blobs, all).await?);
    Ok(())
}

/// Lands packs of trained scopes, as trainers do.
async fn land(broker: &Broker, packs: std::ops::Range<u32>) -> anyhow::Result<()> {
    let began = Instant::now();
    let count = packs.len();
    let landings = stream::iter(packs).map(|pack| async move {
        let landing = landing(pack);
        ledger::land(broker, &landing).await.map(|_| ())
    });
    landings.buffer_unordered(32).try_collect::<()>().await?;
    say(&format!("{count} packs landed in {:.1} s", began.elapsed().as_secs_f64()));
    Ok(())
}

fn landing(pack: u32) -> Landing {
    let scores = RegressionMetrics { rmse: 1.25, mae: 0.75, r2: 0.5, mape: 0.2, smape: 0.25 };
    let outcome = |index: u32| {
        let number = pack * SCOPES_PER_PACK + index;
        let (shop, item) = (format!("shop-{:04}", number / 300), format!("item-{:05}", number % 20_000));
        ScopeOutcome {
            scope: Scope::new([("shop", shop.as_str()), ("item", item.as_str())]),
            window: Window::ALL,
            level: Some(0),
            outcome: OutcomeKind::Trained,
            reason: None,
            counts: Counts { rows: 365, complete_rows: 360, train_rows: 288, holdout_rows: 72 },
            algorithm: Algorithm::Ridge,
            gate: None,
            candidates: Vec::new(),
            tried: Vec::new(),
            metrics: Some(Metrics::Regression(scores)),
            fit: Some(FitRef {
                fingerprint: format!("{:032x}", u128::from(number) * 0x9e37_79b9_7f4a_7c15),
                blob: format!("{pack:064x}"),
                index,
                trained_at_ms: 1_795_000_000_000,
            }),
        }
    };
    Landing {
        campaign: "20261122t215601047-7k3qm".into(),
        model: "sales".into(),
        pack,
        worker: "trainer-7k3qm0zt".into(),
        at_ms: 1_795_000_000_000,
        took_ms: 900.0,
        outcomes: (0..SCOPES_PER_PACK).map(outcome).collect(),
        ..Landing::default()
    }
}

/// Seconds until a fresh reader has caught up; each must know all fits.
async fn rounds(broker: &Broker, blobs: &Blobs, fits: u32) -> anyhow::Result<Vec<f64>> {
    let channel = Channel { campaigns: vec!["20261122t215601047-7k3qm".into()], ..Channel::default() };
    let scope = Scope::new([("shop", "shop-0000"), ("item", "item-00007")]);
    let mut seconds = Vec::new();
    for _ in 0..ROUNDS {
        let began = Instant::now();
        let end = CancellationToken::new();
        let (catalog, following) = LiveCatalog::follow(broker.clone(), blobs.clone(), end.clone());
        let following = tokio::spawn(following);
        anyhow::ensure!(catalog.wait_ready(PATIENCE).await, "not ready within {PATIENCE:?}");
        seconds.push(began.elapsed().as_secs_f64());
        catalog.with(|catalog| {
            anyhow::ensure!(catalog.len() == fits as usize, "{} of {fits} fits", catalog.len());
            anyhow::ensure!(catalog.resolve("sales", &channel, &scope).is_some(), "no fit for {scope}");
            Ok(())
        })?;
        end.cancel();
        following.await?;
    }
    seconds.sort_by(f64::total_cmp);
    Ok(seconds)
}

fn show(what: &str, seconds: &[f64]) {
    let (least, median, most) = (seconds[0], seconds[seconds.len() / 2], seconds[seconds.len() - 1]);
    say(&format!("ready {what}: {median:.2} s ({least:.2} to {most:.2}, {} rounds)", seconds.len()));
}

fn say(text: &str) {
    eprintln!("{text}");
}
