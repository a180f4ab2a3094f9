//! What a bundle says is in it.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::{BundleError, HEADER_BYTES, Header, unsound};
use crate::catalog::ModelSnapshot;
use crate::channel::Channel;
use crate::limits::BUNDLE_FIT_BYTES_MAX;
use crate::spec::ModelSpec;

/// What is in a bundle.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Contents {
    /// The channel whose fits these are.
    pub channel: String,
    /// When it was exported, milliseconds since 1970.
    pub made_at_ms: i64,
    /// The release that wrote it.
    pub made_by: String,
    /// By name.
    pub models: Vec<BundledModel>,
    /// In the order of the file.
    pub blocks: Vec<Block>,
}

crate::message!(Contents);

/// A model with all of its fits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BundledModel {
    /// Its spec.
    pub spec: ModelSpec,
    /// Its channel: the campaigns alone.
    pub channel: Channel,
    /// The fits that answer in the channel, and in which block each is.
    pub catalog: ModelSnapshot,
}

/// Some fits in the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// The name of the blob that it unpacks to.
    pub name: String,
    /// Where it begins.
    pub offset: u64,
    /// Its bytes in the file.
    pub bytes: u64,
    /// Its bytes when it is unpacked.
    pub unpacked_bytes: u64,
    /// Fits in it.
    pub fits: u32,
}

impl Contents {
    /// Whether everything that is named is there, within the file of `header`.
    ///
    /// # Errors
    /// [`BundleError::Unsound`] with the first contradiction.
    pub fn check(&self, header: &Header) -> Result<(), BundleError> {
        let fits = self.check_blocks(header)?;
        let mut names = HashSet::new();
        for model in &self.models {
            let name = &model.spec.name;
            model.spec.check().map_err(|error| unsound(format!("model {name}: {error}")))?;
            if *name != model.catalog.model || !names.insert(name) {
                return Err(unsound(format!("model {name} has another catalog, or is there twice")));
            }
            let lost = model.catalog.places().find(|place| {
                place.is_none_or(|(blob, index)| fits.get(blob).is_none_or(|fits| index >= *fits))
            });
            if lost.is_some() {
                return Err(unsound(format!("model {name} has a fit that is in no block")));
            }
        }
        Ok(())
    }

    /// The number of fits of each block by its name.
    fn check_blocks(&self, header: &Header) -> Result<HashMap<&str, u32>, BundleError> {
        let mut end = HEADER_BYTES as u64;
        let mut fits = HashMap::with_capacity(self.blocks.len());
        for block in &self.blocks {
            if block.offset != end || block.unpacked_bytes > BUNDLE_FIT_BYTES_MAX {
                return Err(unsound(format!("block {} lies elsewhere, or is too large", block.name)));
            }
            end = end
                .checked_add(block.bytes)
                .filter(|end| *end <= header.contents_offset)
                .ok_or_else(|| unsound(format!("block {} reaches into what stands behind it", block.name)))?;
            if fits.insert(block.name.as_str(), block.fits).is_some() {
                return Err(unsound(format!("block {} is there twice", block.name)));
            }
        }
        match end == header.contents_offset {
            true => Ok(fits),
            false => Err(unsound("there are bytes between blocks and contents")),
        }
    }
}
