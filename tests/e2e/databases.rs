//! Training from PostgreSQL.

use dataset::{Filter, Request};
use schemas::scope::Scope;
use schemas::spec::{DataSpec, Source};
use schemas::window::Window;
use serde_json::json;
use tests::postgres::PASSWORD;
use tests::{Postgres, Setup, Stack};

/// Two shops with sixty sales each; y = 3x + 1, and many sales at the same time.
const SALES: &str = "
    CREATE TABLE sales (shop text, part int, at timestamptz, x numeric(10, 2), y float8, note jsonb);
    INSERT INTO sales SELECT (ARRAY['a', 'b'])[1 + i % 2], i % 3, '2020-01-01Z'::timestamptz + i / 10 * interval '1 hour',
        i / 4.0, 3 * (i / 4.0) + 1, '{}' FROM generate_series(0, 119) AS i";

fn spec(source: &str, query: &str) -> String {
    format!(
        "name = \"sales\"\n[data]\nsource = \"{source}\"\n{query}time = \"at\"\n[scope]\ndimensions = [\"shop\", \"part\"]\n[learn]\ntarget = \"y\"\nfeatures = [\"x\"]\nalgorithm = \"linear\"\nmin_rows = 10\n[limits]\nattempts = 40\n"
    )
}

async fn start() -> (Postgres, Stack) {
    let postgres = Postgres::start().await;
    postgres.run(SALES).await;
    let environment = vec![("PGPASSWORD", PASSWORD.to_owned())];
    let setup = Setup { predictors: 0, gateway: false, environment, ..Setup::default() };
    (postgres, Stack::start(setup).await)
}

const TRAIN: [&str; 6] = ["train", "sales", "--scope", "shop=*,part=*", "--levels", "--wait"];

#[tokio::test]
async fn tables_and_queries_are_trained_from_and_rows_that_stay_are_known_again() {
    let (postgres, stack) = start().await;
    let table = format!("{}?table=public.sales", postgres.url());
    stack.add_model(&spec(&table, "")).await;
    let closed = stack.ask(&TRAIN).await;
    assert_eq!(closed["outcomes"], json!({"trained": 9}));
    for fit in stack.ask(&["fits", "sales"]).await.as_array().expect("a list") {
        let slope = fit["parameters"]["coefficients"]["x"].as_f64().expect("a slope");
        let intercept = fit["parameters"]["intercept"].as_f64().expect("an intercept");
        assert!((slope - 3.0).abs() < 1e-9 && (intercept - 1.0).abs() < 1e-8, "{fit}");
    }
    // The same rows in another order, through a query, are the same rows.
    let query = "query = \"\"\"SELECT shop, part, at, x, y FROM sales WHERE y > 0 ORDER BY y DESC\"\"\"\n";
    stack.add_model(&spec(&postgres.url(), query)).await;
    assert_eq!(stack.ask(&TRAIN).await["outcomes"], json!({"unchanged": 9}));
    // One more row changes the scopes that it belongs to.
    postgres.run("INSERT INTO sales VALUES ('a', 1, '2019-01-01', 1, 4)").await;
    assert_eq!(stack.ask(&TRAIN).await["outcomes"], json!({"trained": 3, "unchanged": 6}));
    // A window is part of the question.
    let scopes = ["train", "sales", "--scope", "shop=a,time=2020-01-01T03..2020-01-01T08", "--wait"];
    assert_eq!(stack.ask(&scopes).await["outcomes"], json!({"trained": 1}));
    let shown = stack.ask(&["model", "show", "sales"]).await.to_string();
    let trainer = &stack.trainers[0];
    assert!(!shown.contains(PASSWORD) && !trainer.log().contains(PASSWORD));
}

#[tokio::test]
async fn a_server_that_goes_away_is_waited_for_and_what_is_wrong_is_said() {
    let (mut postgres, mut stack) = start().await;
    let table = format!("{}?table=sales", postgres.url());
    stack.add_model(&spec(&table, "")).await;
    stack.enqueue(&["pause"]).await.ok();
    let ordered = stack.ask(&["train", "sales", "--scope", "shop=*"]).await;
    let id = ordered["id"].as_str().expect("an id").to_owned();
    postgres.stop().await;
    stack.enqueue(&["resume"]).await.ok();
    stack.trainers[0].says("cannot be reached").await;
    postgres.resume().await;
    let closed = stack.ask(&["campaign", "watch", &id]).await;
    assert_eq!(closed["outcomes"], json!({"trained": 2}));

    let add = async |spec: String| {
        let file = stack.write("other.toml", spec);
        let done = stack.enqueue(&["model", "add", &file.to_string_lossy()]).await;
        assert_eq!(done.code, 2, "{done:?}");
        assert!(!done.err.contains(PASSWORD), "{done:?}");
        done.err
    };
    let missing = add(spec(&format!("{}?table=sale", postgres.url()), "")).await;
    assert!(missing.contains("relation \"sale\" does not exist"), "{missing}");
    let column = add(spec(&table, "").replace("[\"x\"]", "[\"xx\"]")).await;
    assert!(column.contains("no column `xx`"), "{column}");
    let kind = add(spec(&table, "").replace("[\"x\"]", "[\"shop\"]")).await;
    assert!(kind.contains("`shop` of the source holds texts"), "{kind}");
    let secret = add(spec(&table.replace("tester@", &format!("tester:{PASSWORD}@")), "")).await;
    assert!(secret.contains("PGPASSWORD"), "{secret}");
    let both = add(spec(&table, "query = \"select 1\"\n")).await;
    assert!(both.contains("either a table"), "{both}");

    // A wrong type is found by the trainer, too, and is no reason to try again.
    postgres.run("ALTER TABLE sales ALTER COLUMN x TYPE text").await;
    let done = stack.enqueue(&["train", "sales", "--scope", "shop=*", "--wait"]).await;
    assert_eq!(done.code, 1, "{done:?}");
    assert!(done.out.contains("column `x` holds texts, but numbers are wanted"), "{done:?}");
}

fn data(postgres: &Postgres, query: &str) -> DataSpec {
    DataSpec { source: Source::One(postgres.url()), query: Some(query.to_owned()), time: Some("at".into()) }
}

#[tokio::test]
async fn every_type_becomes_what_a_file_would_have() {
    let postgres = Postgres::trusting().await;
    let query = "SELECT * FROM (VALUES
        (1::int2, 1.5::float4, 'a b'::text, true, date '2013-01-02', timestamp '2013-01-01 05:06:07.0899', timestamptz '2013-01-01 05:00+02', 0.1::numeric, 'x'::varchar(3)),
        (NULL, 'NaN', NULL, NULL, NULL, 'infinity', NULL, NULL, NULL),
        (-3, '-0', 'it''s \\ \"', false, '1969-12-31', '1969-12-31 23:59:59.999', '2040-01-01Z', 12345678901234567890.5, ''))
        AS t(i, f, t, b, d, at, z, n, v)";
    let text = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<String>>();
    let request = Request {
        dimensions: text(&["t", "i", "b", "d", "v"]),
        time: Some("at".into()),
        numbers: text(&["i", "f", "b", "n"]),
        times: text(&["z", "d"]),
        ..Request::default()
    };
    let opened = dataset::open(&data(&postgres, query)).await.expect("an address");
    let table = opened.read(&request, 1).await.expect("rows");
    let column = |name: &str| -> Vec<&str> {
        let column = table.dimension(name).expect("a dimension");
        (0..3).map(|row| column.get(row).unwrap_or("-")).collect()
    };
    // In time order: the row of 1969, that of 2013, and the one without a time.
    assert_eq!(column("t"), ["it's \\ \"", "a b", "-"]);
    assert_eq!(column("i"), ["-3", "1", "-"]);
    assert_eq!(column("b"), ["false", "true", "-"]);
    assert_eq!(column("d"), ["1969-12-31", "2013-01-02", "-"]);
    assert_eq!(column("v"), ["", "x", "-"]);
    let number = |name: &str| format!("{:?}", table.number(name).expect("numbers"));
    assert_eq!(number("i"), "[-3.0, 1.0, NaN]");
    assert_eq!(number("f"), "[-0.0, 1.5, NaN]");
    assert_eq!(number("b"), "[0.0, 1.0, NaN]");
    assert_eq!(number("n"), "[1.2345678901234567e19, 0.1, NaN]");
    let null = schemas::time::TIME_NULL;
    assert_eq!(table.time().expect("times"), [-1, 1_357_016_767_089, null]);
    assert_eq!(table.times("z").expect("times"), [2_208_988_800_000, 1_357_009_200_000, null]);
    assert_eq!(table.times("d").expect("times"), [-86_400_000, 1_357_084_800_000, null]);
}

#[tokio::test]
async fn many_rows_come_piece_by_piece_and_only_those_of_the_scopes() {
    let postgres = Postgres::trusting().await;
    let query = "SELECT 's' || i % 50 AS shop, timestamp '2020-01-01' + i * interval '1 second' AS at, i AS y \
                 FROM generate_series(1, 200000) AS i";
    let request = Request {
        dimensions: vec!["shop".into()],
        time: Some("at".into()),
        numbers: vec!["y".into()],
        ..Request::default()
    };
    let opened = dataset::open(&data(&postgres, query)).await.expect("an address");
    let scope = Scope::new([("shop", "s7")]);
    let filter = Filter::new(&request, [(&scope, Window::ALL)]);
    let slice = opened.read_slices(&request, filter.clone(), (1 << 20, 1)).await.expect("rows");
    assert_eq!(slice.rows(), 4_000);
    assert!(slice.number("y").expect("numbers").iter().enumerate().all(|(at, y)| *y == (7 + 50 * at) as f64));
    // Had the server sent all rows, they would be fifty times as many.
    assert!(opened.fetched_bytes() < 200_000, "{} bytes", opened.fetched_bytes());
    let counts = opened.counts(&request, &[Window::ALL], (0, 1)).await.expect("counts");
    assert_eq!(counts.level(&["shop"]).iter().map(|(_, rows)| rows[0]).collect::<Vec<_>>(), [4_000; 50]);
    let error = opened.read_slices(&request, filter, (1_000, 1)).await.expect_err("too much");
    assert!(error.to_string().contains("--data-cache-mib"), "{error}");
    let failing = "SELECT 's' AS shop, now() AS at, 1 / (5000 - i) AS y FROM generate_series(1, 9000) AS i";
    let opened = dataset::open(&data(&postgres, failing)).await.expect("an address");
    let error = opened.read(&request, 1).await.expect_err("a division by zero");
    assert!(!dataset::Error::Read(error).is_transient());
}
