//! Training from sources of every kind through the whole system.

use tests::{S3, Setup, Stack};

const ROWS: usize = 60;

fn csv() -> String {
    let row = |i: usize| {
        format!("{},2020-01-01T{:02}:{:02}:00Z,{i},{}\n", ["a", "b"][i % 2], i / 60, i % 60, 3 * i + 1)
    };
    String::from("shop,at,x,y\n") + &(0..ROWS).map(row).collect::<String>()
}

fn ndjson() -> String {
    let row = |line: &str| {
        let cells: Vec<&str> = line.split(',').collect();
        format!(
            "{{\"shop\":\"{}\",\"at\":\"{}\",\"x\":{},\"y\":{}}}\n",
            cells[0], cells[1], cells[2], cells[3]
        )
    };
    csv().lines().skip(1).map(row).collect()
}

fn spec(source: &str) -> String {
    format!(
        "name = \"shops\"\n[data]\nsource = {source}\ntime = \"at\"\n[scope]\ndimensions = [\"shop\"]\n[learn]\ntarget = \"y\"\nfeatures = [\"x\"]\nalgorithm = \"linear\"\nmin_rows = 10\n"
    )
}

/// y = 3x + 1 in every form of the data.
async fn learns_the_line(stack: &Stack, source: &str) {
    stack.add_model(&spec(source)).await;
    let closed = stack.ask(&["train", "shops", "--scope", "shop=*", "--levels", "--wait", "--force"]).await;
    assert_eq!(closed["outcomes"], serde_json::json!({"trained": 3}), "{source}");
    for fit in stack.ask(&["fits", "shops"]).await.as_array().expect("a list") {
        let parameters = &fit["parameters"];
        let slope = parameters["coefficients"]["x"].as_f64().expect("a slope");
        let intercept = parameters["intercept"].as_f64().expect("an intercept");
        assert!((slope - 3.0).abs() < 1e-9 && (intercept - 1.0).abs() < 1e-8, "{source}: {fit}");
        let rows = if fit["scope"] == "" { ROWS } else { ROWS / 2 };
        assert_eq!(fit["rows"], rows, "{source}");
    }
}

#[tokio::test]
async fn files_globs_folders_and_lists_train_the_same() {
    let stack = Stack::start(Setup { predictors: 0, gateway: false, ..Setup::default() }).await;
    let quoted = |path: &std::path::Path| format!("\"{}\"", path.display());
    let whole = stack.write("whole.csv", csv());
    learns_the_line(&stack, &quoted(&whole)).await;
    learns_the_line(&stack, &quoted(&stack.write("whole.ndjson", ndjson()))).await;
    std::fs::create_dir(stack.folder.path().join("parts")).expect("a folder");
    let lines = csv();
    let (head, rest) = lines.split_once('\n').expect("a head");
    let rows: Vec<&str> = rest.lines().collect();
    for (number, part) in rows.chunks(25).enumerate() {
        stack.write(&format!("parts/{number}.csv"), format!("{head}\n{}\n", part.join("\n")));
    }
    let folder = stack.folder.path().join("parts");
    learns_the_line(&stack, &quoted(&folder)).await;
    learns_the_line(&stack, &quoted(&folder.join("*.csv"))).await;
    let list = format!("[{}]", ["0", "1", "2"].map(|n| quoted(&folder.join(format!("{n}.csv")))).join(", "));
    learns_the_line(&stack, &list).await;
    for shop in ["a", "b"] {
        std::fs::create_dir_all(stack.folder.path().join(format!("hive/shop={shop}"))).expect("a folder");
        let own: Vec<&str> = rows.iter().filter_map(|row| row.strip_prefix(&format!("{shop},"))).collect();
        stack.write(&format!("hive/shop={shop}/rows.csv"), format!("at,x,y\n{}\n", own.join("\n")));
    }
    learns_the_line(&stack, &quoted(&stack.folder.path().join("hive"))).await;
}

#[tokio::test]
async fn s3_trains_the_same() {
    let s3 = S3::start("data").await;
    let environment = s3.environment();
    let stack = Stack::start(Setup { predictors: 0, gateway: false, environment, ..Setup::default() }).await;
    std::fs::create_dir(s3.folder().join("data/shops")).expect("a prefix");
    std::fs::write(s3.folder().join("data/shops/rows.ndjson"), ndjson()).expect("an object");
    learns_the_line(&stack, "\"s3://data/shops/rows.ndjson\"").await;
    learns_the_line(&stack, "\"s3://data/shops\"").await;
    learns_the_line(&stack, "\"s3://data/shops/*.ndjson\"").await;
    // Parquet from S3 fetches only the columns it needs, by ranges.
    let flights = tests::program::root().join("tests/data/flights.parquet");
    std::fs::copy(flights, s3.folder().join("data/flights.parquet")).expect("an object");
    let text = tests::flights::spec();
    let local = text.split('"').find(|part| part.ends_with(".parquet")).expect("a source").to_owned();
    stack.add_model(&text.replace(&local, "s3://data/flights.parquet")).await;
    let closed = stack.ask(&["train", "arrival_delay", "--scope", "carrier=*", "--wait"]).await;
    assert_eq!(closed["outcomes"], serde_json::json!({"trained": 15, "too_few_rows": 1}));
}
