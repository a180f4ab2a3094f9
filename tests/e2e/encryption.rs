//! Training from a PostgreSQL server that lets only encrypted connections in.

use dataset::{Error, ReadError};
use schemas::spec::{DataSpec, Source};
use serde_json::json;
use tests::certificates::Authority;
use tests::postgres::PASSWORD;
use tests::{Postgres, Setup, Stack};

const SALES: &str = "
    CREATE TABLE sales (shop text, at timestamptz, x float8, y float8);
    INSERT INTO sales SELECT (ARRAY['a', 'b'])[1 + i % 2], '2020-01-01Z'::timestamptz + i * interval '1 hour',
        i, 3 * i + 1 FROM generate_series(0, 119) AS i";

fn spec(source: &str) -> String {
    format!(
        "name = \"sales\"\n[data]\nsource = \"{source}\"\ntime = \"at\"\n[scope]\ndimensions = [\"shop\"]\n[learn]\ntarget = \"y\"\nfeatures = [\"x\"]\nalgorithm = \"linear\"\nmin_rows = 10\n"
    )
}

/// Whether the columns of a source can be asked for.
async fn look(source: &str) -> Result<(), ReadError> {
    let data = DataSpec { source: Source::One(source.to_owned()), query: None, time: None };
    dataset::open(&data).await.expect("an address").columns().await.map(|_| ())
}

/// What is said about a source that cannot be read, and will not be later either.
async fn refusal(source: &str) -> String {
    let error = look(source).await.expect_err(source);
    let mut causes: Vec<String> = vec![error.to_string()];
    let mut cause = std::error::Error::source(&error);
    while let Some(deeper) = cause {
        causes.push(deeper.to_string());
        cause = deeper.source();
    }
    assert!(!Error::Read(error).is_transient(), "{causes:?}");
    causes.join(": ")
}

#[tokio::test]
async fn a_server_that_wants_encryption_is_trained_from_and_a_wrong_one_is_refused() {
    let mut postgres = Postgres::start().await;
    postgres.run(SALES).await;
    let authority = Authority::new("shops");
    postgres.encrypt(&authority.sign("localhost")).await;
    let environment = vec![("PGPASSWORD", PASSWORD.to_owned())];
    let stack = Stack::start(Setup { predictors: 0, gateway: false, environment, ..Setup::default() }).await;
    let table = format!("{}?table=sales", postgres.url());

    stack.add_model(&spec(&format!("{table}&sslmode=require"))).await;
    let train = ["train", "sales", "--scope", "shop=*", "--levels", "--wait"];
    assert_eq!(stack.ask(&train).await["outcomes"], json!({"trained": 3}));
    // Encrypted wherever the server offers it; and checked.
    stack.add_model(&spec(&table)).await;
    assert_eq!(stack.ask(&train).await["outcomes"], json!({"unchanged": 3}));
    let root = stack.write("root.pem", authority.pem());
    let named = table.replace("127.0.0.1", "localhost");
    stack.add_model(&spec(&format!("{named}&sslmode=verify-full&sslrootcert={}", root.display()))).await;
    assert_eq!(stack.ask(&train).await["outcomes"], json!({"unchanged": 3}));

    let add = async |parameters: &str| {
        let file = stack.write("other.toml", spec(&format!("{table}{parameters}")));
        let done = stack.enqueue(&["model", "add", &file.to_string_lossy()]).await;
        assert_eq!(done.code, 2, "{done:?}");
        done.err
    };
    let plain = add("&sslmode=disable").await;
    assert!(plain.contains("say `sslmode=require`") && plain.contains("pg_hba.conf"), "{plain}");
    let other = stack.write("other.pem", Authority::new("shops").pem());
    for mode in ["prefer", "require", "verify-ca", "verify-full"] {
        let wrong = add(&format!("&sslmode={mode}&sslrootcert={}", other.display())).await;
        assert!(wrong.contains("certificate is refused") && wrong.contains("sslrootcert=FILE"), "{wrong}");
    }
    let unknown = add("&sslmode=allow").await;
    assert!(unknown.contains("`sslmode=allow` is not known"), "{unknown}");
    // A trainer that has another authority than the one who ordered says so, and does not try again.
    std::fs::copy(&other, &root).expect("a file");
    let done = stack.enqueue(&["train", "sales", "--scope", "shop=a", "--force", "--wait"]).await;
    assert!(done.code == 1 || done.code == 2, "{done:?}");
    assert!(format!("{}{}", done.out, done.err).contains("certificate is refused"), "{done:?}");
}

#[tokio::test]
async fn certificates_are_asked_for_what_libpq_asks() {
    let mut postgres = Postgres::trusting().await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, pem: String| {
        let file = folder.path().join(name);
        std::fs::write(&file, pem).expect("a file");
        file.display().to_string()
    };
    postgres.run("CREATE TABLE t (i int)").await;
    let table = format!("{}?table=t", postgres.url());
    // Without TLS only a wish for it can be met.
    look(&table).await.expect("no encryption");
    let none = refusal(&format!("{table}&sslmode=require")).await;
    assert!(none.contains("server does not support TLS"), "{none}");

    let authority = Authority::new("shops");
    let root = file("root.pem", authority.pem());
    postgres.encrypt(&authority.sign("other.example")).await;
    for fine in ["", "&sslmode=require", &format!("&sslrootcert={root}")] {
        look(&format!("{table}{fine}")).await.expect(fine);
    }
    look(&format!("{table}&sslmode=verify-ca&sslrootcert={}", root.replace('/', "%2F")))
        .await
        .expect("signed");
    let name = refusal(&format!("{table}&sslmode=verify-full&sslrootcert={root}")).await;
    assert!(name.contains("for this host") && name.contains("other.example"), "{name}");
    // No authority of the system has signed it.
    let system = refusal(&format!("{table}&sslmode=verify-full")).await;
    assert!(system.contains("certificate is refused") && system.contains("UnknownIssuer"), "{system}");

    // A certificate that its server has signed itself, of which there is a copy.
    postgres.encrypt(&authority.itself()).await;
    look(&format!("{table}&sslmode=verify-ca&sslrootcert={root}")).await.expect("the same");
    let other = file("other.pem", Authority::new("shops").pem());
    let wrong = refusal(&format!("{table}&sslmode=require&sslrootcert={other}")).await;
    assert!(wrong.contains("certificate is refused"), "{wrong}");
}
