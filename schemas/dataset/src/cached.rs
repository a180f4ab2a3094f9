//! A decoded table with what is derived from it on demand.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::error::Error;
use crate::files::Files;
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
    groups: Mutex<Vec<(Vec<String>, Arc<Groups>)>>,
}

impl Cached {
    /// A table read with `request`.
    pub fn new(table: Table, request: Request) -> Cached {
        Cached { table, request, row_hashes: OnceLock::new(), groups: Mutex::default() }
    }

    /// Reads `request` from `files`, decoding on `threads` threads.
    ///
    /// # Errors
    /// [`Error`] when the files cannot be read, or do not hold what is wanted.
    pub async fn read(files: &Files, request: &Request, threads: usize) -> Result<Arc<Cached>, Error> {
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
