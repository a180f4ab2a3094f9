//! From files to a table: fetch, decode in parallel, assemble, order by time.

use futures::future::BoxFuture;
use std::panic::{AssertUnwindSafe, catch_unwind};

use futures::{StreamExt, TryStreamExt};
use object_store::ObjectStoreExt;
use schemas::column::Column;

use crate::error::ReadError;
use crate::files::{File, Files, REQUESTS_MAX};
use crate::format::{Decoded, Fetched};
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
                decode(&fetched, &slots, threads).and_then(|decoded| table(decoded, slots, time, threads))
            };
            match tokio::task::spawn_blocking(decode).await {
                Ok(table) => table,
                Err(source) => Err(ReadError::Interrupted { source }),
            }
        })
    }
}

/// Bytes of two contents must not become one table.
async fn check_unchanged(file: &File) -> Result<(), ReadError> {
    let now = file.store.head(&file.path).await.map_err(|error| file.fetch_error(error))?;
    match file.is_same(&now) {
        true => Ok(()),
        false => Err(ReadError::Changed { file: file.url.clone() }),
    }
}

fn decode(fetched: &[Fetched], slots: &[Slot], threads: usize) -> Result<Vec<Decoded>, ReadError> {
    let parts: Vec<(&Fetched, usize)> =
        fetched.iter().flat_map(|file| (0..file.parts()).map(move |part| (file, part))).collect();
    parallel::try_map(parts.len(), threads, |index| {
        let (file, part) = parts[index];
        // Damaged bytes may make a decoder panic; then, too, the file is to be named.
        let decoded = catch_unwind(AssertUnwindSafe(|| file.decode(part, slots)));
        decoded.unwrap_or_else(|_| Err(file.file().damaged("the decoder panicked")))
    })
}

fn table(
    decoded: Vec<Decoded>,
    slots: Vec<Slot>,
    time: Option<String>,
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
    Ok(Table::new(rows, in_time_order(columns, time.as_deref(), threads), time))
}

fn in_time_order(columns: Vec<(Slot, Column)>, time: Option<&str>, threads: usize) -> Vec<(Slot, Column)> {
    let ordering = columns.iter().find_map(|(slot, column)| match column {
        Column::Time(times) if slot.role == Role::Time && time == Some(slot.name.as_str()) => Some(times),
        _ => None,
    });
    match ordering.and_then(|times| order::by_time(times)) {
        None => columns,
        Some(order) => {
            parallel::map(columns, threads, |(slot, column)| (slot, order::reorder(column, &order)))
        }
    }
}
