//! What a worker says of itself.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use schemas::announce::{Announcement, Role};

/// A worker's state, shared between its loop and its announcer.
#[derive(Debug)]
pub struct Status {
    /// Its name.
    pub worker: String,
    /// What it does.
    pub role: Role,
    /// How many packs or requests it works on at once.
    pub slots: u32,
    /// How many it works on now.
    pub busy: AtomicU32,
    /// Whether it is about to end.
    pub draining: AtomicBool,
}

impl Status {
    /// An idle worker.
    pub fn new(worker: &str, role: Role, slots: u32) -> Status {
        let (busy, draining) = (AtomicU32::new(0), AtomicBool::new(false));
        Status { worker: worker.to_owned(), role, slots, busy, draining }
    }

    /// The announcement of this moment; `ready` and `fits` as the worker's role has them. How busy it was is added by who knows it.
    pub fn announcement(&self, ready: bool, fits: u64) -> Announcement {
        Announcement {
            worker: self.worker.clone(),
            role: self.role,
            version: env!("CARGO_PKG_VERSION").into(),
            slots: self.slots,
            busy: self.busy.load(Ordering::Relaxed),
            ready,
            draining: self.draining.load(Ordering::Relaxed),
            fits,
            messages: schemas::envelope::NEWEST,
            bundle: None,
            busy_share: None,
        }
    }
}
