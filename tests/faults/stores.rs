//! The store is killed, refuses, dawdles and is full while campaigns run; then blobs in it are damaged.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Result;

use crate::audit::audit;
use crate::crew::Crew;
use crate::damage;
use crate::data::Data;
use crate::field::Field;
use crate::proxy::{Manner, Proxy};
use crate::server::Server;
use crate::{Mode, Ran};

pub(crate) async fn run(mode: Mode) -> Result<Ran> {
    let (nats, mut redis) = (Server::nats().await, Server::redis().await);
    let proxy = Proxy::start(redis.port);
    let data = Data { groups: 8, per_group: 150, rows: 11 };
    let mut field = Field::new(nats.nats_url(), data, mode.seed);
    field.store_itself = redis.redis_url();
    field.store = format!("redis://127.0.0.1:{}", proxy.port);
    let field = Arc::new(field);
    let mut crew = Crew::new(&field);
    (0..2).for_each(|_| crew.add(Box::new(|_| vec![("FAULT_SLOW_MS", "1".into())])));
    field.declared().await;
    field.add_model("[limits]\nattempts = 49", "").await;
    let over = AtomicBool::new(false);
    let harming = async {
        let kills = harm(&field, (&mut redis, &proxy), mode).await;
        over.store(true, Ordering::Relaxed);
        kills
    };
    let ordering = || async {
        while !over.load(Ordering::Relaxed) {
            let more: &[&str] = if field.chance.below(3) > 0 { &["--force"] } else { &[] };
            field.order_some(1 + field.chance.below(8), more).await;
            field.chance.wait(300, 1_500).await;
        }
    };
    let (kills, (), ()) = tokio::join!(harming, ordering(), ordering());
    let mut audit = audit(&field).await?;
    crew.stop().await;
    damage::answers(&field, &mut audit).await?;
    Ok(Ran { field, kills: kills?, audit })
}

/// Each kind of trouble in turn.
async fn harm(field: &Field, (redis, proxy): (&mut Server, &Proxy), mode: Mode) -> Result<usize> {
    let kills = mode.choose(6, 2);
    for _ in 0..kills {
        field.chance.wait(500, 2_000).await;
        redis.kill().await;
        field.chance.wait(50, 1_500).await;
        redis.start().await;
    }
    for manner in [Manner::Refuse, Manner::Delay(Duration::from_secs(2))] {
        proxy.set(manner);
        tokio::time::sleep(Duration::from_secs(5)).await;
        proxy.set(Manner::Pass);
        field.chance.wait(500, 1_500).await;
    }
    for bytes in ["1", "0"] {
        let mut own = redis::Client::open(redis.redis_url())?.get_multiplexed_async_connection().await?;
        let mut command = redis::cmd("CONFIG");
        command.arg("SET").arg("maxmemory").arg(bytes);
        command.query_async::<()>(&mut own).await?;
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
    Ok(kills)
}
