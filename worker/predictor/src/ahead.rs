//! Fits loaded ahead of the requests for them: when a channel moves or something lands, what takes the place of a loaded fit is
//! loaded, too, so that nobody has to wait for it.

use std::collections::HashMap;
use std::time::Duration;

use futures::{StreamExt, stream};
use schemas::fit::FitRef;
use schemas::subjects::channel_key;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::answer::Predictor;
use crate::targets::{Way, values_of};

/// Blobs that are read at once.
const AT_ONCE: usize = 4;

/// Values that are looked up in one go: requests come first.
const LOOKED_UP: usize = 64;

/// From one look to the next, at least; and this many times what the last one took.
const PAUSE_MIN: Duration = Duration::from_millis(20);
const PAUSE_FACTOR: u32 = 4;

impl Predictor {
    /// Loads ahead, until `shutdown`.
    pub async fn keep_ahead(&self, shutdown: CancellationToken) {
        let (mut channels, mut catalog) = (self.channels.changes(), self.catalog.changes());
        let keeping = async {
            // Both live as long as this predictor.
            while tokio::select! {
                changed = channels.changed() => changed.is_ok(),
                changed = catalog.changed() => changed.is_ok(),
            } {
                let began = Instant::now();
                self.load_ahead().await;
                tokio::time::sleep((began.elapsed() * PAUSE_FACTOR).max(PAUSE_MIN)).await;
            }
        };
        shutdown.run_until_cancelled(keeping).await;
    }

    async fn load_ahead(&self) {
        for (model, channel) in self.targets.asked() {
            let began = Instant::now();
            let wanted = self.wanted(&model, &channel).await;
            if wanted.is_empty() {
                continue;
            }
            let blobs = wanted.len();
            // Whoever asks for one that cannot be read is told so.
            stream::iter(wanted)
                .for_each_concurrent(AT_ONCE, |fit| async move { drop(self.fits.get(&fit).await) })
                .await;
            let took_ms = began.elapsed().as_millis() as u64;
            tracing::debug!(model, channel, blobs, took_ms, "loaded ahead");
        }
    }

    /// One fit of each blob that is not loaded, and has one that takes the place of a loaded one.
    async fn wanted(&self, model: &str, name: &str) -> Vec<FitRef> {
        let Some(spec) = self.models.get(model) else { return Vec::new() };
        let channel = self.channels.get(&channel_key(model, name)).unwrap_or_default();
        let way = Way { spec: &spec, name, channel: &channel };
        let table = self.targets.of(&way, &self.catalog);
        let answered = table.take_before().map(|before| before.answered()).unwrap_or_default();
        let mut wanted: HashMap<String, FitRef> = HashMap::new();
        for some in answered.chunks(LOOKED_UP) {
            let loaded = some.iter().filter(|(_, before)| self.fits.has(&before.fit.blob));
            let values: Vec<_> = loaded.map(|(key, _)| values_of(key).into_iter()).collect();
            for now in table.find_each(&way, &self.catalog, &values).into_iter().flatten() {
                if !wanted.contains_key(&now.fit.blob) && !self.fits.has(&now.fit.blob) {
                    wanted.insert(now.fit.blob.clone(), now.fit.clone());
                }
            }
            tokio::task::yield_now().await;
        }
        wanted.into_values().collect()
    }
}
