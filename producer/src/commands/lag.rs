//! `enqueue lag`.

use std::process::ExitCode;
use std::time::Duration;

use runtime::lag::{self, QueueView, Running};
use runtime::{bucket, presence};
use schemas::scaling::Wish;

use crate::args::operate::LagArgs;
use crate::output::{Output, count};
use crate::session::{Session, patiently};
use crate::usage::usage;

pub(super) async fn run(session: &Session, args: &LagArgs, out: Output) -> anyhow::Result<ExitCode> {
    let wish = wish(args)?;
    out.show(&patiently(async || measure(session, &wish).await).await?, text)?;
    if !args.watch {
        return Ok(ExitCode::SUCCESS);
    }
    let shutdown = runtime::shutdown::on_signals()?;
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    ticks.tick().await;
    loop {
        tokio::select! {
            _ = ticks.tick() => out.show(&measure(session, &wish).await?, text)?,
            () = shutdown.cancelled() => return Ok(ExitCode::SUCCESS),
        }
    }
}

fn wish(args: &LagArgs) -> anyhow::Result<Wish> {
    let usual = Wish::default();
    let wish = Wish {
        target_s: args.target_seconds,
        min_trainers: args.min_trainers,
        max_trainers: args.max_trainers.unwrap_or(usual.max_trainers),
        min_predictors: args.min_predictors,
        max_predictors: args.max_predictors.unwrap_or(usual.max_predictors),
    };
    wish.checked().map_err(usage)
}

async fn measure(session: &Session, wish: &Wish) -> anyhow::Result<QueueView> {
    let campaigns = bucket::campaigns(&session.broker).await?.all().await?;
    let running = Running::of(campaigns.iter().map(|(_, campaign)| campaign));
    let workers = presence::roll_call(&session.broker).await?;
    Ok(QueueView::new(lag::measure(&session.broker, running, &workers).await?, wish))
}

fn text(view: &QueueView) -> String {
    let QueueView { lag, advice } = view;
    let held = if lag.paused { "  held (enqueue resume)" } else { "" };
    format!(
        "pending {}  in flight {}  redelivered {}  dead {}  oldest {:.1} s  work {:.2} s  trainers {} (desired {})  predictors {} (desired {}){held}",
        count(lag.pending),
        count(lag.in_flight),
        count(lag.redelivered),
        count(lag.dead),
        lag.oldest_seconds,
        lag.seconds_of_work,
        lag.trainers,
        advice.desired_trainers,
        lag.predictors,
        advice.desired_predictors
    )
}
