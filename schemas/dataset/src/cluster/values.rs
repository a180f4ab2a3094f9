//! The first pass: which texts there are.

use std::collections::HashSet;

use schemas::column::Column;
use tokio::runtime::Handle;

use super::error::ClusterError;
use super::{ClusterOrder, Progress};
use crate::files::Files;
use crate::request::{Role, Slot};
use crate::scan::Scan;

/// Memory that a text takes besides its bytes.
const TEXT_BYTES: usize = 48;

/// Per slot its distinct texts, sorted; none for numbers and times.
pub(super) struct Dictionaries {
    pub(super) values: Vec<Vec<String>>,
}

impl Dictionaries {
    /// Reads all texts of `files`, which may take a quarter of the order's memory.
    pub(super) fn collect(
        files: &Files,
        slots: &[Slot],
        (order, handle): (&ClusterOrder, &Handle),
    ) -> Result<Dictionaries, ClusterError> {
        let texts: Vec<Slot> = slots.iter().filter(|slot| slot.role == Role::Text).cloned().collect();
        let mut found: Vec<HashSet<String>> = texts.iter().map(|_| HashSet::new()).collect();
        let (mut size_bytes, limit_bytes) = (0, order.memory_bytes / 4);
        if !texts.is_empty() {
            let scan = Scan { slots: &texts, filter: None, threads: order.threads, handle };
            scan.run(files, &mut |_, piece| {
                for (slot, column) in &piece.columns {
                    let Column::Text(text) = column else { continue };
                    for value in &text.values {
                        if !found[*slot].contains(value) {
                            size_bytes += (value.len() + TEXT_BYTES) as u64;
                            found[*slot].insert(value.clone());
                        }
                    }
                }
                (order.progress)(Progress::Values(files.fetched_bytes()));
                match size_bytes > limit_bytes {
                    true => Err(ClusterError::TooManyValues { limit_bytes }),
                    false => Ok(()),
                }
            })?;
        }
        let mut found = found.into_iter();
        let values = slots.iter().map(|slot| {
            let found = if slot.role == Role::Text { found.next() } else { None };
            let mut sorted: Vec<String> = found.into_iter().flatten().collect();
            sorted.sort_unstable();
            sorted
        });
        Ok(Dictionaries { values: values.collect() })
    }
}
