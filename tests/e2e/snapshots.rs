//! Snapshots of the catalog: readers begin with them, and need none.

use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};
use runtime::broker::{Broker, ConnectRequest};
use runtime::catalog::LiveCatalog;
use runtime::store::{self, Blobs};
use runtime::{ledger, snapshots, topology};
use schemas::algorithm::Algorithm;
use schemas::fit::{Counts, FitRef};
use schemas::outcome::{Landing, OutcomeKind, ScopeOutcome};
use schemas::scope::Scope;
use schemas::window::Window;
use tests::Nats;
use tokio_util::sync::CancellationToken;

const SCOPES_PER_PACK: usize = 1_000;

fn landing(pack: u32) -> Landing {
    let outcome = |index: usize| {
        let number = pack as usize * SCOPES_PER_PACK + index;
        ScopeOutcome {
            scope: Scope::new([("shop", format!("shop number {number}").as_str())]),
            window: Window::ALL,
            level: Some(0),
            outcome: OutcomeKind::Trained,
            reason: None,
            counts: Counts::default(),
            algorithm: Algorithm::Mean,
            gate: None,
            candidates: Vec::new(),
            tried: Vec::new(),
            metrics: None,
            fit: Some(FitRef {
                fingerprint: format!("{number:032x}"),
                blob: format!("{pack:064x}"),
                index: index as u32,
                trained_at_ms: 1,
            }),
        }
    };
    Landing {
        campaign: "c".into(),
        model: format!("m{}", pack % 2),
        pack,
        worker: "w".into(),
        at_ms: 1,
        took_ms: 1.0,
        outcomes: (0..SCOPES_PER_PACK).map(outcome).collect(),
        ..Landing::default()
    }
}

async fn land(broker: &Broker, packs: std::ops::Range<u32>) {
    let landings = stream::iter(packs).map(|pack| async move {
        let landing = landing(pack);
        ledger::land(broker, &landing).await
    });
    let landed: Vec<ledger::Landed> =
        landings.buffer_unordered(16).try_collect().await.expect("all packs land");
    assert!(landed.iter().all(|landed| landed.first));
}

/// How many fits a fresh reader knows when it has caught up.
async fn known(broker: &Broker, blobs: &Blobs) -> usize {
    let end = CancellationToken::new();
    let (catalog, following) = LiveCatalog::follow(broker.clone(), blobs.clone(), end.clone());
    let following = tokio::spawn(following);
    assert!(catalog.wait_ready(Duration::from_secs(30)).await, "the reader catches up");
    end.cancel();
    following.await.expect("it ends");
    catalog.with(schemas::catalog::Catalog::len)
}

#[tokio::test]
async fn readers_begin_with_the_snapshot_and_do_without_a_damaged_one() {
    let nats = Nats::start().await;
    let request =
        ConnectRequest { url: nats.url(), name: "test".into(), patience: Some(Duration::from_secs(10)) };
    let broker = Broker::connect(&request, &CancellationToken::new()).await.expect("a broker");
    topology::declare(&broker, 1, None).await.expect("a topology");
    let folder = tempfile::tempdir().expect("a folder");
    let blobs = Blobs::new(store::open(&format!("file:{}", folder.path().display())).expect("a store"));
    assert_eq!(snapshots::make_if_due(&broker, &blobs).await.expect("nothing to do"), None);
    // More than the broker would send at once to a reader that asked for all of it: it cuts such a reader off.
    land(&broker, 0..250).await;
    assert_eq!(known(&broker, &blobs).await, 250_000);
    let made = snapshots::make_if_due(&broker, &blobs).await.expect("a snapshot");
    assert_eq!(made, Some(250_000));
    assert_eq!(snapshots::make_if_due(&broker, &blobs).await.expect("not due"), None);
    land(&broker, 250..253).await;
    assert_eq!(known(&broker, &blobs).await, 253_000);
    let (catalog, next) = snapshots::load(&broker, &blobs, Some("m1")).await.expect("the snapshot");
    assert_eq!((catalog.len(), next), (125_000, 251));
    let blob = std::fs::read_dir(folder.path()).expect("the store").flatten().next().expect("a part").path();
    let mut bytes = std::fs::read(&blob).expect("its bytes");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&blob, bytes).expect("a damaged part");
    assert!(snapshots::load(&broker, &blobs, None).await.is_err());
    assert_eq!(known(&broker, &blobs).await, 253_000);
}
