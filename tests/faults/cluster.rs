//! A cluster of three brokers loses its leader again and again, and one is cut off for a while.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use async_nats::jetstream::Context as JetStream;

use crate::data::Data;
use crate::field::Field;
use crate::load::under_load;
use crate::server::Server;
use crate::{Mode, Ran, raw};

/// A stopped broker is believed dead before it goes on.
const CUT_OFF_FOR: Duration = Duration::from_secs(8);

/// The longest until all three have the same again.
const HEALED_WITHIN: Duration = Duration::from_secs(30);

pub(crate) async fn run(mode: Mode) -> Result<Ran> {
    let mut servers = Server::cluster().await;
    let urls: Vec<String> = servers.iter().map(Server::nats_url).collect();
    let data = Data { groups: 8, per_group: 150, rows: 11 };
    let mut field = Field::new(urls.join(","), data, mode.seed);
    field.environment.push(("SCOPEFORGE_REPLICAS", "3".into()));
    // An election takes longer than the shortest lease.
    field.environment[0].1 = "2".into();
    tests::until("a leader of JetStream", || async {
        let js = raw::jetstream(&field.url).await.ok()?;
        js.query_account().await.ok()
    })
    .await;
    under_load(field, async |field| harm(&field, &mut servers, mode).await).await
}

async fn harm(field: &Field, servers: &mut [Server], mode: Mode) -> Result<usize> {
    let kills = mode.choose(10, 2);
    for _ in 0..kills {
        let leader = leader(field).await?;
        servers[leader].kill().await;
        field.chance.wait(200, 5_000).await;
        servers[leader].start().await;
        healed(field).await?;
        field.chance.wait(100, 1_000).await;
    }
    let cut_off = leader(field).await?;
    servers[cut_off].signal("STOP").await;
    tokio::time::sleep(CUT_OFF_FOR).await;
    servers[cut_off].signal("CONT").await;
    healed(field).await?;
    Ok(kills)
}

/// Which server leads the stream JOBS; waits until one does.
async fn leader(field: &Field) -> Result<usize> {
    let js = raw::jetstream(&field.url).await?;
    let name =
        tests::until("a leader of JOBS", || async { state(&js).await.ok().map(|(leader, _)| leader) }).await;
    name.trim_start_matches('n').parse().with_context(|| format!("a server's name: {name}"))
}

/// Waits until every copy of the queue is current: the next fault then leaves a majority.
async fn healed(field: &Field) -> Result<()> {
    let (js, began) = (raw::jetstream(&field.url).await?, Instant::now());
    while !state(&js).await.is_ok_and(|(_, current)| current) {
        if began.elapsed() > HEALED_WITHIN {
            field.note(format!(
                "the copies of JOBS were not current {} s after a fault",
                HEALED_WITHIN.as_secs()
            ));
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

/// The leader of JOBS, and whether both followers are there and current.
async fn state(js: &JetStream) -> Result<(String, bool)> {
    let stream = js.get_stream("JOBS").await?;
    let cluster = stream.cached_info().cluster.clone().context("a cluster")?;
    let leader = cluster.leader.context("a leader")?;
    let current = cluster.replicas.iter().filter(|replica| replica.current && !replica.offline).count();
    Ok((leader, current == 2))
}
