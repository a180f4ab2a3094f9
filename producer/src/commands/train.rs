//! `enqueue train`: plan, record, publish, and, if asked, wait.

use std::process::ExitCode;
use std::time::Duration;

use runtime::clock::now_ms;
use runtime::ids;
use runtime::rivals::Rivals;
use schemas::campaign::{Campaign, CampaignState, Publish};
use schemas::pack::Pack;

use super::plan::plan;
use super::watch::Watch;
use crate::args::order::{PublishArg, TrainArgs};
use crate::output::{Output, counted};
use crate::plan::{Order, PlannedPack};
use crate::session::{Session, patiently};
use crate::usage::usage;

pub(super) async fn run(session: &Session, args: &TrainArgs, out: Output) -> anyhow::Result<ExitCode> {
    schemas::name::check("channel", &args.channel).map_err(usage)?;
    let created_at_ms = now_ms();
    let spec = patiently(async || session.model(&args.plan.model).await).await?;
    let order = Order::new(spec, &args.plan)?;
    let (planned, rivals) = tokio::join!(
        plan(session, &order, &args.plan, out),
        session.rivals(&order.spec, &args.channel, args.force)
    );
    let (planned, rivals) = (planned?, rivals?);
    let campaign = record(&order, args, &planned, created_at_ms);
    let packs = packs(&campaign, planned, &rivals);
    let watch = match args.wait {
        true => Some(Watch::open(&session.broker, &campaign).await?),
        false => None,
    };
    session.order(&campaign, &packs).await?;
    out.note(&format!(
        "campaign {}: {} in {} published",
        campaign.id,
        counted(campaign.planned, "scope"),
        counted(u64::from(campaign.packs), "pack")
    ));
    match watch {
        Some(watch) => watch.finish(session, Duration::from_secs(args.wait_seconds), out).await,
        None => {
            out.show(
                &runtime::campaigns::view_of(&campaign, &schemas::campaign::Tally::default()),
                |view| format!("follow it with: enqueue campaign watch {}", view.id),
            )?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn record(order: &Order, args: &TrainArgs, packs: &[PlannedPack], created_at_ms: i64) -> Campaign {
    Campaign {
        id: ids::campaign(created_at_ms),
        revision: order.spec.revision(),
        spec: order.spec.clone(),
        patterns: args.plan.scopes.clone(),
        levels: order.levels,
        channel: args.channel.clone(),
        publish: match args.publish {
            PublishArg::Each => Publish::Each,
            PublishArg::Together => Publish::Together,
        },
        priority: args.priority.into(),
        force: args.force,
        planned: packs
            .iter()
            .filter(|pack| pack.work.ends_scopes())
            .map(|pack| pack.scopes.len() as u64)
            .sum(),
        packs: packs.len() as u32,
        estimated_seconds: packs.iter().map(|pack| pack.seconds).sum(),
        created_at_ms,
        retry_of: None,
        on_miss: false,
        state: CampaignState::Running,
        closed: None,
    }
}

fn packs(campaign: &Campaign, planned: Vec<PlannedPack>, rivals: &Rivals) -> Vec<Pack> {
    let scope = |scope: crate::plan::Planned| rivals.meet(&campaign.spec, scope.scope, scope.window);
    let pack = |(index, pack): (usize, PlannedPack)| Pack {
        campaign: campaign.id.clone(),
        model: campaign.spec.name.clone(),
        index: index as u32,
        planned_seconds: pack.seconds,
        work: pack.work,
        scopes: pack.scopes.into_iter().map(scope).collect(),
    };
    planned.into_iter().enumerate().map(pack).collect()
}
