//! Finding and starting nats-server.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use runtime::settings::cores;
use serde::Deserialize;
use tokio::process::Command;

use super::child::Child;
use crate::usage::usage;

/// The oldest server that is known to keep every promise of a work queue.
const OLDEST: (u32, u32, u32) = (2, 14, 5);

/// Where `make` puts the server it fetched, within the project's folder.
const FETCHED: &str = ".cache/servers/nats-server-2.15.0/nats-server";

/// On how many threads the server works at once. On all cores its threads hand each message around between them, and take them
/// from trainers, predictors and gateway: with half of them, predictions are a tenth more and jobs no fewer.
const GO_THREADS: &str = "GOMAXPROCS";

/// How long a server may take to start with the state it has.
const START_LIMIT: Duration = Duration::from_secs(30);

/// The server to use: the one given, else the first new enough of those on PATH and fetched.
pub(super) async fn find(given: Option<&Path>) -> anyhow::Result<PathBuf> {
    if let Some(given) = given {
        let version = version(given).await.map_err(|error| usage(format!("--nats-server: {error:#}")))?;
        if version < OLDEST {
            return Err(usage(too_old(given, version)));
        }
        return Ok(given.to_owned());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).map(|folder| folder.join("nats-server"));
    let mut refused = String::new();
    for candidate in on_path.chain(fetched()).filter(|file| file.is_file()) {
        match version(&candidate).await {
            Ok(version) if version >= OLDEST => return Ok(candidate),
            Ok(version) => refused += &format!("\n  {}", too_old(&candidate, version)),
            Err(error) => refused += &format!("\n  {error:#}"),
        }
    }
    let (major, minor, patch) = OLDEST;
    Err(usage(format!(
        "no nats-server of version {major}.{minor}.{patch} or newer is on PATH; run `make nats-server` in Scopeforge's folder, or give --nats-server FILE{refused}"
    )))
}

/// Where a fetched server may be: in this folder, and in the folder that this program was built in.
fn fetched() -> Vec<PathBuf> {
    let own = std::env::current_exe().unwrap_or_default();
    let built_in = own.ancestors().nth(3).map(|project| project.join(FETCHED));
    std::iter::once(PathBuf::from(FETCHED)).chain(built_in).collect()
}

fn too_old(file: &Path, (major, minor, patch): (u32, u32, u32)) -> String {
    format!(
        "{} is version {major}.{minor}.{patch}, needed is {}.{}.{} or newer: install a newer one, or unset it to have `make` fetch one",
        file.display(),
        OLDEST.0,
        OLDEST.1,
        OLDEST.2
    )
}

async fn version(file: &Path) -> anyhow::Result<(u32, u32, u32)> {
    let asked = Command::new(file).arg("--version").output().await;
    let asked = asked.with_context(|| format!("{} cannot be run", file.display()))?;
    let text = String::from_utf8_lossy(&asked.stdout);
    parse_version(&text)
        .with_context(|| format!("{} does not say its version ({})", file.display(), text.trim()))
}

/// From `nats-server: v2.15.0`.
fn parse_version(text: &str) -> Option<(u32, u32, u32)> {
    let number = text.trim().rsplit_once('v')?.1;
    let mut parts = number.split(['.', '-', '+']).map(|part| part.parse().ok());
    Some((parts.next()??, parts.next()??, parts.next()??))
}

#[derive(Deserialize)]
struct Ports {
    nats: Vec<String>,
}

/// Starts a private server on a free port, with its state in `state`; returns it and its address.
pub(super) async fn start(server: &Path, state: &Path, logs: &Path) -> anyhow::Result<(Child, String)> {
    let ports = state.join("ports");
    // What an earlier server left there is not its address any more.
    let _ = std::fs::remove_dir_all(&ports);
    std::fs::create_dir_all(&ports).with_context(|| ports.display().to_string())?;
    let mut command = Command::new(server);
    command.args(["--jetstream", "--addr", "127.0.0.1", "--port", "-1"]);
    command.arg("--store_dir").arg(state.join("nats")).arg("--ports_file_dir").arg(&ports);
    if std::env::var_os(GO_THREADS).is_none() {
        command.env(GO_THREADS, (cores() / 2).max(1).to_string());
    }
    let mut child = Child::start("nats-server", command, logs)?;
    let began = std::time::Instant::now();
    let mut look = tokio::time::interval(Duration::from_millis(10));
    while began.elapsed() < START_LIMIT {
        look.tick().await;
        if let Some(how) = child.has_ended() {
            bail!("nats-server {how}:\n{}", child.last_words());
        }
        if let Some(address) = read_ports(&ports) {
            return Ok((child, address));
        }
    }
    bail!("nats-server did not start within {} s:\n{}", START_LIMIT.as_secs(), child.last_words())
}

fn read_ports(folder: &Path) -> Option<String> {
    let file = std::fs::read_dir(folder)
        .ok()?
        .flatten()
        .find(|file| file.path().extension().is_some_and(|e| e == "ports"))?;
    let ports: Ports = serde_json::from_slice(&std::fs::read(file.path()).ok()?).ok()?;
    ports.nats.into_iter().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_numbers() {
        assert_eq!(parse_version("nats-server: v2.15.0\n"), Some((2, 15, 0)));
        assert_eq!(parse_version("nats-server: v2.15.0-RC.1"), Some((2, 15, 0)));
        assert!(parse_version("nats-server: v2.9.10").unwrap() < OLDEST);
        assert_eq!(parse_version("something else"), None);
    }
}
