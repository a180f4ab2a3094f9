//! A channel in a file: exported from a running system, and answered from where there is none.

use std::path::Path;

use futures::StreamExt;
use schemas::announce::Announcement;
use schemas::column::{Column, TextColumn};
use schemas::predict::{NamedColumn, PredictReply, PredictRequest, Refusal};
use schemas::{envelope, subjects};
use serde_json::{Value, json};
use tests::program::{Finished, clean, finish};
use tests::servers::free_port;
use tests::shops::{name, row};
use tests::{Nats, Program, Redis, Setup, Stack, flights, program, until};
use tokio::process::Command;

/// One of our programs in a folder of its own: it is told of no broker and no store.
fn alone(name: &str, arguments: &[&str], folder: &Path) -> Command {
    let mut command = clean(Command::new(program(name)));
    command.args(arguments).current_dir(folder);
    command
}

fn flight(carrier: &str, origin: &str) -> Value {
    json!({"carrier": carrier, "origin": origin, "dest": "IAH", "dep_delay": 12, "distance": 1400, "hour": 9, "month": 12,
        "day": 3, "time_hour": "2013-12-03T14:00:00Z"})
}

/// What callers ask: rows of exact fits and of fallbacks, rows without a fit and rows at fault, explained and not, in both
/// protocols, and the listing of the fits.
fn questions() -> Vec<(&'static str, Value)> {
    let flights =
        [flight("UA", "EWR"), flight("UA", "nowhere"), flight("nobody", "EWR"), json!({"carrier": "UA"})];
    let shops = [row(&name(0), 3.0), row("nobody", 1.0), row(&name(2), 0.1)];
    let tensors = json!([
        {"name": "shop", "shape": [2], "datatype": "BYTES", "data": [name(0), name(2)]},
        {"name": "x", "shape": [2], "datatype": "FP64", "data": [3.0, 0.1]},
    ]);
    vec![
        ("/v1/models/arrival_delay/predict", json!({"rows": flights})),
        ("/v1/models/arrival_delay/predict", json!({"rows": flights, "explain": true})),
        ("/v1/models/shops/predict", json!({"rows": shops})),
        ("/v1/models/shops/predict", json!({"rows": [row("nobody", 1.0)]})),
        ("/v1/models/shops/predict", json!({"rows": shops, "channel": "unknown"})),
        ("/v2/models/shops/infer", json!({"inputs": tensors})),
        ("/v1/models/shops/fits?scope=shop%3Dshop2", Value::Null),
        ("/v1/models", Value::Null),
        ("/v2/models/shops", Value::Null),
    ]
}

/// The answers of the gateway at `port`, as they are.
async fn answers(port: u16) -> Vec<(u16, String)> {
    let http = reqwest::Client::new();
    let mut answers = Vec::new();
    for (path, body) in questions() {
        let url = format!("http://127.0.0.1:{port}{path}");
        let request = if body.is_null() { http.get(url) } else { http.post(url).json(&body) };
        let answer = request.send().await.expect("the gateway answers");
        answers.push((answer.status().as_u16(), answer.text().await.expect("a body")));
    }
    answers
}

/// Waits until the gateway at `port` can answer.
async fn ready(port: u16) {
    until("the gateway being ready", || async {
        let asked = reqwest::get(format!("http://127.0.0.1:{port}/readyz")).await.ok()?;
        asked.status().is_success().then_some(())
    })
    .await;
}

/// Two models, trained.
async fn trained(store: String) -> Stack {
    let stack = Stack::start(Setup { store, ..Setup::default() }).await;
    stack.add_model(&flights::spec()).await;
    stack.add_shops(3, "").await;
    stack.train_shops("shop=*", 3).await;
    let closed =
        stack.ask(&["train", "arrival_delay", "--scope", "carrier=*,origin=*", "--levels", "--wait"]).await;
    let body = json!({"rows": [flight("UA", "EWR")]}).to_string();
    until("the flights being answered", || async {
        let (status, answer) = stack.predict("arrival_delay", body.clone()).await;
        (status == 200 && answer["fits"][0]["campaign"] == closed["id"]).then_some(())
    })
    .await;
    stack
}

/// Without store, ledger and JetStream, and then without any broker, the answers are the same to the last byte.
#[tokio::test]
async fn a_bundle_answers_as_the_system_did_when_that_is_gone() {
    let redis = Redis::start().await;
    let stack = trained(redis.url()).await;
    let live = answers(stack.port).await;
    let statuses: Vec<u16> = live.iter().map(|(status, _)| *status).collect();
    assert_eq!(statuses, [200, 200, 200, 404, 404, 200, 200, 200, 200], "{live:?}");
    let file = stack.folder.path().join("fits.pack").display().to_string();
    let exported = stack.ask(&["channel", "export", "live", "--out", &file]).await;
    assert_eq!((&exported["models"], &exported["fits"]), (&json!(["arrival_delay", "shops"]), &json!(52)));
    let Stack { nats, folder, .. } = stack;
    drop((nats, redis));

    let verified =
        finish(alone("enqueue", &["--json", "channel", "verify", &file], folder.path())).await.ok().json();
    assert_eq!((&verified["fits"], &verified["bytes"]), (&exported["fits"], &exported["bytes"]));
    assert_eq!(verified["models"][1]["levels"], json!({"shop": 3}), "{verified}");

    let (nats, port) = (Nats::start_plain().await, free_port());
    let (url, listen) = (nats.url(), format!("127.0.0.1:{port}"));
    let joined = ["--nats-url", &url, "--fits", &file];
    let mut predictor = Program::start(alone("worker", &[&["infer"][..], &joined].concat(), folder.path()));
    predictor.says("predicting").await;
    let gateway =
        Program::start(alone("gateway", &[&["--listen", &listen][..], &joined].concat(), folder.path()));
    ready(port).await;
    assert_eq!(answers(port).await, live);
    // It leaves like any other.
    assert_eq!((gateway.stop().await, predictor.stop().await), (0, 0));
    drop(nats);

    let one = ["--predict-here", "--listen", &listen, "--fits", &file];
    let gateway = Program::start(alone("gateway", &one, folder.path()));
    ready(port).await;
    assert_eq!(answers(port).await, live);
    what_needs_a_ledger_says_so(port).await;
    assert_eq!(gateway.stop().await, 0);
}

async fn what_needs_a_ledger_says_so(port: u16) {
    let (http, base) = (reqwest::Client::new(), format!("http://127.0.0.1:{port}/v1"));
    let order = http.post(format!("{base}/models/shops/train")).json(&json!({"scopes": ["shop=shop1"]}));
    let queue = ["queue", "campaigns", "campaigns/one"].map(|path| http.get(format!("{base}/{path}")));
    for request in std::iter::once(order).chain(queue) {
        let answer = request.send().await.expect("an answer");
        let (status, problem) = (answer.status().as_u16(), answer.json::<Value>().await.expect("a problem"));
        let detail = problem["detail"].as_str().expect("a detail");
        assert!(status == 501 && detail.contains("fits.pack") && detail.contains("--fits"), "{problem}");
    }
    let metrics = http.get(format!("http://127.0.0.1:{port}/metrics")).send().await.expect("numbers");
    assert!(metrics.text().await.expect("text").contains("scopeforge_rows_total"));
}

/// Fits of a campaign that is still open may be missing: programs are told so, too.
#[tokio::test]
async fn an_open_campaign_of_the_channel_is_named() {
    let stack = trained(String::new()).await;
    let file = stack.folder.path().join("fits.pack").display().to_string();
    let export = ["channel", "export", "live", "--out", &file, "--force", "--json"];
    let before = stack.enqueue(&export).await.ok();
    assert_eq!(before.err, "");
    stack.ask(&["pause"]).await;
    let open = stack.ask(&["train", "shops", "--scope", "shop=*", "--force"]).await;
    stack.ask(&["train", "shops", "--scope", "shop=*", "--force", "--channel", "next"]).await;
    let done = stack.enqueue(&export).await.ok();
    assert_eq!(done.json()["fits"], before.json()["fits"]);
    let id = open["id"].as_str().expect("an id");
    let said: Vec<&str> = done.err.lines().collect();
    assert!(
        matches!(said.as_slice(), [only] if only.contains(id) && only.contains("still open")),
        "{said:?}"
    );
}

/// `--model` picks, and what cannot be exported is said with what to do.
#[tokio::test]
async fn models_are_picked_and_mistakes_are_named() {
    let stack = trained(String::new()).await;
    let file = stack.folder.path().join("fits.pack").display().to_string();
    let export = |channel: &'static str, more: &'static [&'static str]| {
        let (stack, file) = (&stack, &file);
        async move { stack.enqueue(&[&["channel", "export", channel, "--out", file][..], more].concat()).await }
    };
    let says = |done: Finished, words: &str| {
        assert!(done.code == 2 && done.err.contains(words), "{words}: {done:?}")
    };
    says(export("live", &["--model", "shop"]).await, "did you mean `shops`?");
    says(export("liv", &["--model", "shops"]).await, "no fits on the channel `liv`; did you mean `live`?");
    says(export("nightly", &[]).await, "no model has fits on the channel `nightly`");
    says(export("not a name", &[]).await, "not a name");
    assert!(!Path::new(&file).exists());
    export("live", &["--model", "shops", "--model", "shops"]).await.ok();
    says(export("live", &[]).await, "--force replaces it");
    let both =
        export("live", &["--model", "shops", "--model", "arrival_delay", "--force", "--json"]).await.ok();
    assert_eq!(both.json()["models"], json!(["arrival_delay", "shops"]));
    let one = export("live", &["--model", "shops", "--force", "--json"]).await.ok().json();
    assert_eq!((&one["models"], &one["fits"]), (&json!(["shops"]), &json!(3)));

    let (port, folder) = (free_port(), stack.folder.path());
    let listen = format!("127.0.0.1:{port}");
    let _gateway =
        Program::start(alone("gateway", &["--predict-here", "--listen", &listen, "--fits", &file], folder));
    ready(port).await;
    let live = answers(stack.port).await;
    for ((own, live), (path, _)) in answers(port).await.into_iter().zip(live).zip(questions()) {
        match path {
            "/v1/models" => assert!(!own.1.contains("arrival_delay"), "{own:?}"),
            path if path.contains("arrival_delay") => assert_eq!(own.0, 404, "{own:?}"),
            path => assert_eq!(own, live, "{path}"),
        }
    }
}

/// A file that is not whole is never answered from: the programs say what is wrong with it, and end.
#[tokio::test]
async fn programs_refuse_files_that_are_not_whole() {
    let stack = trained(String::new()).await;
    let folder = stack.folder.path();
    let file = folder.join("fits.pack");
    stack.ask(&["channel", "export", "--out", &file.to_string_lossy()]).await;
    let whole = std::fs::read(&file).expect("the file");
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    let cases: [(&str, &[u8], &str); 4] = [
        ("torn", &whole[..whole.len() - 1], "it should have"),
        ("flipped", &flipped, "differ from what was written"),
        ("foreign", b"PAR1", "it is no bundle of fits; make one with `enqueue channel export`"),
        ("empty", b"", "it is no bundle of fits"),
    ];
    for (name, bytes, words) in cases {
        let bad = stack.write(name, bytes).display().to_string();
        for (program, arguments) in [
            ("enqueue", &["channel", "verify", &bad][..]),
            ("worker", &["infer", "--fits", &bad]),
            ("gateway", &["--predict-here", "--listen", "127.0.0.1:0", "--fits", &bad]),
        ] {
            let ended = finish(alone(program, arguments, folder)).await;
            assert!(ended.code == 1 && ended.err.contains(words) && ended.err.contains(&bad), "{ended:?}");
        }
    }
    let absent = finish(alone("enqueue", &["channel", "verify", "absent.pack"], folder)).await;
    assert!(absent.code == 2 && absent.err.contains("absent.pack"), "{absent:?}");
}

/// On the broker of a system that goes on, only gateways with the same bundle ask a predictor that has one, and it answers
/// nobody else: the same names may mean other specs, channels and fits by then.
#[tokio::test]
async fn a_bundle_beside_the_system_answers_for_itself_alone() {
    let stack = trained(String::new()).await;
    let file = stack.folder.path().join("fits.pack").display().to_string();
    stack.ask(&["channel", "export", "--model", "shops", "--out", &file]).await;
    let client = stack.nats.client().await;
    let words = client.subscribe(subjects::announce("predictor", "*")).await.expect("the broker takes it");
    let words = tokio::sync::Mutex::new(words);
    let mut command = stack.command("worker");
    command.args(["infer", "--fits", &file]);
    let _baked = Program::start(command);
    let baked: Announcement = until("the bundle's predictor being there", || async {
        let word = words.lock().await.next().await?;
        envelope::decode(&word.payload).ok().filter(|word: &Announcement| word.ready && word.bundle.is_some())
    })
    .await;
    let closed = stack.ask(&["train", "shops", "--scope", "shop=*", "--force", "--wait"]).await;
    stack.shops_answer(&closed, "live", 3).await;

    let (port, mut command) = (free_port(), stack.command("gateway"));
    command.args(["--fits", &file, "--listen", &format!("127.0.0.1:{port}")]);
    let _gateway = Program::start(command);
    ready(port).await;
    for port in [stack.port, port] {
        let ready = reqwest::get(format!("http://127.0.0.1:{port}/readyz")).await.expect("an answer");
        assert_eq!(ready.json::<Value>().await.expect("a body")["predictors"], 1);
        let metrics = reqwest::get(format!("http://127.0.0.1:{port}/metrics")).await.expect("an answer");
        assert!(metrics.text().await.expect("a body").contains("\nscopeforge_predictors 1\n"));
        for shop in 0..3 {
            let body = json!({"rows": [row(&name(shop), 1.0)]}).to_string();
            let asked =
                reqwest::Client::new().post(format!("http://127.0.0.1:{port}/v1/models/shops/predict"));
            let answer = asked.body(body).send().await.expect("an answer");
            let answer: Value = answer.json().await.expect("a body");
            assert_eq!(answer["fits"][0]["campaign"] == closed["id"], port == stack.port, "{answer}");
        }
    }
    // A gateway that asks without looking, as earlier releases do.
    let shop = Column::Text(TextColumn::from_rows([Some("shop0")]));
    let asked = PredictRequest {
        model: "shops".into(),
        channel: "live".into(),
        state: None,
        explain: false,
        bundle: None,
        rows: 1,
        columns: vec![NamedColumn::new("shop", shop)],
    };
    let payload = envelope::encode(&vec![asked]).expect("it serialises");
    let answer = client.request(subjects::infer(&baked.worker), payload.into()).await.expect("an answer");
    let replies: Vec<PredictReply> = envelope::decode(&answer.payload).expect("replies");
    assert_eq!(replies, [PredictReply::Refused(Refusal::Behind)]);
}
