//! What new fits are compared with: the one that each scope has, and the one that answers its rows without it.

use futures::future::BoxFuture;
use schemas::catalog::Catalog;
use schemas::channel::Channel;
use schemas::fit::FitRef;
use schemas::pack::{Incumbent, PackScope};
use schemas::scope::Scope;
use schemas::spec::ModelSpec;
use schemas::window::Window;

use crate::broker::{Broker, BrokerError};
use crate::bucket::{self, BucketError};
use crate::store::Blobs;
use crate::{catalog, channels};

/// Why the fits that exist could not be read.
#[derive(Debug, thiserror::Error)]
pub enum RivalsError {
    /// The ledger cannot be read.
    #[error("reading the fits that exist")]
    Ledger(#[from] BrokerError),
    /// The channel cannot be read.
    #[error("reading the channel")]
    Channel(#[from] BucketError),
}

/// The fits of a model on a channel.
#[derive(Debug, Default)]
pub struct Rivals {
    known: Catalog,
    channel: Channel,
}

impl Rivals {
    /// The fits of a model as they are now; `blobs`, where they can be had, shorten the reading.
    ///
    /// # Errors
    /// [`RivalsError`] when the broker fails.
    pub fn read<'a>(
        broker: &'a Broker,
        blobs: Option<&'a Blobs>,
        model: &'a str,
        channel: &'a str,
    ) -> BoxFuture<'a, Result<Rivals, RivalsError>> {
        Box::pin(async move {
            let known = catalog::of_model(broker, blobs, model).await?;
            let buckets = bucket::channels(broker).await?;
            Ok(Rivals { known, channel: channels::read(&buckets, model, channel).await? })
        })
    }

    /// Whether they are needed: without them a scope is trained whatever there is, and a gate lets everything pass.
    pub fn matter(spec: &ModelSpec, force: bool) -> bool {
        !force || !spec.release.gate.is_none()
    }

    /// A scope to train, with what its fit is compared with.
    pub fn meet(&self, spec: &ModelSpec, scope: Scope, window: Window) -> PackScope {
        let landed = self.known.incumbent(&spec.name, &self.channel, &scope, window);
        let incumbent = landed.map(|landed| Incumbent { fit: landed.fit.clone(), metrics: landed.metrics });
        let parent = (!spec.release.gate.is_none()).then(|| self.parent(spec, &scope)).flatten();
        PackScope { scope, window, incumbent, parent }
    }

    /// The fit that answers the rows of a scope if it has none of its own.
    fn parent(&self, spec: &ModelSpec, scope: &Scope) -> Option<FitRef> {
        let (own, fixed) = (spec.mask_of(scope)?, scope.fixed().ok()?);
        let above = spec.level_masks().into_iter().filter(|mask| mask & own == *mask && *mask != own);
        above.into_iter().find_map(|mask| {
            let names = spec.level_names(mask);
            let kept = fixed.iter().filter(|(name, _)| names.contains(&name.as_str()));
            let coarser = Scope::new(kept.map(|(name, value)| (name.as_str(), value.as_str())));
            self.known.resolve(&spec.name, &self.channel, &coarser).map(|landed| landed.fit)
        })
    }
}
