//! Decoded tables within a memory budget.

use futures::future::BoxFuture;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use schemas::spec::Source;
use tokio::sync::OnceCell;

use crate::error::Error;
use crate::files::{Files, open};
use crate::groups::Groups;
use crate::hashes::RowHashes;
use crate::request::Request;
use crate::table::Table;

/// Group indices kept with one table; a model rarely has more levels.
const GROUPS_MAX: usize = 16;

/// Tables by content and request. The least recently used go when the budget is spent; a table larger than the
/// budget is handed out and not kept. Callers that want the same table at the same time read it once.
#[derive(Debug)]
pub struct Cache {
    budget_bytes: usize,
    state: Mutex<State>,
}

type Key = (String, Request);
type Cell = Arc<OnceCell<Arc<Cached>>>;

#[derive(Debug, Default)]
struct State {
    entries: HashMap<Key, Entry>,
    uses: u64,
}

#[derive(Debug)]
struct Entry {
    cell: Cell,
    /// Zero while the table is being read.
    size_bytes: usize,
    used: u64,
}

impl Cache {
    /// An empty cache that keeps at most `budget_bytes` of tables.
    pub fn new(budget_bytes: usize) -> Cache {
        Cache { budget_bytes, state: Mutex::default() }
    }

    /// The table of `request` over what `source` holds now: its files are looked up each time, and read (decoding on
    /// `threads` threads) unless this very content is there.
    ///
    /// # Errors
    /// [`Error`] when the source cannot be resolved or read; the next call tries again.
    pub fn get<'a>(
        &'a self,
        source: &'a Source,
        request: &'a Request,
        threads: usize,
    ) -> BoxFuture<'a, Result<Arc<Cached>, Error>> {
        Box::pin(async move {
            let files = open(source).await?;
            let key = (files.identity(), request.clone());
            let cell = self.enter(&key);
            let read = cell.get_or_try_init(|| Cached::read(&files, request, threads)).await;
            match read {
                Ok(cached) => {
                    let cached = cached.clone();
                    self.keep(key, cell, cached.size_bytes());
                    Ok(cached)
                }
                Err(error) => Err(error),
            }
        })
    }

    /// Bytes of the tables that are kept.
    pub fn size_bytes(&self) -> usize {
        self.lock().size_bytes()
    }

    fn enter(&self, key: &Key) -> Cell {
        let mut state = self.lock();
        // Failed and abandoned reads leave a cell that nobody else holds.
        state.entries.retain(|_, entry| entry.cell.initialized() || Arc::strong_count(&entry.cell) > 1);
        let used = state.tick();
        let entry = state.entries.entry(key.clone()).or_insert_with(|| Entry {
            cell: Cell::default(),
            size_bytes: 0,
            used,
        });
        entry.used = used;
        entry.cell.clone()
    }

    fn keep(&self, key: Key, cell: Cell, size_bytes: usize) {
        let mut state = self.lock();
        let used = state.tick();
        state.entries.insert(key, Entry { cell, size_bytes, used });
        state.evict(self.budget_bytes);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is whole between any two statements that could panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn tick(&mut self) -> u64 {
        self.uses += 1;
        self.uses
    }

    fn size_bytes(&self) -> usize {
        self.entries.values().map(|entry| entry.size_bytes).sum()
    }

    /// First what could never be kept, so that it does not drive out the rest; then by last use.
    fn evict(&mut self, budget_bytes: usize) {
        self.entries.retain(|_, entry| entry.size_bytes <= budget_bytes);
        while self.size_bytes() > budget_bytes {
            let read = self.entries.iter().filter(|(_, entry)| entry.size_bytes > 0);
            let oldest = read.min_by_key(|(_, entry)| entry.used).map(|(key, _)| key.clone());
            match oldest {
                Some(key) => drop(self.entries.remove(&key)),
                None => return,
            }
        }
    }
}

/// A table with what is derived from it on demand.
#[derive(Debug)]
pub struct Cached {
    /// The columns.
    pub table: Table,
    request: Request,
    row_hashes: OnceLock<RowHashes>,
    groups: Mutex<Vec<(Vec<String>, Arc<Groups>)>>,
}

impl Cached {
    /// A table read with `request`.
    pub fn new(table: Table, request: Request) -> Cached {
        Cached { table, request, row_hashes: OnceLock::new(), groups: Mutex::default() }
    }

    async fn read(files: &Files, request: &Request, threads: usize) -> Result<Arc<Cached>, Error> {
        let table = files.read(request, threads).await?;
        Ok(Arc::new(Cached::new(table, request.clone())))
    }

    /// The hash of each row over all columns of the request; computed once, by who asks first.
    pub fn row_hashes(&self) -> &RowHashes {
        self.row_hashes.get_or_init(|| RowHashes::of(&self.table, &self.request))
    }

    /// The groups of all rows by these dimensions; built once, by who asks first (others wait), and kept for the 16
    /// dimension sets used last.
    pub fn groups(&self, dimensions: &[&str]) -> Arc<Groups> {
        let mut kept = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        let found = kept.iter().position(|(names, _)| names == dimensions);
        let (names, groups) = match found {
            Some(at) => kept.remove(at),
            None => {
                let names = dimensions.iter().map(|name| (*name).to_owned()).collect();
                (names, Arc::new(Groups::build(&self.table, dimensions, None)))
            }
        };
        if kept.len() == GROUPS_MAX {
            kept.remove(0);
        }
        kept.push((names, groups.clone()));
        groups
    }

    /// Bytes in memory, with room for row hashes and for the groups of as many levels as there are dimensions.
    pub fn size_bytes(&self) -> usize {
        let levels = self.request.dimensions.len() + 1;
        let derived_per_row = size_of::<u128>() + levels * size_of::<u32>();
        self.table.size_bytes() + self.table.rows() * derived_per_row
    }
}
