//! Memory that the bodies of large requests share: many at once wait for each other, and do not take all that there is.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::problem::Problem;

/// Smaller bodies are bounded by the number of connections.
pub const LARGE_BYTES_MIN: usize = 64 * 1024;

const KIB: usize = 1024;

/// The room that is left.
#[derive(Debug, Clone)]
pub struct Room(Arc<Semaphore>);

/// A body's part of the room, until it is dropped; one that is small has none.
#[derive(Debug, Default)]
pub struct Place {
    _held: Option<OwnedSemaphorePermit>,
}

impl Room {
    /// Room for bodies of so many MiB together.
    pub fn of_mib(mib: u32) -> Room {
        Room(Arc::new(Semaphore::new(mib as usize * KIB)))
    }

    /// A place for a body of so many bytes, which is waited for up to the `limit`.
    ///
    /// # Errors
    /// A 503 when there was no room for so long.
    pub async fn place(&self, bytes: usize, limit: Duration) -> Result<Place, Problem> {
        if bytes < LARGE_BYTES_MIN {
            return Ok(Place::default());
        }
        let kib = u32::try_from(bytes.div_ceil(KIB)).unwrap_or(u32::MAX);
        let held = tokio::time::timeout(limit, self.0.clone().acquire_many_owned(kib)).await;
        let held = held.map_err(|_| no_room(limit))?.map_err(Problem::internal)?;
        Ok(Place { _held: Some(held) })
    }
}

fn no_room(limit: Duration) -> Problem {
    let detail = format!(
        "large requests took all memory that there is for them (--bodies-mib) for {} ms; send smaller ones, or these later",
        limit.as_millis()
    );
    Problem::unavailable(detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    const LONG: Duration = Duration::from_secs(3_600);

    #[tokio::test]
    async fn large_bodies_wait_for_each_other_and_small_ones_for_nobody() {
        let room = Room::of_mib(64);
        let (half, other) = (room.place(32 << 20, LONG).await, room.place(32 << 20, LONG).await);
        let refused = room.place(LARGE_BYTES_MIN, Duration::from_millis(1)).await.unwrap_err();
        assert_eq!((refused.status, refused.retry_after_seconds), (503, Some(1)));
        assert!(room.place(LARGE_BYTES_MIN - 1, LONG).now_or_never().is_some());
        drop(half);
        assert!(room.place(32 << 20, LONG).now_or_never().is_some_and(|place| place.is_ok()));
        drop(other);
        assert!(room.place(64 << 20, LONG).now_or_never().is_some_and(|place| place.is_ok()));
    }
}
