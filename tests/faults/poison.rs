//! One scope in a hundred crashes its learner in some way: exactly those end `failed`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use anyhow::{Result, ensure};

use crate::audit::audit;
use crate::crew::Crew;
use crate::data::Data;
use crate::field::Field;
use crate::server::Server;
use crate::{Mode, Ran};

/// What befalls a learner, as `FAULT_POISON` names it.
const POISONS: [&str; 6] = ["panic", "loop", "stack", "memory", "exit", "signal"];

pub(crate) async fn run(mode: Mode) -> Result<Ran> {
    let nats = Server::nats().await;
    let data = Data { groups: 8, per_group: mode.choose(250, 50), rows: 11 };
    let mut field = Field::new(nats.nats_url(), data, mode.seed);
    let all = data.scopes(&Data::pattern(&[0, 1, 2, 3, 4, 5, 6, 7]));
    let mut scopes: Vec<String> = all.into_iter().collect();
    field.chance.shuffle(&mut scopes);
    let mut poison = String::new();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for scope in &scopes[..(scopes.len() / 100).max(POISONS.len())] {
        let what = POISONS[counts.values().sum::<usize>() % POISONS.len()];
        *counts.entry(what).or_default() += 1;
        write!(poison, "{what}:{scope};")?;
        field.ends.insert(scope.clone(), "failed");
    }
    field.ends.insert("g=g0,k=alone".into(), "too_few_rows");
    field.ends.insert("g=g1,k=huge".into(), "failed");
    let field = Arc::new(field);
    let mut crew = Crew::new(&field);
    for _ in 0..2 {
        let poison = poison.clone();
        crew.add(Box::new(move |_| vec![("FAULT_POISON", poison.clone())]));
    }
    field.declared().await;
    field.add_model("[limits]\nscope_seconds = 1\nscope_mib = 512", &strange_rows()).await;
    field.note(format!("poisoned: {counts:?}, one scope of one row, one whose values overflow"));
    for _ in 0..mode.choose(2, 1) {
        field.order_some(8, &["--wait", "--force"]).await;
    }
    let audit = audit(&field).await?;
    wide(&field).await?;
    crew.stop().await;
    Ok(Ran { field, kills: 0, audit })
}

/// A source of a million columns is trained like any other.
async fn wide(field: &Field) -> Result<()> {
    let (source, spec) = (field.folder.path().join("wide.csv"), field.folder.path().join("wide.toml"));
    std::fs::write(&source, tests::wide::csv())?;
    std::fs::write(&spec, tests::wide::spec(&source))?;
    field.enqueue(&["model", "add", &spec.to_string_lossy()]).await.ok();
    let closed = field.enqueue(&["train", "wide", "--scope", "shop=*", "--wait"]).await.ok().json();
    ensure!(closed["outcomes"] == serde_json::json!({"trained": 2}), "a million columns: {closed}");
    field.note(format!("a source of {} columns was trained", tests::wide::COLUMNS));
    Ok(())
}

/// A scope of one row, and one whose squares are beyond all numbers.
fn strange_rows() -> String {
    let mut rows = String::from("g0,alone,1,1\n");
    for row in 0..11 {
        let sign = if row % 2 == 0 { "" } else { "-" };
        rows += &format!("g1,huge,{sign}1.{row}e308,{sign}1.{}e308\n", 11 - row);
    }
    rows
}
