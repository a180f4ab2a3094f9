//! Ten thousand fits released and taken back at once, while clients ask without a pause.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use runtime::broker::{Broker, ConnectRequest};
use runtime::{bucket, channels, ledger, presence};
use schemas::announce::Role;
use schemas::channel::Channel;
use schemas::column::{Column, TextColumn};
use schemas::outcome::Landing;
use schemas::predict::{NamedColumn, PredictReply, PredictRequest};
use schemas::subjects::channel_key;
use schemas::{envelope, subjects};
use serde_json::{Value, json};
use tests::load::{Asks, Check};
use tests::wait::LIMIT;
use tests::{Load, Setup, Stack, until};
use tokio_util::sync::CancellationToken;

const SHOPS: usize = 10_000;

/// Rows of one request, each of another shop.
const ROWS: usize = 500;

/// Shop `n` sells `n` more than this on the mean, as the campaign number `campaign` learns it.
fn base(campaign: usize) -> f64 {
    (campaign * 100_000) as f64
}

/// Makes the shops sell what campaign number `campaign` is to learn.
fn write_sales(stack: &Stack, campaign: usize) -> String {
    let row = |shop: usize| format!("s{shop},{}\n", base(campaign) + shop as f64);
    let rows: String = (0..4).flat_map(|_| (0..SHOPS).map(row)).collect();
    stack.write("sales.csv", format!("shop,sold\n{rows}")).display().to_string()
}

/// Adds the model, whose shops sell what campaign number 1 is to learn.
async fn add(stack: &Stack) {
    let source = write_sales(stack, 1);
    let learn = "target = \"sold\"\nalgorithm = \"mean\"\nholdout = 0.0\nmin_rows = 2";
    let scope = "[scope]\ndimensions = [\"shop\"]";
    stack
        .add_model(&format!("name = \"m\"\n[data]\nsource = \"{source}\"\n{scope}\n[learn]\n{learn}\n"))
        .await;
}

async fn train(stack: &Stack, campaign: usize, more: &[&str]) {
    write_sales(stack, campaign);
    let order = [&["train", "m", "--scope", "shop=*", "--wait"], more].concat();
    let closed = stack.ask(&order).await;
    assert_eq!(closed["outcomes"], json!({"trained": SHOPS}), "{closed}");
}

/// Clients that ask for many shops, all of them together for most; each answer has to be of one campaign, which is noted.
fn load(stack: &Stack, seen: &Arc<AtomicU64>) -> Load {
    let client = |number: usize| {
        let shops: Vec<usize> = (0..ROWS).map(|place| (place * 61 + number * 2_503) % SHOPS).collect();
        let rows: Vec<Value> = shops.iter().map(|shop| json!({"shop": format!("s{shop}")})).collect();
        let urls = vec![stack.url("/v1/models/m/predict")];
        Asks {
            urls,
            body: json!({ "rows": rows }).to_string(),
            problem_of: of_one_campaign(shops, seen.clone()),
        }
    };
    Load::start((0..4).map(client).collect())
}

fn of_one_campaign(shops: Vec<usize>, seen: Arc<AtomicU64>) -> Check {
    Arc::new(move |answer| {
        let base =
            |(place, shop): (usize, &usize)| Some(answer["predictions"][place].as_f64()? - *shop as f64);
        let bases: Option<Vec<f64>> = shops.iter().enumerate().map(base).collect();
        let Some(mut bases) = bases else { return Some(format!("rows without an answer: {answer}")) };
        bases.sort_unstable_by(f64::total_cmp);
        bases.dedup();
        seen.store(bases[0].to_bits(), Ordering::Relaxed);
        (bases.len() > 1).then(|| format!("one answer of several campaigns: {bases:?}"))
    })
}

/// Waits until the last answer was by this campaign; an answer takes rows from both predictors.
async fn answers(seen: &AtomicU64, campaign: usize) {
    until("the campaign answering", || {
        let now = f64::from_bits(seen.load(Ordering::Relaxed));
        std::future::ready((now == base(campaign)).then_some(()))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_fits_are_released_and_taken_back_at_once() {
    let stack = Stack::start(Setup { predictors: 2, ..Setup::default() }).await;
    add(&stack).await;
    train(&stack, 1, &["--publish", "together"]).await;
    let seen = Arc::new(AtomicU64::new(0));
    let first =
        json!({"rows": (0..SHOPS).map(|shop| json!({"shop": format!("s{shop}")})).collect::<Vec<_>>()});
    until("all shops being answered", || async {
        let (status, answer) = stack.predict("m", first.to_string()).await;
        (status == 200 && answer["errors"].is_null()).then_some(())
    })
    .await;
    let mut load = load(&stack, &seen);
    load.more(5).await;
    answers(&seen, 1).await;

    // Released and taken back, again and again; the first time the fits have landed only just now.
    train(&stack, 2, &["--channel", "next"]).await;
    for _ in 0..3 {
        stack.ask(&["channel", "promote", "m", "next"]).await;
        answers(&seen, 2).await;
        load.more(3).await;
        stack.ask(&["channel", "rollback", "m"]).await;
        answers(&seen, 1).await;
        load.more(3).await;
    }
    // Released by the campaign itself, as its last fit lands.
    for campaign in 3..5 {
        train(&stack, campaign, &["--publish", "together"]).await;
        answers(&seen, campaign).await;
        load.more(3).await;
    }
    load.end().await;
}

/// One shop that campaign 1 answers in `live`, and a connection of the test's own.
async fn one_shop() -> (Stack, Broker, Value) {
    let stack = Stack::start(Setup::default()).await;
    add(&stack).await;
    let first = stack.ask(&["train", "m", "--scope", "shop=s0", "--wait"]).await;
    let request = ConnectRequest { url: stack.nats.url(), name: "test".into(), patience: None };
    let broker = Broker::connect(&request, &CancellationToken::new()).await.expect("a broker");
    until("the campaign answering", || async { (asked(&stack, "live").await.0 == 200).then_some(()) }).await;
    (stack, broker, first)
}

async fn asked(stack: &Stack, channel: &str) -> (u16, Value) {
    stack.predict("m", json!({"rows": [{"shop": "s0"}], "channel": channel}).to_string()).await
}

/// A channel moves at once, the ledger is read landing by landing: nobody answers before it has read what had landed.
#[tokio::test]
async fn a_predictor_answers_by_a_channel_when_it_has_read_the_ledger_so_far() {
    let (stack, broker, first) = one_shop().await;
    let id = first["id"].as_str().expect("an id");
    let landed = ledger::landing(&broker, "m", id, 0).await.expect("read").expect("landed");
    // As if the second campaign had landed, and the predictor had heard of the channel first.
    let campaigns = vec![id.to_owned(), "second".to_owned()];
    let moved = Channel { campaigns, ledger_place: 2, ..Channel::default() };
    let channels = bucket::channels(&broker).await.expect("the bucket");
    channels.put(&channel_key("m", "moved"), &moved).await.expect("moved");
    until("the channel being known", || async {
        let (status, answer) = asked(&stack, "moved").await;
        assert_ne!(status, 200, "answered before it could know what had landed: {answer}");
        (status == 503).then_some(())
    })
    .await;
    let second = Landing { campaign: "second".into(), ..landed };
    assert!(ledger::land(&broker, &second).await.expect("landed").first);
    let answer = until("the second campaign answering", || async {
        let (status, answer) = asked(&stack, "moved").await;
        (status == 200).then_some(answer)
    })
    .await;
    assert_eq!(answer["fits"][0]["campaign"], "second", "{answer}");
}

/// A request that was under way when the channel was taken back names a state that the predictor has left.
#[tokio::test]
async fn a_state_that_was_taken_back_answers_what_is_under_way() {
    let (stack, broker, first) = one_shop().await;
    write_sales(&stack, 2);
    let second = stack.ask(&["train", "m", "--scope", "shop=s0", "--wait"]).await;
    until("the second campaign answering", || async {
        (asked(&stack, "live").await.1["fits"][0]["campaign"] == second["id"]).then_some(())
    })
    .await;
    let channels = bucket::channels(&broker).await.expect("the bucket");
    let before = channels::read(&channels, "m", "live").await.expect("read").state();
    stack.ask(&["channel", "rollback", "m"]).await;
    until("the first campaign answering again", || async {
        (asked(&stack, "live").await.1["fits"][0]["campaign"] == first["id"]).then_some(())
    })
    .await;
    let predictors = presence::roll_call(&broker).await.expect("a roll call");
    let predictor = predictors.iter().find(|word| word.role == Role::Predictor).expect("a predictor");
    let shop = Column::Text(TextColumn::from_rows([Some("s0")]));
    let request = PredictRequest {
        model: "m".into(),
        channel: "live".into(),
        state: Some(Arc::new(before)),
        explain: false,
        bundle: None,
        rows: 1,
        columns: vec![NamedColumn::new("shop", shop)],
    };
    let payload = envelope::encode(&vec![request]).expect("it serialises");
    let answer = broker.request(&subjects::infer(&predictor.worker), payload.into(), LIMIT).await;
    let replies: Vec<PredictReply> = envelope::decode(&answer.expect("an answer")).expect("replies");
    let [PredictReply::Done(predictions)] = replies.as_slice() else { panic!("refused: {replies:?}") };
    assert_eq!(predictions.fits[0].campaign, second["id"].as_str().expect("an id"));
}
