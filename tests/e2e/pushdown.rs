//! Dimensions of every type in the `WHERE` that a PostgreSQL server is asked with.

use dataset::{Dataset, Filter, Request, Table};
use schemas::scope::Scope;
use schemas::spec::{DataSpec, Source};
use schemas::window::Window;
use tests::{Postgres, until};

/// Fifty values with 400 rows each in every column, and an index on each.
const ITEMS: &str = "
    DO $$ BEGIN EXECUTE 'CREATE TYPE size AS ENUM ('
        || (SELECT string_agg(quote_literal('it''s ' || k), ', ') FROM generate_series(0, 49) AS k) || ')'; END $$;
    CREATE DOMAIN label AS text;
    CREATE TABLE items AS SELECT
        'é' || k AS a_text, ('v' || k)::varchar(9) AS a_varchar, ('c' || k)::char(9) AS a_char, ('n' || k)::name COLLATE \"C\" AS a_name,
        ('l' || k)::label AS a_label, ('it''s ' || k)::size AS a_size,
        ('0F1E2D3C-0000-4000-8000-' || lpad(k::text, 12, '0'))::uuid AS a_uuid,
        k::int2 AS a_small, k AS an_int, -k * 1000000000000 AS a_big, (4000000000 + k)::oid AS an_oid, k = 7 AS a_bool,
        date '2020-01-01' + k AS a_date,
        timestamp '2020-01-01' + i * interval '1 second' AS at, i AS y
        FROM generate_series(0, 19999) AS i, LATERAL (SELECT i / 400 AS k) AS of_row;
    DO $$ DECLARE name text; BEGIN
        FOR name IN SELECT attname FROM pg_attribute WHERE attrelid = 'items'::regclass AND attname LIKE 'a%\\_%' LOOP
            EXECUTE format('CREATE INDEX ON items (%I)', name);
        END LOOP; END $$;
    ANALYZE items";

/// Per column the text of its seventh value, and texts that it can never have.
const COLUMNS: [(&str, &str, &[&str]); 13] = [
    ("a_text", "é7", &["e7"]),
    ("a_varchar", "v7", &["v7 ", "longer than nine"]),
    ("a_char", "c7", &["c7 ", "longer than nine"]),
    ("a_name", "n7", &["n"]),
    ("a_label", "l7", &["l'"]),
    ("a_size", "it's 7", &["it's 50", "'"]),
    ("a_uuid", "0f1e2d3c-0000-4000-8000-000000000007", &["0F1E2D3C-0000-4000-8000-000000000007", "a shop"]),
    ("a_small", "7", &["07", "100000"]),
    ("an_int", "7", &["7.0", "9999999999"]),
    ("a_big", "-7000000000000", &["9223372036854775808", "seven"]),
    ("an_oid", "4000000007", &["-1", "9999999999"]),
    ("a_bool", "true", &["t"]),
    ("a_date", "2020-01-08", &["2020-02-30", "now", "2020-1-8", "infinity"]),
];

async fn open(postgres: &Postgres, query: &str) -> Dataset {
    let source = Source::One(postgres.url());
    let data = DataSpec { source, query: Some(query.to_owned()), time: Some("at".into()) };
    dataset::open(&data).await.expect("an address")
}

fn request(dimension: &str) -> Request {
    Request {
        dimensions: vec![dimension.to_owned()],
        time: Some("at".into()),
        numbers: vec!["y".into()],
        ..Request::default()
    }
}

async fn rows_of(dataset: &Dataset, dimension: &str, values: &[&str]) -> Table {
    let request = request(dimension);
    let scopes: Vec<Scope> = values.iter().map(|value| Scope::new([(dimension, *value)])).collect();
    let filter = Filter::new(&request, scopes.iter().map(|scope| (scope, Window::ALL)));
    dataset
        .read_slices(&request, filter, (1 << 20, 1))
        .await
        .unwrap_or_else(|error| panic!("{dimension}: {error:?}"))
}

#[tokio::test]
async fn a_scope_of_any_dimension_is_found_by_its_index_and_read_alone() {
    let postgres = Postgres::trusting().await;
    postgres.run(ITEMS).await;
    for (column, value, never) in COLUMNS {
        let dataset = open(&postgres, "SELECT * FROM items").await;
        let values: Vec<&str> = never.iter().copied().chain([value]).collect();
        let table = rows_of(&dataset, column, &values).await;
        assert_eq!(table.rows(), 400, "{column}");
        assert_eq!(table.dimension(column).expect("a dimension").get(0), Some(value));
        assert!(
            table.number("y").expect("numbers").iter().enumerate().all(|(at, y)| *y == (2_800 + at) as f64)
        );
        // Had the server sent all rows, they would be fifty times as many.
        let most = 400 * 80;
        assert!(dataset.fetched_bytes() < most, "{column}: {} bytes", dataset.fetched_bytes());
        // Nor does the server see what it cannot read.
        let dataset = open(&postgres, "SELECT * FROM items").await;
        let none = rows_of(&dataset, column, never).await;
        assert_eq!((none.rows(), dataset.fetched_bytes()), (0, 0), "{column}");
    }
    let client = postgres.client().await;
    until("the use of every index", async || {
        let unused = "SELECT indexrelname::text FROM pg_stat_user_indexes WHERE idx_scan = 0";
        client.query(unused, &[]).await.expect("statistics").is_empty().then_some(())
    })
    .await;
    // Columns that have no dimension's texts are refused.
    let others = "SELECT at, y, y::numeric AS a, y::float8 AS b, at::timestamptz AS c, 'x'::\"char\" AS d, ARRAY[y] AS e FROM items";
    let dataset = open(&postgres, others).await;
    for column in ["at", "a", "b", "c", "d", "e"] {
        let error = dataset.read(&request(column), 1).await.expect_err(column).to_string();
        assert!(error.contains("dimensions, categorical columns and classes are texts"), "{error}");
    }
}
