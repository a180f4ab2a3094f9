//! Servers that a scenario kills, freezes and starts again where they were.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use tempfile::TempDir;
use tests::program::{Program, program, signal};
use tests::servers::{free_port, nats_server, redis_server};
use tests::until;
use tokio::process::Command;

/// A server with a folder and a port of its own.
pub(crate) struct Server {
    pub(crate) port: u16,
    program: PathBuf,
    arguments: Vec<String>,
    folder: TempDir,
    process: Option<Program>,
}

impl Server {
    /// A single broker with files.
    pub(crate) async fn nats() -> Server {
        let folder = TempDir::new().expect("a folder");
        let (port, files) = (free_port(), folder.path().display().to_string());
        let arguments =
            ["-js", "-a", "127.0.0.1", "-p", &port.to_string(), "-sd", &files].map(str::to_owned).to_vec();
        let mut server = Server { port, program: nats_server().into(), arguments, folder, process: None };
        server.start().await;
        server
    }

    /// Three brokers that hold together. They are ready when JetStream has a leader, which takes some seconds.
    pub(crate) async fn cluster() -> Vec<Server> {
        let routes = [free_port(), free_port(), free_port()];
        let urls = routes.map(|port| format!("nats://127.0.0.1:{port}")).join(", ");
        let mut servers = Vec::new();
        for (place, route) in routes.into_iter().enumerate() {
            let folder = TempDir::new().expect("a folder");
            let port = free_port();
            let config = format!(
                "server_name: n{place}\nlisten: 127.0.0.1:{port}\ncluster {{ name: faults, listen: 127.0.0.1:{route}, no_advertise: true, routes: [{urls}] }}\njetstream {{ store_dir: \"{}\", max_memory_store: 256MB, max_file_store: 2GB }}\n",
                folder.path().join("files").display()
            );
            let file = folder.path().join("nats.conf");
            std::fs::write(&file, config).expect("the configuration can be written");
            let arguments = vec!["-c".to_owned(), file.display().to_string()];
            servers.push(Server { port, program: nats_server().into(), arguments, folder, process: None });
        }
        for server in &mut servers {
            server.spawn();
        }
        servers
    }

    /// A Redis that has every write on disk before it answers.
    pub(crate) async fn redis() -> Server {
        let folder = TempDir::new().expect("a folder");
        let (port, files) = (free_port(), folder.path().display().to_string());
        let number = port.to_string();
        let arguments = ["--port", &number, "--bind", "127.0.0.1", "--save", "", "--dir", &files]
            .into_iter()
            .chain(["--appendonly", "yes", "--appendfsync", "always"]);
        let arguments = arguments.map(str::to_owned).collect();
        let mut server = Server { port, program: redis_server().into(), arguments, folder, process: None };
        server.start().await;
        server
    }

    /// An S3 server over files, with one bucket.
    pub(crate) async fn s3(bucket: &str) -> Server {
        let folder = TempDir::new().expect("a folder");
        std::fs::create_dir(folder.path().join(bucket)).expect("a bucket");
        let port = free_port();
        let arguments = vec![folder.path().display().to_string(), port.to_string()];
        let mut server = Server { port, program: program("s3-server"), arguments, folder, process: None };
        server.start().await;
        server
    }

    /// Makes its disk or memory full, or no longer.
    pub(crate) async fn fill(&self, full: bool) -> Result<()> {
        if self.program.ends_with("s3-server") {
            let id = self.process.as_ref().expect("the server runs").id();
            let id = Pid::from_raw(id.cast_signed()).context("a process")?;
            let limit = Rlimit { current: full.then_some(0), maximum: None };
            return Ok(prlimit(Some(id), Resource::Fsize, limit).map(drop)?);
        }
        let bytes = if full { "1" } else { "0" };
        let mut own = redis::Client::open(self.redis_url())?.get_multiplexed_async_connection().await?;
        let mut command = redis::cmd("CONFIG");
        command.arg("SET").arg("maxmemory").arg(bytes);
        Ok(command.query_async::<()>(&mut own).await?)
    }

    /// Where its files are.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts the process without waiting for it.
    pub(crate) fn spawn(&mut self) {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments);
        self.process = Some(Program::start(command));
    }

    /// Starts it and waits until it takes connections.
    pub(crate) async fn start(&mut self) {
        self.spawn();
        let port = self.port;
        until("the server answering", || async {
            tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok()
        })
        .await;
        // It listens a little before it has read its files.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    /// Kills it as kill -9 does.
    pub(crate) async fn kill(&mut self) {
        self.process.take().expect("the server runs").kill().await;
    }

    /// Sends it a signal.
    pub(crate) async fn signal(&self, name: &str) {
        signal(self.process.as_ref().expect("the server runs").id(), name).await;
    }

    pub(crate) fn nats_url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    pub(crate) fn redis_url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }
}
