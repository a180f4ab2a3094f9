//! One trainer's clock is an hour ahead, another's an hour behind: no order of anything follows from a clock.

use std::sync::Arc;

use anyhow::Result;

use crate::audit::audit;
use crate::crew::Crew;
use crate::data::Data;
use crate::field::Field;
use crate::server::Server;
use crate::{Mode, Ran};

const HOUR_MS: i64 = 3_600_000;

pub(crate) async fn run(mode: Mode) -> Result<Ran> {
    let nats = Server::nats().await;
    let data = Data { groups: 8, per_group: 200, rows: 11 };
    let field = Arc::new(Field::new(nats.nats_url(), data, mode.seed));
    let mut crew = Crew::new(&field);
    for shift_ms in [HOUR_MS, -HOUR_MS, 0] {
        crew.add(Box::new(move |_| vec![("FAULT_CLOCK_MS", shift_ms.to_string())]));
    }
    field.declared().await;
    field.add_model("", "").await;
    for round in 0..mode.choose(12, 4) {
        let more: &[&str] = if round % 3 == 2 { &[] } else { &["--force"] };
        field.order_some(4, more).await;
        if round % 4 == 1 {
            crew.kill(round % 3).await;
        }
    }
    let audit = audit(&field).await?;
    let kills = crew.kills();
    crew.stop().await;
    Ok(Ran { field, kills, audit })
}
