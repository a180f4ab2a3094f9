//! Keeping a pack's lease alive while it is worked on.

use tokio_util::task::AbortOnDropHandle;

use crate::job::Job;

/// A renewed lease: ends when dropped.
#[derive(Debug)]
pub struct Lease {
    _task: AbortOnDropHandle<()>,
}

impl Lease {
    /// Renews the lease of `job` three times in its length, from a task of its own that training cannot starve.
    pub fn keep(job: &Job) -> Lease {
        let job = job.clone();
        let length = job.lease();
        let renewing = tokio::spawn(async move {
            let mut ticks = crate::clock::ticks(length / 3);
            // The first tick is immediate, and a fresh delivery needs no renewal.
            ticks.tick().await;
            loop {
                ticks.tick().await;
                if let Err(error) = job.renew().await {
                    tracing::warn!("{error}; the pack may go to another trainer");
                }
            }
        });
        Lease { _task: AbortOnDropHandle::new(renewing) }
    }
}
