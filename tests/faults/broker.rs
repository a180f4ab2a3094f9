//! The broker is killed and started again while campaigns are ordered and trained.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Result;

use crate::audit::audit;
use crate::crew::Crew;
use crate::data::Data;
use crate::field::Field;
use crate::server::Server;
use crate::{Mode, Ran};

/// Idle trainers ask for packs every two seconds.
const HANGS_FOR: Duration = Duration::from_millis(2_500);

pub(crate) async fn run(mode: Mode) -> Result<Ran> {
    let mut nats = Server::nats().await;
    let data = Data { groups: 8, per_group: 150, rows: 11 };
    let field = Arc::new(Field::new(nats.nats_url(), data, mode.seed));
    let mut crew = Crew::new(&field);
    (0..2).for_each(|_| crew.add(Box::new(|_| vec![("FAULT_SLOW_MS", "1".into())])));
    field.declared().await;
    // Every delivery that meets a dead broker is one of them.
    field.add_model("[limits]\nattempts = 49", "").await;
    let (kills, over) = (mode.choose(20, 4), AtomicBool::new(false));
    let killing = async {
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
        over.store(true, Ordering::Relaxed);
    };
    let ordering = || async {
        while !over.load(Ordering::Relaxed) {
            let more: &[&str] = if field.chance.below(2) == 0 { &["--force"] } else { &[] };
            field.order_some(1 + field.chance.below(8), more).await;
            field.chance.wait(100, 800).await;
        }
    };
    tokio::join!(killing, ordering(), ordering());
    let audit = audit(&field).await?;
    crew.stop().await;
    Ok(Ran { field, kills, audit })
}
