//! Writing a bundle: beside its place, and renamed when it is complete.

use std::fs::Permissions;
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use schemas::blob;
use schemas::bundle::{Block, BundledModel, Contents, Digest, HEADER_BYTES, Header};
use schemas::envelope;
use schemas::fit::Fit;
use tempfile::NamedTempFile;

use super::Error;
use super::packed::pack;
use crate::clock::now_ms;

/// A bundle under way. Dropped unfinished, it leaves nothing. Its calls work and wait for the disk: they are no work for
/// a thread that others wait for.
#[derive(Debug)]
pub struct Writer {
    file: PathBuf,
    force: bool,
    temporary: NamedTempFile,
    digest: Digest,
    end: u64,
    blocks: Vec<Block>,
}

/// Whether a bundle can be written to `file`; better asked before anything is read.
///
/// # Errors
/// [`Error::Exists`] where something is there that is not to be replaced.
pub fn check(file: &Path, force: bool) -> Result<(), Error> {
    match !force && file.exists() {
        true => Err(Error::Exists { file: file.to_owned() }),
        false => Ok(()),
    }
}

impl Writer {
    /// Begins a file; `force` replaces what is there.
    ///
    /// # Errors
    /// [`Error`] as of [`check`], and when the folder cannot be written to.
    pub fn create(file: &Path, force: bool) -> Result<Writer, Error> {
        check(file, force)?;
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let temporary = tempfile::Builder::new()
            .prefix(".bundle-")
            // As every new file, and not only for its owner as temporary ones are: images carry it to other users.
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(folder);
        let mut temporary = temporary.map_err(Error::disk(file, "written"))?;
        // The header is known last.
        temporary.write_all(&[0; HEADER_BYTES]).map_err(Error::disk(file, "written"))?;
        let (file, end) = (file.to_owned(), HEADER_BYTES as u64);
        Ok(Writer { file, force, temporary, digest: Digest::default(), end, blocks: Vec::new() })
    }

    /// Adds fits, which are read together; gives the name of their blob, in which each has its place in the list.
    ///
    /// # Errors
    /// [`Error`] when the disk is full.
    pub fn add(&mut self, fits: &[Fit]) -> Result<String, Error> {
        // The number keeps blocks of equal fits apart.
        let bytes = blob::write(fits, &self.blocks.len().to_string());
        let bytes = bytes.map_err(|source| Error::Fits { file: self.file.clone(), source })?;
        let name = blob::name(&bytes);
        let (offset, stored) = (self.end, self.append(&bytes)?);
        self.blocks.push(Block {
            name: name.clone(),
            offset,
            bytes: stored,
            unpacked_bytes: bytes.len() as u64,
            fits: fits.len() as u32,
        });
        Ok(name)
    }

    /// Ends the file, which appears now; gives its bytes. `models` name the blobs that [`Writer::add`] gave.
    ///
    /// # Errors
    /// [`Error`] when the disk is full, something has appeared in its place, or `models` name other fits.
    pub fn finish(mut self, channel: &str, models: Vec<BundledModel>) -> Result<u64, Error> {
        let contents = Contents {
            channel: channel.to_owned(),
            made_at_ms: now_ms(),
            made_by: env!("CARGO_PKG_VERSION").to_owned(),
            models,
            blocks: std::mem::take(&mut self.blocks),
        };
        let unusable = Error::unusable(&self.file);
        let bytes = envelope::encode(&contents).map_err(|error| unusable(error.into()))?;
        let contents_offset = self.end;
        let contents_bytes = self.append(&bytes)?;
        let header = Header {
            file_bytes: self.end,
            contents_offset,
            contents_bytes,
            contents_unpacked_bytes: bytes.len() as u64,
            digest: self.digest.value(),
        };
        contents.check(&header).map_err(Error::unusable(&self.file))?;
        self.appear(&header)?;
        Ok(header.file_bytes)
    }

    /// Writes bytes compressed; gives how many they are then.
    fn append(&mut self, bytes: &[u8]) -> Result<u64, Error> {
        let disk = Error::disk(&self.file, "written");
        let packed = pack(bytes).map_err(&disk)?;
        self.temporary.write_all(&packed).map_err(&disk)?;
        self.digest.update(&packed);
        self.end += packed.len() as u64;
        Ok(packed.len() as u64)
    }

    fn appear(self, header: &Header) -> Result<(), Error> {
        let Writer { file, force, mut temporary, .. } = self;
        let disk = Error::disk(&file, "written");
        temporary.seek(SeekFrom::Start(0)).map_err(&disk)?;
        temporary.write_all(&header.to_bytes()).map_err(&disk)?;
        temporary.as_file().sync_all().map_err(&disk)?;
        match force {
            true => drop(temporary.persist(&file).map_err(|error| disk(error.error))?),
            false => drop(temporary.persist_noclobber(&file).map_err(|error| match error.error.kind() {
                std::io::ErrorKind::AlreadyExists => Error::Exists { file: file.clone() },
                _ => disk(error.error),
            })?),
        }
        Ok(())
    }
}
