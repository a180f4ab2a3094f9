//! `enqueue pause` and `enqueue resume`.

use std::process::ExitCode;

use runtime::clock::now_ms;
use serde::Serialize;

use crate::args::operate::PauseArgs;
use crate::output::Output;
use crate::session::Session;

#[derive(Serialize)]
struct State {
    paused: bool,
}

pub(super) async fn pause(session: &Session, args: &PauseArgs, out: Output) -> anyhow::Result<ExitCode> {
    let until_ms =
        args.seconds.map(|seconds| now_ms().saturating_add_unsigned(seconds.saturating_mul(1_000)));
    runtime::pause::pause(&session.broker, until_ms).await?;
    out.show(&State { paused: true }, |_| {
        "the queue is held: packs stay in it, and trainers finish what they have (enqueue resume)".into()
    })?;
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn resume(session: &Session, out: Output) -> anyhow::Result<ExitCode> {
    runtime::pause::resume(&session.broker).await?;
    out.show(&State { paused: false }, |_| "trainers get packs again".into())?;
    Ok(ExitCode::SUCCESS)
}
