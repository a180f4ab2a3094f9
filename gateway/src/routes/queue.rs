//! The queue, and how many workers there should be for it.

use axum::Json;
use axum::extract::{Query, State};
use runtime::lag::QueueView;
use schemas::scaling::Wish;
use utoipa::{IntoParams, ToSchema};

use crate::app::Shared;
use crate::openapi::Refusals;
use crate::problem::Problem;

/// [`Wish`] as the interface describes it.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code)]
struct WishParams {
    /// Seconds within which the work that is left shall end; 60 without
    #[param(exclusive_minimum = 0, example = 60)]
    target_s: Option<f64>,
    /// Fewest trainers; 0 without
    min_trainers: Option<u64>,
    /// Most trainers; any number without
    max_trainers: Option<u64>,
    /// Fewest predictors; 1 without
    min_predictors: Option<u64>,
    /// Most predictors; any number without
    max_predictors: Option<u64>,
}

/// [`QueueView`] as the interface describes it.
#[derive(ToSchema)]
#[allow(dead_code)]
pub(crate) struct Queue {
    /// Packs that wait.
    pending: u64,
    /// Packs with trainers, or waiting for another try.
    in_flight: u64,
    /// Packs that were delivered more than once and are not finished.
    redelivered: u64,
    /// Packs that were set aside.
    dead: u64,
    /// Age of the oldest unfinished pack, in seconds.
    oldest_seconds: f64,
    /// Estimated work left, in seconds of one core.
    seconds_of_work: f64,
    /// Whether the queue is held.
    paused: bool,
    /// Campaigns that have not ended.
    campaigns: u64,
    /// Living trainers, without those that are leaving.
    trainers: u64,
    /// Packs that they can work on at once, one a core.
    trainer_slots: u64,
    /// Living predictors, without those that are leaving.
    predictors: u64,
    /// The shares of the last ten seconds or so in which each predictor was busy, added up.
    predictors_busy: f64,
    /// How many trainers there should be, so that the work that is left ends within the target time.
    desired_trainers: u64,
    /// How many predictors there should be, so that each is busy for 0.6 of the time.
    desired_predictors: u64,
}

/// The queue
///
/// What waits and who is there, and how many trainers and predictors there should be. Advice has no memory: whoever follows it
/// should wait a while before stopping workers.
#[utoipa::path(
    get,
    path = "/v1/queue",
    tag = "campaigns",
    params(WishParams),
    responses((status = 200, description = "The queue, and advice", body = Queue, content_type = "application/json"), Refusals)
)]
pub(crate) async fn queue(
    State(app): State<Shared>,
    Query(wish): Query<Wish>,
) -> Result<Json<QueueView>, Problem> {
    let wish = wish.checked().map_err(|error| Problem::bad_request(error.to_string()))?;
    Ok(Json(QueueView::new(app.lag().await?, &wish)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use runtime::lag::Lag;
    use serde_json::Value;
    use std::collections::BTreeSet;
    use utoipa::PartialSchema;

    #[test]
    fn the_interface_describes_every_key_of_the_answer() {
        let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
        let described = serde_json::to_value(Queue::schema()).unwrap();
        let answer = serde_json::to_value(QueueView::new(Lag::default(), &Wish::default())).unwrap();
        assert_eq!(keys(&described["properties"]), keys(&answer));
    }
}
