//! Real servers on free ports, with their data in temporary folders.

use std::net::TcpListener;
use std::path::Path;

use tempfile::TempDir;
use tokio::process::Command;

use crate::program::{Program, program, root, signal};
use crate::wait::until;

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").port()
}

/// The server that `tests/tools/NAME` finds, or the one that the environment names.
pub(crate) fn server(name: &str, variable: &str) -> String {
    if let Ok(path) = std::env::var(variable)
        && !path.is_empty()
    {
        return path;
    }
    let found =
        std::process::Command::new(root().join("tests/tools").join(name)).output().expect("the finder runs");
    assert!(found.status.success(), "{}", String::from_utf8_lossy(&found.stderr));
    String::from_utf8_lossy(&found.stdout).trim().to_owned()
}

/// The nats-server program.
pub fn nats_server() -> String {
    server("nats-server", "SCOPEFORGE_NATS_SERVER")
}

/// The redis-server program.
pub fn redis_server() -> String {
    server("redis-server", "SCOPEFORGE_REDIS_SERVER")
}

/// A Python that has the clients that the gateway is held against.
pub fn python_clients() -> String {
    server("python-clients", "SCOPEFORGE_PYTHON_CLIENTS")
}

/// A JetStream broker.
#[derive(Debug)]
pub struct Nats {
    folder: TempDir,
    port: u16,
    jetstream: bool,
    process: Option<Program>,
}

impl Nats {
    /// Starts a broker.
    pub async fn start() -> Nats {
        Nats::begin(true).await
    }

    /// Starts a broker that carries messages and keeps nothing: one without JetStream.
    pub async fn start_plain() -> Nats {
        Nats::begin(false).await
    }

    async fn begin(jetstream: bool) -> Nats {
        let (folder, port) = (TempDir::new().expect("a folder"), free_port());
        let mut nats = Nats { folder, port, jetstream, process: None };
        nats.resume().await;
        nats
    }

    /// Starts it again where it was.
    pub async fn resume(&mut self) {
        let mut command = Command::new(nats_server());
        command.args(["-a", "127.0.0.1", "-p", &self.port.to_string()]);
        if self.jetstream {
            command.args(["-js", "-sd"]).arg(self.folder.path());
        }
        let mut process = Program::start(command);
        process.says("Server is ready").await;
        self.process = Some(process);
    }

    /// Kills it.
    pub async fn kill(&mut self) {
        self.process.take().expect("the broker runs").kill().await;
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// A client of its own.
    pub async fn client(&self) -> async_nats::Client {
        async_nats::connect(self.url()).await.expect("the broker answers")
    }
}

/// A Redis server.
#[derive(Debug)]
pub struct Redis {
    _folder: TempDir,
    port: u16,
    process: Program,
}

impl Redis {
    /// Starts a server.
    pub async fn start() -> Redis {
        let folder = TempDir::new().expect("a folder");
        let port = free_port();
        let mut command = Command::new(redis_server());
        command
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--dir"])
            .arg(folder.path());
        let process = Program::start(command);
        let answers = || async { tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok() };
        until("redis answering", answers).await;
        Redis { _folder: folder, port, process }
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Lets it answer nothing from now on, with all connections as they are.
    pub async fn freeze(&self) {
        signal(self.process.id(), "STOP").await;
    }
}

/// An S3 server over a temporary folder. Its buckets are the folder's subfolders.
#[derive(Debug)]
pub struct S3 {
    folder: TempDir,
    port: u16,
    _process: Program,
}

impl S3 {
    /// Starts a server with one bucket.
    pub async fn start(bucket: &str) -> S3 {
        let (folder, port) = (TempDir::new().expect("a folder"), free_port());
        std::fs::create_dir(folder.path().join(bucket)).expect("a bucket");
        let mut command = Command::new(program("s3-server"));
        command.arg(folder.path()).arg(port.to_string());
        let mut process = Program::start(command);
        process.says("serving").await;
        S3 { folder, port, _process: process }
    }

    /// The settings that its clients need in their environment.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        s3_environment(self.port)
    }

    /// The folder of its buckets.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// What clients of an `s3-server` on this port need in their environment.
pub fn s3_environment(port: u16) -> Vec<(&'static str, String)> {
    vec![
        ("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{port}")),
        ("AWS_REGION", "us-east-1".into()),
        ("AWS_ACCESS_KEY_ID", "test".into()),
        ("AWS_SECRET_ACCESS_KEY", "testsecret".into()),
    ]
}
