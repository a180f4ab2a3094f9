//! A trainer is stopped in the middle of a pack for three leases and goes on when another has done its work.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::Value;

use crate::audit::audit;
use crate::crew::Crew;
use crate::data::Data;
use crate::field::Field;
use crate::server::Server;
use crate::trainers::STEPS;
use crate::{Mode, Ran};

/// Three leases.
const FROZEN_FOR: Duration = Duration::from_secs(3);

pub(crate) async fn run(mode: Mode) -> Result<Ran> {
    let nats = Server::nats().await;
    let data = Data { groups: 8, per_group: 300, rows: 11 };
    let field = Arc::new(Field::new(nats.nats_url(), data, mode.seed));
    let mut crew = Crew::new(&field);
    crew.add(Box::new(|_| vec![("FAULT_SLOW_MS", "2".into())]));
    field.declared().await;
    field.add_model("", "").await;
    for step in STEPS.into_iter().take(mode.choose(6, 2)) {
        at_step(&field, step).await?;
    }
    for _ in 0..mode.choose(3, 1) {
        anywhere(&field, &crew).await;
    }
    let mut audit = audit(&field).await?;
    crew.stop().await;
    if audit.repeated == 0 {
        audit.lost("no pack was taken over from a frozen trainer: the scenario shows nothing");
    }
    Ok(Ran { field, kills: 0, audit })
}

/// Freezes a trainer that has reached a step, in company of one that is well.
async fn at_step(field: &Arc<Field>, step: &'static str) -> Result<()> {
    let file = field.folder.path().join(format!("stopped-{step}"));
    let mut crew = Crew::new(field);
    let place = file.display().to_string();
    crew.add(Box::new(move |_| {
        let once = [("FAULT_STOP", step), ("FAULT_MAX", "1"), ("FAULT_FILE", &place)];
        once.into_iter().map(|(name, value)| (name, value.to_owned())).collect()
    }));
    let id = field.order_some(4, &["--force"]).await;
    let mut tries = 0;
    while !file.exists() && tries < 10 {
        tokio::time::sleep(Duration::from_millis(500)).await;
        tries += 1;
        if tries % 3 == 0 {
            // The well one had it all.
            field.order_some(4, &["--force"]).await;
        }
    }
    tokio::time::sleep(FROZEN_FOR).await;
    let before = shown(field, id.as_deref()).await;
    crew.signal(0, "CONT").await;
    tokio::time::sleep(Duration::from_millis(700)).await;
    let after = shown(field, id.as_deref()).await;
    if !file.exists() {
        field.note(format!("no trainer came to {step}"));
    }
    crew.stop().await;
    let unchanged = before["state"] != "complete" || before == after;
    ensure!(unchanged, "a late result at {step} changed {before} to {after}");
    Ok(())
}

/// Freezes a trainer wherever it is.
async fn anywhere(field: &Arc<Field>, well: &Crew) {
    let mut crew = Crew::new(field);
    crew.add(Box::new(|_| vec![("FAULT_SLOW_MS", "5".into())]));
    tokio::time::sleep(Duration::from_millis(500)).await;
    field.order_some(8, &["--force"]).await;
    field.chance.wait(100, 500).await;
    for frozen in [&crew, well] {
        frozen.signal(0, "STOP").await;
        tokio::time::sleep(FROZEN_FOR).await;
        frozen.signal(0, "CONT").await;
    }
    crew.stop().await;
}

async fn shown(field: &Field, id: Option<&str>) -> Value {
    let Some(id) = id else { return Value::Null };
    let shown = field.enqueue(&["campaign", "show", id]).await.ok();
    shown.json()
}
