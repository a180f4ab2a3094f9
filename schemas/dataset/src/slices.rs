//! Reading only the rows that some scopes mean, from a source that may be larger than memory.

use futures::future::BoxFuture;
use futures::{StreamExt, TryStreamExt};
use tokio::runtime::Handle;

use crate::cached::derived_bytes;
use crate::error::ReadError;
use crate::files::{File, REQUESTS_MAX};
use crate::filter::Filter;
use crate::format::Format;
use crate::format::parquet::Footer;
use crate::position::ReadingOrder;
use crate::read::{Reading, table};
use crate::request::{Request, Role};
use crate::scan::Scan;
use crate::source::Dataset;
use crate::table::Table;

impl Dataset {
    /// Reads the wanted columns of the rows that `filter` takes, piece by piece. Of parquet files, row groups whose
    /// statistics exclude such rows are not fetched, and of the others first what decides which rows are taken; a
    /// database is asked for little else. The rows of a scope come in the order that they have in the table of all rows.
    /// What is taken may take `limit_bytes` in memory.
    ///
    /// # Errors
    /// [`ReadError`] as for [`Dataset::read`], and [`ReadError::TooLarge`].
    pub fn read_slices<'a>(
        &'a self,
        request: &'a Request,
        filter: Filter,
        limits: (u64, usize),
    ) -> BoxFuture<'a, Result<Table, ReadError>> {
        self.read_pieces(request, Some(filter), limits)
    }

    pub(crate) fn read_pieces<'a>(
        &'a self,
        request: &'a Request,
        filter: Option<Filter>,
        limits: (u64, usize),
    ) -> BoxFuture<'a, Result<Table, ReadError>> {
        let (data, request, handle) = (self.clone(), request.clone(), Handle::current());
        Box::pin(async move {
            let read = move || gather(&data, &request, (filter.as_ref(), &handle), limits);
            match tokio::task::spawn_blocking(read).await {
                Ok(table) => table,
                Err(source) => Err(ReadError::Interrupted { source }),
            }
        })
    }

    /// About how many bytes a table of all rows takes in memory; more than there can be where nobody knows. Of parquet
    /// files the footers are read.
    ///
    /// # Errors
    /// [`ReadError`] when a footer cannot be read.
    pub fn table_bytes<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<u64, ReadError>> {
        Box::pin(async move {
            let Dataset::Files(files) = self else { return Ok(u64::MAX) };
            let of_file = |file| async move { table_bytes(file, request).await };
            let sizes = futures::stream::iter(files.files.clone()).map(of_file).buffered(REQUESTS_MAX);
            sizes.try_fold(0u64, |sum, size| async move { Ok(sum.saturating_add(size)) }).await
        })
    }
}

fn gather(
    data: &Dataset,
    request: &Request,
    (filter, handle): (Option<&Filter>, &Handle),
    (limit_bytes, threads): (u64, usize),
) -> Result<Table, ReadError> {
    let slots = request.slots();
    let scan = Scan { slots: &slots, filter, threads, handle };
    let (mut parts, mut order, mut size_bytes) = (Vec::new(), ReadingOrder::default(), 0);
    data.scan(&scan, &mut |file, mut part| {
        let columns = part.columns.iter().map(|(_, column)| column.size_bytes());
        size_bytes += columns.sum::<usize>() + part.rows * derived_bytes(request);
        if size_bytes as u64 > limit_bytes {
            return Err(ReadError::TooLarge { limit_bytes });
        }
        order.add(file, part.rows, part.positions.take());
        parts.push(part);
        Ok(())
    })?;
    let order = match data {
        Dataset::Files(_) => Reading::Order(order),
        // It hands out rows in any order, so that of equal times is made from what they say.
        Dataset::Database(_) => Reading::ByContent,
    };
    table(parts, order, (slots, request.time.clone()), threads)
}

async fn table_bytes(file: std::sync::Arc<File>, request: &Request) -> Result<u64, ReadError> {
    match file.format {
        Format::Parquet => {
            let width = |role| if role == Role::Text { size_of::<u32>() } else { size_of::<f64>() };
            let widths = request.slots().iter().map(|slot| width(slot.role)).sum::<usize>();
            let rows = Footer::fetch(file).await?.rows()?;
            Ok(rows as u64 * (widths + derived_bytes(request)) as u64)
        }
        // Texts are read whole before they become columns.
        format if format.is_gzip() => Ok(file.size_bytes.saturating_mul(16)),
        _ => Ok(file.size_bytes.saturating_mul(2)),
    }
}
