//! `enqueue` is killed while it orders, and no trainer lives: every campaign that is on record ends complete all the same.

use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use futures::StreamExt;

use crate::audit::audit;
use crate::crew::Crew;
use crate::data::Data;
use crate::field::Field;
use crate::server::Server;
use crate::{Mode, Ran, raw};

/// What `enqueue` writes in turn: as soon as one of these is seen, it is killed.
const SIGHTS: [&str; 4] = ["plan.>", "$KV.channels.>", "$KV.campaigns.>", "jobs.*.*.*"];

pub(crate) async fn run(mode: Mode) -> Result<Ran> {
    let nats = Server::nats().await;
    let data = Data { groups: 8, per_group: 300, rows: 11 };
    let field = Arc::new(Field::new(nats.nats_url(), data, mode.seed));
    let crew = Crew::plain(&field, 1);
    field.declared().await;
    crew.stop().await;
    field.add_model("", "").await;
    let began = Instant::now();
    field.order_some(8, &[]).await;
    let whole_ms = began.elapsed().as_millis() as usize + 5;
    let mut kills = 0;
    for try_ in 0..mode.choose(120, 16) {
        kills += match try_ % 2 {
            0 => ordered_and_killed(&field, field.chance.time(0, whole_ms), None).await?,
            _ => ordered_and_killed(&field, Duration::from_secs(10), Some(SIGHTS[try_ / 2 % 4])).await?,
        };
    }
    told(&field).await?;
    let crew = Crew::plain(&field, 1);
    let audit = audit(&field).await?;
    crew.stop().await;
    Ok(Ran { field, kills, audit })
}

/// Orders a campaign and kills `enqueue` after `time`, or at the sight of a message; 1 if it was killed before its end.
async fn ordered_and_killed(field: &Field, time: Duration, sight: Option<&'static str>) -> Result<usize> {
    let pattern = Data::pattern(&(0..field.data.groups).collect::<Vec<_>>());
    field.note_order(&pattern);
    let js = raw::jetstream(&field.url).await?;
    let mut seen = js.client().subscribe(sight.unwrap_or("nothing")).await?;
    js.client().flush().await?;
    let mut command = field.command("enqueue");
    command.args(["train", "m", "--scope", &pattern, "--force"]).stdin(Stdio::null());
    command.stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let mut child = command.spawn()?;
    tokio::select! {
        _ = seen.next() => {}
        () = tokio::time::sleep(time) => {}
        ended = child.wait() => return ended.map(|_| Ok(0))?,
    }
    child.start_kill()?;
    Ok(usize::from(!child.wait().await?.success()))
}

/// Notes how far the killed orders had come.
async fn told(field: &Field) -> Result<()> {
    let js = raw::jetstream(&field.url).await?;
    let (records, plans, jobs) = (
        raw::bucket(&js, "campaigns").await?,
        raw::subjects(&js, "PLANS").await?,
        raw::subjects(&js, "JOBS").await?,
    );
    let of = |subjects: &std::collections::BTreeMap<String, usize>, place: usize, id: &str| {
        subjects.keys().filter(|subject| subject.split('.').nth(place) == Some(id)).count() as u64
    };
    let planned: std::collections::BTreeSet<&str> =
        plans.keys().filter_map(|s| s.split('.').nth(1)).collect();
    let unknown = planned.iter().filter(|id| !records.contains_key(**id)).count();
    let part = |(id, record): &(&String, &serde_json::Value)| {
        of(&jobs, 2, id) < record["packs"].as_u64().unwrap_or(0)
    };
    let parts: Vec<_> = records.iter().filter(part).collect();
    let none = parts.iter().filter(|(id, _)| of(&jobs, 2, id) == 0).count();
    field.note(format!(
        "{} campaigns on record, {} of them not wholly queued ({none} not at all); {unknown} with packs and no record, which never were",
        records.len(),
        parts.len()
    ));
    Ok(())
}
