//! Hosts by what they hold, the ones used last, within a memory budget.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dataset::Request;
use schemas::fit::Input;
use schemas::pack::PackScope;
use schemas::spec::ModelSpec;
use tokio::sync::OnceCell;

use super::remote::{Host, HostError};
use super::wire::{OpenOrder, Slices};

/// Hosts at once: campaigns on more models make their data ready again.
const HOSTS_MAX: usize = 4;

/// Hosts that are kept for the next pack.
#[derive(Debug)]
pub(in super::super) struct Hosts {
    budget_bytes: u64,
    threads: u32,
    entries: Mutex<Vec<Entry>>,
}

type Cell = Arc<OnceCell<Kept>>;

#[derive(Debug)]
struct Entry {
    /// Which spec.
    revision: String,
    /// Which content of its source.
    content: String,
    /// What is read beside what the spec names.
    others: Vec<Input>,
    cell: Cell,
}

/// What is kept for the next pack.
#[derive(Debug, Clone)]
enum Kept {
    /// A host of all rows.
    Whole(Arc<Host>),
    /// That the rows are more than the budget: every pack has a host of its own rows.
    Larger,
}

impl Kept {
    fn host(&self) -> Option<&Arc<Host>> {
        match self {
            Kept::Whole(host) => Some(host),
            Kept::Larger => None,
        }
    }
}

/// Why there is no host.
#[derive(Debug, thiserror::Error)]
pub(in super::super) enum OpenError {
    /// The source could not be looked at.
    #[error("reading the source")]
    Source(#[from] dataset::Error),
    /// The host could not be had.
    #[error(transparent)]
    Host(#[from] HostError),
}

impl Hosts {
    /// Keeps hosts whose data takes at most `budget_bytes` in all; each decodes on `threads` threads and has as many
    /// learners. Where one source's data takes more, each pack has a host for its own rows, with its share of the budget.
    pub(in super::super) fn new(budget_bytes: u64, threads: u32) -> Hosts {
        Hosts { budget_bytes, threads, entries: Mutex::default() }
    }

    /// A host of what `spec` learns from, as its source is now: of all rows, or of those of `scopes`. Packs that ask at
    /// the same time share the first. A new one indexes the levels of `scopes` for all its learners. It also reads what
    /// `others` read, which are few for all packs of a campaign.
    pub(super) async fn get(
        &self,
        spec: &ModelSpec,
        scopes: &[PackScope],
        others: Vec<Input>,
    ) -> Result<Arc<Host>, OpenError> {
        let files = dataset::open(&spec.data).await.map_err(dataset::Error::from)?;
        let (cell, others) = self.enter((spec.revision(), files.identity()), others);
        let keep = || async {
            let size_bytes = files.table_bytes(&Request::for_training(spec)).await;
            if size_bytes.map_err(dataset::Error::from)? > self.budget_bytes {
                return Ok::<Kept, OpenError>(Kept::Larger);
            }
            let host = Host::open(self.order(spec, (scopes, &others), None), self.threads).await?;
            Ok(Kept::Whole(Arc::new(host)))
        };
        // A source that is read by slices needs no second look at its size; its hosts are the packs' own.
        let kept = cell.get_or_try_init(keep).await?.clone();
        self.evict();
        match kept {
            Kept::Whole(host) => Ok(host),
            Kept::Larger => {
                let slices = Slices {
                    scopes: scopes.iter().map(|scope| (scope.scope.clone(), scope.window)).collect(),
                    limit_bytes: self.budget_bytes / u64::from(self.threads),
                };
                Ok(Arc::new(Host::open(self.order(spec, (scopes, &others), Some(slices)), 1).await?))
            }
        }
    }

    fn order(
        &self,
        spec: &ModelSpec,
        (scopes, others): (&[PackScope], &[Input]),
        slices: Option<Slices>,
    ) -> OpenOrder {
        let mut masks: Vec<u32> = scopes.iter().filter_map(|scope| spec.mask_of(&scope.scope)).collect();
        masks.sort_unstable();
        masks.dedup();
        OpenOrder { spec: spec.clone(), others: others.to_vec(), threads: self.threads, masks, slices }
    }

    /// The cell of a host that reads at least `others`, and all that it reads beside the spec's columns.
    fn enter(&self, (revision, content): (String, String), mut others: Vec<Input>) -> (Cell, Vec<Input>) {
        let mut entries = self.lock();
        // Ended hosts, and an older content of the same model's source, are of no more use.
        entries.retain(|entry| {
            let ended = entry.cell.get().and_then(Kept::host).is_some_and(|host| host.has_ended());
            !ended && (entry.revision != revision || entry.content == content)
        });
        let known = entries.iter().position(|entry| entry.revision == revision).map(|at| entries.remove(at));
        let entry = match known {
            Some(entry) if others.iter().all(|other| entry.others.contains(other)) => entry,
            known => {
                // One that also reads what the last one does, so that packs do not take turns.
                let before = known.map(|entry| entry.others).unwrap_or_default();
                others.extend(before.into_iter().filter(|other| !others.contains(other)).collect::<Vec<_>>());
                Entry { revision, content, others, cell: Cell::default() }
            }
        };
        let found = (entry.cell.clone(), entry.others.clone());
        entries.push(entry);
        found
    }

    /// Lets go of the hosts used longest ago. One that is at work ends with its last pack.
    fn evict(&self) {
        let mut entries = self.lock();
        let size = |entries: &[Entry]| -> u64 {
            entries.iter().filter_map(|entry| entry.cell.get()?.host()).map(|host| host.size_bytes).sum()
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
