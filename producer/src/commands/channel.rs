//! `enqueue channel`.

mod diff;
mod rollback;

use std::process::ExitCode;

use anyhow::Context;
use runtime::channels::Beside;
use runtime::{bucket, channels};
use schemas::channel::{Channel, Share};
use serde::Serialize;

use crate::args::channel::{ChannelCommand, ShareArgs};
use crate::output::{Output, count, table};
use crate::session::{Session, patiently};
use crate::usage::usage;

pub(super) async fn run(session: &Session, command: ChannelCommand, out: Output) -> anyhow::Result<ExitCode> {
    match command {
        ChannelCommand::List { model } => list(session, model.as_deref(), out).await?,
        ChannelCommand::Show { model, channel } => show(session, (&model, &channel), out).await?,
        ChannelCommand::Promote { model, from, to } => promote(session, &model, (&from, &to), out).await?,
        ChannelCommand::Rollback { model, channel } => {
            rollback::run(session, (&model, &channel), out).await?
        }
        ChannelCommand::Canary(args) => share(session, Beside::Canary, &args, out).await?,
        ChannelCommand::Shadow(args) => share(session, Beside::Shadow, &args, out).await?,
        ChannelCommand::Export(args) => return super::export::run(session, &args, out).await,
        ChannelCommand::Verify { file } => super::verify::run(&file, out).await?,
        ChannelCommand::Diff { model, from, to } => diff::run(session, &model, (&from, &to), out).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// A channel in numbers.
#[derive(Debug, Serialize)]
struct ChannelView {
    model: String,
    channel: String,
    /// Campaigns in it.
    campaigns: u64,
    /// The one that answers first.
    newest: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    canary: Option<Share>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shadow: Option<Share>,
}

async fn list(session: &Session, model: Option<&str>, out: Output) -> anyhow::Result<()> {
    if let Some(model) = model {
        session.model(model).await?;
    }
    let all = bucket::channels(&session.broker).await?.all().await?;
    let view = |(key, channel): (String, Channel)| {
        let (of, name) = key.split_once('.')?;
        model.is_none_or(|model| model == of).then(|| ChannelView {
            model: of.to_owned(),
            channel: name.to_owned(),
            campaigns: channel.campaigns.len() as u64,
            newest: channel.campaigns.last().cloned(),
            canary: channel.canary,
            shadow: channel.shadow,
        })
    };
    let views: Vec<ChannelView> = all.into_iter().filter_map(view).collect();
    out.show(&views, |views| {
        if views.is_empty() {
            return "no channels yet; `enqueue train` makes them".into();
        }
        let row = |view: &ChannelView| {
            let newest = view.newest.clone().unwrap_or_else(|| "-".into());
            let share = |share: &Option<Share>| {
                share.as_ref().map_or("-".into(), |share| format!("{} {} %", share.channel, share.percent))
            };
            let (canary, shadow) = (share(&view.canary), share(&view.shadow));
            vec![view.model.clone(), view.channel.clone(), count(view.campaigns), newest, canary, shadow]
        };
        table(
            &["model", "channel", "campaigns", "newest", "canary", "shadow"],
            &views.iter().map(row).collect::<Vec<_>>(),
        )
    })
}

async fn show(session: &Session, (model, name): (&str, &str), out: Output) -> anyhow::Result<()> {
    let channel = read(session, model, name).await?;
    let newest_first: Vec<&String> = channel.campaigns.iter().rev().collect();
    out.show(&newest_first, |campaigns| match campaigns.as_slice() {
        [] => format!("the channel `{name}` of {model} has no campaigns"),
        all => all.iter().map(|campaign| format!("{campaign}\n")).collect(),
    })
}

/// The channel of a model that exists.
async fn read(session: &Session, model: &str, channel: &str) -> anyhow::Result<Channel> {
    session.model(model).await?;
    schemas::name::check("channel", channel).map_err(usage)?;
    session.channel_now(model, channel).await
}

async fn promote(
    session: &Session,
    model: &str,
    (from, to): (&str, &str),
    out: Output,
) -> anyhow::Result<()> {
    schemas::name::check("channel", to).map_err(usage)?;
    let campaigns = promoted(session, model, from).await?;
    let moved = patiently(async || {
        let buckets = bucket::channels(&session.broker).await?;
        Ok(channels::promote_all(&session.broker, &buckets, (model, to), &campaigns).await?)
    });
    let moved = moved.await.context("moving the channel")?;
    let newest = moved.as_ref().and_then(|channel| channel.campaigns.last().cloned());
    out.show(
        &serde_json::json!({"model": model, "channel": to, "moved": moved.is_some(), "newest": newest}),
        |_| match &newest {
            Some(newest) => format!("`{to}` of {model} answers with {newest} first"),
            None => format!("`{to}` of {model} has all of that already; nothing was moved"),
        },
    )
}

/// The campaigns that `from` means: those of a channel, or one by its id.
async fn promoted(session: &Session, model: &str, from: &str) -> anyhow::Result<Vec<String>> {
    session.model(model).await?;
    if schemas::name::check("channel", from).is_ok() {
        let channel = read(session, model, from).await?;
        if !channel.campaigns.is_empty() {
            return Ok(channel.campaigns);
        }
    }
    let record = bucket::campaigns(&session.broker).await?.get(from).await?;
    match record.filter(|campaign| campaign.value.spec.name == model) {
        Some(campaign) => Ok(vec![campaign.value.id]),
        None => Err(usage(format!(
            "{model} has neither a channel `{from}` with campaigns nor such a campaign; see `enqueue channel list {model}`"
        ))),
    }
}

async fn share(session: &Session, beside: Beside, args: &ShareArgs, out: Output) -> anyhow::Result<()> {
    let (model, of) = (args.model.as_str(), args.of.as_str());
    let name = match beside {
        Beside::Canary => "canary",
        Beside::Shadow => "shadow",
    };
    read(session, model, of).await?;
    let share = match &args.channel {
        None => None,
        Some(channel) if channel == of => {
            return Err(usage(format!("the channel `{of}` cannot be its own {name}; name another one")));
        }
        Some(channel) if read(session, model, channel).await?.campaigns.is_empty() => {
            return Err(usage(format!(
                "the channel `{channel}` of {model} has no campaigns; train for it with `enqueue train {model} --scope … --channel {channel}`"
            )));
        }
        Some(channel) => Some(Share { channel: channel.clone(), percent: args.percent }),
    };
    let changed = patiently(async || {
        let buckets = bucket::channels(&session.broker).await?;
        Ok(channels::share(&buckets, (model, of), beside, &share).await?)
    });
    let changed = changed.await.context("changing the channel")?;
    out.show(&serde_json::json!({"model": model, "channel": of, name: share, "changed": changed}), |_| {
        match &share {
            None => format!("`{of}` of {model} has no {name}"),
            Some(Share { channel, percent }) => match beside {
                Beside::Canary => {
                    format!("`{channel}` answers for {percent} % of the scopes of `{of}` of {model}")
                }
                Beside::Shadow => {
                    format!("`{channel}` is compared for {percent} % of the scopes of `{of}` of {model}")
                }
            },
        }
    })
}
