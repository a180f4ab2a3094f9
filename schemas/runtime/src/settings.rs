//! Where the broker and the store are: flags, environment, or the folder of `enqueue dev`.

use std::path::{Path, PathBuf};

use clap::builder::Resettable;
use clap::{Arg, Args, Command, Parser};
use serde::{Deserialize, Serialize};

/// The broker's address when none is given anywhere.
pub const DEFAULT_NATS_URL: &str = "nats://127.0.0.1:4222";

/// Flags that every program takes.
#[derive(Debug, Clone, Default, Args)]
pub struct Connection {
    /// The broker's address; several are separated by commas [default: the running `enqueue dev` of this folder, else nats://127.0.0.1:4222]
    #[arg(long, env = "SCOPEFORGE_NATS_URL", value_name = "URL", hide_env_values = true, global = true)]
    pub nats_url: Option<String>,
    /// Where fits rest: file:FOLDER, s3://BUCKET/PREFIX or redis://HOST:PORT [default: that of the running `enqueue dev`, else the one that the first worker with a --store told the broker]
    #[arg(long, env = "SCOPEFORGE_STORE", value_name = "URL", hide_env_values = true, global = true)]
    pub store: Option<String>,
    /// The folder in which `enqueue dev` keeps everything
    #[arg(
        long,
        env = "SCOPEFORGE_STATE",
        value_name = "FOLDER",
        default_value = ".scopeforge",
        global = true
    )]
    pub state: PathBuf,
    /// Seconds to wait for a broker and store that do not answer; 0 waits for ever
    #[arg(long, env = "SCOPEFORGE_CONNECT_WAIT_SECONDS", value_name = "SECONDS", global = true)]
    pub connect_wait_seconds: Option<u64>,
    /// Copies that the broker keeps of every message: 3 on a cluster; the first program that comes to a broker decides [default: 1]
    #[arg(long, env = "SCOPEFORGE_REPLICAS", value_name = "N", value_parser = clap::value_parser!(u8).range(1..=5), global = true)]
    pub replicas: Option<u8>,
}

/// The addresses that `enqueue dev` chose, as written to `STATE/dev.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DevAddresses {
    /// The gateway, `http://…`.
    pub gateway: String,
    /// The broker, `nats://…`.
    pub nats: String,
    /// The store, `file:…`.
    pub store: String,
    /// The process id of `enqueue dev`.
    pub pid: u32,
}

/// No store was named.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "no store is named: give --store or SCOPEFORGE_STORE (file:FOLDER, s3://BUCKET/PREFIX or redis://HOST:PORT), or start `enqueue dev` here"
)]
pub struct NoStore;

impl Connection {
    /// Copies that the broker keeps.
    pub fn replicas(&self) -> usize {
        usize::from(self.replicas.unwrap_or(1))
    }

    /// The broker's address.
    pub fn nats_url(&self) -> String {
        let given = self.nats_url.clone().filter(|url| !url.is_empty());
        given.or_else(|| Some(dev_addresses(&self.state)?.nats)).unwrap_or_else(|| DEFAULT_NATS_URL.into())
    }

    /// The store's address as far as this machine knows it.
    pub fn store_url(&self) -> Option<String> {
        let given = self.store.clone().filter(|url| !url.is_empty());
        given.or_else(|| Some(dev_addresses(&self.state)?.store))
    }

    /// How long to wait for servers; `default_seconds` where nothing was given.
    pub fn patience(&self, default_seconds: u64) -> Option<std::time::Duration> {
        match self.connect_wait_seconds.unwrap_or(default_seconds) {
            0 => None,
            seconds => Some(std::time::Duration::from_secs(seconds)),
        }
    }
}

/// The command line and the environment, as clap reads them; ends the process where they are wrong. A variable that is set to
/// nothing counts as not set: Compose and Kubernetes hand on what has not been filled in.
pub fn parse<C: Parser>() -> C {
    let given = without_empty_variables(C::command()).get_matches();
    C::from_arg_matches(&given).unwrap_or_else(|error| error.format(&mut C::command()).exit())
}

fn without_empty_variables(command: Command) -> Command {
    let read = |argument: Arg| match argument.get_env().and_then(std::env::var_os) {
        Some(value) if value.is_empty() => argument.env(Resettable::Reset),
        _ => argument,
    };
    command.mut_args(read).mut_subcommands(without_empty_variables)
}

/// Cores this process may use (the operating system's and the container's word).
pub fn cores() -> u32 {
    std::thread::available_parallelism().map_or(1, |n| u32::try_from(n.get()).unwrap_or(1))
}

/// The addresses of the `enqueue dev` that runs in the folder `state`; `None` when none does.
pub fn dev_addresses(state: &Path) -> Option<DevAddresses> {
    let text = std::fs::read_to_string(dev_file(state)).ok()?;
    let found: DevAddresses = serde_json::from_str(&text).ok()?;
    // One that was killed could not remove its file.
    Path::new("/proc").join(found.pid.to_string()).exists().then_some(found)
}

/// The file that holds them.
pub fn dev_file(state: &Path) -> PathBuf {
    state.join("dev.json")
}

/// `url` without user and password, fit for logs and messages.
pub fn redact(url: &str) -> String {
    let one = |url: &str| match url.split_once("://") {
        Some((scheme, rest)) => {
            let host_at = rest.find(['/', '?']).unwrap_or(rest.len());
            let host = rest[..host_at].rsplit_once('@').map_or(&rest[..host_at], |(_, host)| host);
            let path = rest[host_at..].split('?').next().unwrap_or_default();
            format!("{scheme}://{host}{path}")
        }
        None => url.to_owned(),
    };
    url.split(',').map(one).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_never_show() {
        assert_eq!(redact("redis://me:p@ss@host:6379/0?x=1"), "redis://host:6379/0");
        assert_eq!(redact("nats://a:b@h1:1,nats://t@h2:2"), "nats://h1:1,nats://h2:2");
        assert_eq!(redact("file:/tmp/store"), "file:/tmp/store");
        assert_eq!(redact("s3://bucket/pre@fix"), "s3://bucket/pre@fix");
    }

    #[test]
    fn a_running_dev_stack_is_found_and_flags_win() {
        let folder = tempfile::tempdir().unwrap();
        let at = |url: Option<&str>| Connection {
            nats_url: url.map(String::from),
            state: folder.path().into(),
            ..Connection::default()
        };
        assert_eq!(at(None).nats_url(), DEFAULT_NATS_URL);
        assert_eq!(at(None).store_url(), None);
        let found = DevAddresses {
            gateway: "http://g".into(),
            nats: "nats://n".into(),
            store: "file:s".into(),
            pid: std::process::id(),
        };
        std::fs::write(dev_file(folder.path()), serde_json::to_string(&found).unwrap()).unwrap();
        assert_eq!((at(None).nats_url(), at(None).store_url()), ("nats://n".into(), Some("file:s".into())));
        assert_eq!(at(Some("nats://x")).nats_url(), "nats://x");
        let killed = DevAddresses { pid: u32::MAX, ..found };
        std::fs::write(dev_file(folder.path()), serde_json::to_string(&killed).unwrap()).unwrap();
        assert_eq!(at(None).nats_url(), DEFAULT_NATS_URL);
    }
}
