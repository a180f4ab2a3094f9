//! The end of a process: first signal asks, second insists.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// A token that is cancelled at the first SIGTERM or SIGINT; a second one ends the process at once with status 130.
///
/// # Errors
/// When the operating system refuses a signal handler.
pub fn on_signals() -> std::io::Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let token = CancellationToken::new();
    let asked = token.clone();
    // Lives as long as the process: there is nothing to join.
    tokio::spawn(async move {
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        asked.cancel();
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        std::process::exit(130);
    });
    Ok(token)
}

/// Does `work` now and then every `period`, until `shutdown`, which also ends work that is under way.
pub async fn every<F: Future<Output = ()>>(
    period: Duration,
    shutdown: &CancellationToken,
    mut work: impl FnMut() -> F,
) {
    let mut ticks = crate::clock::ticks(period);
    let working = async {
        loop {
            ticks.tick().await;
            work().await;
        }
    };
    shutdown.run_until_cancelled(working).await;
}
