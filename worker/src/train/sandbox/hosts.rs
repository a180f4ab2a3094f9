//! Hosts by what they hold, the ones used last, within a memory budget.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use schemas::pack::PackScope;
use schemas::spec::ModelSpec;
use tokio::sync::OnceCell;

use super::remote::{Host, HostError};
use super::wire::OpenOrder;

/// Hosts at once: campaigns on more models make their data ready again.
const HOSTS_MAX: usize = 4;

/// Hosts that are kept for the next pack.
#[derive(Debug)]
pub(in super::super) struct Hosts {
    budget_bytes: u64,
    threads: u32,
    entries: Mutex<Vec<Entry>>,
}

type Cell = Arc<OnceCell<Arc<Host>>>;

#[derive(Debug)]
struct Entry {
    /// Which spec.
    revision: String,
    /// Which content of its source.
    content: String,
    cell: Cell,
}

/// Why there is no host.
#[derive(Debug, thiserror::Error)]
pub(in super::super) enum OpenError {
    /// The source's files could not be looked up.
    #[error("reading the source")]
    Source(#[from] dataset::OpenError),
    /// The host could not be had.
    #[error(transparent)]
    Host(#[from] HostError),
}

impl Hosts {
    /// Keeps hosts whose data takes at most `budget_bytes` in all (one host may take more); each decodes on `threads`
    /// threads and has as many learners.
    pub(in super::super) fn new(budget_bytes: u64, threads: u32) -> Hosts {
        Hosts { budget_bytes, threads, entries: Mutex::default() }
    }

    /// A host of what `spec` learns from, as its source is now. Packs that ask at the same time share it. A new one
    /// indexes the levels of `scopes` for all its learners.
    pub(super) async fn get(&self, spec: &ModelSpec, scopes: &[PackScope]) -> Result<Arc<Host>, OpenError> {
        let content = dataset::open(&spec.data.source).await?.identity();
        let cell = self.enter(spec.revision(), content);
        let open = || async {
            let mut masks: Vec<u32> = scopes.iter().filter_map(|scope| spec.mask_of(&scope.scope)).collect();
            masks.sort_unstable();
            masks.dedup();
            let order = OpenOrder { spec: spec.clone(), threads: self.threads, masks };
            Host::open(order, self.threads).await.map(Arc::new)
        };
        let host = cell.get_or_try_init(open).await?.clone();
        self.evict();
        Ok(host)
    }

    fn enter(&self, revision: String, content: String) -> Cell {
        let mut entries = self.lock();
        // Ended hosts, and an older content of the same model's source, are of no more use.
        entries.retain(|entry| {
            let ended = entry.cell.get().is_some_and(|host| host.has_ended());
            !ended && (entry.revision != revision || entry.content == content)
        });
        let entry = match entries.iter().position(|entry| entry.revision == revision) {
            Some(at) => entries.remove(at),
            None => Entry { revision, content, cell: Cell::default() },
        };
        let cell = entry.cell.clone();
        entries.push(entry);
        cell
    }

    /// Lets go of the hosts used longest ago. One that is at work ends with its last pack.
    fn evict(&self) {
        let mut entries = self.lock();
        let size = |entries: &[Entry]| -> u64 {
            entries.iter().filter_map(|entry| entry.cell.get()).map(|host| host.size_bytes).sum()
        };
        while entries.len() > 1 && (entries.len() > HOSTS_MAX || size(&entries) > self.budget_bytes) {
            entries.remove(0);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Entry>> {
        // The list is whole between any two statements that could panic.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
