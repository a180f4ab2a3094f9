//! The group index against the plain definition of groups.

use std::collections::BTreeMap;

use dataset::{Groups, Table};
use proptest::prelude::*;

use crate::support::{Folder, read, request};

const NAMES: [&str; 3] = ["a", "b", "c"];

type Row = [Option<u8>; 3];

fn table(rows: &[Row]) -> Table {
    let folder = Folder::new();
    let cell = |value: &Option<u8>| value.map_or("null".to_owned(), |value| format!("\"v{value}\""));
    let line = |[a, b, c]: &Row| format!("{{\"a\":{},\"b\":{},\"c\":{}}}\n", cell(a), cell(b), cell(c));
    folder.write("x.ndjson", rows.iter().map(line).collect::<String>() + "\n");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(read(&folder.source("x.ndjson"), &request(&NAMES, None, &[]))).unwrap()
}

fn naive(rows: &[Row], dimensions: &[usize], keep: &[bool]) -> (BTreeMap<Vec<String>, Vec<u32>>, usize) {
    let (mut groups, mut nulls) = (BTreeMap::new(), 0);
    for (row, values) in rows.iter().enumerate().filter(|(row, _)| keep[*row]) {
        let key: Option<Vec<String>> =
            dimensions.iter().map(|d| values[*d].map(|v| format!("v{v}"))).collect();
        match key {
            Some(key) => groups.entry(key).or_insert_with(Vec::new).push(row as u32),
            None => nulls += 1,
        }
    }
    (groups, nulls)
}

fn cell() -> impl Strategy<Value = Option<u8>> {
    prop_oneof![1 => Just(None), 4 => (0u8..4).prop_map(Some), 2 => any::<u8>().prop_map(Some)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]
    #[test]
    fn groups_are_those_of_the_definition(
        rows in prop::collection::vec(([cell(), cell(), cell()], any::<bool>()), 1..200),
        dimensions in Just(vec![0usize, 1, 2]).prop_shuffle(),
        taken in 0usize..=3,
    ) {
        let (rows, keep): (Vec<Row>, Vec<bool>) = rows.into_iter().unzip();
        let table = table(&rows);
        let dimensions = &dimensions[..taken];
        let names: Vec<&str> = dimensions.iter().map(|d| NAMES[*d]).collect();
        for keep in [None, Some(keep.as_slice())] {
            let groups = Groups::build(&table, &names, keep);
            let all = vec![true; rows.len()];
            let (mut expected, nulls) = naive(&rows, dimensions, keep.unwrap_or(&all));
            if names.is_empty() {
                expected.entry(Vec::new()).or_default();
            }
            prop_assert_eq!(groups.nulls(), nulls);
            prop_assert_eq!(groups.len(), expected.len());
            for (at, (values, rows)) in expected.iter().enumerate() {
                prop_assert_eq!(groups.values(&table, at), values.iter().map(String::as_str).collect::<Vec<_>>());
                prop_assert_eq!(groups.rows(at), rows.as_slice());
                prop_assert_eq!(groups.find(groups.key(at)), Some(at));
                let values: Vec<&str> = values.iter().map(String::as_str).collect();
                prop_assert_eq!(groups.find_values(&table, &values), Some(at));
                for taken in 0..=names.len() {
                    let codes = &groups.key(at)[..taken];
                    let alike: Vec<usize> =
                        (0..groups.len()).filter(|other| groups.key(*other).starts_with(codes)).collect();
                    prop_assert_eq!(groups.leading(codes).collect::<Vec<_>>(), alike);
                }
            }
        }
    }
}

#[test]
fn what_is_not_there_is_not_found() {
    let table = table(&[[Some(1), None, Some(3)], [Some(1), Some(2), None]]);
    let groups = Groups::build(&table, &["a", "b"], None);
    assert_eq!((groups.len(), groups.nulls(), groups.rows(0)), (1, 1, [1].as_slice()));
    assert_eq!(groups.find_values(&table, &["v1", "v9"]), None);
    assert_eq!(groups.find_values(&table, &["v1"]), None);
    assert_eq!(groups.find(&[0, 7]), None);
    assert!(groups.leading(&[7]).is_empty() && groups.leading(&[0, 0, 0]).is_empty());
    let unknown = Groups::build(&table, &["a", "nothing"], None);
    assert!(unknown.is_empty() && unknown.nulls() == 2);
}

#[test]
fn dimensions_with_many_values_are_sorted_in_several_passes() {
    let folder = Folder::new();
    let rows: Vec<(u32, u32)> = (0..3_000u32).map(|row| (row * 7_919 % 1_009, row * 104_729 % 997)).collect();
    let csv: String = rows.iter().map(|(a, b)| format!("{a},{b},x\n")).collect();
    folder.write("x.csv", format!("a,b,c\n{csv}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let table = runtime.block_on(read(&folder.source("x.csv"), &request(&NAMES, None, &[]))).unwrap();
    let groups = Groups::build(&table, &["a", "b", "c"], None);
    let distinct: std::collections::HashSet<_> = rows.iter().collect();
    assert_eq!(groups.len(), distinct.len());
    for (row, (a, b)) in (0u32..).zip(&rows) {
        let group = groups.find_values(&table, &[&a.to_string(), &b.to_string(), "x"]).unwrap();
        assert!(groups.rows(group).contains(&row));
    }
}
