//! Broker, store, trainers, predictors and gateway together.

use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::Command;

use crate::program::{Finished, Program, clean, finish, program, root};
use crate::servers::{Nats, free_port};
use crate::wait::until;

/// What a stack consists of.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Trainer processes.
    pub trainers: usize,
    /// Predictor processes.
    pub predictors: usize,
    /// Whether there is a gateway.
    pub gateway: bool,
    /// The store's address; a temporary folder when empty.
    pub store: String,
    /// More environment for all programs.
    pub environment: Vec<(&'static str, String)>,
}

impl Default for Setup {
    fn default() -> Self {
        Setup { trainers: 1, predictors: 1, gateway: true, store: String::new(), environment: Vec::new() }
    }
}

/// A running stack. Everything ends when it is dropped.
#[derive(Debug)]
pub struct Stack {
    /// The broker.
    pub nats: Nats,
    /// Trainers.
    pub trainers: Vec<Program>,
    /// Predictors.
    pub predictors: Vec<Program>,
    /// The gateway.
    pub gateway: Option<Program>,
    /// A folder for the test's files.
    pub folder: TempDir,
    /// The store's address.
    pub store: String,
    /// Where requests go: the gateway's port, as a rule.
    pub port: u16,
    environment: Vec<(&'static str, String)>,
    http: reqwest::Client,
}

impl Stack {
    /// Starts the parts and waits until they answer.
    pub async fn start(setup: Setup) -> Stack {
        let nats = Nats::start().await;
        let folder = TempDir::new().expect("a folder");
        let store = match setup.store.is_empty() {
            true => format!("file:{}", folder.path().join("store").display()),
            false => setup.store,
        };
        runtime::objects::install_tls();
        let mut stack = Stack {
            nats,
            trainers: Vec::new(),
            predictors: Vec::new(),
            gateway: None,
            folder,
            store,
            port: free_port(),
            environment: setup.environment,
            http: reqwest::Client::new(),
        };
        for _ in 0..setup.trainers {
            stack.add_trainer().await;
        }
        for _ in 0..setup.predictors {
            stack.add_predictor().await;
        }
        if setup.gateway {
            stack.start_gateway(setup.predictors > 0).await;
        }
        stack
    }

    /// A command of one of our programs that knows this stack.
    pub fn command(&self, name: &str) -> Command {
        let mut command = clean(Command::new(program(name)));
        command.env("SCOPEFORGE_NATS_URL", self.nats.url()).env("SCOPEFORGE_STORE", &self.store);
        command.envs(self.environment.iter().map(|(name, value)| (*name, value)));
        command.current_dir(root());
        command
    }

    /// Starts one more trainer and waits until it pulls.
    pub async fn add_trainer(&mut self) {
        let mut command = self.command("worker");
        command.args(["train", "--threads", "2"]);
        let mut trainer = Program::start(command);
        trainer.says("training").await;
        self.trainers.push(trainer);
    }

    /// Starts a trainer that crashes or poisons learners as `faults` (environment of `faulty-worker`) say.
    pub async fn add_faulty_trainer(&mut self, faults: &[(&str, &str)]) {
        let mut command = self.command("faulty-worker");
        command.args(["train", "--threads", "2"]).envs(faults.iter().copied());
        let mut trainer = Program::start(command);
        trainer.says("training").await;
        self.trainers.push(trainer);
    }

    /// Starts one more predictor and waits until it listens.
    pub async fn add_predictor(&mut self) {
        let mut command = self.command("worker");
        command.arg("infer");
        let mut predictor = Program::start(command);
        predictor.says("predicting").await;
        self.predictors.push(predictor);
    }

    /// Starts the gateway; waits until it can answer when there are predictors.
    pub async fn start_gateway(&mut self, answering: bool) {
        let mut command = self.command("gateway");
        command.args(["--listen", &format!("127.0.0.1:{}", self.port)]);
        self.gateway = Some(Program::start(command));
        let path = if answering { "/readyz" } else { "/healthz" };
        until("the gateway being ready", || async {
            let asked = self.http.get(self.url(path)).send().await.ok()?;
            asked.status().is_success().then_some(())
        })
        .await;
    }

    /// Runs `enqueue` with `arguments`.
    pub async fn enqueue(&self, arguments: &[&str]) -> Finished {
        let mut command = self.command("enqueue");
        command.args(arguments);
        finish(command).await
    }

    /// Runs `enqueue --json` with `arguments`; it must succeed.
    pub async fn ask(&self, arguments: &[&str]) -> serde_json::Value {
        let whole: Vec<&str> = ["--json"].into_iter().chain(arguments.iter().copied()).collect();
        self.enqueue(&whole).await.ok().json()
    }

    /// Adds a model from the text of its spec.
    pub async fn add_model(&self, spec: &str) {
        let file = self.write("model.toml", spec);
        self.enqueue(&["model", "add", &file.to_string_lossy()]).await.ok();
    }

    /// Asserts that a spec is refused as a mistake of its writer, with these words.
    pub async fn refuses_model(&self, spec: &str, words: &str) {
        let file = self.write("refused.toml", spec);
        let refused = self.enqueue(&["model", "add", &file.to_string_lossy()]).await;
        assert!(refused.code == 2 && refused.err.contains(words), "{words}: {refused:?}");
    }

    /// Writes a file into the test's folder.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let file = self.folder.path().join(name);
        std::fs::write(&file, content).expect("the file can be written");
        file
    }

    /// A path of the gateway.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// A new connection to the gateway, for bytes as they are.
    pub async fn connect(&self) -> TcpStream {
        TcpStream::connect(("127.0.0.1", self.port)).await.expect("the gateway takes it")
    }

    /// GETs a path; status and body.
    pub async fn get(&self, path: &str) -> (u16, String) {
        let answer = self.http.get(self.url(path)).send().await.expect("the gateway answers");
        (answer.status().as_u16(), answer.text().await.expect("a body"))
    }

    /// POSTs a body to a model's predict route; status and JSON.
    pub async fn predict(&self, model: &str, body: impl Into<reqwest::Body>) -> (u16, serde_json::Value) {
        let url = self.url(&format!("/v1/models/{model}/predict"));
        let answer = self.http.post(url).body(body).send().await.expect("the gateway answers");
        (answer.status().as_u16(), answer.json().await.expect("a JSON body"))
    }

    /// The folder of a `file:` store.
    pub fn store_folder(&self) -> &Path {
        Path::new(self.store.strip_prefix("file:").expect("a file store"))
    }
}
