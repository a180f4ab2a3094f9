//! Rows by a cursor, a thousand at a time.

use schemas::column::Column;
use schemas::time::TIME_NULL;
use tokio::runtime::Handle;
use tokio_postgres::{SimpleQueryMessage, SimpleQueryRow};

use super::columns::DatabaseColumn;
use super::{Database, sql};
use crate::convert::{self, Mismatch};
use crate::error::ReadError;
use crate::filter;
use crate::format::Decoded;
use crate::request::{Role, Slot};
use crate::scan::Scan;

/// Rows of one answer: more are refused by a Redshift of a single node.
const FETCH_ROWS: usize = 1_000;

/// Answers that are joined into one piece.
const FETCHES_PER_PIECE: usize = 32;

impl Database {
    /// Hands the rows of `scan` to `take`, in the order in which the server has them. For threads that may wait.
    pub(crate) fn scan<E: From<ReadError>>(
        &self,
        scan: &Scan,
        take: &mut dyn FnMut(Decoded) -> Result<(), E>,
    ) -> Result<(), E> {
        let handle = scan.handle;
        let session = handle.block_on(self.connect())?;
        let columns = handle.block_on(session.columns())?;
        let wanted: Vec<(&Slot, &DatabaseColumn)> =
            scan.slots.iter().map(|slot| self.column(&columns, slot)).collect::<Result<_, _>>()?;
        let filter = scan.filter.map(|filter| (filter, columns.as_slice()));
        let select = sql::select(&self.address.relation, &wanted, filter);
        handle.block_on(session.run(&format!("DECLARE scopeforge_rows CURSOR FOR {select}")))?;
        let fetch = format!("FETCH FORWARD {FETCH_ROWS} FROM scopeforge_rows");
        let mut first_row = 0;
        loop {
            let mut rows: Vec<SimpleQueryRow> = Vec::new();
            let mut ended = false;
            for _ in 0..FETCHES_PER_PIECE {
                let fetched = fetch_rows(handle, &session, &fetch)?;
                ended = fetched.len() < FETCH_ROWS;
                rows.extend(fetched);
                if ended {
                    break;
                }
            }
            let piece = self.piece(&rows, &wanted, first_row)?;
            first_row += rows.len();
            drop(rows);
            let piece = match scan.filter {
                Some(filter) => {
                    let marks = filter.rows(&piece, scan.slots);
                    filter::take(piece, &marks)
                }
                None => piece,
            };
            if piece.rows > 0 {
                take(piece)?;
            }
            if ended {
                return Ok(());
            }
        }
    }

    fn column<'a>(
        &self,
        columns: &'a [DatabaseColumn],
        slot: &'a Slot,
    ) -> Result<(&'a Slot, &'a DatabaseColumn), ReadError> {
        let place = &self.address.shown;
        let Some(column) = columns.iter().find(|column| column.name == slot.name) else {
            let names = columns.iter().map(|column| column.name.as_str());
            return Err(ReadError::unknown(place, &slot.name, names));
        };
        match column.serves(slot.role) {
            true => Ok((slot, column)),
            false => Err(Mismatch::Kind(column.kind()).at_place(place, slot, 0)),
        }
    }

    fn piece(
        &self,
        rows: &[SimpleQueryRow],
        wanted: &[(&Slot, &DatabaseColumn)],
        first_row: usize,
    ) -> Result<Decoded, ReadError> {
        let mut piece = Decoded { rows: rows.len(), ..Decoded::default() };
        for (at, (slot, column)) in wanted.iter().enumerate() {
            let texts = rows.iter().map(|row| row.get(at));
            let made = match slot.role {
                Role::Time if column.is_time() => Ok(Column::Time(
                    texts.map(|ms| ms.and_then(|ms| ms.parse().ok()).unwrap_or(TIME_NULL)).collect(),
                )),
                role => convert::from_texts(texts, role),
            };
            let made = made.map_err(|wrong| wrong.at_place(&self.address.shown, slot, first_row));
            piece.columns.push((at, made?));
        }
        let bytes =
            rows.iter().map(|row| (0..row.len()).filter_map(|at| row.get(at)).map(str::len).sum::<usize>());
        self.count(bytes.sum());
        Ok(piece)
    }
}

fn fetch_rows(
    handle: &Handle,
    session: &super::Session,
    fetch: &str,
) -> Result<Vec<SimpleQueryRow>, ReadError> {
    let messages = handle.block_on(session.run(fetch))?;
    let row = |message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    };
    Ok(messages.into_iter().filter_map(row).collect())
}
