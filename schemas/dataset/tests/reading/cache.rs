//! The cache: one read for many callers, never stale, within its budget.

use std::sync::Arc;

use dataset::Cache;

use crate::support::{Folder, request};

fn folder() -> Folder {
    let folder = Folder::new();
    for name in ["a", "b", "c"] {
        folder.write(&format!("{name}.csv"), format!("k,y\n{name},1\n").repeat(1) + &"x,2\n".repeat(100));
    }
    folder
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn callers_at_the_same_time_share_one_read() {
    let (folder, cache) = (folder(), Arc::new(Cache::new(1 << 20)));
    let get = |cache: Arc<Cache>, source| async move {
        cache.get(&source, &request(&["k"], None, &["y"]), 1).await
    };
    let calls: Vec<_> = (0..8).map(|_| tokio::spawn(get(cache.clone(), folder.source("a.csv")))).collect();
    let mut tables = Vec::new();
    for call in calls {
        tables.push(call.await.unwrap().unwrap());
    }
    assert!(tables.iter().all(|table| Arc::ptr_eq(table, &tables[0])));
    let other = cache.get(&folder.source("a.csv"), &request(&[], None, &["y"]), 1).await.unwrap();
    assert!(!Arc::ptr_eq(&other, &tables[0]) && other.table.dimension("k").is_none());
    assert_eq!(cache.size_bytes(), other.size_bytes() + tables[0].size_bytes());
}

#[tokio::test]
async fn rewritten_content_is_read_again_and_failures_are_not_kept() {
    let (folder, cache) = (folder(), Cache::new(1 << 20));
    let wanted = request(&["k"], None, &["y"]);
    let first = cache.get(&folder.source("a.csv"), &wanted, 1).await.unwrap();
    folder.write(".new", "k,y\nz,not a number\n");
    std::fs::rename(folder.path(".new"), folder.path("a.csv")).unwrap();
    assert!(cache.get(&folder.source("a.csv"), &wanted, 1).await.is_err());
    assert!(cache.get(&folder.source("gone.csv"), &wanted, 1).await.is_err());
    folder.write(".new", "k,y\nz,7\n");
    std::fs::rename(folder.path(".new"), folder.path("a.csv")).unwrap();
    let second = cache.get(&folder.source("a.csv"), &wanted, 1).await.unwrap();
    assert_eq!((first.table.rows(), second.table.number("y")), (101, Some([7.0].as_slice())));
}

#[tokio::test]
async fn the_least_recently_used_goes_and_what_is_too_large_is_not_kept() {
    let folder = folder();
    let wanted = request(&["k"], None, &["y"]);
    let size = Cache::new(0).get(&folder.source("a.csv"), &wanted, 1).await.unwrap().size_bytes();
    let cache = Cache::new(2 * size);
    let get = async |name: &str| cache.get(&folder.source(name), &wanted, 1).await.unwrap();
    let (a, b) = (get("a.csv").await, get("b.csv").await);
    assert!(Arc::ptr_eq(&get("a.csv").await, &a));
    get("c.csv").await;
    assert_eq!(cache.size_bytes(), 2 * size);
    assert!(Arc::ptr_eq(&get("a.csv").await, &a));
    assert!(!Arc::ptr_eq(&get("b.csv").await, &b));
    let small = Cache::new(size - 1);
    let large = small.get(&folder.source("a.csv"), &wanted, 1).await.unwrap();
    assert_eq!((large.table.rows(), small.size_bytes()), (101, 0));
}

#[tokio::test]
async fn groups_and_hashes_are_made_once() {
    let (folder, cache) = (folder(), Cache::new(1 << 20));
    let cached = cache.get(&folder.source("a.csv"), &request(&["k"], None, &["y"]), 1).await.unwrap();
    assert!(Arc::ptr_eq(&cached.groups(&["k"]), &cached.groups(&["k"])));
    assert_eq!((cached.groups(&["k"]).len(), cached.groups(&[]).len()), (2, 1));
    assert!(std::ptr::eq(cached.row_hashes(), cached.row_hashes()));
}
