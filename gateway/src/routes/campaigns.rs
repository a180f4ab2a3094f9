//! Campaigns and the queue.

use axum::Json;
use axum::extract::{Path, State};
use futures::future::try_join_all;
use runtime::campaigns::{self, CampaignView};
use runtime::lag::Lag;

use crate::app::Shared;
use crate::problem::Problem;

/// Campaigns listed at most; the newest come first.
const LISTED_MAX: usize = 100;

pub(super) async fn list(State(app): State<Shared>) -> Result<Json<Vec<CampaignView>>, Problem> {
    let newest = app.campaigns.all().into_iter().rev().take(LISTED_MAX);
    let views = newest.map(|(_, campaign)| {
        let broker = app.broker.clone();
        async move { campaigns::view(&broker, &campaign).await }
    });
    Ok(Json(try_join_all(views).await.map_err(Problem::internal)?))
}

pub(super) async fn show(
    State(app): State<Shared>,
    Path(id): Path<String>,
) -> Result<Json<CampaignView>, Problem> {
    let campaign = app.campaigns.get(&id).ok_or_else(|| Problem::not_found(format!("no campaign `{id}`")))?;
    Ok(Json(campaigns::view(&app.broker, &campaign).await.map_err(Problem::internal)?))
}

pub(super) async fn queue(State(app): State<Shared>) -> Result<Json<Lag>, Problem> {
    Ok(Json(app.lag().await.map_err(Problem::internal)?))
}
