//! A predictor that answers what is no answer: requests go once elsewhere, or fail in time.

use std::time::{Duration, Instant};

use schemas::envelope;
use schemas::predict::{NO_FIT, PredictReply, Predictions, RowError, RowErrorKind};
use serde_json::json;
use tests::impostor::{NAME, Says, always, to_each};
use tests::shops::{name, row, sold};
use tests::{Impostor, Setup, Stack, until};

/// Shops, and so scopes, of which the impostor is preferred for some.
const SHOPS: usize = 24;

const DEADLINE: Duration = Duration::from_millis(3_000);

/// Rows none of which has an answer.
fn nothing(rows: u32) -> Predictions {
    let rows = rows as usize;
    Predictions { values: vec![f64::NAN; rows], fit_of: vec![NO_FIT; rows], ..Predictions::default() }
}

fn error(row: u32) -> RowError {
    RowError { row, kind: RowErrorKind::Invalid, field: None, message: "no".into() }
}

/// All that it may say, by name.
const ALL: [(&str, Says); 8] = [
    ("garbage", |_| Some(b"\xffnot MessagePack".to_vec())),
    ("nothing at all", |_| Some(Vec::new())),
    ("no replies", |_| Some(envelope::encode(&Vec::<PredictReply>::new()).expect("it serialises"))),
    ("too few rows", |asked| to_each(asked, |rows| nothing(rows - 1))),
    ("too many rows", |asked| to_each(asked, |rows| nothing(rows + 1))),
    ("neither answers nor errors", |asked| to_each(asked, nothing)),
    ("errors of other rows", |asked| {
        to_each(asked, |rows| Predictions { errors: vec![error(1_000_000)], ..nothing(rows) })
    }),
    ("fits that it does not name", |asked| {
        to_each(asked, |rows| Predictions {
            values: vec![1.0; rows as usize],
            fit_of: vec![7; rows as usize],
            ..Predictions::default()
        })
    }),
];

async fn stack(predictors: usize) -> Stack {
    let environment = vec![("SCOPEFORGE_DEADLINE_MS", DEADLINE.as_millis().to_string())];
    Stack::start(Setup { predictors, environment, ..Setup::default() }).await
}

/// Asks for every shop at once, each by itself; all are answered, and rightly.
async fn all_are_answered(stack: &Stack, what: &str) {
    let asked = (0..SHOPS).map(|shop| async move {
        let body = json!({"rows": [row(&name(shop), 3.0), row(&name(shop), 4.0)]});
        stack.predict("shops", body.to_string()).await
    });
    for (shop, (status, answer)) in futures::future::join_all(asked).await.into_iter().enumerate() {
        assert_eq!(status, 200, "{what}: {answer}");
        for (place, x) in [3.0, 4.0].into_iter().enumerate() {
            let value = answer["predictions"][place].as_f64().expect("a number");
            assert!((value - sold(shop, x)).abs() < 1e-6, "{what}: {answer}");
        }
    }
}

#[tokio::test]
async fn what_an_impostor_spoils_another_predictor_answers() {
    let stack = stack(1).await;
    stack.add_shops(SHOPS, "").await;
    stack.train_shops("shop=*", SHOPS).await;
    for (what, says) in ALL {
        let impostor = Impostor::start(&stack, says, 2).await;
        // The gateway may take it for the one before, who has just gone.
        until("the impostor being asked", || async {
            all_are_answered(&stack, what).await;
            (impostor.asked() > 0).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn who_never_answers_is_asked_once_and_another_in_time() {
    let stack = stack(1).await;
    stack.add_shops(SHOPS, "").await;
    stack.train_shops("shop=*", SHOPS).await;
    let impostor = Impostor::start(&stack, |_| None, 2).await;
    let began = Instant::now();
    all_are_answered(&stack, "silence").await;
    assert!(began.elapsed() < DEADLINE, "{:?}", began.elapsed());
    assert!(impostor.asked() > 0, "nobody asked the impostor");
}

/// An answer under another id than the request's is nobody's: another predictor is asked, in time.
#[tokio::test]
async fn an_answer_under_a_wrong_id_is_not_believed() {
    let stack = stack(1).await;
    stack.add_shops(SHOPS, "").await;
    stack.train_shops("shop=*", SHOPS).await;
    let says: Says = |asked| to_each(asked, |rows| always(-1.0, rows));
    let wrong = |id: &str| match id.strip_suffix('0') {
        Some(head) => format!("{head}1"),
        None => format!("{}0", &id[..id.len() - 1]),
    };
    let impostor = Impostor::start_answering(&stack, (says, wrong), 2).await;
    let began = Instant::now();
    all_are_answered(&stack, "a wrong id").await;
    assert!(began.elapsed() < DEADLINE, "{:?}", began.elapsed());
    assert!(impostor.asked() > 0, "nobody asked the impostor");
}

#[tokio::test]
async fn an_impostor_alone_is_a_bad_gateway_and_silence_a_timeout() {
    let stack = stack(0).await;
    stack.add_shops(1, "").await;
    let body = json!({"rows": [row(&name(0), 3.0), row(&name(0), 4.0)]}).to_string();
    for (what, says) in ALL {
        let _impostor = Impostor::start(&stack, says, 1).await;
        let (status, problem) = stack.predict("shops", body.clone()).await;
        assert!(status == 502 && problem["detail"].to_string().contains(NAME), "{what}: {status} {problem}");
    }
    let _impostor = Impostor::start(&stack, |_| None, 1).await;
    let began = Instant::now();
    let asked = (0..20).map(|_| stack.predict("shops", body.clone()));
    for (status, problem) in futures::future::join_all(asked).await {
        assert_eq!(status, 504, "{problem}");
    }
    assert!(began.elapsed() < DEADLINE + Duration::from_secs(1), "{:?}", began.elapsed());
}
