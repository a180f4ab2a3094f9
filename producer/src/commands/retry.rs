//! Training failed and cancelled scopes again: in a new campaign, since every scope of a campaign ends once.

use runtime::clock::now_ms;
use runtime::{ids, ledger};
use schemas::campaign::{Campaign, CampaignState};
use schemas::outcome::{Landing, OutcomeKind, ScopeOutcome};
use schemas::pack::{Pack, PackScope};
use schemas::shard::Work;
use schemas::subjects::campaign_landings;

use crate::session::{Session, patiently};
use crate::usage::usage;

/// The failed and cancelled scopes of a campaign that has ended, by pack.
///
/// # Errors
/// A usage error when it has not ended, or there are none.
pub(super) async fn failed(session: &Session, campaign: &Campaign) -> anyhow::Result<Vec<Vec<PackScope>>> {
    if !campaign.state.is_final() {
        return Err(usage(format!(
            "the campaign {} has not ended; wait for it (enqueue campaign watch) or cancel it",
            campaign.id
        )));
    }
    let spec = &campaign.spec;
    let filter = campaign_landings(&spec.name, &campaign.id);
    let packs = patiently(async || {
        let mut packs: Vec<Vec<ScopeOutcome>> = Vec::new();
        ledger::replay(&session.broker, &filter, 0, |landing: Landing| {
            let ends = landing.outcomes.into_iter();
            let is_left =
                |end: &ScopeOutcome| matches!(end.outcome, OutcomeKind::Failed | OutcomeKind::Cancelled);
            let left: Vec<ScopeOutcome> = ends.filter(is_left).collect();
            packs.extend((!left.is_empty()).then_some(left));
        })
        .await?;
        Ok(packs)
    })
    .await?;
    if packs.is_empty() {
        return Err(usage(format!("no scope of the campaign {} failed or was cancelled", campaign.id)));
    }
    let rivals = session.rivals(spec, &campaign.channel, campaign.force).await?;
    let again = |end: ScopeOutcome| rivals.meet(spec, end.scope, end.window);
    Ok(packs.into_iter().map(|left| left.into_iter().map(again).collect()).collect())
}

/// A campaign like `of`, of these scopes alone.
pub(super) fn campaign(of: &Campaign, scopes: Vec<Vec<PackScope>>) -> (Campaign, Vec<Pack>) {
    let created_at_ms = now_ms();
    let planned: u64 = scopes.iter().map(|pack| pack.len() as u64).sum();
    let again = Campaign {
        id: ids::campaign(created_at_ms),
        planned,
        packs: scopes.len() as u32,
        estimated_seconds: of.estimated_seconds * planned as f64 / of.planned.max(1) as f64,
        created_at_ms,
        retry_of: Some(of.id.clone()),
        on_miss: false,
        state: CampaignState::Running,
        closed: None,
        ..of.clone()
    };
    let pack = |(index, scopes): (u32, Vec<PackScope>)| Pack {
        campaign: again.id.clone(),
        model: again.spec.name.clone(),
        index,
        planned_seconds: again.estimated_seconds * scopes.len() as f64 / planned.max(1) as f64,
        work: Work::Scopes,
        scopes,
    };
    let packs = (0..).zip(scopes).map(pack).collect();
    (again, packs)
}
