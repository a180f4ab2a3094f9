//! What is derived from a table is derived once.

use std::sync::Arc;

use dataset::Cached;

use crate::support::{Folder, open, request};

#[tokio::test]
async fn groups_and_hashes_are_made_once() {
    let folder = Folder::new();
    folder.write("a.csv", "k,y\na,1\n".to_owned() + &"x,2\n".repeat(100));
    let files = open(&folder.source("a.csv")).await.unwrap();
    let request = request(&["k"], None, &["y"]);
    let cached = Cached::new(files.read(&request, 1).await.unwrap(), request);
    assert!(Arc::ptr_eq(&cached.groups(&["k"]), &cached.groups(&["k"])));
    assert_eq!((cached.groups(&["k"]).len(), cached.groups(&[]).len()), (2, 1));
    assert!(std::ptr::eq(cached.row_hashes(), cached.row_hashes()));
}

/// Hosts are kept by this identity: rewritten content is another one, even under the same name and size.
#[tokio::test]
async fn rewritten_content_has_another_identity() {
    let folder = Folder::new();
    folder.write("a.csv", "k,y\na,1\n");
    let before = open(&folder.source("a.csv")).await.unwrap().identity();
    assert_eq!(open(&folder.source("a.csv")).await.unwrap().identity(), before);
    folder.write(".new", "k,y\na,2\n");
    std::fs::rename(folder.path(".new"), folder.path("a.csv")).unwrap();
    assert_ne!(open(&folder.source("a.csv")).await.unwrap().identity(), before);
}
