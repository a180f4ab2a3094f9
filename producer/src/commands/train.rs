//! `enqueue train`: plan, record, publish, and, if asked, wait.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use runtime::clock::now_ms;
use runtime::{bucket, catalog, channels, ids};
use schemas::campaign::{Campaign, CampaignState, Publish};
use schemas::catalog::Catalog;
use schemas::channel::Channel;
use schemas::fit::FitRef;
use schemas::pack::{Incumbent, Pack, PackScope};
use schemas::scope::Scope;
use schemas::spec::ModelSpec;

use super::plan::plan;
use super::watch::Watch;
use crate::args::{PublishArg, TrainArgs};
use crate::output::{Output, counted};
use crate::plan::{Order, PlannedPack};
use crate::session::{Session, patiently};
use crate::usage::usage;

pub(super) async fn run(session: &Session, args: &TrainArgs, out: Output) -> anyhow::Result<ExitCode> {
    schemas::name::check("channel", &args.channel).map_err(usage)?;
    let created_at_ms = now_ms();
    let spec = patiently(async || session.model(&args.plan.model).await).await?;
    let order = Order::new(spec, &args.plan)?;
    let model = &order.spec.name;
    let (planned, incumbents) = tokio::join!(plan(session, &order, &args.plan), async {
        // A gate compares with them, whatever is forced.
        if args.force && order.spec.release.gate.is_none() {
            return Ok((Catalog::default(), Channel::default()));
        }
        patiently(async || {
            // Without a store's name, the ledger alone tells.
            let blobs = session.blobs().await.ok();
            let known = catalog::of_model(&session.broker, blobs.as_ref(), model).await?;
            let buckets = bucket::channels(&session.broker).await?;
            Ok((known, channels::read(&buckets, model, &args.channel).await?))
        })
        .await
    });
    let (planned, incumbents) = (planned?, incumbents.context("reading the fits that exist")?);
    let campaign = record(&order, args, &planned, created_at_ms);
    let packs = packs(&campaign, planned, &incumbents);
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
        state: CampaignState::Running,
        closed: None,
    }
}

fn packs(campaign: &Campaign, planned: Vec<PlannedPack>, (known, channel): &(Catalog, Channel)) -> Vec<Pack> {
    let scope = |scope: crate::plan::Planned| {
        let landed = known.incumbent(&campaign.spec.name, channel, &scope.scope, scope.window);
        let incumbent = landed.map(|landed| Incumbent { fit: landed.fit.clone(), metrics: landed.metrics });
        let parent = (!campaign.spec.release.gate.is_none())
            .then(|| parent(&campaign.spec, (known, channel), &scope.scope))
            .flatten();
        PackScope { scope: scope.scope, window: scope.window, incumbent, parent }
    };
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

/// The fit that answers the rows of a scope if it has none of its own.
fn parent(spec: &ModelSpec, (known, channel): (&Catalog, &Channel), scope: &Scope) -> Option<FitRef> {
    let (own, fixed) = (spec.mask_of(scope)?, scope.fixed().ok()?);
    let above = spec.level_masks().into_iter().filter(|mask| mask & own == *mask && *mask != own);
    above.into_iter().find_map(|mask| {
        let names = spec.level_names(mask);
        let kept = fixed.iter().filter(|(name, _)| names.contains(&name.as_str()));
        let coarser = Scope::new(kept.map(|(name, value)| (name.as_str(), value.as_str())));
        known.resolve(&spec.name, channel, &coarser).map(|landed| landed.fit)
    })
}
