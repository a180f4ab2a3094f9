//! How many workers there should be: the route and the command, against real programs.

use serde_json::{Value, json};
use tests::flights::{self, SCOPES};
use tests::{Setup, Stack, until};

async fn queue(stack: &Stack, wish: &str) -> Value {
    let (status, body) = stack.get(&format!("/v1/queue{wish}")).await;
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).expect("JSON")
}

#[tokio::test]
async fn trainers_are_advised_by_the_work_that_is_left() {
    let mut stack = Stack::start(Setup { trainers: 0, ..Setup::default() }).await;
    stack.add_model(&flights::spec()).await;
    assert_eq!(queue(&stack, "").await["desired_trainers"], 0);
    assert_eq!(queue(&stack, "?min_trainers=2").await["desired_trainers"], 2);
    let ordered = stack.ask(&["train", "arrival_delay", "--scope", SCOPES, "--levels"]).await;
    let packs = ordered["packs"].as_u64().expect("packs");
    assert!(packs >= 4, "{ordered}");
    let waiting = until("the packs being seen", || async {
        let now = queue(&stack, "").await;
        (now["pending"] == packs && now["campaigns"] == 1).then_some(now)
    })
    .await;
    let work = waiting["seconds_of_work"].as_f64().expect("seconds");
    let desired = async |wish: String| queue(&stack, &wish).await["desired_trainers"].as_u64();
    assert_eq!(desired(format!("?target_s={}", work * 2.0)).await, Some(1));
    assert_eq!(desired(format!("?target_s={}", work / 2.5)).await, Some(3));
    assert_eq!(desired(format!("?target_s={}", work / 1e6)).await, Some(packs));
    assert_eq!(desired(format!("?target_s={}&max_trainers=2", work / 1e6)).await, Some(2));
    let target = (work / 2.5).to_string();
    let told = stack.ask(&["lag", "--target-seconds", &target, "--min-predictors", "3"]).await;
    assert_eq!((&told["desired_trainers"], &told["desired_predictors"]), (&json!(3), &json!(3)));
    let text = stack.enqueue(&["lag", "--target-seconds", &target]).await.ok().out;
    assert!(text.contains("trainers 0 (desired 3)"), "{text}");
    // What is held needs nobody but who looks after its campaign.
    stack.ask(&["pause"]).await;
    assert_eq!(stack.ask(&["lag", "--target-seconds", &target]).await["desired_trainers"], 1);
    stack.ask(&["resume"]).await;
    stack.add_trainer().await;
    let done = until("nothing being left to do", || async {
        let now = queue(&stack, "").await;
        (now["trainers"] == 1 && now["desired_trainers"] == 0).then_some(now)
    })
    .await;
    assert_eq!(
        (&done["campaigns"], &done["pending"], &done["trainer_slots"]),
        (&json!(0), &json!(0), &json!(2))
    );
}

#[tokio::test]
async fn predictors_are_advised_by_how_busy_they_are() {
    let stack = Stack::start(Setup { predictors: 2, ..Setup::default() }).await;
    stack.add_model(&flights::spec()).await;
    let forest = ["--algorithm", "forest", "--param", "trees=50", "--param", "max_depth=10"];
    stack.ask(&[&["train", "arrival_delay", "--scope", "carrier=UA", "--wait"], &forest[..]].concat()).await;
    let row = json!({"carrier": "UA", "dep_delay": 12, "distance": 1400, "hour": 9, "month": 12, "day": 3,
                     "time_hour": "2013-12-03T14:00:00Z"});
    let body = json!({ "rows": vec![row; 5_000] }).to_string();
    let busy_of = |now: &Value| now["predictors_busy"].as_f64().expect("a number");
    let asking = async {
        for _ in 0..1_000_000 {
            tokio::join!(
                stack.predict("arrival_delay", body.clone()),
                stack.predict("arrival_delay", body.clone())
            );
        }
    };
    let seen = async {
        until("a predictor being busy", || async {
            let now = queue(&stack, "").await;
            (busy_of(&now) > 0.1).then_some(now)
        })
        .await
    };
    let now = tokio::select! {
        now = seen => now,
        () = asking => unreachable!("it asks for ever"),
    };
    // Two that do as much as half of one are one too many.
    assert_eq!(now["desired_predictors"].as_f64(), Some((busy_of(&now) / 0.6).ceil()), "{now}");
    assert_eq!(now["predictors"], 2);
    let told = stack.ask(&["lag", "--max-predictors", "1"]).await;
    assert_eq!(told["desired_predictors"], 1);
    // Nothing to do any more: the advice forgets.
    until("the predictors being idle", || async {
        (busy_of(&queue(&stack, "").await) < busy_of(&now) / 2.0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn wishes_without_sense_are_refused() {
    let stack = Stack::start(Setup { trainers: 0, predictors: 0, ..Setup::default() }).await;
    for wish in
        ["?target_s=0", "?target_s=soon", "?target=60", "?min_trainers=3&max_trainers=2", "?min_trainers=-1"]
    {
        let (status, body) = stack.get(&format!("/v1/queue{wish}")).await;
        assert!(status == 400 && body.contains("\"title\":\"bad request\""), "{wish}: {status} {body}");
    }
    let refused = stack.enqueue(&["lag", "--min-predictors", "3", "--max-predictors", "2"]).await;
    assert!(refused.code == 2 && refused.err.contains("at least 3 and at most 2 predictors"), "{refused:?}");
}
