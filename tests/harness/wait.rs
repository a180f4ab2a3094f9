//! Waiting for something to become true.

use std::time::Duration;

/// The longest any test waits for one event.
pub const LIMIT: Duration = Duration::from_secs(60);

/// Asks again and again until `probe` has a value; panics with `what` after [`LIMIT`].
pub async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut probe: impl FnMut() -> F) -> T {
    let asking = async {
        let mut look = tokio::time::interval(Duration::from_millis(10));
        loop {
            look.tick().await;
            if let Some(value) = probe().await {
                return value;
            }
        }
    };
    match tokio::time::timeout(LIMIT, asking).await {
        Ok(value) => value,
        Err(_) => panic!("{what} did not happen within {} s", LIMIT.as_secs()),
    }
}
