//! Files, folders, globs, keys in folder names, and the identity of content.

use dataset::{Kind, OpenError};
use schemas::spec::Source;

use crate::support::{Folder, chain, dimension, open, read, request};

fn folder() -> Folder {
    let folder = Folder::new();
    folder
        .write("data/b.csv", "k,y\nb,2\n")
        .write("data/a.csv", "y,k\n1,a\n")
        .write("data/deep/c.csv", "k,y\nc,3\n");
    folder
        .write("data/_SUCCESS", "")
        .write("data/.a.csv.crc", "x")
        .write("data/_temporary/d.csv", "k,y\nd,4\n");
    folder
}

async fn keys(source: &Source) -> Vec<String> {
    let table = read(source, &request(&["k"], None, &["y"])).await.unwrap();
    dimension(&table, "k").into_iter().map(str::to_owned).collect()
}

#[tokio::test]
async fn folders_and_globs_are_read_in_path_order_without_hidden_files() {
    let folder = folder();
    for (place, expected) in [
        ("data", vec!["a", "b", "c"]),
        ("data/", vec!["a", "b", "c"]),
        ("data/../data/./b.csv", vec!["b"]),
        ("data/*.csv", vec!["a", "b"]),
        ("data/?.csv", vec!["a", "b"]),
        ("da*/[ab].csv", vec![]),
        ("*/deep/c.*", vec!["c"]),
        ("**/*.csv", vec!["a", "b", "c"]),
        ("data/**", vec!["a", "b", "c"]),
    ] {
        if expected.is_empty() {
            assert!(matches!(open(&folder.source(place)).await, Err(OpenError::NoMatch { .. })), "{place}");
        } else {
            assert_eq!(keys(&folder.source(place)).await, expected, "{place}");
        }
    }
    let path = |name: &str| folder.path(name).to_str().unwrap().to_owned();
    let several = Source::Many(vec![path("data/b.csv"), format!("file://{}", path("data/a.csv"))]);
    assert_eq!(keys(&several).await, ["b", "a"]);
    let twice = Source::Many(vec![path("data/b.csv"), path("data/*.csv")]);
    assert!(open(&twice).await.unwrap_err().to_string().contains("twice"));
}

#[tokio::test]
async fn folder_names_spell_columns() {
    let folder = Folder::new();
    folder.write("s/day=2020-01-02/shop=7/x.csv", "y\n1\n2\n");
    folder.write_parquet(
        "s/day=2020-01-01/shop=08/x.parquet",
        vec![("y", crate::support::numbers(&[Some(3.0)]))],
    );
    folder.write("s/day=2020-01-03/shop=__HIVE_DEFAULT_PARTITION__/x.ndjson", "{\"y\":4}\n");
    let files = open(&folder.source("s")).await.unwrap();
    let columns = files.columns().await.unwrap();
    let expected = [("y", Kind::Number), ("day", Kind::Time), ("shop", Kind::Number)];
    assert_eq!(columns, expected.map(|(name, kind)| (name.to_owned(), kind)));
    let table = files.read(&request(&["shop", "day"], Some("day"), &["y", "shop"]), 2).await.unwrap();
    assert_eq!(table.number("y").unwrap(), [3.0, 1.0, 2.0, 4.0]);
    assert_eq!(dimension(&table, "shop"), ["08", "7", "7", "-"]);
    assert_eq!(dimension(&table, "day"), ["2020-01-01", "2020-01-02", "2020-01-02", "2020-01-03"]);
    assert_eq!(table.number("shop").unwrap()[..3], [8.0, 7.0, 7.0]);
    assert!(table.number("shop").unwrap()[3].is_nan());
    let one = read(&folder.source("s/day=*/shop=7/*"), &request(&["shop"], None, &[])).await.unwrap();
    assert_eq!(dimension(&one, "shop"), ["7", "7"]);
}

#[tokio::test]
async fn what_is_missing_empty_or_unknown_is_named() {
    let folder = folder();
    folder.write("empty.csv", "").write("notes/readme.md", "x").write("spec/x.xlsx", "x");
    std::fs::create_dir(folder.path("bare")).unwrap();
    for (place, expected) in [
        ("gone.parquet", "no such file"),
        ("bare", "no such file"),
        ("data/*.parquet", "no file matches"),
        ("gone/*/x", "no file matches"),
        ("empty.csv", "the file is empty"),
        ("notes", "readme.md: unknown format"),
        ("spec/x.xlsx", "unknown format"),
    ] {
        let error = chain(&open(&folder.source(place)).await.unwrap_err());
        assert!(error.contains(expected) && error.contains(place.split('/').next().unwrap()), "{error}");
    }
    let error = open(&Source::One("ftp://host/x.csv".into())).await.unwrap_err().to_string();
    assert!(error.contains("ftp"), "{error}");
}

#[tokio::test]
async fn the_identity_changes_exactly_with_the_content() {
    let folder = folder();
    let identity = async || open(&folder.source("data")).await.unwrap().identity();
    let first = identity().await;
    assert_eq!(identity().await, first);
    folder.write("data/_SUCCESS", "again");
    assert_eq!(identity().await, first);
    // A new file in the place of the old one, of the same length.
    folder.write("data/.new", "y,k\n9,z\n");
    std::fs::rename(folder.path("data/.new"), folder.path("data/a.csv")).unwrap();
    let second = identity().await;
    assert_ne!(second, first);
    std::fs::rename(folder.path("data/b.csv"), folder.path("data/b2.csv")).unwrap();
    assert_ne!(identity().await, second);
    assert_eq!(open(&folder.source("data")).await.unwrap().stored_bytes(), Some(24));
}
