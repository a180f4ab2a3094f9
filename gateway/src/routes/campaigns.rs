//! Campaigns.

use axum::Json;
use axum::extract::{Path, State};
use futures::future::try_join_all;
use runtime::campaigns::{self, CampaignView};

use crate::app::Shared;
use crate::openapi::Refusals;
use crate::problem::Problem;

/// Campaigns listed at most; the newest come first.
const LISTED_MAX: usize = 100;

/// The newest campaigns
#[utoipa::path(
    get,
    path = "/v1/campaigns",
    tag = "campaigns",
    responses((status = 200, description = "Newest first, 100 at most", body = Vec<Object>, content_type = "application/json"), Refusals)
)]
pub(crate) async fn list(State(app): State<Shared>) -> Result<Json<Vec<CampaignView>>, Problem> {
    let broker = app.ledger()?;
    let newest = app.campaigns.all().into_iter().rev().take(LISTED_MAX);
    let views = newest.map(|(_, campaign)| async move { campaigns::view(broker, &campaign).await });
    Ok(Json(try_join_all(views).await.map_err(Problem::internal)?))
}

/// One campaign
#[utoipa::path(
    get,
    path = "/v1/campaigns/{id}",
    tag = "campaigns",
    params(("id" = String, Path, description = "The campaign's id")),
    responses((status = 200, description = "The campaign and its tally", body = Object, content_type = "application/json"), Refusals)
)]
pub(crate) async fn show(
    State(app): State<Shared>,
    Path(id): Path<String>,
) -> Result<Json<CampaignView>, Problem> {
    let broker = app.ledger()?;
    let campaign = app.campaigns.get(&id).ok_or_else(|| Problem::not_found(format!("no campaign `{id}`")))?;
    Ok(Json(campaigns::view(broker, &campaign).await.map_err(Problem::internal)?))
}
