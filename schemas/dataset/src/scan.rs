//! A source in pieces of bounded size, in reading order: what is larger than memory is read so.

use std::sync::Arc;

use futures::future::try_join_all;
use tokio::runtime::Handle;

use crate::error::ReadError;
use crate::files::{File, Files, REQUESTS_MAX};
use crate::filter::{self, Filter};
use crate::format::parquet::{Footer, Groups};
use crate::format::{Decoded, Format, text};
use crate::parallel;
use crate::read::{check_unchanged, guarded};
use crate::request::Slot;

/// What is read of a source.
pub(crate) struct Scan<'a> {
    /// The columns.
    pub(crate) slots: &'a [Slot],
    /// The rows; all of them without.
    pub(crate) filter: Option<&'a Filter>,
    /// As many row groups are in memory at once.
    pub(crate) threads: usize,
    /// Where requests are made.
    pub(crate) handle: &'a Handle,
}

impl Scan<'_> {
    /// Hands every piece of `files` to `take`, with the number of its file. For threads that may wait.
    ///
    /// # Errors
    /// Those of reading, and of `take`.
    pub(crate) fn run<E: From<ReadError>>(
        &self,
        files: &Files,
        take: &mut dyn FnMut(usize, Decoded) -> Result<(), E>,
    ) -> Result<(), E> {
        for (first, files) in (0..).step_by(REQUESTS_MAX).zip(files.files.chunks(REQUESTS_MAX)) {
            let is_parquet = |file: &&Arc<File>| file.format == Format::Parquet;
            let footers = files.iter().filter(is_parquet).map(|file| Footer::fetch(file.clone()));
            let mut footers = self.handle.block_on(try_join_all(footers))?.into_iter();
            for (number, file) in (first..).zip(files) {
                let mut take = |piece| take(number, piece);
                match file.format {
                    Format::Parquet => {
                        // As many footers as parquet files.
                        if let Some(footer) = footers.next() {
                            self.row_groups(footer, &mut take)?;
                        }
                    }
                    _ => self.text(file, &mut take)?,
                }
                // Bytes of two contents must not become one result.
                self.handle.block_on(check_unchanged(file))?;
            }
        }
        Ok(())
    }

    fn row_groups<E: From<ReadError>>(
        &self,
        footer: Footer,
        take: &mut dyn FnMut(Decoded) -> Result<(), E>,
    ) -> Result<(), E> {
        let file = footer.file.clone();
        let groups = Groups::new(Arc::new(footer), self.slots)?;
        for wave in groups.within(self.filter).chunks(self.threads.max(1)) {
            let read =
                |at: usize| guarded(&file, || groups.read(wave[at], (self.slots, self.filter), self.handle));
            for piece in parallel::try_map(wave.len(), self.threads, read)?.into_iter().flatten() {
                take(piece)?;
            }
        }
        Ok(())
    }

    fn text<E: From<ReadError>>(
        &self,
        file: &Arc<File>,
        take: &mut dyn FnMut(Decoded) -> Result<(), E>,
    ) -> Result<(), E> {
        text::scan(file, self.slots, self.handle, &mut |piece| {
            let piece = match self.filter {
                Some(filter) => {
                    let marks = filter.rows(&piece, self.slots);
                    filter::take(piece, &marks)
                }
                None => piece,
            };
            if piece.rows > 0 { take(piece) } else { Ok(()) }
        })
    }
}
