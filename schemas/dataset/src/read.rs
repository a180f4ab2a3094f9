//! From files to a table: fetch, decode in parallel, assemble, order by time.

use futures::future::BoxFuture;
use std::panic::{AssertUnwindSafe, catch_unwind};

use futures::{StreamExt, TryStreamExt};
use object_store::ObjectStoreExt;
use schemas::column::Column;

use crate::error::ReadError;
use crate::files::{File, Files, REQUESTS_MAX};
use crate::format::{Decoded, Fetched};
use crate::hashes::RowHashes;
use crate::position::ReadingOrder;
use crate::request::{Request, Role, Slot};
use crate::table::Table;
use crate::{assemble, order, parallel};

impl Files {
    /// Reads the wanted columns, and only these, into a table whose rows are in time order (ties in file order).
    /// Decoding runs on `threads` threads apart from the async runtime's own.
    ///
    /// # Errors
    /// [`ReadError`] names the file and column that is missing, of the wrong kind, damaged, or has changed since
    /// the source was opened.
    pub fn read<'a>(
        &'a self,
        request: &'a Request,
        threads: usize,
    ) -> BoxFuture<'a, Result<Table, ReadError>> {
        Box::pin(async move {
            let slots = request.slots();
            let fetched: Vec<Fetched> = futures::stream::iter(self.files.clone())
                .map(|file| {
                    let slots = &slots;
                    async move {
                        let fetched = Fetched::fetch(file, slots).await?;
                        check_unchanged(fetched.file()).await?;
                        Ok::<_, ReadError>(fetched)
                    }
                })
                .buffered(REQUESTS_MAX)
                .try_collect()
                .await?;
            let time = request.time.clone();
            let decode = move || {
                let (decoded, order) = decode(&fetched, &slots, threads)?;
                table(decoded, Reading::Order(order), (slots, time), threads)
            };
            match tokio::task::spawn_blocking(decode).await {
                Ok(table) => table,
                Err(source) => Err(ReadError::Interrupted { source }),
            }
        })
    }
}

/// Bytes of two contents must not become one table.
pub(crate) async fn check_unchanged(file: &File) -> Result<(), ReadError> {
    let now = file.store.head(&file.path).await.map_err(|error| file.fetch_error(error))?;
    match file.is_same(&now) {
        true => Ok(()),
        false => Err(ReadError::Changed { file: file.url.clone() }),
    }
}

/// The parts of all files, each with the number of its file.
fn decode(
    fetched: &[Fetched],
    slots: &[Slot],
    threads: usize,
) -> Result<(Vec<Decoded>, ReadingOrder), ReadError> {
    let parts: Vec<(usize, usize)> =
        (0..fetched.len()).flat_map(|at| (0..fetched[at].parts()).map(move |part| (at, part))).collect();
    let mut decoded = parallel::try_map(parts.len(), threads, |index| {
        let (at, part) = parts[index];
        let file = &fetched[at];
        guarded(file.file(), || file.decode(part, slots))
    })?;
    let mut order = ReadingOrder::default();
    for ((at, _), part) in parts.into_iter().zip(&mut decoded) {
        match part.positions.take() {
            Some(positions) => order.add(at, positions.len(), Some(positions)),
            None if fetched[at].is_clustered() => {}
            None => order.add(at, part.rows, None),
        }
    }
    Ok((decoded, order))
}

/// Damaged bytes may make a decoder panic; then, too, the file is to be named.
pub(crate) fn guarded<T>(file: &File, decode: impl FnOnce() -> Result<T, ReadError>) -> Result<T, ReadError> {
    let decoded = catch_unwind(AssertUnwindSafe(decode));
    decoded.unwrap_or_else(|_| Err(file.damaged("the decoder panicked")))
}

/// In which order rows come that have the same time, or none.
pub(crate) enum Reading {
    /// As they were read.
    Order(ReadingOrder),
    /// By a hash of their values: rows that are told apart by nothing may come in any order.
    ByContent,
}

/// The rows of all parts as a table, in time order.
pub(crate) fn table(
    decoded: Vec<Decoded>,
    reading: Reading,
    (slots, time): (Vec<Slot>, Option<String>),
    threads: usize,
) -> Result<Table, ReadError> {
    let rows = decoded.iter().map(|part| part.rows).sum();
    if rows >= u32::MAX as usize {
        return Err(ReadError::TooManyRows { rows });
    }
    let mut pieces: Vec<Vec<Column>> = slots.iter().map(|_| Vec::new()).collect();
    for (slot, piece) in decoded.into_iter().flat_map(|part| part.columns) {
        pieces[slot].push(piece);
    }
    let columns = parallel::map(slots.into_iter().zip(pieces).collect(), threads, |(slot, pieces)| {
        let column = assemble::concat(pieces, slot.role);
        (slot, column)
    });
    let keys = match reading {
        Reading::Order(order) => order.keys(),
        Reading::ByContent => {
            Some(RowHashes::of_columns(columns.iter().map(|(_, column)| column), rows, threads).keys())
        }
    };
    let columns = in_order(columns, keys.and_then(|keys| order::by_time(&keys)), threads);
    let times = columns.iter().find_map(|(slot, column)| match column {
        Column::Time(times) if slot.role == Role::Time && time.as_deref() == Some(slot.name.as_str()) => {
            Some(times)
        }
        _ => None,
    });
    let by_time = times.and_then(|times| order::by_time(times));
    Ok(Table::new(rows, in_order(columns, by_time, threads), time))
}

fn in_order(columns: Vec<(Slot, Column)>, order: Option<Vec<u32>>, threads: usize) -> Vec<(Slot, Column)> {
    match order {
        None => columns,
        Some(order) => {
            parallel::map(columns, threads, |(slot, column)| (slot, order::reorder(column, &order)))
        }
    }
}
