//! A decoded table with what is derived from it on demand.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::groups::Groups;
use crate::hashes::RowHashes;
use crate::request::Request;
use crate::table::Table;

/// Group indices kept with one table; a model rarely has more levels.
const GROUPS_MAX: usize = 16;

/// A table with what is derived from it on demand.
#[derive(Debug)]
pub struct Cached {
    /// The columns.
    pub table: Table,
    request: Request,
    row_hashes: OnceLock<RowHashes>,
    groups: Mutex<Vec<Indexed>>,
}

/// The rows by some dimensions.
#[derive(Debug, Clone)]
struct Indexed {
    groups: Arc<Groups>,
    digests: Arc<OnceLock<Arc<[u128]>>>,
}

impl Cached {
    /// A table read with `request`, or with more: its rows are told apart by the columns of `request` alone.
    pub fn new(table: Table, request: Request) -> Cached {
        Cached { table, request, row_hashes: OnceLock::new(), groups: Mutex::default() }
    }

    /// The hash of each row over all columns of the request; computed once, by who asks first.
    pub fn row_hashes(&self) -> &RowHashes {
        self.row_hashes_on(1)
    }

    /// [`Cached::row_hashes`], computed on so many threads where they are not there yet.
    pub fn row_hashes_on(&self, threads: usize) -> &RowHashes {
        self.row_hashes.get_or_init(|| RowHashes::of(&self.table, &self.request, threads))
    }

    /// The groups of all rows by these dimensions; built once, by who asks first (others wait), and kept for the 16
    /// dimension sets used last.
    pub fn groups(&self, dimensions: &[&str]) -> Arc<Groups> {
        self.indexed(dimensions).groups
    }

    /// What the rows of each of [`Cached::groups`] hash to; computed once, by who asks first.
    pub fn digests(&self, dimensions: &[&str]) -> Arc<[u128]> {
        let Indexed { groups, digests } = self.indexed(dimensions);
        digests.get_or_init(|| self.row_hashes().digests(&groups).into()).clone()
    }

    fn indexed(&self, dimensions: &[&str]) -> Indexed {
        let mut kept = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        let found = kept.iter().position(|indexed| indexed.groups.dimensions() == dimensions);
        let indexed = match found {
            Some(at) => kept.remove(at),
            None => {
                let groups = Arc::new(Groups::build(&self.table, dimensions, None));
                Indexed { groups, digests: Arc::default() }
            }
        };
        if kept.len() == GROUPS_MAX {
            kept.remove(0);
        }
        kept.push(indexed.clone());
        indexed
    }

    /// Bytes in memory, with room for row hashes and for the groups of as many levels as there are dimensions.
    pub fn size_bytes(&self) -> usize {
        self.table.size_bytes() + self.table.rows() * derived_bytes(&self.request)
    }
}

/// Bytes per row of what is derived from a table.
pub(crate) fn derived_bytes(request: &Request) -> usize {
    let levels = request.dimensions.len() + 1;
    size_of::<u128>() + levels * size_of::<u32>()
}
