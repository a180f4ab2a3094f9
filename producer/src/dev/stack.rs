//! Starting, watching and ending the processes of `enqueue dev`.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use futures::future::select_all;
use runtime::broker::{Broker, ConnectRequest};
use runtime::presence;
use runtime::settings::{Connection, DevAddresses, dev_file};
use rustix::fs::{FlockOperation, flock};
use schemas::announce::Role;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

use super::broker;
use super::child::Child;
use crate::args::operate::DevArgs;
use crate::output::Output;
use crate::usage::usage;

/// How long the stack may take until it answers.
const READY_LIMIT: Duration = Duration::from_secs(60);

/// Pause before a worker that ended by itself is started again.
const RESTART_PAUSE: Duration = Duration::from_secs(1);

/// Runs the stack until a signal comes or a part of it that cannot be replaced ends.
///
/// # Errors
/// When a part does not start, or the broker ends.
pub async fn run(connection: &Connection, args: DevArgs, out: Output) -> anyhow::Result<ExitCode> {
    let shutdown = runtime::shutdown::on_signals()?;
    let state = std::path::absolute(&connection.state).context("the state folder")?;
    let logs = state.join("log");
    std::fs::create_dir_all(&logs).with_context(|| logs.display().to_string())?;
    let _lock = lock(&state)?;
    let server = broker::find(args.nats_server.as_deref()).await?;
    let listen = listen(args.listen).await?;
    let store = connection.store.clone().unwrap_or_else(|| format!("file:{}", state.join("store").display()));
    let (nats, address) = broker::start(&server, &state, &logs).await?;
    let mut stack = Stack { parts: vec![nats], programs: programs()?, logs, nats: address, store };
    let ended = stack.serve(&args, listen, &state, &shutdown, out).await;
    let _ = std::fs::remove_file(dev_file(&state));
    stack.stop().await;
    out.note("ended");
    ended.map(|()| ExitCode::SUCCESS)
}

struct Stack {
    /// In starting order: the broker first.
    parts: Vec<Child>,
    programs: PathBuf,
    logs: PathBuf,
    nats: String,
    store: String,
}

impl Stack {
    async fn serve(
        &mut self,
        args: &DevArgs,
        listen: SocketAddr,
        state: &Path,
        shutdown: &CancellationToken,
        out: Output,
    ) -> anyhow::Result<()> {
        for number in 1..=args.trainers {
            self.start_worker(&format!("trainer-{number}"), args)?;
        }
        for number in 1..=args.predictors {
            self.start_worker(&format!("predictor-{number}"), args)?;
        }
        let gateway = self.gateway(listen)?;
        self.parts.push(gateway);
        tokio::select! {
            ready = self.ready(args, listen) => ready?,
            () = shutdown.cancelled() => return Ok(()),
        }
        let addresses = DevAddresses {
            gateway: format!("http://{listen}"),
            nats: self.nats.clone(),
            store: self.store.clone(),
            pid: std::process::id(),
        };
        write_addresses(state, &addresses)?;
        out.show(&addresses, |addresses| welcome(addresses, state))?;
        self.watch((args, listen), shutdown, out).await
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command.env("SCOPEFORGE_NATS_URL", &self.nats).env("SCOPEFORGE_STORE", &self.store);
        // Ours, not theirs.
        command.env_remove("SCOPEFORGE_LISTEN").env_remove("SCOPEFORGE_JSON");
        command
    }

    fn start_worker(&mut self, name: &str, args: &DevArgs) -> anyhow::Result<()> {
        let child = self.worker(name, args)?;
        self.parts.push(child);
        Ok(())
    }

    fn worker(&self, name: &str, args: &DevArgs) -> anyhow::Result<Child> {
        let mut command = self.command("worker");
        if name.starts_with("trainer") {
            let cores = runtime::settings::cores() as usize;
            let threads = (cores / args.trainers.max(1) as usize).max(1);
            command.arg("train").arg("--threads").arg(threads.to_string());
        } else {
            command.arg("infer");
        }
        Child::start(name, command, &self.logs)
    }

    fn gateway(&self, listen: SocketAddr) -> anyhow::Result<Child> {
        let mut command = self.command("gateway");
        command.arg("--listen").arg(listen.to_string());
        Child::start("gateway", command, &self.logs)
    }

    /// Waits until every worker has announced itself and the gateway answers.
    async fn ready(&mut self, args: &DevArgs, listen: SocketAddr) -> anyhow::Result<()> {
        let request = ConnectRequest {
            url: self.nats.clone(),
            name: "enqueue dev".into(),
            patience: Some(READY_LIMIT),
        };
        let broker = Broker::connect(&request, &CancellationToken::new()).await?;
        let began = std::time::Instant::now();
        let mut look = tokio::time::interval(Duration::from_millis(20));
        while began.elapsed() < READY_LIMIT {
            look.tick().await;
            for part in &mut self.parts {
                if let Some(how) = part.has_ended() {
                    bail!("{} {how}:\n{}", part.name, part.last_words());
                }
            }
            let present = presence::roll_call(&broker).await?;
            let count = |role| present.iter().filter(|word| word.role == role && word.ready).count() as u32;
            let all = count(Role::Trainer) >= args.trainers && count(Role::Predictor) >= args.predictors;
            let path = if args.predictors > 0 { "/readyz" } else { "/healthz" };
            if all && answers(listen, path).await {
                return Ok(());
            }
        }
        bail!("the stack was not ready within {} s; see {}", READY_LIMIT.as_secs(), self.logs.display())
    }

    /// Returns at a signal; starts workers and the gateway again when they end; fails when the broker ends.
    async fn watch(
        &mut self,
        (args, listen): (&DevArgs, SocketAddr),
        shutdown: &CancellationToken,
        out: Output,
    ) -> anyhow::Result<()> {
        loop {
            let waits = self.parts.iter_mut().map(|part| Box::pin(part.ended()));
            let (how, place) = tokio::select! {
                (how, place, _) = select_all(waits) => (how, place),
                () = shutdown.cancelled() => return Ok(()),
            };
            let part = &self.parts[place];
            let name = part.name.clone();
            if name == "nats-server" {
                bail!("{name} {how}:\n{}", part.last_words());
            }
            out.note(&format!("{name} {how}; starting it again (log: {})", part.log.display()));
            tokio::select! {
                () = tokio::time::sleep(RESTART_PAUSE) => {}
                () = shutdown.cancelled() => return Ok(()),
            }
            self.parts[place] =
                if name == "gateway" { self.gateway(listen)? } else { self.worker(&name, args)? };
        }
    }

    /// Ends all parts, the broker last.
    async fn stop(mut self) {
        let nats = self.parts.remove(0);
        futures::future::join_all(self.parts.into_iter().rev().map(Child::stop)).await;
        nats.stop().await;
    }
}

/// The folder of the programs: where this one is.
fn programs() -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("finding the programs")?;
    let folder = own.parent().context("finding the programs")?.to_owned();
    for program in ["worker", "gateway"] {
        if !folder.join(program).is_file() {
            return Err(usage(format!(
                "{} has no `{program}`; build all programs: make build",
                folder.display()
            )));
        }
    }
    Ok(folder)
}

/// Two stacks must not share a folder.
fn lock(state: &Path) -> anyhow::Result<File> {
    let path = state.join("lock");
    let file = File::create(&path).with_context(|| path.display().to_string())?;
    flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|_| {
        usage(format!("another `enqueue dev` runs in {}; give another --state", state.display()))
    })?;
    Ok(file)
}

/// The gateway's address: the one asked for, else port 8080, else a free one.
async fn listen(asked: Option<SocketAddr>) -> anyhow::Result<SocketAddr> {
    let usual = SocketAddr::from((Ipv4Addr::LOCALHOST, 8080));
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let bound = match asked {
        Some(address) => {
            TcpListener::bind(address).await.map_err(|error| usage(format!("--listen {address}: {error}")))?
        }
        None => match TcpListener::bind(usual).await {
            Ok(listener) => listener,
            Err(_) => TcpListener::bind(any).await.context("finding a free port")?,
        },
    };
    Ok(bound.local_addr()?)
}

/// Whether the gateway answers 200 on `path`.
async fn answers(gateway: SocketAddr, path: &str) -> bool {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let asking = async {
        let mut stream = TcpStream::connect(gateway).await.ok()?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: {gateway}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut head = [0; 12];
        stream.read_exact(&mut head).await.ok()?;
        Some(head.ends_with(b" 200"))
    };
    matches!(tokio::time::timeout(Duration::from_secs(1), asking).await, Ok(Some(true)))
}

fn write_addresses(state: &Path, addresses: &DevAddresses) -> anyhow::Result<()> {
    let file = dev_file(state);
    let fresh = file.with_extension("json.new");
    std::fs::write(&fresh, serde_json::to_vec_pretty(addresses)?)
        .with_context(|| fresh.display().to_string())?;
    // Readers see the whole file or none.
    std::fs::rename(&fresh, &file).with_context(|| file.display().to_string())
}

fn welcome(addresses: &DevAddresses, state: &Path) -> String {
    format!(
        "Scopeforge is up.\n  gateway  {}\n  broker   {}\n  store    {}\n  logs     {}\n\nTry, in another terminal in this folder (the example model is in Scopeforge's own folder):\n  enqueue model add tests/data/arrival_delay.toml\n  enqueue train arrival_delay --scope 'carrier=*,origin=*,dest=*' --levels --wait\n  enqueue fits arrival_delay --scope carrier=UA\n  curl -s {}/v1/models\n\nCtrl-C ends it; everything is kept in {}.",
        addresses.gateway,
        addresses.nats,
        addresses.store,
        state.join("log").display(),
        addresses.gateway,
        state.display()
    )
}
