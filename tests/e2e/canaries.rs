//! Channels beside the one that answers: a canary answers for some scopes, a shadow is only compared.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tests::shops::{name, row};
use tests::{Setup, Stack, until};

const SHOPS: usize = 120;

/// All shops have fits in `live`; all but the last ten in `next`, where everything is 1000 more.
async fn stack() -> (Stack, Value) {
    let stack = Stack::start(Setup { predictors: 2, ..Setup::default() }).await;
    stack.add_shops(SHOPS, "").await;
    stack.train_shops("shop=*", SHOPS).await;
    let more = |line: &str| {
        let (start, sold) = line.rsplit_once(',').expect("a column");
        let sold = sold.parse::<f64>().map_or(sold.to_owned(), |sold| (sold + 1_000.0).to_string());
        format!("{start},{sold}\n")
    };
    let rows: String = tests::shops::csv(SHOPS - 10).lines().map(more).collect();
    stack.write("shops.csv", rows);
    let next = stack.ask(&["train", "shops", "--scope", "shop=*", "--channel", "next", "--wait"]).await;
    stack.shops_answer(&next, "next", SHOPS - 10).await;
    (stack, next["id"].clone())
}

/// One row for each shop, in one request.
async fn all(stack: &Stack) -> Value {
    let rows: Vec<Value> = (0..SHOPS).map(|shop| row(&name(shop), 1.0)).collect();
    let (status, answer) = stack.predict("shops", json!({ "rows": rows }).to_string()).await;
    assert!(status == 200 && answer["errors"].is_null(), "{answer}");
    answer
}

/// The shops that the campaign `next` answers for; their numbers are its, and all others are not.
async fn answered_by(stack: &Stack, next: &Value) -> BTreeSet<usize> {
    let answer = all(stack).await;
    let by_next = |shop: &usize| {
        let fit = answer["fit_of"][*shop].as_u64().expect("a fit") as usize;
        &answer["fits"][fit]["campaign"] == next
    };
    let shops: BTreeSet<usize> = (0..SHOPS).filter(by_next).collect();
    for shop in 0..SHOPS {
        let expected = tests::shops::sold(shop, 1.0) + if shops.contains(&shop) { 1_000.0 } else { 0.0 };
        let found = answer["predictions"][shop].as_f64().expect("a number");
        assert!((found - expected).abs() < 1e-6, "shop {shop}: {found}, not {expected}");
    }
    shops
}

/// The shops that the campaign `next` answers for in a file.
async fn in_bulk(stack: &Stack) -> BTreeSet<usize> {
    let rows: String = (0..SHOPS).map(|shop| format!("{},1\n", name(shop))).collect();
    let (file, out) =
        (stack.write("all.csv", format!("shop,x\n{rows}")), stack.folder.path().join("out.csv"));
    let (file, out) = (file.display().to_string(), out.display().to_string());
    stack.ask(&["predict", "shops", &file, "--out", &out]).await;
    let answers = std::fs::read_to_string(&out).expect("the answers");
    let numbers = answers
        .lines()
        .skip(1)
        .map(|line| line.split(',').nth(2).and_then(|cell| cell.parse::<f64>().ok()).expect("a number"));
    let shops: Vec<bool> =
        numbers.enumerate().map(|(shop, number)| number > tests::shops::sold(shop, 1.0) + 500.0).collect();
    assert_eq!(shops.len(), SHOPS);
    (0..SHOPS).filter(|shop| shops[*shop]).collect()
}

async fn settles(stack: &Stack, next: &Value, is_so: impl Fn(&BTreeSet<usize>) -> bool) -> BTreeSet<usize> {
    until("the gateway knowing of the canary", || async {
        let shops = answered_by(stack, next).await;
        is_so(&shops).then_some(shops)
    })
    .await
}

#[tokio::test]
async fn a_canary_answers_for_the_same_scopes_always() {
    let (stack, next) = stack().await;
    stack.ask(&["channel", "canary", "shops", "next", "--percent", "30"]).await;
    let some = settles(&stack, &next, |shops| !shops.is_empty()).await;
    assert!((15..60).contains(&some.len()), "{some:?}");
    for _ in 0..5 {
        assert_eq!(answered_by(&stack, &next).await, some);
    }
    // Each alone is answered as among others, whoever has the row.
    for shop in [some.first(), some.last()].into_iter().flatten() {
        let body = json!({"rows": [row(&name(*shop), 1.0)]}).to_string();
        let (_, answer) = stack.predict("shops", body).await;
        assert_eq!(answer["fits"][0]["campaign"], next, "{answer}");
    }
    assert_eq!(in_bulk(&stack).await, some, "files are answered as callers are");
    stack.ask(&["channel", "canary", "shops", "next", "--percent", "60"]).await;
    let more = settles(&stack, &next, |shops| shops.len() > some.len()).await;
    assert!(more.is_superset(&some), "{some:?} {more:?}");
    // What the canary has no fit for is answered as before.
    stack.ask(&["channel", "canary", "shops", "next", "--percent", "100"]).await;
    let most = settles(&stack, &next, |shops| shops.len() > more.len()).await;
    assert_eq!(most, (0..SHOPS - 10).collect());
    stack.ask(&["channel", "canary", "shops", "--off"]).await;
    settles(&stack, &next, BTreeSet::is_empty).await;
}

#[tokio::test]
async fn a_shadow_is_compared_and_changes_nothing() {
    let (stack, next) = stack().await;
    stack.ask(&["channel", "shadow", "shops", "next", "--percent", "100"]).await;
    let number = |metrics: &str, name: &str| {
        let line = metrics.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|line| line.trim().parse::<f64>().ok()).unwrap_or_default()
    };
    let of = |name: &str, more: &str| {
        format!("scopeforge_shadow_{name}{{channel=\"next\",model=\"shops\"{more}}}")
    };
    let differing = of("rows_total", ",outcome=\"differing\"");
    let unanswered = of("rows_total", ",outcome=\"unanswered\"");
    // Of each request, 110 rows are answered otherwise and ten not at all.
    let (rows, metrics) = until("the answers being compared", || async {
        assert!(answered_by(&stack, &next).await.is_empty());
        let metrics = stack.get("/metrics").await.1;
        let (rows, none) = (number(&metrics, &differing), number(&metrics, &unanswered));
        let is_whole =
            rows > 0.0 && rows % (SHOPS - 10) as f64 == 0.0 && none / 10.0 == rows / (SHOPS - 10) as f64;
        is_whole.then_some((rows, metrics))
    })
    .await;
    let apart = number(&metrics, &of("absolute_difference_total", ""));
    assert!((apart / rows - 1_000.0).abs() < 1e-6, "{apart} over {rows} rows");
    stack.ask(&["channel", "shadow", "shops", "--off"]).await;
}

#[tokio::test]
async fn shares_that_make_no_sense_are_refused() {
    let (stack, _) = stack().await;
    for arguments in [
        &["channel", "canary", "shops"][..],
        &["channel", "canary", "shops", "next", "--percent", "101"],
        &["channel", "canary", "shops", "next", "--percent", "-1"],
        &["channel", "canary", "shops", "next", "--percent", "NaN"],
        &["channel", "canary", "shops", "live"],
        &["channel", "canary", "shop", "next"],
        &["channel", "shadow", "shops", "a.b"],
    ] {
        let refused = stack.enqueue(arguments).await;
        assert!([1, 2].contains(&refused.code) && !refused.err.is_empty(), "{arguments:?}: {refused:?}");
    }
    assert_eq!(all(&stack).await["predictions"].as_array().map(Vec::len), Some(SHOPS));
}
