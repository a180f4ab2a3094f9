//! What the shards of a scope left, brought together for its merge.

use anyhow::{Context, anyhow};
use runtime::merges;
use runtime::store::StoreError;
use schemas::pack::Pack;

use super::assignment::Piece;
use super::work::{Missed, Trainer, transient};

/// The pieces that the merge `pack` waits for, in their order, and what making them took in seconds of one core.
///
/// # Errors
/// [`Missed`] while a shard has not landed, or when broker or store do not answer. A piece that is lost or damaged is one
/// without a fit.
pub(super) async fn pieces(trainer: &Trainer, pack: &Pack) -> Result<(Vec<Piece>, f64), Missed> {
    let landings = merges::landings(&trainer.broker, pack).await?;
    let landings = landings.ok_or_else(|| transient(anyhow!("a shard has not landed yet")))?;
    let seconds = landings.iter().map(|landing| landing.learn_seconds).sum();
    let mut pieces = Vec::with_capacity(landings.len());
    for partial in landings.into_iter().filter_map(|landing| landing.partial) {
        let fit = match &partial.0.fit {
            None => None,
            Some(place) => match trainer.blobs.fit(place).await {
                Ok(fit) => Some(fit),
                Err(error @ StoreError::Failed { .. }) => {
                    return Err(error).context("reading what a shard left").map_err(transient);
                }
                Err(error) => {
                    tracing::warn!("{:#}; the scope is learned whole", anyhow::Error::from(error));
                    None
                }
            },
        };
        pieces.push((partial.0, fit));
    }
    Ok((pieces, seconds))
}
