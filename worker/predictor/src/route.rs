//! What a request's model and channel stand for, looked up once for all requests of a thread until something moves.
//!
//! What threads share they keep taking from each other, even if only to count who reads it: a dozen such look-ups were a part of
//! each request that grew with the threads.

use std::sync::{Arc, Mutex, PoisonError};

use schemas::channel::{Channel, ChannelState};
use schemas::predict::{PredictRequest, Refusal};
use schemas::spec::ModelSpec;

use crate::answer::Predictor;
use crate::targets::{Table, Way};

/// What answers requests for one model by one channel.
#[derive(Debug)]
pub(crate) struct Route {
    name: Arc<str>,
    /// The channel's state that was asked for.
    state: Option<Arc<ChannelState>>,
    pub(crate) spec: Arc<ModelSpec>,
    channel: Arc<Channel>,
    pub(crate) table: Arc<Table>,
    moved: Moved,
}

/// How often specs, channels and the catalog have changed.
type Moved = (u64, u64, u64);

/// The route of the last request of a thread.
#[derive(Debug, Default)]
pub struct Last(Mutex<Option<Arc<Route>>>);

impl Route {
    pub(crate) fn way(&self) -> Way<'_> {
        Way { spec: &self.spec, name: &self.name, channel: &self.channel }
    }

    fn is_of(&self, request: &PredictRequest, moved: Moved) -> bool {
        self.moved == moved
            && *self.spec.name == *request.model
            && self.name == request.channel
            && self.state == request.state
    }
}

impl Predictor {
    /// The route of a request; that of the `last` one, where it is the same.
    pub(crate) async fn route(&self, request: &PredictRequest, last: &Last) -> Result<Arc<Route>, Refusal> {
        // Asked for before the values: when they are newer than it says, they are looked up once more.
        let moved = (self.models.revision(), self.channels.revision(), self.catalog.place());
        let known = last.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(route) = known.filter(|route| route.is_of(request, moved)) {
            return Ok(route);
        }
        let no_model = || Refusal::NoModel { model: request.model.to_string() };
        let spec = self.models.get(&request.model).ok_or_else(no_model)?;
        let channel = self.channel(request).await?;
        let way = Way { spec: &spec, name: &request.channel, channel: &channel };
        let table = self.targets.of(&way, &self.catalog);
        let (name, state) = (request.channel.clone(), request.state.clone());
        let route = Arc::new(Route { name, state, spec, channel, table, moved });
        *last.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(route.clone());
        Ok(route)
    }
}
