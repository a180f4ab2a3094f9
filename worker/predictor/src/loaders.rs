//! The threads that load fits and let them go. An allocator gives back what the thread frees that has allocated it; what
//! another one frees stays until the first allocates again, which may be never.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::thread::JoinHandle;

use runtime::allocator;
use runtime::settings::cores;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::sync::oneshot;

/// What a thread is to do.
type Job = Box<dyn FnOnce() + Send>;

/// Jobs that may wait for one thread; who loads waits for room.
const WAITING_MAX: usize = 1_024;

/// Threads, where there are as many cores.
const THREADS_MAX: u32 = 4;

/// Threads that end when this is dropped.
#[derive(Debug)]
pub(crate) struct Loaders(Vec<Loader>);

#[derive(Debug)]
struct Loader {
    /// `None` once it is to end.
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Loaders {
    /// Starts the threads. Where the system grants none, callers do the work themselves.
    pub(crate) fn start() -> Loaders {
        let started = (0..cores().min(THREADS_MAX)).map(|_| Loader::start());
        Loaders(started.filter_map(Result::ok).collect())
    }

    /// What `work` yields, done by the thread of `name`. Its panic goes on in the caller.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        name: &str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> T {
        let (tell, told) = oneshot::channel();
        let job: Job = Box::new(move || {
            let done = catch_unwind(AssertUnwindSafe(work));
            // Nobody waits any more for what was asked for by a request that has ended.
            drop(tell.send(done));
        });
        match self.of(name) {
            None => job(),
            // A thread that has ended gives the job back, and it is done here.
            Some(jobs) => {
                if let Err(refused) = jobs.send(job).await {
                    (refused.0)();
                }
            }
        }
        match told.await {
            Ok(Ok(done)) => done,
            Ok(Err(panic)) => resume_unwind(panic),
            Err(_) => panic!("a thread that loads fits ended with work to do"),
        }
    }

    /// Lets go of what was made under each name, on its thread, and gives the memory back.
    pub(crate) fn free<T: Send + 'static>(&self, named: Vec<(String, T)>) {
        let mut shares: Vec<Vec<T>> = self.0.iter().map(|_| Vec::new()).collect();
        for (name, one) in named {
            // Without threads it is dropped here.
            if let Some(share) = shares.get_mut(self.place(&name)) {
                share.push(one);
            }
        }
        for (loader, share) in self.0.iter().zip(shares).filter(|(_, share)| !share.is_empty()) {
            let job: Job = Box::new(move || {
                drop(share);
                allocator::give_back();
            });
            // Where too much waits, memory comes back later.
            drop(loader.jobs.as_ref().map(|jobs| jobs.try_send(job)));
        }
    }

    fn of(&self, name: &str) -> Option<&Sender<Job>> {
        self.0.get(self.place(name))?.jobs.as_ref()
    }

    /// The thread of a name, if there is any.
    fn place(&self, name: &str) -> usize {
        let sum = name.bytes().fold(0usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
        sum % self.0.len().max(1)
    }
}

impl Loader {
    fn start() -> std::io::Result<Loader> {
        let (jobs, mut waiting): (Sender<Job>, Receiver<Job>) = mpsc::channel(WAITING_MAX);
        let life = move || {
            while let Some(job) = waiting.blocking_recv() {
                job();
            }
        };
        let thread = std::thread::Builder::new().name("fits".into()).spawn(life)?;
        Ok(Loader { jobs: Some(jobs), thread: Some(thread) })
    }
}

impl Drop for Loader {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // Jobs catch their panics.
            drop(thread.join());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread::{ThreadId, current};

    struct Dropped(std::sync::mpsc::Sender<ThreadId>);

    impl Drop for Dropped {
        fn drop(&mut self) {
            let _ = self.0.send(current().id());
        }
    }

    #[tokio::test]
    async fn what_is_made_under_a_name_is_freed_by_the_same_thread() {
        let loaders = Loaders::start();
        for name in ["a", "b", "c", "d", "e"] {
            let (tell, told) = std::sync::mpsc::channel();
            let (made, by) = loaders.run(name, move || (Dropped(tell), current().id())).await;
            assert_ne!(by, current().id());
            loaders.free(vec![(name.to_owned(), made)]);
            assert_eq!(told.recv().unwrap(), by, "{name}");
        }
    }

    #[tokio::test]
    async fn a_panic_is_the_callers_and_others_are_served() {
        let loaders = Loaders::start();
        let panicking = AssertUnwindSafe(loaders.run("a", || panic!("on purpose")));
        let done: Result<(), _> = futures::FutureExt::catch_unwind(panicking).await;
        assert!(done.is_err());
        assert_eq!(loaders.run("a", || 7).await, 7);
        let none = Loaders(Vec::new());
        none.free(vec![("a".to_owned(), 1)]);
        assert_eq!(none.run("a", || 8).await, 8);
    }
}
