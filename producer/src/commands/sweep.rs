//! `enqueue sweep`.

use std::process::ExitCode;

use anyhow::Context;
use runtime::sweep::{self, Swept};

use crate::args::operate::SweepArgs;
use crate::output::{Output, count};
use crate::session::Session;

pub(super) async fn run(session: &Session, args: &SweepArgs, out: Output) -> anyhow::Result<ExitCode> {
    let blobs = session.blobs().await?;
    let swept = sweep::sweep(&session.broker, &blobs, args.older_than_seconds).await;
    let swept = swept.context("sweeping the store")?;
    out.show(&swept, text)?;
    Ok(if swept.missing.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn text(swept: &Swept) -> String {
    let mut text = format!(
        "{} blobs in use, {} that nothing names, {} of them removed",
        count(swept.named),
        count(swept.orphans),
        count(swept.removed)
    );
    for blob in &swept.missing {
        text += &format!("\nmissing: {blob}; train its scopes again");
    }
    text
}
