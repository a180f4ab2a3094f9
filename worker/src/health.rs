//! A worker's sign of life: a file that it writes every second, for orchestrators whose health checks are commands.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, bail};
use runtime::shutdown::every;
use schemas::announce::Announcement;
use tokio_util::sync::CancellationToken;

use crate::args::CheckArgs;

/// Time between two signs.
const BEAT: Duration = Duration::from_secs(1);

/// Silence after which a worker counts as stuck.
const STUCK_AFTER: Duration = Duration::from_secs(10);

/// What the file of a worker says that takes work.
const READY: &str = "ready";

/// Writes the sign until `shutdown`, and then removes it. It says nothing of the broker: to start a worker again brings no
/// broker back.
pub async fn keep(file: Option<PathBuf>, now: impl Fn() -> Announcement, shutdown: CancellationToken) {
    let Some(file) = &file else { return };
    let now = &now;
    let beat = || async move {
        if let Err(error) = write(file, word(&now())) {
            tracing::warn!("no sign of life in {}: {error}", file.display());
        }
    };
    every(BEAT, &shutdown, beat).await;
    // One that cannot be removed is old in ten seconds.
    let _ = std::fs::remove_file(file);
}

/// Succeeds where a living worker, with `--ready` one that takes work, writes the file.
///
/// # Errors
/// What is wrong, for the orchestrator's log.
pub fn check(args: &CheckArgs) -> anyhow::Result<()> {
    let Some(file) = &args.health.file else {
        bail!("no file is named: give --health-file or SCOPEFORGE_HEALTH_FILE, as to the worker");
    };
    let unread = || format!("no worker has written {}", file.display());
    let said = std::fs::read_to_string(file).with_context(unread)?;
    let written = std::fs::metadata(file).and_then(|about| about.modified()).with_context(unread)?;
    judge(&said, SystemTime::now().duration_since(written).unwrap_or_default(), args.ready)
}

fn judge(said: &str, silence: Duration, must_be_ready: bool) -> anyhow::Result<()> {
    if silence > STUCK_AFTER {
        bail!("no sign of life for {} s", silence.as_secs());
    }
    if must_be_ready && said != READY {
        bail!("the worker is {said}");
    }
    Ok(())
}

fn word(says: &Announcement) -> &'static str {
    match (says.draining, says.ready) {
        (true, _) => "leaving",
        (false, true) => READY,
        (false, false) => "starting",
    }
}

/// Whole or not at all: a check may read at any time.
fn write(file: &Path, word: &str) -> std::io::Result<()> {
    let whole = file.with_extension("new");
    std::fs::write(&whole, word)?;
    std::fs::rename(whole, file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_death_and_only_the_ready_take_work() {
        let recent = Duration::from_secs(1);
        assert!(judge("starting", recent, false).is_ok());
        assert!(judge("starting", recent, true).is_err());
        assert!(judge(READY, recent, true).is_ok());
        assert!(judge(READY, STUCK_AFTER + recent, false).is_err());
    }
}
