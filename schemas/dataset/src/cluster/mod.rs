//! Rewriting a source as one parquet file that is sorted by its dimensions, then time: a scope's rows lie together, and
//! the statistics of the row groups say where.
//!
//! Three passes, each in bounded memory: `values` collects the distinct texts, so that rows become records of one width;
//! `sort` sorts these in runs on disk; `write` merges the runs into parquet. A column says where each row stood in
//! the source, so that rows with equal times keep their order, and every scope its fingerprint.

mod error;
mod layout;
mod record;
mod sort;
mod values;
mod write;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use runtime::objects;
use tokio::runtime::Handle;

pub use self::error::ClusterError;
use self::layout::Layout;
use self::record::Encoder;
use self::sort::Sorter;
use self::values::Dictionaries;
use self::write::{Target, Writer};
use crate::files::Files;
use crate::format::Format;
use crate::request::{Request, Slot};
use crate::scan::Scan;
use crate::source::Dataset;

/// Rows between two words about progress.
const TELL_ROWS: u64 = 1 << 16;

/// What to make of a source.
#[derive(Clone)]
pub struct ClusterOrder {
    /// The columns that the file will have.
    pub request: Request,
    /// Where it will be: a path or URL that ends in `.parquet`.
    pub target: String,
    /// Memory to take, besides one decoded row group of the source for each thread.
    pub memory_bytes: u64,
    /// Threads to decode on.
    pub threads: usize,
    /// Where runs are kept meanwhile; they have no names there, so nothing is left behind.
    pub temporary: PathBuf,
    /// Told now and then how far it is.
    pub progress: Arc<dyn Fn(Progress) + Send + Sync>,
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Looking at all texts: bytes fetched.
    Values(u64),
    /// Sorting: rows read.
    Sorted(u64),
    /// Writing: rows written, of so many.
    Written(u64, u64),
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clustered {
    /// The file, as people write it.
    pub url: String,
    /// Its rows: those of the source.
    pub rows: u64,
    /// Its row groups.
    pub row_groups: usize,
    /// Its size.
    pub size_bytes: u64,
    /// Runs that were sorted on disk; none when all fitted into memory.
    pub runs: usize,
}

impl Dataset {
    /// Writes the columns of the order's request to its target, which appears when it is complete.
    ///
    /// # Errors
    /// [`ClusterError`] when the source cannot be read, the target not be written, or the memory is too little.
    pub async fn cluster(&self, order: &ClusterOrder) -> Result<Clustered, ClusterError> {
        let Dataset::Files(files) = self else { return Err(ClusterError::Database) };
        let target = target(files, order)?;
        let (files, order, handle) = (files.clone(), order.clone(), Handle::current());
        let run = move || run(&files, &order, target, &handle);
        match tokio::task::spawn_blocking(run).await {
            Ok(done) => done,
            Err(source) => Err(ClusterError::Interrupted { source }),
        }
    }
}

fn target(files: &Files, order: &ClusterOrder) -> Result<Target, ClusterError> {
    let place = objects::open(&order.target)?;
    let path = object_store::path::Path::parse(place.path.trim_start_matches('/'));
    let path = path.map_err(|source| ClusterError::Path { place: order.target.clone(), source })?;
    let url = place.url(&path);
    if Format::of(path.as_ref()) != Some(Format::Parquet) {
        return Err(ClusterError::Name { place: url });
    }
    if files.urls().any(|known| known == url) {
        return Err(ClusterError::Itself { place: url });
    }
    Ok(Target { store: place.store, path, url })
}

fn run(
    files: &Files,
    order: &ClusterOrder,
    target: Target,
    handle: &Handle,
) -> Result<Clustered, ClusterError> {
    let slots = order.request.slots();
    let dictionaries = Dictionaries::collect(files, &slots, (order, handle))?;
    let layout = Layout::new(&order.request, &slots, &dictionaries)?;
    let (rows, sorter) = sort(files, &slots, (&layout, &dictionaries), (order, handle))?;
    let runs = sorter.runs();
    let mut writer = Writer::open((&layout, &dictionaries), target, handle)?;
    let mut add = |record: &[u8]| {
        if writer.rows().is_multiple_of(TELL_ROWS) {
            (order.progress)(Progress::Written(writer.rows(), rows));
        }
        writer.add(record).map_err(Stopped::Cluster)
    };
    let added = sorter.finish(&mut add).map_err(|stopped| stopped.at(&order.temporary));
    writer.finish(added, (rows, runs))
}

/// The second pass: all rows as records, in a sorter.
fn sort(
    files: &Files,
    slots: &[Slot],
    (layout, dictionaries): (&Layout, &Dictionaries),
    (order, handle): (&ClusterOrder, &Handle),
) -> Result<(u64, Sorter), ClusterError> {
    let encoder = Encoder::new(layout, dictionaries);
    let sorter = Sorter::new(layout.width, order.memory_bytes / 2, order.temporary.clone());
    let mut sorter = sorter.ok_or(ClusterError::Memory { memory_bytes: order.memory_bytes })?;
    let (mut rows, mut first, mut last) = (0, 0, 0);
    let scan = Scan { slots, filter: None, threads: order.threads, handle };
    scan.run(files, &mut |file, mut piece| {
        if file != last {
            // Rows of the files before.
            (last, first) = (file, rows);
        }
        let (next, places) = (rows, piece.positions.take());
        rows += piece.rows as u64;
        let place = |row: usize| match &places {
            Some(places) => first + places[row] as u64,
            None => next + row as u64,
        };
        let encoded = encoder.encode(piece, place, &mut sorter);
        encoded.map_err(|source| Stopped::Temporary(source).at(&order.temporary))?;
        (order.progress)(Progress::Sorted(rows));
        Ok::<_, ClusterError>(())
    })?;
    Ok((rows, sorter))
}

/// Why sorted records stopped coming.
enum Stopped {
    Cluster(ClusterError),
    Temporary(io::Error),
}

impl From<io::Error> for Stopped {
    fn from(error: io::Error) -> Stopped {
        Stopped::Temporary(error)
    }
}

impl Stopped {
    fn at(self, folder: &Path) -> ClusterError {
        match self {
            Stopped::Cluster(error) => error,
            Stopped::Temporary(source) => {
                ClusterError::Temporary { folder: folder.display().to_string(), source }
            }
        }
    }
}
