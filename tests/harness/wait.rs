//! Waiting for something to become true.

use std::time::Duration;

use futures::StreamExt;

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

/// Returns when the broker has done all that it was told by `client`, as to take its subscriptions: flushing only sends.
pub async fn settled(client: &async_nats::Client) {
    let echo = client.new_inbox();
    let mut heard = client.subscribe(echo.clone()).await.expect("the broker takes it");
    client.publish(echo, "".into()).await.expect("the broker takes it");
    let heard = tokio::time::timeout(LIMIT, heard.next()).await;
    heard.expect("the broker answers in time").expect("the connection stands");
}
