//! Trainers that are started again whenever they are killed.

use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use std::os::unix::process::ExitStatusExt;

use tests::program::signal;
use tokio::process::Child;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use crate::field::Field;

/// How often a supervisor looks at its trainer.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Environment of the `n`th incarnation of a trainer.
pub(crate) type Faults = dyn Fn(usize) -> Vec<(&'static str, String)> + Send + Sync;

/// A trainer's place.
struct Slot {
    child: Mutex<Option<Child>>,
}

/// Supervised trainers.
pub(crate) struct Crew {
    field: Arc<Field>,
    slots: Vec<(Arc<Slot>, JoinHandle<()>)>,
    over: Arc<AtomicBool>,
    kills: Arc<AtomicUsize>,
}

impl Crew {
    pub(crate) fn new(field: &Arc<Field>) -> Crew {
        Crew { field: field.clone(), slots: Vec::new(), over: Arc::default(), kills: Arc::default() }
    }

    /// Trainers without faults.
    pub(crate) fn plain(field: &Arc<Field>, count: usize) -> Crew {
        let mut crew = Crew::new(field);
        (0..count).for_each(|_| crew.add(Box::new(|_| Vec::new())));
        crew
    }

    /// Adds one trainer.
    pub(crate) fn add(&mut self, faults: Box<Faults>) {
        let slot = Arc::new(Slot { child: Mutex::default() });
        let (field, over, kills) = (self.field.clone(), self.over.clone(), self.kills.clone());
        let own = slot.clone();
        let name = format!("trainer-{}.log", self.slots.len());
        let task = tokio::spawn(async move {
            for incarnation in 0.. {
                let child = start(&field, &name, faults(incarnation));
                *own.child.lock().await = Some(child);
                let ended = ended(&own).await;
                if over.load(Ordering::Relaxed) {
                    return;
                }
                match ended.signal() {
                    Some(9) => drop(kills.fetch_add(1, Ordering::Relaxed)),
                    _ => {
                        field.note(format!("a trainer ended by itself: {ended}"));
                        tokio::time::sleep(Duration::from_millis(200)).await;
                    }
                }
            }
        });
        self.slots.push((slot, task));
    }

    /// Deaths by SIGKILL so far, from outside and from inside.
    pub(crate) fn kills(&self) -> usize {
        self.kills.load(Ordering::Relaxed)
    }

    /// Kills one trainer.
    pub(crate) async fn kill(&self, place: usize) {
        if let Some(child) = self.slots[place].0.child.lock().await.as_mut() {
            // One that died by itself in this moment is as dead.
            let _ = child.start_kill();
        }
    }

    /// The process in a slot.
    pub(crate) async fn id(&self, place: usize) -> Option<u32> {
        self.slots[place].0.child.lock().await.as_ref().and_then(Child::id)
    }

    /// Sends a signal to one trainer.
    pub(crate) async fn signal(&self, place: usize, name: &str) {
        if let Some(id) = self.id(place).await {
            signal(id, name).await;
        }
    }

    /// Ends all trainers as an operator would.
    pub(crate) async fn stop(mut self) {
        self.over.store(true, Ordering::Relaxed);
        for place in 0..self.slots.len() {
            self.signal(place, "TERM").await;
        }
        let limit = Instant::now() + Duration::from_secs(40);
        for (place, (slot, mut task)) in std::mem::take(&mut self.slots).into_iter().enumerate() {
            if tokio::time::timeout_at(limit.into(), &mut task).await.is_err() {
                self.field.note(format!("trainer {place} did not end within 40 s of SIGTERM"));
                task.abort();
                // Dropping a child kills it.
                slot.child.lock().await.take();
            }
        }
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.slots.iter().for_each(|(_, task)| task.abort());
    }
}

fn start(field: &Field, log: &str, faults: Vec<(&'static str, String)>) -> Child {
    let log = std::fs::File::options().create(true).append(true).open(field.folder.path().join(log));
    let mut command = field.command("faulty-worker");
    command.args(["train", "--threads", "2"]).envs(faults);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log.expect("a log")).kill_on_drop(true);
    command.spawn().expect("a trainer starts")
}

async fn ended(slot: &Slot) -> ExitStatus {
    loop {
        if let Some(child) = slot.child.lock().await.as_mut()
            && let Some(status) = child.try_wait().expect("a child can be asked")
        {
            return status;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
