//! The broker is killed and started again while campaigns are ordered and trained.

use std::time::Duration;

use anyhow::Result;

use crate::data::Data;
use crate::field::Field;
use crate::load::under_load;
use crate::server::Server;
use crate::{Mode, Ran};

/// Idle trainers ask for packs every two seconds.
const HANGS_FOR: Duration = Duration::from_millis(2_500);

pub(crate) async fn run(mode: Mode) -> Result<Ran> {
    let mut nats = Server::nats().await;
    let data = Data { groups: 8, per_group: 150, rows: 11 };
    let field = Field::new(nats.nats_url(), data, mode.seed);
    under_load(field, async |field| harm(&field, &mut nats, mode).await).await
}

async fn harm(field: &Field, nats: &mut Server, mode: Mode) -> Result<usize> {
    let kills = mode.choose(20, 4);
    for time in 0..kills {
        field.chance.wait(200, 1_800).await;
        // Every fourth time it hangs before it dies, so that whoever asks it something has asked in vain.
        if time % 4 == 3 {
            nats.signal("STOP").await;
            tokio::time::sleep(HANGS_FOR).await;
        }
        nats.kill().await;
        field.chance.wait(50, 1_000).await;
        nats.start().await;
    }
    Ok(kills)
}
