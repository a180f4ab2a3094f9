//! The flights: the whole way over a real data set, against what another program made of it.

use std::path::{Path, PathBuf};

use dataset::{Groups, Request, RowHashes, open};
use schemas::column::TEXT_NULL;
use schemas::spec::{ModelSpec, Source};

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data").join(name)
}

fn spec() -> ModelSpec {
    let mut spec = ModelSpec::parse(&std::fs::read_to_string(data("arrival_delay.toml")).unwrap()).unwrap();
    spec.data.source = Source::One(data("flights.parquet").to_str().unwrap().to_owned());
    spec
}

#[tokio::test]
async fn row_counts_of_all_scopes_are_those_of_the_reference() {
    let spec = spec();
    let table = open(&spec.data).await.unwrap().read(&Request::for_training(&spec), 2).await.unwrap();
    assert_eq!(table.rows(), 336_776);
    assert!(table.time().unwrap().is_sorted());
    let columns = spec.learn.features.iter().map(|f| f.column()).chain([spec.learn.target.as_str()]);
    let numbers: Vec<&[f64]> = columns.filter_map(|name| table.number(name)).collect();
    assert_eq!(numbers.len(), 6);
    let levels =
        [0, 1, 2, 3].map(|fixed| Groups::build(&table, &["carrier", "origin", "dest"][..fixed], None));
    let reference = std::fs::read_to_string(data("flights_ridge.csv")).unwrap();
    let mut seen = 0;
    for line in reference.lines().skip(1) {
        // A scope that fixes several dimensions stands in quotes.
        let (scope, rest) = match line.strip_prefix('"') {
            Some(line) => line.split_once("\",").unwrap(),
            None => line.split_once(',').unwrap(),
        };
        let values: Vec<&str> = scope.split(',').filter_map(|pair| Some(pair.split_once('=')?.1)).collect();
        let groups = &levels[values.len()];
        let rows = groups.rows(groups.find_values(&table, &values).unwrap());
        let complete = rows.iter().filter(|row| numbers.iter().all(|n| !n[**row as usize].is_nan())).count();
        let counts: Vec<usize> = rest.split(',').take(2).map(|count| count.parse().unwrap()).collect();
        assert_eq!([rows.len(), complete], counts[..], "{scope}");
        seen += 1;
    }
    assert_eq!(seen, levels.iter().map(Groups::len).sum::<usize>());
    assert!(levels.iter().all(|groups| groups.nulls() == 0));
}

#[tokio::test]
async fn planning_reads_only_dimensions_and_time() {
    let spec = spec();
    let table = open(&spec.data).await.unwrap().read(&Request::for_planning(&spec), 1).await.unwrap();
    assert_eq!(table.size_bytes() / table.rows(), 3 * 4 + 8);
    assert_eq!(table.number("arr_delay"), None);
    assert!(!table.dimension("dest").unwrap().codes.contains(&TEXT_NULL));
    assert_eq!(table.dimension("origin").unwrap().values, ["EWR", "JFK", "LGA"]);
}

#[tokio::test]
async fn rows_hash_to_the_same_on_any_number_of_threads() {
    let request = Request::for_training(&spec());
    let table = open(&spec().data).await.unwrap().read(&request, 2).await.unwrap();
    let all: Vec<u32> = (0..table.rows() as u32).collect();
    let digest = |threads| RowHashes::of(&table, &request, threads).digest(&all);
    assert!([2, 3, 7].into_iter().all(|threads| digest(threads) == digest(1)));
}
