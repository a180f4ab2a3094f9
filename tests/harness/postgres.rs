//! A PostgreSQL server on a free port, with its data in a temporary folder.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tokio::process::Command;
use tokio_postgres::{Client, NoTls};

use crate::certificates::Identity;
use crate::program::{Program, finish, signal};
use crate::servers::{free_port, server};

/// Its user's password, for `PGPASSWORD`.
pub const PASSWORD: &str = "not-for-the-logs";

const USER: &str = "tester";

/// The user that a server runs as when tests run as root, which it refuses: nobody.
const NOBODY: u32 = 65_534;

/// A PostgreSQL server.
#[derive(Debug)]
pub struct Postgres {
    programs: PathBuf,
    folder: TempDir,
    port: u16,
    process: Option<Program>,
}

impl Postgres {
    /// Starts a server with an empty database, which asks for [`PASSWORD`].
    pub async fn start() -> Postgres {
        Postgres::with("scram-sha-256").await
    }

    /// Starts a server that asks for no password.
    pub async fn trusting() -> Postgres {
        Postgres::with("trust").await
    }

    async fn with(authentication: &str) -> Postgres {
        let programs = PathBuf::from(server("postgres-server", "SCOPEFORGE_POSTGRES"));
        let folder = TempDir::new().expect("a folder");
        let password = folder.path().join("password");
        std::fs::write(&password, PASSWORD).expect("a file");
        let mut postgres = Postgres { programs, folder, port: free_port(), process: None };
        for path in [postgres.folder.path(), &password] {
            give(path);
        }
        let mut initdb = postgres.command("initdb");
        initdb.args([
            "--username",
            USER,
            "--auth",
            authentication,
            "--no-sync",
            "--encoding",
            "UTF8",
            "--locale",
            "C",
        ]);
        initdb.arg("--pwfile").arg(&password).arg("--pgdata").arg(postgres.data());
        finish(initdb).await.ok();
        postgres.resume().await;
        postgres
    }

    /// Starts it again with this certificate; it lets nobody in then who does not encrypt.
    pub async fn encrypt(&mut self, identity: &Identity) {
        self.stop().await;
        let hba = self.data().join("pg_hba.conf");
        let rules = std::fs::read_to_string(&hba).expect("a file");
        std::fs::write(&hba, rules.replace("\nhost ", "\nhostssl ")).expect("a file");
        std::fs::write(self.data().join("postgresql.auto.conf"), "ssl = on\n").expect("a file");
        for (name, pem) in [("server.crt", &identity.certificate), ("server.key", &identity.key)] {
            let file = self.data().join(name);
            std::fs::write(&file, pem).expect("a file");
            std::fs::set_permissions(&file, Permissions::from_mode(0o600)).expect("an own file");
            give(&file);
        }
        self.resume().await;
    }

    /// Starts it again where it was.
    pub async fn resume(&mut self) {
        let mut command = self.command("postgres");
        command.args(["-p", &self.port.to_string(), "-c", "listen_addresses=127.0.0.1"]);
        command.args(["-c", "unix_socket_directories=", "-c", "fsync=off", "-D"]).arg(self.data());
        let mut process = Program::start(command);
        process.says("ready to accept connections").await;
        self.process = Some(process);
    }

    /// Ends it at once, with all connections.
    pub async fn stop(&mut self) {
        let mut process = self.process.take().expect("the server runs");
        signal(process.id(), "INT").await;
        process.wait().await;
    }

    /// A connection of its own.
    pub async fn client(&self) -> Client {
        let mut config = tokio_postgres::Config::new();
        config.host("127.0.0.1").port(self.port).user(USER).password(PASSWORD).dbname("postgres");
        let (client, connection) = config.connect(NoTls).await.expect("the server answers");
        tokio::spawn(connection);
        client
    }

    /// Runs some statements.
    pub async fn run(&self, sql: &str) {
        self.client().await.batch_execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }

    /// The database as a source.
    pub fn url(&self) -> String {
        format!("postgres://{USER}@127.0.0.1:{}/postgres", self.port)
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn command(&self, name: &str) -> Command {
        let program = self.programs.join(name);
        let mut command = match rustix::process::geteuid().is_root() {
            true => {
                let mut command = Command::new("setpriv");
                let nobody = NOBODY.to_string();
                command.args(["--reuid", &nobody, "--regid", &nobody, "--clear-groups", "--"]).arg(program);
                command
            }
            false => Command::new(program),
        };
        command.current_dir(Path::new("/"));
        command
    }
}

/// Lets the server have a file or folder.
fn give(path: &Path) {
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(path, Some(NOBODY), Some(NOBODY)).expect("root may");
    }
}
