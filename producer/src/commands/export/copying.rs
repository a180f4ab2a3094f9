//! Copying fits from the store into a bundle.

use anyhow::Context;
use futures::{StreamExt, TryStreamExt, stream};
use indicatif::ProgressBar;
use runtime::bundle::Writer;
use runtime::store::Blobs;
use schemas::catalog::{Catalog, Landed};
use schemas::fit::Fit;
use schemas::limits::BUNDLE_BLOCK_BYTES;
use schemas::scope::Scope;

use super::file_error;

/// Blobs that are read at once.
const AT_ONCE: usize = 8;

/// What a fit has beside its parameters, about.
const FIT_BYTES: usize = 512;

/// Copies fits, and gives a catalog that says where they are now. No more are in memory than a block and the blobs that are
/// being read.
pub(super) async fn copy(
    blobs: &Blobs,
    writer: &mut Writer,
    model: &str,
    fits: Vec<(Scope, Landed)>,
    bar: &ProgressBar,
) -> anyhow::Result<Catalog> {
    let mut block =
        Pending { model, catalog: Catalog::default(), fits: Vec::new(), places: Vec::new(), bytes: 0 };
    let by_blob = fits.chunk_by(|(_, a), (_, b)| a.fit.blob == b.fit.blob);
    let reading = by_blob.map(|own| async move {
        let blob = blobs.get(&own[0].1.fit.blob).await?;
        anyhow::Ok((own, blob))
    });
    let mut reading = std::pin::pin!(stream::iter(reading).buffered(AT_ONCE));
    while let Some((own, blob)) = reading.try_next().await.context("reading fits")? {
        for (scope, landed) in own {
            let fit = blob.fit(landed.fit.index).with_context(|| format!("the fit of `{scope}`"))?;
            block.add(writer, fit, (scope, landed))?;
            bar.inc(1);
        }
    }
    block.flush(writer)?;
    Ok(block.catalog)
}

/// Fits that will be one block.
struct Pending<'a> {
    model: &'a str,
    catalog: Catalog,
    fits: Vec<Fit>,
    places: Vec<(&'a Scope, &'a Landed)>,
    bytes: usize,
}

impl<'a> Pending<'a> {
    fn add(&mut self, writer: &mut Writer, fit: Fit, place: (&'a Scope, &'a Landed)) -> anyhow::Result<()> {
        // What further training would go on from answers nothing.
        let fit = Fit { sums: None, ..fit };
        self.bytes += FIT_BYTES + fit.parameters.size_bytes();
        self.fits.push(fit);
        self.places.push(place);
        if self.bytes >= BUNDLE_BLOCK_BYTES { self.flush(writer) } else { Ok(()) }
    }

    fn flush(&mut self, writer: &mut Writer) -> anyhow::Result<()> {
        if self.fits.is_empty() {
            return Ok(());
        }
        let blob = writer.add(&self.fits).map_err(file_error)?;
        for (index, (scope, landed)) in (0..).zip(self.places.drain(..)) {
            let mut moved = landed.clone();
            (moved.fit.blob, moved.fit.index) = (blob.clone(), index);
            self.catalog.add(self.model, scope.clone(), &moved);
        }
        self.fits.clear();
        self.bytes = 0;
        Ok(())
    }
}
