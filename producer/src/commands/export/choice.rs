//! What of a channel goes into a bundle.

use runtime::store::Blobs;
use runtime::{bucket, campaigns, catalog};
use schemas::campaign::Campaign;
use schemas::catalog::Landed;
use schemas::channel::{Channel, LIVE};
use schemas::scope::Scope;
use schemas::spec::ModelSpec;

use crate::args::channel::ExportArgs;
use crate::output::Output;
use crate::session::{Session, patiently};
use crate::usage::usage;

/// A model with the fits that answer in the channel, by blob, so that each is read once.
pub(super) struct Chosen {
    pub(super) spec: ModelSpec,
    pub(super) channel: Channel,
    pub(super) fits: Vec<(Scope, Landed)>,
}

/// The models that were asked for, or all that have fits on the channel.
pub(super) async fn choose(
    session: &Session,
    blobs: &Blobs,
    args: &ExportArgs,
    out: Output,
) -> anyhow::Result<Vec<Chosen>> {
    let mut chosen = Vec::new();
    for spec in specs(session, &args.models).await? {
        let name = spec.name.clone();
        match fits_of(session, blobs, spec, &args.channel).await? {
            Some(model) => chosen.push(model),
            None if args.models.is_empty() => {
                out.remark(&format!("{name} has no fits on the channel `{}` and is left out", args.channel));
            }
            None => return Err(no_fits(session, &name, &args.channel).await?),
        }
    }
    if chosen.is_empty() {
        return Err(usage(format!(
            "no model has fits on the channel `{}`; see `enqueue channel list`, or train some with `enqueue train MODEL --scope …`",
            args.channel
        )));
    }
    let all = patiently(async || Ok(bucket::campaigns(&session.broker).await?.all().await?)).await?;
    let running: Vec<&Campaign> = campaigns::running(all.iter().map(|(_, campaign)| campaign)).collect();
    for model in &chosen {
        let open = running
            .iter()
            .filter(|campaign| campaign.spec.name == model.spec.name && campaign.channel == args.channel);
        remark_on(model, open.map(|campaign| campaign.id.as_str()), out);
    }
    Ok(chosen)
}

/// Says what callers of the file will not get, though the system has it or soon will.
fn remark_on<'a>(model: &Chosen, open: impl Iterator<Item = &'a str>, out: Output) {
    let Chosen { spec, channel, .. } = model;
    let beside = channel.canary.iter().map(|share| ("canary", &share.channel));
    for (what, other) in beside.chain(channel.shadow.iter().map(|share| ("shadow", &share.channel))) {
        out.remark(&format!(
            "the {what} `{other}` of {} is left out: the file answers without it",
            spec.name
        ));
    }
    for id in open {
        out.remark(&format!(
            "the campaign {id} of {} is still open: the file has what answers now; export again after `enqueue campaign watch {id}`",
            spec.name
        ));
    }
}

async fn specs(session: &Session, models: &[String]) -> anyhow::Result<Vec<ModelSpec>> {
    if models.is_empty() {
        return Ok(session.models.all().await?.into_iter().map(|(_, spec)| spec).collect());
    }
    let mut names: Vec<&String> = models.iter().collect();
    names.sort_unstable();
    names.dedup();
    let mut specs = Vec::with_capacity(names.len());
    for name in names {
        specs.push(session.model(name).await?);
    }
    Ok(specs)
}

/// `None` where the channel has no fit.
async fn fits_of(
    session: &Session,
    blobs: &Blobs,
    spec: ModelSpec,
    name: &str,
) -> anyhow::Result<Option<Chosen>> {
    let channel = session.channel_now(&spec.name, name).await?;
    if channel.campaigns.is_empty() {
        return Ok(None);
    }
    let known =
        patiently(async || Ok(catalog::of_model(&session.broker, Some(blobs), &spec.name).await?)).await?;
    let mut fits: Vec<(Scope, Landed)> = known.answering(&spec.name, &channel).collect();
    fits.sort_unstable_by(|(_, a), (_, b)| (&a.fit.blob, a.fit.index).cmp(&(&b.fit.blob, b.fit.index)));
    Ok((!fits.is_empty()).then_some(Chosen { spec, channel, fits }))
}

/// That a model has no fits on a channel, with the nearest one that it has.
async fn no_fits(session: &Session, model: &str, channel: &str) -> anyhow::Result<anyhow::Error> {
    let all = bucket::channels(&session.broker).await?.all().await?;
    let own = all.iter().filter_map(|(key, _)| key.strip_prefix(model)?.strip_prefix('.'));
    let hint = schemas::suggest::hint(channel, own);
    let option = if channel == LIVE { String::new() } else { format!(" --channel {channel}") };
    Ok(usage(format!(
        "{model} has no fits on the channel `{channel}`{hint}; train some with `enqueue train {model} --scope …{option} --wait`"
    )))
}
