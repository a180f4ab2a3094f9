//! What is wrong with a file is said with the file's name, the column's, and what to do.

use std::sync::Arc;

use arrow_array::{ArrayRef, BinaryArray, TimestampSecondArray};
use dataset::{ReadError, Request};

use crate::support::{Folder, chain, gzip, numbers, open, read, request, texts};

async fn error(folder: &Folder, name: &str, request: &Request) -> String {
    chain(&read(&folder.source(name), request).await.unwrap_err())
}

fn small(folder: &Folder) {
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("carrier", texts(&[Some("UA"), None, Some("DL"), Some("UA")])),
        ("at", Arc::new(TimestampSecondArray::from(vec![3, 1, 2, 1]))),
        ("y", numbers(&[Some(1.0), Some(2.0), None, Some(4.0)])),
        ("bytes", Arc::new(BinaryArray::from(vec![b"a".as_ref(); 4]))),
    ];
    folder.write_parquet("x.parquet", columns);
    folder.write("x.csv", "carrier,at,y\nUA,1970-01-01,1\nDL,soon,x\n");
    folder.write("x.ndjson", "{\"carrier\":\"UA\",\"y\":1}\n{\"carrier\":null,\"y\":\"x\"}\n");
}

#[tokio::test]
async fn unknown_columns_come_with_the_nearest_name() {
    let folder = Folder::new();
    small(&folder);
    for name in ["x.parquet", "x.csv", "x.ndjson"] {
        let text = error(&folder, name, &request(&["carier"], None, &["y"])).await;
        assert!(text.contains(&format!("{name}: no column `carier`; did you mean `carrier`?")), "{text}");
    }
    folder.write_parquet("s/1.parquet", vec![("y", numbers(&[Some(1.0)]))]);
    folder.write_parquet("s/2.parquet", vec![("z", numbers(&[Some(1.0)]))]);
    let text = error(&folder, "s", &request(&[], None, &["y"])).await;
    assert!(text.contains("s/2.parquet: no column `y`"), "{text}");
}

#[tokio::test]
async fn a_column_of_another_kind_is_refused_with_advice() {
    let folder = Folder::new();
    small(&folder);
    for (name, column, expected) in [
        (
            "x.parquet",
            "carrier",
            "column `carrier` holds texts, but numbers are wanted; list a feature under `categorical`",
        ),
        ("x.parquet", "at", "holds times, but numbers are wanted; use a date part"),
        ("x.parquet", "bytes", "nested or binary type"),
        (
            "x.csv",
            "y",
            "column `y` holds texts (\"x\" in row 2), but numbers are wanted; list a feature under `categorical`",
        ),
        ("x.ndjson", "y", "holds texts (\"x\" in row 2)"),
    ] {
        let text = error(&folder, name, &request(&[], None, &[column])).await;
        assert!(text.contains(name) && text.contains(expected), "{text}");
    }
    let text = error(&folder, "x.parquet", &request(&["y"], None, &[])).await;
    assert!(text.contains("holds numbers, but texts are wanted; dimensions"), "{text}");
    let text = error(&folder, "x.parquet", &request(&["at"], None, &[])).await;
    assert!(text.contains("holds times, but texts are wanted"), "{text}");
    let text = error(&folder, "x.parquet", &request(&[], Some("y"), &[])).await;
    assert!(text.contains("holds numbers, but times are wanted; store it as"), "{text}");
    let text = error(&folder, "x.csv", &request(&[], Some("at"), &[])).await;
    assert!(text.contains("(\"soon\" in row 2), but times are wanted"), "{text}");
}

#[tokio::test]
async fn torn_and_foreign_bytes_are_refused_by_name() {
    let folder = Folder::new();
    small(&folder);
    let whole = std::fs::read(folder.path("x.parquet")).unwrap();
    folder.write("torn.parquet", &whole[..whole.len() / 2]);
    folder.write("short.parquet", &whole[..3]);
    folder.write("text.parquet", "carrier,y\nUA,1\n".repeat(100));
    let mut huge_footer = whole.clone();
    let at = huge_footer.len() - 8;
    huge_footer[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    folder.write("footer.parquet", huge_footer);
    folder.write("ragged.csv", "carrier,y\nUA,1\nDL,2,3\n");
    folder.write("bytes.csv", b"carrier,y\n\xff\xfe,1\n");
    folder.write("torn.ndjson", "{\"carrier\":\"UA\",\"y\":1}\n{\"carrier\":");
    folder.write("plain.csv.gz", "carrier,y\nUA,1\n");
    let packed = gzip("carrier,y\nUA,1\n".repeat(100).as_bytes());
    folder.write("torn.csv.gz", &packed[..packed.len() / 2]);
    for name in [
        "torn.parquet",
        "short.parquet",
        "text.parquet",
        "footer.parquet",
        "ragged.csv",
        "bytes.csv",
        "torn.ndjson",
        "plain.csv.gz",
        "torn.csv.gz",
    ] {
        let text = error(&folder, name, &request(&["carrier"], None, &["y"])).await;
        assert!(text.contains(&format!("{name}: not valid ")), "{text}");
    }
}

#[tokio::test]
async fn no_damaged_byte_gets_past_without_an_error_or_the_right_shape() {
    let folder = Folder::new();
    small(&folder);
    let whole = std::fs::read(folder.path("x.parquet")).unwrap();
    let wanted = request(&["carrier"], Some("at"), &["y"]);
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 0xff;
        folder.write("damaged.parquet", damaged);
        match read(&folder.source("damaged.parquet"), &wanted).await {
            // Parquet checks no sums here: a changed value may pass, a changed shape may not.
            Ok(table) => assert_eq!(table.dimension("carrier").unwrap().codes.len(), table.rows()),
            Err(error) => assert!(error.to_string().contains("damaged.parquet"), "{error}"),
        }
    }
}

#[tokio::test]
async fn a_file_that_changes_after_it_was_opened_is_not_read() {
    let folder = Folder::new();
    small(&folder);
    let files = open(&folder.source("x.parquet")).await.unwrap();
    // The same bytes, but another writing of them: only the store's tag tells.
    std::fs::copy(folder.path("x.parquet"), folder.path("y.parquet")).unwrap();
    std::fs::rename(folder.path("y.parquet"), folder.path("x.parquet")).unwrap();
    let changed = files.read(&request(&[], None, &["y"]), 1).await;
    assert!(matches!(changed, Err(ReadError::Changed { .. })), "{changed:?}");
    std::fs::remove_file(folder.path("x.parquet")).unwrap();
    let gone = files.read(&request(&[], None, &["y"]), 1).await;
    assert!(matches!(gone, Err(ReadError::Fetch { .. })), "{gone:?}");
}
