//! Digests name the content of a slice, and nothing else.

use std::collections::BTreeMap;

use dataset::{Groups, Request, RowHashes, Table, joined_digest};
use proptest::prelude::*;

use crate::support::{Folder, read, request};

fn wanted() -> Request {
    Request { texts: vec!["color".into()], ..request(&["shop"], Some("at"), &["y"]) }
}

fn table(csv: &str) -> Table {
    let folder = Folder::new();
    folder.write("x.csv", format!("shop,at,color,y\n{csv}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(read(&folder.source("x.csv"), &wanted())).unwrap()
}

fn digests(csv: &str) -> BTreeMap<String, u128> {
    let table = table(csv);
    let hashes = RowHashes::of(&table, &wanted(), 2);
    let groups = Groups::build(&table, &["shop"], None);
    let together = hashes.digests(&groups);
    (0..groups.len()).for_each(|group| assert_eq!(together[group], hashes.digest(groups.rows(group))));
    let digest = |group| (groups.values(&table, group)[0].to_owned(), together[group]);
    (0..groups.len()).map(digest).collect()
}

const ROWS: &str = "a,2020-01-01,red,1\nb,2020-01-02,red,2\na,2020-01-03,,\nb,2020-01-03,blue,0\n";

#[test]
fn every_changed_value_changes_its_group_and_no_other() {
    let before = digests(ROWS);
    for (from, to) in [
        ("red,1", "red,1.0000001"),
        ("a,2020-01-01,red", "a,2020-01-01,rot"),
        ("a,2020-01-01,red", "a,2020-01-01,"),
        ("a,2020-01-01", "a,2020-01-02"),
        ("a,2020-01-03,,", "a,2020-01-03,,0"),
        ("a,2020-01-03,,\n", ""),
    ] {
        assert!(ROWS.contains(from));
        let after = digests(&ROWS.replacen(from, to, 1));
        assert_ne!(after["a"], before["a"], "{from} -> {to}");
        assert_eq!(after["b"], before["b"], "{from} -> {to}");
    }
}

#[test]
fn what_is_not_content_changes_nothing() {
    let before = digests(ROWS);
    assert_eq!(digests(&ROWS.replace("blue,0", "blue,-0")), before);
    assert_eq!(digests(&ROWS.replace("red,1\n", "red,1.00\n")), before);
    // Other rows shift row ids and codes, and rows without a shop are nobody's.
    let more = digests(&format!("0,2019-01-01,aqua,5\n,2019-01-01,red,5\n{ROWS}"));
    assert!(before.iter().all(|(shop, digest)| more[shop] == *digest));
    let table = table(ROWS);
    let hashes = RowHashes::of(&table, &wanted(), 2);
    assert_ne!(hashes.digest(&[0, 1]), hashes.digest(&[1, 0]));
    assert_ne!(hashes.digest(&[]), hashes.digest(&[0]));
    // Wherever rows are cut, the digests of the pieces make that of all.
    let all = [0, 2, 1, 3];
    for cut in 0..=4 {
        let later = (hashes.digest(&all[cut..]), 4 - cut as u64);
        assert_eq!(joined_digest(hashes.digest(&all[..cut]), later), hashes.digest(&all));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 30, ..ProptestConfig::default() })]
    #[test]
    fn one_changed_row_among_many_changes_exactly_its_group(
        rows in prop::collection::vec((0u8..5, 0u8..28, -9i32..9), 1..600), pick in any::<prop::sample::Index>()
    ) {
        let csv = |rows: &[(u8, u8, i32)]| -> String {
            rows.iter().map(|(shop, day, y)| format!("s{shop},2020-01-{:02},red,{y}\n", day + 1)).collect()
        };
        let before = digests(&csv(&rows));
        let mut changed = rows;
        let at = pick.index(changed.len());
        changed[at].2 += 100;
        let after = digests(&csv(&changed));
        for (shop, digest) in &before {
            prop_assert_eq!(after[shop] != *digest, *shop == format!("s{}", changed[at].0));
        }
    }
}
