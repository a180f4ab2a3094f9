//! `enqueue campaign`.

use std::process::ExitCode;
use std::time::Duration;

use futures::future::try_join_all;
use runtime::bucket;
use runtime::campaigns::{self, CampaignError, CampaignView, view_of};
use runtime::keeper::Keeper;
use schemas::campaign::{Campaign, Tally};

use super::retry;
use super::watch::{Watch, text};
use crate::args::operate::CampaignCommand;
use crate::output::{Output, count, table};
use crate::session::{Session, patiently};
use crate::usage::usage;

pub(super) async fn run(
    session: &Session,
    command: CampaignCommand,
    out: Output,
) -> anyhow::Result<ExitCode> {
    match command {
        CampaignCommand::List => list(session, out).await?,
        CampaignCommand::Show { id } => {
            out.show(&view_by_id(session, &id).await?, |view| format!("{}  {}\n", text(view), view.state))?;
        }
        CampaignCommand::Watch { id, wait_seconds } => {
            let campaign = find(session, &id).await?;
            let watch = Watch::open(&session.broker, &campaign).await?;
            return watch.finish(session, Duration::from_secs(wait_seconds), out).await;
        }
        CampaignCommand::Cancel { id } => cancel(session, &id, out).await?,
        CampaignCommand::Retry { id, wait, wait_seconds } => {
            let failed = find(session, &id).await?;
            let scopes = retry::failed(session, &failed).await?;
            let (again, packs) = retry::campaign(&failed, scopes);
            let watch = Watch::open(&session.broker, &again).await?;
            session.order(&again, &packs).await?;
            if wait {
                return watch.finish(session, Duration::from_secs(wait_seconds), out).await;
            }
            out.show(&view_of(&again, &Tally::default()), |view| {
                format!("{} scopes are trained again: enqueue campaign watch {}", view.planned, view.id)
            })?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn cancel(session: &Session, id: &str, out: Output) -> anyhow::Result<()> {
    find(session, id).await?;
    let cancelled = patiently(async || {
        let records = bucket::campaigns(&session.broker).await?;
        match campaigns::cancel(&records, id).await {
            Err(CampaignError::State { .. }) => Ok(None),
            cancelled => Ok(Some(cancelled?)),
        }
    });
    let Some(cancelling) = cancelled.await? else {
        let state = find(session, id).await?.state.name();
        return Err(usage(format!("the campaign {id} is {state} already")));
    };
    if let Some(campaign) = cancelling {
        // Any trainer's keeper would do it as well, a moment later.
        Keeper::open(&session.broker, "enqueue").await?.look(&campaign).await?;
    }
    out.show(&view_by_id(session, id).await?, text)
}

async fn view_by_id(session: &Session, id: &str) -> anyhow::Result<CampaignView> {
    let campaign = find(session, id).await?;
    patiently(async || Ok(campaigns::view(&session.broker, &campaign).await?)).await
}

async fn find(session: &Session, id: &str) -> anyhow::Result<Campaign> {
    schemas::name::check("campaign", id).map_err(usage)?;
    let found = patiently(async || Ok(bucket::campaigns(&session.broker).await?.get(id).await?));
    found
        .await?
        .map(|found| found.value)
        .ok_or_else(|| usage(format!("no campaign `{id}`; see `enqueue campaign list`")))
}

async fn list(session: &Session, out: Output) -> anyhow::Result<()> {
    let views = patiently(async || {
        let mut all = bucket::campaigns(&session.broker).await?.all().await?;
        // Names begin with the time.
        all.reverse();
        let views = all.iter().map(|(_, campaign)| campaigns::view(&session.broker, campaign));
        Ok(try_join_all(views).await?)
    });
    let views: Vec<CampaignView> = views.await?;
    out.show(&views, |views| {
        let row = |view: &CampaignView| {
            let outcomes = view.outcomes.iter().map(|(kind, count)| format!("{count} {}", kind.name()));
            vec![
                view.id.clone(),
                view.model.clone(),
                view.state.to_owned(),
                count(view.planned),
                format!("{:.2}", view.seconds),
                outcomes.collect::<Vec<_>>().join(" "),
            ]
        };
        match views.is_empty() {
            true => "no campaigns yet; order one with `enqueue train`".into(),
            false => table(
                &["campaign", "model", "state", "scopes", "seconds", "outcomes"],
                &views.iter().map(row).collect::<Vec<_>>(),
            ),
        }
    })
}
