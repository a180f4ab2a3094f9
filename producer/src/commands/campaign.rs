//! `enqueue campaign`.

use std::process::ExitCode;
use std::time::Duration;

use futures::future::try_join_all;
use runtime::bucket;
use runtime::campaigns::{self, CampaignView};
use schemas::campaign::Campaign;

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
    }
    Ok(ExitCode::SUCCESS)
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
