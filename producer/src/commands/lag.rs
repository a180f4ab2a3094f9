//! `enqueue lag`.

use std::process::ExitCode;
use std::time::Duration;

use runtime::bucket;
use runtime::lag::{self, Lag};

use crate::args::LagArgs;
use crate::output::{Output, count};
use crate::session::Session;

pub(super) async fn run(session: &Session, args: &LagArgs, out: Output) -> anyhow::Result<ExitCode> {
    out.show(&measure(session).await?, text)?;
    if !args.watch {
        return Ok(ExitCode::SUCCESS);
    }
    let shutdown = runtime::shutdown::on_signals()?;
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    ticks.tick().await;
    loop {
        tokio::select! {
            _ = ticks.tick() => out.show(&measure(session).await?, text)?,
            () = shutdown.cancelled() => return Ok(ExitCode::SUCCESS),
        }
    }
}

async fn measure(session: &Session) -> anyhow::Result<Lag> {
    let campaigns = bucket::campaigns(&session.broker).await?.all().await?;
    let pack_seconds = lag::mean_pack_seconds(campaigns.iter().map(|(_, campaign)| campaign));
    Ok(lag::measure(&session.broker, pack_seconds).await?)
}

fn text(lag: &Lag) -> String {
    let held = if lag.paused { "  held (enqueue resume)" } else { "" };
    format!(
        "pending {}  in flight {}  redelivered {}  dead {}  oldest {:.1} s  work {:.2} s  trainers {}  predictors {}{held}",
        count(lag.pending),
        count(lag.in_flight),
        count(lag.redelivered),
        count(lag.dead),
        lag.oldest_seconds,
        lag.seconds_of_work,
        lag.trainers,
        lag.predictors
    )
}
