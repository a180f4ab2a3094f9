//! One suite for every store, and damaged blobs.

use bytes::Bytes;
use runtime::store::{Blobs, MemoryStore, ModelStore, open};
use serde_json::json;
use tests::{Redis, S3, Setup, Stack, flights, until};

/// What every store must do.
async fn suite(store: &dyn ModelStore) {
    assert!(store.list().await.expect("an empty list").is_empty(), "{}", store.address());
    assert_eq!(store.get("a").await.expect("no error"), None);
    store.delete("a").await.expect("deleting nothing is fine");
    store.put("a", Bytes::from_static(b"one")).await.expect("written");
    store.put("b", Bytes::new()).await.expect("written");
    assert_eq!(store.get("a").await.expect("read"), Some(Bytes::from_static(b"one")));
    assert_eq!(store.get("b").await.expect("read"), Some(Bytes::new()));
    assert!(store.has("b").await.expect("looked") && !store.has("c").await.expect("looked"));
    let large: Vec<u8> = (0..3_000_000u32).map(|i| (i % 251) as u8).collect();
    store.put("a", large.clone().into()).await.expect("replaced whole");
    assert_eq!(store.get("a").await.expect("read").as_deref(), Some(&large[..]));
    assert_eq!(names(store).await, ["a", "b"]);
    store.delete("a").await.expect("deleted");
    assert_eq!(store.get("a").await.expect("no error"), None);
    assert_eq!(names(store).await, ["b"]);
}

async fn names(store: &dyn ModelStore) -> Vec<String> {
    let stored = store.list().await.expect("listed");
    assert!(stored.iter().all(|one| one.age_seconds < 3_600), "{stored:?}");
    stored.into_iter().map(|one| one.name).collect()
}

#[tokio::test]
async fn memory_keeps_the_suite() {
    suite(&MemoryStore::default()).await;
}

#[tokio::test]
async fn a_folder_keeps_the_suite() {
    let folder = tempfile::TempDir::new().expect("a folder");
    suite(&*open(&format!("file:{}/new/store", folder.path().display())).expect("a store")).await;
}

#[tokio::test]
async fn redis_keeps_the_suite() {
    let redis = Redis::start().await;
    suite(&*open(&redis.url()).expect("a store")).await;
}

/// S3 settings come from the environment, which belongs to the process: a child runs the suite.
#[tokio::test]
async fn s3_keeps_the_suite() {
    if let Ok(url) = std::env::var("SUITE_STORE") {
        return suite(&*open(&url).expect("a store")).await;
    }
    let s3 = S3::start("bucket").await;
    let mut own = tokio::process::Command::new(std::env::current_exe().expect("this program"));
    own.args(["stores::s3_keeps_the_suite", "--exact"])
        .env("SUITE_STORE", "s3://bucket/some/prefix")
        .envs(s3.environment());
    let done = tests::program::finish(own).await.ok();
    assert!(done.out.contains("1 passed"), "{done:?}");
}

#[tokio::test]
async fn absent_stores_and_bad_addresses_are_named_without_secrets() {
    let store =
        open(&format!("redis://me:secret@127.0.0.1:{}", tests::servers::free_port())).expect("a store");
    let error = format!("{:#}", anyhow::Error::from(store.get("a").await.expect_err("nobody there")));
    assert!(error.contains("redis://127.0.0.1") && !error.contains("secret"), "{error}");
    assert!(open("nowhere").expect_err("no store").to_string().contains("names no store"));
}

/// The main job over each kind of store.
#[tokio::test]
async fn fits_land_in_redis_and_s3_and_answer_from_there() {
    let (redis, s3) = (Redis::start().await, S3::start("fits").await);
    for (store, environment) in [(redis.url(), Vec::new()), ("s3://fits/forge".to_owned(), s3.environment())]
    {
        let stack = Stack::start(Setup { store, environment, ..Setup::default() }).await;
        stack.add_model(&flights::spec()).await;
        stack.ask(&["train", "arrival_delay", "--scope", "carrier=*", "--wait"]).await;
        let rows = json!([{"carrier": "UA", "dep_delay": 1, "distance": 1, "hour": 1, "month": 1, "day": 1, "time_hour": "2013-12-03"}]);
        let body = json!({ "rows": rows }).to_string();
        until("the fit answering", || async {
            (stack.predict("arrival_delay", body.clone()).await.0 == 200).then_some(())
        })
        .await;
        let fits = stack.ask(&["fits", "arrival_delay"]).await;
        assert_eq!(fits.as_array().map(Vec::len), Some(16));
    }
    let written = std::fs::read_dir(s3.folder().join("fits/forge")).expect("the prefix").count();
    assert!(written > 0, "blobs lie under the prefix");
}

#[tokio::test]
async fn a_damaged_blob_is_named_and_never_a_wrong_prediction() {
    let stack = Stack::start(Setup::default()).await;
    stack.add_model(&flights::spec()).await;
    stack.ask(&["train", "arrival_delay", "--scope", "carrier=UA", "--wait"]).await;
    let blobs: Vec<_> = std::fs::read_dir(stack.store_folder()).expect("the store").flatten().collect();
    assert_eq!(blobs.len(), 1);
    let name = blobs[0].file_name().to_string_lossy().into_owned();
    let mut bytes = std::fs::read(blobs[0].path()).expect("the blob");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(blobs[0].path(), &bytes).expect("the blob can be written");
    let row = json!({"carrier": "UA", "dep_delay": 1, "distance": 1, "hour": 1, "month": 1, "day": 1, "time_hour": "2013-12-03"});
    let body = json!({ "rows": [row] }).to_string();
    let problem = until("the damage being found", || async {
        let (status, problem) = stack.predict("arrival_delay", body.clone()).await;
        (status == 500).then_some(problem)
    })
    .await;
    let text = problem.to_string();
    assert!(text.contains(&name) && text.contains("is damaged"), "{text}");
    let fits = stack.enqueue(&["fits", "arrival_delay"]).await;
    assert!(fits.code == 1 && fits.err.contains(&name), "{fits:?}");
    // A blob that is gone is named as well.
    std::fs::remove_file(blobs[0].path()).expect("the blob can be removed");
    let (status, problem) = stack.predict("arrival_delay", body).await;
    assert!(status == 500 && problem.to_string().contains("has no blob"), "{problem}");
    let blobs = Blobs::new(open(&stack.store).expect("a store"));
    assert!(blobs.get(&name).await.is_err());
}
