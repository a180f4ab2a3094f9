//! The store is killed, refuses, dawdles and is full while campaigns run; then blobs in it are damaged.

use std::time::Duration;

use anyhow::Result;
use tests::servers::s3_environment;

use crate::damage;
use crate::data::Data;
use crate::field::Field;
use crate::load::under_load;
use crate::proxy::{Manner, Proxy};
use crate::server::Server;
use crate::{Mode, Ran};

/// How long each trouble but a kill lasts.
const TROUBLE: Duration = Duration::from_secs(5);

const DATA: Data = Data { groups: 8, per_group: 150, rows: 11 };

/// A Redis.
pub(crate) async fn redis(mode: Mode) -> Result<Ran> {
    let (nats, redis) = (Server::nats().await, Server::redis().await);
    let proxy = Proxy::start(redis.port);
    let mut field = Field::new(nats.nats_url(), DATA, mode.seed);
    field.store_itself = redis.redis_url();
    field.store = format!("redis://127.0.0.1:{}", proxy.port);
    run(field, (redis, proxy), mode).await
}

/// An object store that speaks S3; the auditor reads its folder.
pub(crate) async fn objects(mode: Mode) -> Result<Ran> {
    let (nats, s3) = (Server::nats().await, Server::s3("fits").await);
    let proxy = Proxy::start(s3.port);
    let mut field = Field::new(nats.nats_url(), DATA, mode.seed);
    field.store_itself = format!("file:{}", s3.folder().join("fits/forge").display());
    field.store = "s3://fits/forge".into();
    field.environment.extend(s3_environment(proxy.port));
    run(field, (s3, proxy), mode).await
}

async fn run(field: Field, (mut store, proxy): (Server, Proxy), mode: Mode) -> Result<Ran> {
    let mut ran = under_load(field, async |field| harm(&field, (&mut store, &proxy), mode).await).await?;
    damage::answers(&ran.field, &mut ran.audit).await?;
    Ok(ran)
}

/// Each kind of trouble in turn; says how often the store was killed.
async fn harm(field: &Field, (store, proxy): (&mut Server, &Proxy), mode: Mode) -> Result<usize> {
    let kills = mode.choose(6, 2);
    for _ in 0..kills {
        field.chance.wait(500, 2_000).await;
        store.kill().await;
        field.chance.wait(50, 1_500).await;
        store.start().await;
    }
    for manner in [Manner::Refuse, Manner::Delay(Duration::from_secs(2))] {
        proxy.set(manner);
        tokio::time::sleep(TROUBLE).await;
        proxy.set(Manner::Pass);
        field.chance.wait(500, 1_500).await;
    }
    for full in [true, false] {
        store.fill(full).await?;
        tokio::time::sleep(TROUBLE).await;
    }
    Ok(kills)
}
