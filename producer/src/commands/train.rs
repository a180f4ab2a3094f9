//! `enqueue train`: plan, record, publish, and, if asked, wait.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use runtime::bucket::{self, Bucket};
use runtime::clock::now_ms;
use runtime::{catalog, channels, ids, jobs};
use schemas::campaign::{Campaign, CampaignState, Publish};
use schemas::catalog::Catalog;
use schemas::channel::Channel;
use schemas::pack::{Incumbent, Pack, PackScope};

use super::plan::plan;
use super::watch::Watch;
use crate::args::{PublishArg, TrainArgs};
use crate::output::{Output, count};
use crate::plan::{Order, PlannedPack};
use crate::session::Session;
use crate::usage::usage;

pub(super) async fn run(session: &Session, args: &TrainArgs, out: Output) -> anyhow::Result<ExitCode> {
    schemas::name::check("channel", &args.channel).map_err(usage)?;
    let created_at_ms = now_ms();
    let order = Order::new(session.model(&args.plan.model).await?, &args.plan)?;
    let model = &order.spec.name;
    let (campaigns, channel_bucket) =
        (bucket::campaigns(&session.broker).await?, bucket::channels(&session.broker).await?);
    let (planned, incumbents) = tokio::join!(plan(&order, &args.plan), async {
        if args.force {
            return Ok((Catalog::default(), Channel::default()));
        }
        let known = catalog::of_model(&session.broker, model).await?;
        Ok::<_, anyhow::Error>((known, channels::read(&channel_bucket, model, &args.channel).await?))
    });
    let (planned, incumbents) = (planned?, incumbents.context("reading the fits that exist")?);
    let campaign = record(&order, args, &planned, created_at_ms);
    let packs = packs(&campaign, planned, &incumbents);
    let watch = match args.wait {
        true => Some(Watch::open(&session.broker, &campaign).await?),
        false => None,
    };
    start(&campaigns, &channel_bucket, &campaign).await?;
    let publishing = jobs::publish(&session.broker, args.priority.into(), packs, || {});
    publishing.await.with_context(|| {
        format!("publishing the campaign {} (what was published will be trained)", campaign.id)
    })?;
    out.note(&format!(
        "campaign {}: {} scopes in {} packs published",
        campaign.id,
        count(campaign.planned),
        count(u64::from(campaign.packs))
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
        planned: packs.iter().map(|pack| pack.scopes.len() as u64).sum(),
        packs: packs.len() as u32,
        estimated_seconds: packs.iter().map(|pack| pack.seconds).sum(),
        created_at_ms,
        state: CampaignState::Running,
        closed: None,
    }
}

fn packs(campaign: &Campaign, planned: Vec<PlannedPack>, (known, channel): &(Catalog, Channel)) -> Vec<Pack> {
    let scope = |scope: crate::plan::Planned| {
        let landed = known.incumbent(&campaign.spec.name, channel, &scope.scope, scope.window);
        let incumbent = landed.map(|landed| Incumbent { fit: landed.fit.clone(), metrics: landed.metrics });
        PackScope { scope: scope.scope, window: scope.window, incumbent }
    };
    let pack = |(index, pack): (usize, PlannedPack)| Pack {
        campaign: campaign.id.clone(),
        model: campaign.spec.name.clone(),
        index: index as u32,
        scopes: pack.scopes.into_iter().map(scope).collect(),
    };
    planned.into_iter().enumerate().map(pack).collect()
}

/// Puts the campaign on record before its first pack is published: a trainer never meets a pack it cannot place.
async fn start(
    campaigns: &Bucket<Campaign>,
    channel_bucket: &Bucket<Channel>,
    campaign: &Campaign,
) -> anyhow::Result<()> {
    campaigns.replace(&campaign.id, campaign, 0).await.context("putting the campaign on record")?;
    if campaign.publish == Publish::Each {
        let moved =
            channels::promote(channel_bucket, &campaign.spec.name, &campaign.channel, &campaign.id).await;
        moved.context("moving the channel")?;
    }
    Ok(())
}
