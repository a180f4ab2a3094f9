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
use crate::args::CampaignCommand;
use crate::output::{Output, count, table};
use crate::session::Session;
use crate::usage::usage;

pub(super) async fn run(
    session: &Session,
    command: CampaignCommand,
    out: Output,
) -> anyhow::Result<ExitCode> {
    match command {
        CampaignCommand::List => list(session, out).await?,
        CampaignCommand::Show { id } => {
            let campaign = find(session, &id).await?;
            let view = campaigns::view(&session.broker, &campaign).await?;
            out.show(&view, |view| format!("{}  {}\n", text(view), view.state))?;
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
    let records = bucket::campaigns(&session.broker).await?;
    let cancelling = match campaigns::cancel(&records, id).await {
        Err(CampaignError::State { .. }) => {
            let state = find(session, id).await?.state.name();
            return Err(usage(format!("the campaign {id} is {state} already")));
        }
        cancelled => cancelled?,
    };
    if let Some(campaign) = cancelling {
        // Any trainer's keeper would do it as well, a moment later.
        Keeper::open(&session.broker, "enqueue").await?.look(&campaign).await?;
    }
    let view = campaigns::view(&session.broker, &find(session, id).await?).await?;
    out.show(&view, text)
}

async fn find(session: &Session, id: &str) -> anyhow::Result<Campaign> {
    schemas::name::check("campaign", id).map_err(usage)?;
    let found = bucket::campaigns(&session.broker).await?.get(id).await?;
    found
        .map(|found| found.value)
        .ok_or_else(|| usage(format!("no campaign `{id}`; see `enqueue campaign list`")))
}

async fn list(session: &Session, out: Output) -> anyhow::Result<()> {
    let mut all = bucket::campaigns(&session.broker).await?.all().await?;
    // Names begin with the time.
    all.reverse();
    let views = all.iter().map(|(_, campaign)| campaigns::view(&session.broker, campaign));
    let views: Vec<CampaignView> = try_join_all(views).await?;
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
