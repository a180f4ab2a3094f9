//! Trainers are killed at random moments and at each step of a pack's life, and started again at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Result;

use crate::audit::audit;
use crate::crew::Crew;
use crate::data::Data;
use crate::field::Field;
use crate::server::Server;
use crate::{Mode, Ran};

/// The steps of a pack's life, as `FAULT_KILL` names them.
pub(crate) const STEPS: [&str; 6] =
    ["BeforeFit", "AfterFit", "AfterBlob", "AfterLand", "BeforeConfirm", "AfterConfirm"];

/// Trainers that kill themselves at steps, and others that are killed from outside.
const BY_STEP: usize = 2;
const FROM_OUTSIDE: usize = 2;

pub(crate) async fn run(mode: Mode) -> Result<Ran> {
    let data = Data { groups: 8, per_group: 300, rows: 11 };
    let least = (mode.choose(200, 24), mode.choose(10, 2));
    attack(mode, data, least, "[limits]\nattempts = 49").await
}

/// The least packs of a scope: shards, and a merge.
const PACKS_PER_SCOPE: u64 = 3;

/// The same where the work on each scope is cut.
pub(crate) async fn shards(mode: Mode) -> Result<Ran> {
    let data = Data { groups: 8, per_group: 10, rows: 20 };
    let least = (mode.choose(100, 24), mode.choose(5, 2));
    // On lines, nothing is better than lines; a search among what adds up would be one pass over the rows, uncut.
    let cut = "[learn.search]\nalgorithms = [\"linear\", \"tree\"]\nfolds = 2\n[limits]\nattempts = 49\nshard_seconds = 1e-12";
    let mut ran = attack(mode, data, least, cut).await?;
    let (packs, planned) = (ran.audit.landings as u64, ran.audit.planned);
    if packs < PACKS_PER_SCOPE * planned {
        ran.audit.lost(format!("{planned} scopes are {packs} packs: they were not cut into shards"));
    }
    Ok(ran)
}

/// Kills trainers until there were as many kills as `least` says, in all and at each step.
async fn attack(mode: Mode, data: Data, (kills, per_step): (usize, usize), spec: &str) -> Result<Ran> {
    let nats = Server::nats().await;
    let field = Arc::new(Field::new(nats.nats_url(), data, mode.seed));
    let mut crew = crew(&field);
    // The first trainer declares what the broker must hold.
    field.declared().await;
    field.add_model(spec, "").await;
    let enough = || crew.kills() >= kills && steps(&field).values().all(|count| *count >= per_step);
    let killing = async {
        while !enough() {
            field.chance.wait(20, 900).await;
            crew.kill(BY_STEP + field.chance.below(FROM_OUTSIDE)).await;
        }
    };
    let ordering = async {
        while !enough() {
            rounds(&field).await;
        }
    };
    tokio::join!(killing, ordering);
    let counts: Vec<String> = steps(&field).iter().map(|(step, count)| format!("{count} {step}")).collect();
    let total = crew.kills();
    field.note(format!("kills at steps: {}; the others from outside", counts.join(", ")));
    crew.add(Box::new(|_| Vec::new()));
    let audit = audit(&field).await?;
    crew.stop().await;
    Ok(Ran { field, kills: total, audit })
}

fn crew(field: &Arc<Field>) -> Crew {
    let mut crew = Crew::new(field);
    for place in 0..BY_STEP + FROM_OUTSIDE {
        let own = field.clone();
        let slow = ("FAULT_SLOW_MS", "1".to_owned());
        crew.add(Box::new(move |incarnation| {
            let mut faults = vec![slow.clone()];
            if place < BY_STEP {
                // The step that was hit least, so that all are hit about as often.
                let counts = steps(&own);
                let rarest =
                    counts.iter().min_by_key(|(_, count)| **count).map_or(STEPS[0], |(step, _)| step);
                faults.push(("FAULT_KILL", rarest.to_owned()));
                faults.push(("FAULT_SHARE", "0.5".into()));
                faults.push(("FAULT_SEED", (incarnation * 7 + own.chance.below(1_000)).to_string()));
                faults.push(("FAULT_FILE", file(&own)));
            }
            faults
        }));
    }
    crew
}

fn file(field: &Field) -> String {
    field.folder.path().join("kills").display().to_string()
}

/// How often each step was hit.
fn steps(field: &Field) -> BTreeMap<&'static str, usize> {
    let text = std::fs::read_to_string(file(field)).unwrap_or_default();
    let count = |step: &'static str| (step, text.lines().filter(|line| *line == step).count());
    STEPS.into_iter().map(count).collect()
}

/// Four campaigns at once, to their ends.
async fn rounds(field: &Field) {
    let order = |force: bool| async move {
        let more: &[&str] = if force { &["--wait", "--force"] } else { &["--wait"] };
        field.order_some(4, more).await
    };
    tokio::join!(order(true), order(false), order(true), order(true));
}
