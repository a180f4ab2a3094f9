//! What is worked out once for all requests for a model, for as long as neither specs nor channels move.

use std::sync::{Arc, PoisonError, RwLock};

use ahash::HashMap;
use schemas::channel::LIVE;
use schemas::spec::ModelSpec;

use crate::app::App;
use crate::predicting::By;
use crate::problem::Problem;
use crate::rows::Layout;

/// Models that are remembered; past that all are worked out anew.
const MODELS_MAX: usize = 4_096;

/// A model as requests need it.
#[derive(Debug)]
pub struct Known {
    /// Its spec.
    pub spec: Arc<ModelSpec>,
    /// The fields that it reads.
    pub layout: Arc<Layout>,
    /// Predicting by the channel `live`.
    live: Arc<By>,
    /// Of specs and channels, when this was worked out.
    revision: (u64, u64),
}

/// Models by name.
#[derive(Debug, Default)]
pub struct KnownModels(RwLock<HashMap<String, Arc<Known>>>);

impl Known {
    /// Predicting by the channel `live`, or the one named.
    ///
    /// # Errors
    /// A 400 for a name that no channel can have, a 404 for one that the model has not.
    pub fn by(&self, app: &App, channel: Option<&str>) -> Result<Arc<By>, Problem> {
        match channel {
            None | Some(LIVE) => Ok(self.live.clone()),
            Some(other) => By::new(app, self.spec.clone(), other).map(Arc::new),
        }
    }
}

impl App {
    /// The model called `name`.
    ///
    /// # Errors
    /// A 404 with the nearest right name.
    pub fn known(&self, name: &str) -> Result<Arc<Known>, Problem> {
        // Asked for before the values: when they are newer than it says, they are worked out once more.
        let revision = (self.models.revision(), self.channels.revision());
        let all = self.known.0.read().unwrap_or_else(PoisonError::into_inner);
        let before = all.get(name).cloned();
        drop(all);
        match before {
            Some(known) if known.revision == revision => Ok(known),
            before => self.learn(name, before, revision),
        }
    }

    fn learn(
        &self,
        name: &str,
        before: Option<Arc<Known>>,
        revision: (u64, u64),
    ) -> Result<Arc<Known>, Problem> {
        let spec = self.model(name)?;
        let layout = match before.filter(|known| Arc::ptr_eq(&known.spec, &spec)) {
            Some(known) => known.layout.clone(),
            None => Arc::new(Layout::of(&spec)),
        };
        let live = Arc::new(By::new(self, spec.clone(), LIVE)?);
        let known = Arc::new(Known { spec, layout, live, revision });
        let mut all = self.known.0.write().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MODELS_MAX {
            all.clear();
        }
        all.insert(name.to_owned(), known.clone());
        Ok(known)
    }
}
