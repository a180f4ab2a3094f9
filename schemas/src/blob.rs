//! The form in which the fits of one pack rest in the store: one blob, checksummed, named by its content.
//!
//! ```text
//! "SFB1"  u32 count  count × (u64 offset, u32 length, u64 xxh3)  then the fits, each one envelope, then who wrote it
//! ```
//! The last part is never read: it makes the blobs of different attempts at one pack different, so that the leftover of one
//! can be removed without harm to another. Numbers are little-endian; offsets count from the blob's first byte. The blob's name is BLAKE3 of all its bytes.

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::envelope::{self, EnvelopeError};
use crate::fit::Fit;

const MAGIC: &[u8; 4] = b"SFB1";
const HEADER_BYTES: usize = 8;
const ENTRY_BYTES: usize = 20;

/// Why a blob could not be written or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BlobError {
    /// The bytes are not those that were written.
    #[error("blob {blob} is damaged: {problem}")]
    Damaged {
        /// The blob's name.
        blob: String,
        /// How it shows.
        problem: String,
    },
    /// The blob is whole but has no such fit.
    #[error("blob {blob} holds {count} fits, none at place {index}")]
    NoFit {
        /// The blob's name.
        blob: String,
        /// Fits in it.
        count: usize,
        /// The place asked for.
        index: u32,
    },
    /// A fit does not serialise.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
}

/// A fit as it lies in a blob: whoever only passes it on need not read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FitBody {
    /// The fit's fingerprint.
    pub fingerprint: String,
    #[serde(with = "crate::raw")]
    bytes: Vec<u8>,
}

impl FitBody {
    /// The form of `fit`.
    ///
    /// # Errors
    /// When it does not serialise.
    pub fn of(fit: &Fit) -> Result<FitBody, EnvelopeError> {
        Ok(FitBody { fingerprint: fit.fingerprint.clone(), bytes: envelope::encode(fit)? })
    }

    /// What it takes in a blob.
    pub fn size_bytes(&self) -> usize {
        self.bytes.len()
    }
}

/// Writes `fits` into one blob; `attempt` says who wrote it, and differs between attempts.
///
/// # Errors
/// When a fit does not serialise.
pub fn write(fits: &[Fit], attempt: &str) -> Result<Vec<u8>, BlobError> {
    let bodies: Vec<FitBody> = fits.iter().map(FitBody::of).collect::<Result<_, _>>()?;
    Ok(join(&bodies, attempt))
}

/// As [`write()`], of fits that have their form.
pub fn join(fits: &[FitBody], attempt: &str) -> Vec<u8> {
    let start = HEADER_BYTES + fits.len() * ENTRY_BYTES;
    let size: usize = fits.iter().map(|fit| fit.bytes.len()).sum();
    let mut blob = Vec::with_capacity(start + size + attempt.len());
    blob.extend_from_slice(MAGIC);
    blob.extend_from_slice(&(fits.len() as u32).to_le_bytes());
    let mut offset = start as u64;
    for FitBody { bytes, .. } in fits {
        blob.extend_from_slice(&offset.to_le_bytes());
        blob.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        blob.extend_from_slice(&xxh3_64(bytes).to_le_bytes());
        offset += bytes.len() as u64;
    }
    fits.iter().for_each(|fit| blob.extend_from_slice(&fit.bytes));
    blob.extend_from_slice(attempt.as_bytes());
    blob
}

/// The name of a blob with these bytes: 64 hex digits.
pub fn name(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

/// A blob whose bytes were found to be those its name promises.
#[derive(Debug, Clone)]
pub struct Blob<B> {
    name: String,
    bytes: B,
}

impl<B: AsRef<[u8]>> Blob<B> {
    /// Checks that `bytes` are those of the blob called `name`.
    ///
    /// # Errors
    /// [`BlobError::Damaged`] when the hash differs or the bytes are no blob.
    pub fn verify(name: &str, bytes: B) -> Result<Self, BlobError> {
        let damaged = |problem: String| BlobError::Damaged { blob: name.to_owned(), problem };
        let found = self::name(bytes.as_ref());
        if found != name {
            let size = bytes.as_ref().len();
            return Err(damaged(format!("its {size} bytes have the BLAKE3 hash {found}")));
        }
        let all = bytes.as_ref();
        if all.len() < HEADER_BYTES || &all[..4] != MAGIC {
            return Err(damaged("it does not begin as a blob".into()));
        }
        let blob = Blob { name: name.to_owned(), bytes };
        if blob.bytes.as_ref().len() < HEADER_BYTES + blob.len() * ENTRY_BYTES {
            return Err(damaged("its index is cut off".into()));
        }
        Ok(blob)
    }

    /// Number of fits.
    pub fn len(&self) -> usize {
        u32_at(self.bytes.as_ref(), 4) as usize
    }

    /// Its bytes.
    pub fn size_bytes(&self) -> usize {
        self.bytes.as_ref().len()
    }

    /// Whether the blob holds no fit.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The fit at place `index`.
    ///
    /// # Errors
    /// [`BlobError`] when there is none, or its part is damaged.
    pub fn fit(&self, index: u32) -> Result<Fit, BlobError> {
        let (all, count) = (self.bytes.as_ref(), self.len());
        if index as usize >= count {
            return Err(BlobError::NoFit { blob: self.name.clone(), count, index });
        }
        let damaged = |problem: &str| BlobError::Damaged {
            blob: self.name.clone(),
            problem: format!("fit {index}: {problem}"),
        };
        let entry = HEADER_BYTES + index as usize * ENTRY_BYTES;
        let offset = usize::try_from(u64_at(all, entry)).map_err(|_| damaged("bad offset"))?;
        let end = offset.checked_add(u32_at(all, entry + 8) as usize).ok_or_else(|| damaged("bad length"))?;
        let body = all.get(offset..end).ok_or_else(|| damaged("it lies outside the blob"))?;
        if xxh3_64(body) != u64_at(all, entry + 12) {
            return Err(damaged("its checksum differs"));
        }
        Ok(envelope::decode(body)?)
    }
}

/// `bytes` reaches past `at + 4`: checked by [`Blob::verify`] against the count.
fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut number = [0; 4];
    number.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(number)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::algorithm::Algorithm;
    use crate::encoding::Missing;
    use crate::fit::{Counts, Parameters};
    use crate::scope::Scope;
    use crate::window::Window;
    use proptest::prelude::*;

    fn fit(intercept: f64) -> Fit {
        Fit {
            scope: Scope::new([("carrier", "UA")]),
            window: Window::ALL,
            fingerprint: "f".repeat(32),
            target: "y".into(),
            classes: Vec::new(),
            inputs: Vec::new(),
            algorithm: Algorithm::Mean,
            params: Default::default(),
            parameters: Parameters::Linear { intercept, coefficients: Vec::new() },
            counts: Counts::default(),
            metrics: None,
            continues: None,
            sums: None,
            missing: Missing::Drop,
        }
    }

    #[test]
    fn fits_come_back_as_they_went_in() {
        let bytes = write(&[fit(1.0), fit(2.0)], "attempt").unwrap();
        let blob = Blob::verify(&name(&bytes), &bytes).unwrap();
        assert_eq!((blob.len(), blob.fit(1).unwrap()), (2, fit(2.0)));
        assert!(matches!(blob.fit(2), Err(BlobError::NoFit { .. })));
    }

    #[test]
    fn the_form_of_version_one_is_pinned() {
        let bytes = write(&[fit(1.0)], "").unwrap();
        assert_eq!(name(&bytes), "2c65b435e3697c1e6cc0b18e6d5d033aed4e9ee1c5878b995da33973c46c3343");
    }

    proptest! {
        #[test]
        fn no_damage_goes_unseen(at in 0usize..200, flip in 1u8..) {
            let whole = write(&[fit(1.0), fit(2.0)], "attempt").unwrap();
            let mut bytes = whole.clone();
            let at = at % bytes.len();
            bytes[at] ^= flip;
            let error = Blob::verify(&name(&whole), &bytes).unwrap_err().to_string();
            prop_assert!(error.contains("is damaged"));
            // Even a blob whose name matches its damaged bytes never yields another fit in silence.
            if let Ok(blob) = Blob::verify(&name(&bytes), &bytes) {
                for (index, sent) in [fit(1.0), fit(2.0)].into_iter().enumerate() {
                    if let Ok(read) = blob.fit(index as u32) {
                        prop_assert_eq!(read, sent);
                    }
                }
            }
        }
    }
}
