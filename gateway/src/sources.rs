//! Where a gateway has models, channels and fits from: broker and store, or a bundle, with a broker or without.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use runtime::broker::{Broker, ConnectRequest};
use runtime::bucket::{self, Bucket};
use runtime::bundle::{self, Fixed, Held};
use runtime::mirror::Mirror;
use runtime::patience::patiently;
use runtime::presence::Table;
use runtime::store::{self, Blobs};
use runtime::{channels, ids, topology};
use schemas::campaign::Campaign;
use schemas::channel::Channel;
use schemas::envelope::{Decode, Encode};
use schemas::spec::ModelSpec;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::args::Cli;

/// What a gateway answers from.
#[derive(Debug)]
pub struct Sources {
    /// The broker, and how further connections to it are made. A gateway that answers from a bundle alone has none.
    pub broker: Option<(Broker, ConnectRequest)>,
    /// Living workers; nobody, where there is no broker.
    pub table: Table,
    /// Model specs.
    pub models: Mirror<ModelSpec>,
    /// Channels.
    pub channels: Mirror<Channel>,
    /// Campaign records; none in a bundle.
    pub campaigns: Mirror<Campaign>,
    /// Where fits rest.
    pub blobs: Blobs,
    /// What takes the ledger's place.
    pub bundle: Option<Fixed>,
}

/// What follows broker and ledger, and until when.
#[derive(Debug, Default)]
pub struct Following {
    /// Cancelled when it is to end.
    pub until: CancellationToken,
    /// The tasks.
    pub tasks: TaskTracker,
}

impl Following {
    fn mirror<T>(&self, bucket: Bucket<T>) -> Mirror<T>
    where
        T: Encode + Decode + Send + Sync + 'static,
    {
        let (mirror, following) = Mirror::follow(bucket, self.until.clone());
        self.tasks.spawn(following);
        mirror
    }

    async fn table(&self, broker: &Broker, bundle: Option<Arc<String>>) -> anyhow::Result<Table> {
        let (table, following) = Table::follow(broker, bundle, self.until.clone()).await?;
        self.tasks.spawn(following);
        Ok(table)
    }

    /// Ends all that follows.
    pub async fn end(&self) {
        self.until.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Sources {
    /// Opens what the command line names.
    ///
    /// # Errors
    /// When broker or store cannot be used, the bundle is not whole, or `shutdown` comes first.
    pub async fn open(
        cli: &Cli,
        following: &Following,
        shutdown: &CancellationToken,
    ) -> anyhow::Result<Sources> {
        match &cli.fits {
            Some(file) => Sources::bundle(cli, file, following, shutdown).await,
            None => Sources::live(cli, following, shutdown).await,
        }
    }

    async fn bundle(
        cli: &Cli,
        file: &Path,
        following: &Following,
        shutdown: &CancellationToken,
    ) -> anyhow::Result<Sources> {
        let Held { models, channels, fixed, blobs, fits, .. } = bundle::open(file).await?;
        tracing::info!(file = %file.display(), fits, "answering from a bundle");
        // Whoever predicts here needs nobody, and whoever names no broker wants none.
        let broker = match cli.predict_here && cli.connection.nats_url.as_deref().is_none_or(str::is_empty) {
            true => None,
            false => Some(connect(cli, shutdown).await?),
        };
        let table = match &broker {
            Some((broker, _)) => following.table(broker, Some(fixed.digest.clone())).await?,
            None => Table::default(),
        };
        let bundle = Some(fixed);
        Ok(Sources { broker, table, models, channels, campaigns: Mirror::fixed([]), blobs, bundle })
    }

    async fn live(cli: &Cli, following: &Following, shutdown: &CancellationToken) -> anyhow::Result<Sources> {
        let patience = cli.connection.patience(0);
        let (broker, request) = connect(cli, shutdown).await?;
        let copies = (cli.connection.replicas(), None);
        let declared = topology::declare_patiently(&broker, copies, patience, shutdown).await;
        declared.context("preparing the broker")?;
        let open = async || {
            Ok::<_, anyhow::Error>((
                store::find(&broker, cli.connection.store_url()).await?,
                bucket::models(&broker).await?,
                bucket::channels(&broker).await?,
                bucket::campaigns(&broker).await?,
            ))
        };
        let (blobs, models, channels, campaigns) = patiently(open, patience, shutdown).await?;
        let table = following.table(&broker, None).await?;
        let (channels, keeping) = channels::follow(channels, following.until.clone());
        following.tasks.spawn(keeping);
        let (models, campaigns) = (following.mirror(models), following.mirror(campaigns));
        let broker = Some((broker, request));
        Ok(Sources { broker, table, models, channels, campaigns, blobs, bundle: None })
    }
}

async fn connect(cli: &Cli, shutdown: &CancellationToken) -> anyhow::Result<(Broker, ConnectRequest)> {
    let (url, patience) = (cli.connection.nats_url(), cli.connection.patience(0));
    let request = ConnectRequest { url, name: ids::worker("gateway"), patience };
    Ok((Broker::connect(&request, shutdown).await?, request))
}
