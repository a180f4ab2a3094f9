//! Reading a bundle: its header, all bytes once for their checksum, and its contents. Fits are read when they are asked for.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use schemas::blob::Blob;
use schemas::bundle::{BundleError, Contents, Digest, HEADER_BYTES, Header};
use schemas::catalog::Catalog;
use schemas::channel::{Channel, LIVE};
use schemas::envelope;
use schemas::spec::ModelSpec;
use schemas::subjects::channel_key;

use super::Error;
use super::packed::unpack;
use super::store::BundleStore;
use crate::catalog::LiveCatalog;
use crate::mirror::Mirror;
use crate::store::Blobs;

/// Bytes that are read at once for the checksum.
const READ_BYTES: usize = 1 << 18;

/// A bundle whose every byte was found to be as written.
#[derive(Debug)]
pub struct Bundle {
    file: PathBuf,
    open: File,
    header: Header,
    contents: Contents,
    /// Places in the list of blocks, by name.
    blocks: HashMap<String, usize>,
}

/// What takes the ledger's place: fits that never change.
#[derive(Debug, Clone)]
pub struct Fixed {
    /// The file, for messages.
    pub file: PathBuf,
    /// What only this bundle has: predictors that have another one are not asked.
    pub digest: Arc<String>,
    /// Which fits there are.
    pub catalog: LiveCatalog,
}

/// What answering needs, from a bundle.
#[derive(Debug, Clone)]
pub struct Held {
    /// Which fits it has.
    pub fixed: Fixed,
    /// The channel that was exported. It answers as `live`, too, for callers that name no channel.
    pub channel: String,
    /// Number of fits.
    pub fits: u64,
    /// Model specs.
    pub models: Mirror<ModelSpec>,
    /// The channel of each model, by both of its names.
    pub channels: Mirror<Channel>,
    /// The fits' bytes.
    pub blobs: Blobs,
}

/// Opens a bundle to answer from it.
///
/// # Errors
/// [`Error`] when it cannot be read, or is not whole to the last byte.
pub async fn open(file: &Path) -> Result<Held, Error> {
    let path = file.to_owned();
    // Reading and checking a large file is no work for a thread that others wait for.
    let opened = tokio::task::spawn_blocking(move || Bundle::open(&path)?.hold()).await;
    opened.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}

impl Bundle {
    /// Opens a bundle and reads it once. Works and waits for the disk.
    ///
    /// # Errors
    /// [`Error`] when it cannot be read, or is not whole to the last byte.
    pub fn open(file: &Path) -> Result<Bundle, Error> {
        let (disk, unusable) = (Error::disk(file, "read"), Error::unusable(file));
        // To open what is no file may take for ever.
        let about = std::fs::metadata(file).map_err(&disk)?;
        if !about.is_file() {
            return Err(unusable(BundleError::Foreign));
        }
        let mut open = File::open(file).map_err(&disk)?;
        let about = open.metadata().map_err(&disk)?;
        let mut start = Vec::with_capacity(HEADER_BYTES);
        open.by_ref().take(HEADER_BYTES as u64).read_to_end(&mut start).map_err(&disk)?;
        let header = Header::read(&start, about.len()).map_err(&unusable)?;
        // What stands behind the header, to its end: whatever is read of it later is what was written.
        if digest(&mut open).map_err(&disk)? != header.digest {
            return Err(unusable(BundleError::Damaged { part: "bytes" }));
        }
        let packed = read_at(&open, header.contents_offset, header.contents_bytes).map_err(&disk)?;
        let bytes = unpack(&packed, header.contents_unpacked_bytes)
            .ok_or(BundleError::Damaged { part: "contents" })
            .map_err(&unusable)?;
        let contents: Contents = envelope::decode(&bytes).map_err(|error| unusable(error.into()))?;
        contents.check(&header).map_err(&unusable)?;
        let blocks = contents.blocks.iter().map(|block| block.name.clone()).zip(0..).collect();
        Ok(Bundle { file: file.to_owned(), open, header, contents, blocks })
    }

    /// What is in it.
    pub fn contents(&self) -> &Contents {
        &self.contents
    }

    /// Its bytes.
    pub fn file_bytes(&self) -> u64 {
        self.header.file_bytes
    }

    /// The file.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The blob called `name`, if there is one, as it was before it was compressed. Works and waits for the disk.
    ///
    /// # Errors
    /// [`Error`] when it cannot be read.
    pub fn block(&self, name: &str) -> Result<Option<Bytes>, Error> {
        let Some(block) = self.blocks.get(name).and_then(|place| self.contents.blocks.get(*place)) else {
            return Ok(None);
        };
        let packed =
            read_at(&self.open, block.offset, block.bytes).map_err(Error::disk(&self.file, "read"))?;
        let unpacked = unpack(&packed, block.unpacked_bytes).ok_or(BundleError::Damaged { part: "fits" });
        Ok(Some(Bytes::from(unpacked.map_err(Error::unusable(&self.file))?)))
    }

    /// Reads every fit; `read` is told how many are in each block. Works and waits for the disk.
    ///
    /// # Errors
    /// [`Error`] at the first that is no fit.
    pub fn verify(&self, mut read: impl FnMut(u64)) -> Result<(), Error> {
        let damaged = |source| Error::Fits { file: self.file.clone(), source };
        for block in &self.contents.blocks {
            let bytes = self.block(&block.name)?.unwrap_or_default();
            let blob = Blob::verify(&block.name, bytes).map_err(damaged)?;
            if blob.len() != block.fits as usize {
                let problem =
                    format!("block {} has {} fits and names {}", block.name, blob.len(), block.fits);
                return Err(Error::unusable(&self.file)(BundleError::Unsound { problem }));
            }
            (0..block.fits).try_for_each(|index| blob.fit(index).map(drop)).map_err(damaged)?;
            read(u64::from(block.fits));
        }
        Ok(())
    }

    /// Takes it for answering.
    ///
    /// # Errors
    /// [`Error`] when a catalog contradicts itself.
    pub fn hold(mut self) -> Result<Held, Error> {
        let (mut catalog, mut specs, mut channels) = (Catalog::default(), Vec::new(), Vec::new());
        for model in std::mem::take(&mut self.contents.models) {
            let (name, channel) = (model.spec.name.clone(), Arc::new(model.channel));
            let names = [LIVE, self.contents.channel.as_str()];
            channels.extend(names.map(|own| (channel_key(&name, own), channel.clone())));
            specs.push((name, Arc::new(model.spec)));
            let unsound =
                |error: schemas::catalog::SnapshotError| BundleError::Unsound { problem: error.to_string() };
            catalog.restore(model.catalog).map_err(unsound).map_err(Error::unusable(&self.file))?;
        }
        let digest = Arc::new(format!("{:032x}", self.header.digest));
        let fits = catalog.len() as u64;
        let fixed = Fixed { file: self.file.clone(), digest, catalog: LiveCatalog::fixed(catalog) };
        Ok(Held {
            fixed,
            channel: self.contents.channel.clone(),
            fits,
            models: Mirror::fixed(specs),
            channels: Mirror::fixed(channels),
            blobs: Blobs::new(Arc::new(BundleStore::new(self))),
        })
    }
}

fn digest(rest: &mut File) -> std::io::Result<u128> {
    let (mut digest, mut bytes) = (Digest::default(), vec![0; READ_BYTES]);
    loop {
        match rest.read(&mut bytes)? {
            0 => return Ok(digest.value()),
            read => digest.update(&bytes[..read]),
        }
    }
}

/// The lengths are within the file, which was looked at.
fn read_at(open: &File, offset: u64, bytes: u64) -> std::io::Result<Vec<u8>> {
    let mut read = vec![0; usize::try_from(bytes).map_err(std::io::Error::other)?];
    open.read_exact_at(&mut read, offset)?;
    Ok(read)
}
