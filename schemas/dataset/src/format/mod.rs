//! The formats: each has one file that fetches and decodes it.

pub(crate) mod csv;
pub(crate) mod ndjson;
pub(crate) mod parquet;
mod ranges;
mod sparse;
pub(crate) mod text;

use std::sync::Arc;

use schemas::column::Column;

use crate::error::ReadError;
use crate::files::File;
use crate::kind::Kind;
use crate::request::Slot;

/// The extensions that say a format, for messages.
pub(crate) const KNOWN: &str =
    ".parquet, .pq, .csv, .tsv, .ndjson, .jsonl, .json; the text formats also as .gz";

/// Rows decoded at once: bounds what a damaged file can make us allocate.
const BATCH_ROWS: usize = 128 * 1024;

/// What is in a file, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Parquet,
    Csv { delimiter: u8, gzip: bool },
    Ndjson { gzip: bool },
}

impl Format {
    pub(crate) fn of(path: &str) -> Option<Format> {
        let name = path.rsplit('/').next().unwrap_or(path).to_lowercase();
        let (stem, gzip) = name.strip_suffix(".gz").map_or((name.as_str(), false), |stem| (stem, true));
        match stem.rsplit_once('.')?.1 {
            "parquet" | "pq" if !gzip => Some(Format::Parquet),
            "csv" => Some(Format::Csv { delimiter: b',', gzip }),
            "tsv" => Some(Format::Csv { delimiter: b'\t', gzip }),
            "ndjson" | "jsonl" | "json" => Some(Format::Ndjson { gzip }),
            _ => None,
        }
    }

    pub(crate) fn is_gzip(self) -> bool {
        matches!(self, Format::Csv { gzip: true, .. } | Format::Ndjson { gzip: true })
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Format::Parquet => "parquet",
            Format::Csv { gzip: false, .. } => "CSV",
            Format::Csv { gzip: true, .. } => "gzipped CSV",
            Format::Ndjson { gzip: false } => "NDJSON (one JSON object per line)",
            Format::Ndjson { gzip: true } => "gzipped NDJSON (one JSON object per line)",
        }
    }
}

/// Names and kinds of a file's own columns.
pub(crate) async fn columns(file: &Arc<File>) -> Result<Vec<(String, Kind)>, ReadError> {
    match file.format {
        Format::Parquet => parquet::columns(file).await,
        Format::Csv { delimiter, gzip } => csv::columns(file, &text::head(file, gzip).await?, delimiter),
        Format::Ndjson { gzip } => ndjson::columns(file, text::head(file, gzip).await?.as_slice()),
    }
}

/// The bytes of one file that a read needs.
pub(crate) enum Fetched {
    Parquet(parquet::Chunks),
    Text(text::Whole),
}

/// Rows of a file, decoded. Parts of a file come in row order.
#[derive(Default)]
pub(crate) struct Decoded {
    /// How many rows this adds to the table.
    pub(crate) rows: usize,
    /// Pieces of columns, each with the index of its slot.
    pub(crate) columns: Vec<(usize, Column)>,
    /// Where the rows stood before the file was clustered, if it was.
    pub(crate) positions: Option<Vec<i64>>,
}

impl Fetched {
    /// Fetches what the slots need of `file`.
    pub(crate) async fn fetch(file: Arc<File>, slots: &[Slot]) -> Result<Fetched, ReadError> {
        match file.format {
            Format::Parquet => parquet::Chunks::fetch(file, slots).await.map(Fetched::Parquet),
            Format::Csv { .. } | Format::Ndjson { .. } => text::Whole::fetch(file).await.map(Fetched::Text),
        }
    }

    pub(crate) fn file(&self) -> &Arc<File> {
        match self {
            Fetched::Parquet(chunks) => chunks.file(),
            Fetched::Text(whole) => whole.file(),
        }
    }

    /// Whether the file says where its rows stood before.
    pub(crate) fn is_clustered(&self) -> bool {
        match self {
            Fetched::Parquet(chunks) => chunks.is_clustered(),
            Fetched::Text(_) => false,
        }
    }

    /// How many parts can be decoded apart from each other.
    pub(crate) fn parts(&self) -> usize {
        match self {
            Fetched::Parquet(chunks) => chunks.parts(),
            Fetched::Text(_) => 1,
        }
    }

    /// Decodes one part.
    pub(crate) fn decode(&self, part: usize, slots: &[Slot]) -> Result<Decoded, ReadError> {
        match self {
            Fetched::Parquet(chunks) => chunks.decode(part, slots),
            Fetched::Text(whole) => whole.decode(slots),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_formats() {
        assert_eq!(Format::of("a.b/X.PARQUET"), Some(Format::Parquet));
        assert_eq!(Format::of("x.csv.gz"), Some(Format::Csv { delimiter: b',', gzip: true }));
        assert_eq!(Format::of("x.jsonl"), Some(Format::Ndjson { gzip: false }));
        for unknown in ["x", "x.parquet.gz", "x.gz", "folder.csv/x", "x.xlsx"] {
            assert_eq!(Format::of(unknown), None, "{unknown}");
        }
    }
}
