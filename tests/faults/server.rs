//! Servers that a scenario kills, freezes and starts again where they were.

use std::time::Duration;

use tempfile::TempDir;
use tests::program::{Program, signal};
use tests::servers::{free_port, nats_server, redis_server};
use tests::until;
use tokio::process::Command;

/// A server with a folder and a port of its own.
pub(crate) struct Server {
    pub(crate) port: u16,
    program: String,
    arguments: Vec<String>,
    _folder: TempDir,
    process: Option<Program>,
}

impl Server {
    /// A single broker with files.
    pub(crate) async fn nats() -> Server {
        let folder = TempDir::new().expect("a folder");
        let (port, files) = (free_port(), folder.path().display().to_string());
        let arguments =
            ["-js", "-a", "127.0.0.1", "-p", &port.to_string(), "-sd", &files].map(str::to_owned).to_vec();
        let mut server = Server { port, program: nats_server(), arguments, _folder: folder, process: None };
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
            servers.push(Server { port, program: nats_server(), arguments, _folder: folder, process: None });
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
        let mut server = Server { port, program: redis_server(), arguments, _folder: folder, process: None };
        server.start().await;
        server
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
