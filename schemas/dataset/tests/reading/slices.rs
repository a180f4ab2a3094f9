//! Slices, counts and clustered files against the table of all rows.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, TimestampMillisecondArray};
use dataset::{Cached, ClusterOrder, Dataset, Filter, Groups, Kind, Request, RowHashes, Table};
use proptest::prelude::*;
use schemas::scope::Scope;
use schemas::spec::Source;
use schemas::window::Window;

use crate::support::{Folder, chain, numbers, open, read, request, texts};

const MEMORY_BYTES: u64 = 1 << 20;

/// Shop, part, time and value; equal times are common.
type Row = (Option<u8>, u8, Option<i64>, i8);

fn row() -> impl Strategy<Value = Row> {
    (proptest::option::weighted(0.9, 0u8..4), 0u8..3, proptest::option::weighted(0.9, 0i64..6), -9i8..9)
}

fn wanted(with_time: bool) -> Request {
    request(&["shop", "part"], with_time.then_some("at"), &["y"])
}

fn columns(rows: &[Row]) -> Vec<(&'static str, ArrayRef)> {
    let shops: Vec<Option<String>> = rows.iter().map(|row| row.0.map(|shop| format!("s{shop}"))).collect();
    let parts: Int64Array = rows.iter().map(|row| i64::from(row.1)).collect();
    let times: TimestampMillisecondArray = rows.iter().map(|row| row.2).collect();
    let values: Vec<Option<f64>> = rows.iter().map(|row| Some(f64::from(row.3))).collect();
    vec![
        ("shop", texts(&shops.iter().map(Option::as_deref).collect::<Vec<_>>())),
        ("part", Arc::new(parts)),
        ("at", Arc::new(times)),
        ("y", numbers(&values)),
    ]
}

fn csv(rows: &[Row]) -> String {
    let line = |(shop, part, at, y): &Row| {
        let shop = shop.map_or(String::new(), |shop| format!("s{shop}"));
        let at = at.map_or(String::new(), schemas::time::format_ms);
        format!("{shop},{part},{at},{y}\n")
    };
    String::from("shop,part,at,y\n") + &rows.iter().map(line).collect::<String>()
}

fn scopes() -> Vec<(Scope, Window)> {
    let windows = [
        Window::ALL,
        Window { from_ms: Some(1), to_ms: Some(4) },
        Window { from_ms: None, to_ms: Some(3) },
        Window { from_ms: Some(4), to_ms: None },
    ];
    let mut scopes = vec![Scope::all()];
    for shop in ["s0", "s1", "s3", "none"] {
        scopes.push(Scope::new([("shop", shop)]));
        scopes.extend(["0", "2", "7"].map(|part| Scope::new([("shop", shop), ("part", part)])));
    }
    scopes.push(Scope::new([("part", "1")]));
    scopes.into_iter().flat_map(|scope| windows.map(|window| (scope.clone(), window))).collect()
}

/// What each scope's rows hash to, in their order, and how many they are.
fn digests(table: &Table, request: &Request, scopes: &[(Scope, Window)]) -> Vec<(usize, u128)> {
    let hashes = RowHashes::of(table, request, 1);
    let digest = |(scope, window): &(Scope, Window)| {
        let fixed = scope.fixed().unwrap();
        let names: Vec<&str> = fixed.iter().map(|(name, _)| name.as_str()).collect();
        let values: Vec<&str> = fixed.iter().map(|(_, value)| value.as_str()).collect();
        let groups = Groups::build(table, &names, None);
        let rows = groups.find_values(table, &values).map_or(&[][..], |group| groups.rows(group));
        let rows = table.within(rows, *window);
        (rows.len(), hashes.digest(rows))
    };
    scopes.iter().map(digest).collect()
}

async fn read_slices(source: &Source, request: &Request, scopes: &[(Scope, Window)]) -> Arc<Cached> {
    let filter = Filter::new(request, scopes.iter().map(|(scope, window)| (scope, *window)));
    let files = open(source).await.unwrap();
    let table = files.read_slices(request, filter, (u64::MAX, 2)).await.unwrap();
    Arc::new(Cached::new(table, request.clone()))
}

fn order(folder: &Folder, request: &Request, memory_bytes: u64) -> ClusterOrder {
    ClusterOrder {
        request: request.clone(),
        target: folder.path("out/clustered.parquet").to_str().unwrap().to_owned(),
        memory_bytes,
        threads: 2,
        temporary: std::env::temp_dir(),
        progress: Arc::new(|_| {}),
    }
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]
    #[test]
    fn slices_and_clustered_files_have_the_rows_of_every_scope_in_their_order(
        rows in prop::collection::vec(row(), 1..60),
        cut in any::<prop::sample::Index>(),
        picks in prop::collection::vec(any::<prop::sample::Index>(), 1..5),
        with_time in any::<bool>(),
    ) {
        let folder = Folder::new();
        let (head, tail) = rows.split_at(cut.index(rows.len() + 1));
        folder.write_parquet("in/0.parquet", columns(head)).write("in/1.csv", csv(tail));
        let (request, all) = (wanted(with_time), scopes());
        let picked: Vec<(Scope, Window)> = picks.iter().map(|pick| all[pick.index(all.len())].clone()).collect();
        wait(async {
            let source = folder.source("in");
            let whole = read(&source, &request).await.unwrap();
            let expected = digests(&whole, &request, &picked);
            let slices = read_slices(&source, &request, &picked).await;
            prop_assert_eq!(digests(&slices.table, &request, &picked), expected.clone());

            // Little memory, so that many runs are merged.
            let memory_bytes = 2 * (4 * (32 + 24 + 48)) as u64 + 4_000;
            let files = open(&source).await.unwrap();
            let made = files.cluster(&order(&folder, &request, memory_bytes)).await.unwrap();
            prop_assert_eq!(made.rows, rows.len() as u64);
            let clustered = folder.source("out");
            let again = read(&clustered, &request).await.unwrap();
            prop_assert_eq!(digests(&again, &request, &all), digests(&whole, &request, &all));
            let slices = read_slices(&clustered, &request, &picked).await;
            prop_assert_eq!(digests(&slices.table, &request, &picked), expected);
            Ok(())
        })?;
    }

    #[test]
    fn counts_are_those_of_the_table(rows in prop::collection::vec(row(), 1..60)) {
        let folder = Folder::new();
        let (head, tail) = rows.split_at(rows.len() / 2);
        folder.write_parquet("in/0.parquet", columns(head)).write("in/1.csv", csv(tail));
        let windows = [Window::ALL, Window { from_ms: Some(1), to_ms: Some(4) }];
        let request = Request { numbers: Vec::new(), ..wanted(true) };
        wait(async {
            let files = open(&folder.source("in")).await.unwrap();
            let table = files.read(&request, 2).await.unwrap();
            let newest = files.newest("at", 2).await.unwrap();
            prop_assert_eq!(newest, rows.iter().filter_map(|row| row.2).max());
            // Decoded at once, and piece by piece.
            for bytes_max in [u64::MAX, 0] {
                let counts = files.counts(&request, &windows, (bytes_max, 2)).await.unwrap();
                for names in [&["shop", "part"][..], &["shop"], &["part", "shop"], &[]] {
                    let groups = Groups::build(&table, names, None);
                    let expected: BTreeMap<Vec<&str>, Vec<u64>> = (0..groups.len())
                        .map(|group| {
                            let rows = windows.map(|w| table.within(groups.rows(group), w).len() as u64);
                            (groups.values(&table, group), rows.to_vec())
                        })
                        .collect();
                    let level = counts.level(names);
                    let text = |(name, code): (&&str, &u32)| counts.values(name)[*code as usize].clone();
                    let found: Vec<(Vec<String>, Vec<u64>)> = level
                        .iter()
                        .map(|(key, rows)| (names.iter().zip(key).map(text).collect(), rows.to_vec()))
                        .collect();
                    let expected: Vec<(Vec<String>, Vec<u64>)> = expected
                        .into_iter()
                        .map(|(key, rows)| (key.into_iter().map(str::to_owned).collect(), rows))
                        .collect();
                    prop_assert_eq!(found, expected);
                }
            }
            Ok(())
        })?;
    }
}

/// Shops in no order, each with many rows.
fn shops(rows: usize) -> String {
    let line = |row: usize| {
        let at = schemas::time::format_ms((row / 100) as i64);
        format!("shop{:03},{at},{},{}\n", row * 7_919 % 100, row % 977, row % 499)
    };
    String::from("shop,at,x,y\n") + &(0..rows).map(line).collect::<String>()
}

#[tokio::test]
async fn a_scope_of_a_clustered_file_is_read_from_few_of_its_bytes() {
    let folder = Folder::new();
    folder.write("in.csv", shops(300_000));
    let request = request(&["shop"], Some("at"), &["x", "y"]);
    let files = open(&folder.source("in.csv")).await.unwrap();
    let made = files.cluster(&order(&folder, &request, 8 << 20)).await.unwrap();
    assert!(made.runs > 1 && made.row_groups > 4, "{made:?}");
    assert_eq!(made.size_bytes, std::fs::metadata(folder.path("out/clustered.parquet")).unwrap().len());
    let scopes = [(Scope::new([("shop", "shop042")]), Window { from_ms: Some(1_000), to_ms: Some(2_000) })];
    let filter = Filter::new(&request, scopes.iter().map(|(scope, window)| (scope, *window)));
    let files = open(&folder.source("out")).await.unwrap();
    let slice = files.read_slices(&request, filter.clone(), (1 << 20, 2)).await.unwrap();
    assert_eq!(slice.rows(), 1_000);
    let share = files.fetched_bytes() as f64 / made.size_bytes as f64;
    assert!(share < 0.35, "{share} of the file were read");
    // What does not fit says so.
    let error = files.read_slices(&request, filter, (10_000, 2)).await.unwrap_err();
    assert!(error.to_string().contains("--data-cache-mib"), "{error}");
}

#[tokio::test]
async fn a_clustered_file_keeps_what_columns_are_wanted_as() {
    let folder = Folder::new();
    folder
        .write("in.csv", "hour,day,open,name,y\n5,2013-01-02,true,b,1\n,2013-01-01,false,,-0\n12,,true,a,\n");
    let request = Request {
        texts: vec!["name".into(), "open".into()],
        times: vec!["day".into()],
        ..request(&["hour", "day"], None, &["hour", "open", "y"])
    };
    let files = open(&folder.source("in.csv")).await.unwrap();
    let before = files.read(&request, 1).await.unwrap();
    files.cluster(&order(&folder, &request, MEMORY_BYTES)).await.unwrap();
    let files = open(&folder.source("out")).await.unwrap();
    let after = files.read(&request, 1).await.unwrap();
    let hashes = |table: &Table| RowHashes::of(table, &request, 1).digest(&[0, 1, 2]);
    assert_eq!(hashes(&after), hashes(&before));
    let columns = files.columns().await.unwrap();
    let kinds: Vec<(&str, Kind)> = columns.iter().map(|(name, kind)| (name.as_str(), *kind)).collect();
    let text = Kind::Text;
    assert_eq!(
        kinds,
        [("hour", Kind::Number), ("day", text), ("open", Kind::Boolean), ("y", Kind::Number), ("name", text)]
    );
}

#[tokio::test]
async fn what_cannot_be_clustered_is_said_and_leaves_nothing_behind() {
    let folder = Folder::new();
    folder
        .write("in.csv", "hour,y\n05,1\n6,2\n6,3\n")
        .write("torn.ndjson", "{\"hour\":\"5\",\"y\":1}\n{\"ho");
    let files = open(&folder.source("in.csv")).await.unwrap();
    let both = request(&["hour"], None, &["hour", "y"]);
    let plain = request(&["hour"], None, &["y"]);
    let good = order(&folder, &plain, MEMORY_BYTES);
    let error = async |files: &Dataset, order: ClusterOrder| chain(&files.cluster(&order).await.unwrap_err());
    let text = error(&files, ClusterOrder { request: both, ..good.clone() }).await;
    assert!(text.contains("`hour` is wanted as texts and as numbers"), "{text}");
    let text = error(&files, ClusterOrder { target: "x.csv".into(), ..good.clone() }).await;
    assert!(text.contains("must end in .parquet"), "{text}");
    let text = error(&files, ClusterOrder { target: "gopher://x.parquet".into(), ..good.clone() }).await;
    assert!(text.contains("no support for `gopher:`"), "{text}");
    let text = error(&files, ClusterOrder { memory_bytes: 300, ..good.clone() }).await;
    assert!(text.contains("too little memory") || text.contains("--memory-mib"), "{text}");
    let text =
        error(&files, ClusterOrder { temporary: folder.path("none"), memory_bytes: 400, ..good.clone() })
            .await;
    assert!(text.contains("choose another folder with --temporary"), "{text}");
    let torn = open(&folder.source("torn.ndjson")).await.unwrap();
    let text = error(&torn, good.clone()).await;
    assert!(text.contains("torn.ndjson: not valid NDJSON"), "{text}");
    assert!(!folder.path("out").exists() || std::fs::read_dir(folder.path("out")).unwrap().next().is_none());
    files.cluster(&good).await.unwrap();
    let clustered = open(&folder.source("out/clustered.parquet")).await.unwrap();
    let text = error(&clustered, good).await;
    assert!(text.contains("is part of the source"), "{text}");
}
