//! Where a scenario happens: a broker's address, a store, data, and everything that was ordered.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tempfile::TempDir;
use tests::program::{Finished, clean, finish, program, root};
use tokio::process::Command;

use crate::chance::Chance;
use crate::data::Data;

/// One `enqueue train`.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    /// What was asked for.
    pub(crate) pattern: String,
    /// Its campaign, if `enqueue` said that it was ordered.
    pub(crate) id: Option<String>,
}

/// What a scenario stands on.
#[derive(Debug)]
pub(crate) struct Field {
    /// The broker's addresses.
    pub(crate) url: String,
    /// The store as workers see it.
    pub(crate) store: String,
    /// Where the auditor reads it.
    pub(crate) store_itself: String,
    pub(crate) data: Data,
    pub(crate) chance: Chance,
    /// Scopes that must not end `trained`, and how they must end.
    pub(crate) ends: BTreeMap<String, &'static str>,
    /// Whether the scenario itself wrote copies of landings into the ledger.
    pub(crate) copied_landings: bool,
    pub(crate) folder: TempDir,
    pub(crate) environment: Vec<(&'static str, String)>,
    orders: Mutex<Vec<Order>>,
    notes: Mutex<Vec<String>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Field {
    /// A field with a store in files.
    pub(crate) fn new(url: String, data: Data, seed: u64) -> Field {
        let folder = TempDir::with_prefix("faults-").expect("a folder");
        let store = format!("file:{}", folder.path().join("store").display());
        Field {
            url,
            store_itself: store.clone(),
            store,
            data,
            chance: Chance::new(seed),
            ends: BTreeMap::new(),
            copied_landings: false,
            folder,
            environment: vec![("SCOPEFORGE_LEASE_SECONDS", "1".into())],
            orders: Mutex::default(),
            notes: Mutex::default(),
        }
    }

    /// A command of one of the programs that knows this field.
    pub(crate) fn command(&self, name: &str) -> Command {
        let mut command = clean(Command::new(program(name)));
        command.env("SCOPEFORGE_NATS_URL", &self.url).env("SCOPEFORGE_STORE", &self.store);
        command.env("FAULT_TRACE", self.trace());
        if name != "enqueue" {
            command.envs(std::env::var("FAULTS_LOG").map(|log| ("SCOPEFORGE_LOG", log)));
            command.envs(self.environment.iter().map(|(name, value)| (*name, value)));
        }
        command.current_dir(root());
        command
    }

    /// Every step that any pack reached.
    pub(crate) fn trace(&self) -> PathBuf {
        self.folder.path().join("trace")
    }

    /// How often packs reached a step.
    pub(crate) fn reached(&self, step: &str) -> usize {
        let text = std::fs::read_to_string(self.trace()).unwrap_or_default();
        text.lines().filter(|line| *line == step).count()
    }

    /// Writes the data and adds the model `m`; `more` is appended to its spec, `rows` to its data.
    pub(crate) async fn add_model(&self, more: &str, rows: &str) {
        let (source, spec) = (self.folder.path().join("rows.csv"), self.folder.path().join("m.toml"));
        std::fs::write(&source, self.data.csv() + rows).expect("the data can be written");
        let text = format!(
            "name = \"m\"\n[data]\nsource = \"{}\"\n[scope]\ndimensions = [\"g\", \"k\"]\nfallback = [[\"g\", \"k\"]]\n[learn]\ntarget = \"y\"\nfeatures = [\"x\"]\nalgorithm = \"linear\"\nmin_rows = 5\n{more}\n",
            source.display()
        );
        std::fs::write(&spec, text).expect("the spec can be written");
        self.enqueue(&["model", "add", &spec.to_string_lossy()]).await.ok();
    }

    /// Waits until the first trainer has declared what the broker must hold.
    pub(crate) async fn declared(&self) {
        let answers = || async { (self.enqueue(&["lag"]).await.code == 0).then_some(()) };
        tests::until("the broker being declared", answers).await;
    }

    /// Runs `enqueue --json`.
    pub(crate) async fn enqueue(&self, arguments: &[&str]) -> Finished {
        let mut command = self.command("enqueue");
        command.arg("--json").args(arguments);
        finish(command).await
    }

    /// Orders a campaign; `None` when `enqueue` failed, which is noted.
    pub(crate) async fn order(&self, pattern: &str, more: &[&str]) -> Option<String> {
        let place = self.note_order(pattern);
        let arguments = ["train", "m", "--scope", pattern];
        let whole: Vec<&str> = arguments.iter().chain(more).copied().collect();
        let done = self.enqueue(&whole).await;
        // With `--wait`, 1 also says that a scope failed.
        let said: Option<serde_json::Value> = serde_json::from_str(&done.out).ok();
        let Some(id) = said.and_then(|said| said["id"].as_str().map(str::to_owned)) else {
            let last = done.err.lines().last().unwrap_or_default();
            self.note(format!("`enqueue train` failed: {}", last.chars().take(160).collect::<String>()));
            return None;
        };
        locked(&self.orders)[place].id = Some(id.clone());
        Some(id)
    }

    /// Orders a campaign on `count` random groups.
    pub(crate) async fn order_some(&self, count: usize, more: &[&str]) -> Option<String> {
        let mut groups: Vec<usize> = (0..self.data.groups).collect();
        self.chance.shuffle(&mut groups);
        self.order(&Data::pattern(&groups[..count]), more).await
    }

    /// Remembers that somebody may have put a campaign of this pattern on record.
    pub(crate) fn note_order(&self, pattern: &str) -> usize {
        let mut orders = locked(&self.orders);
        orders.push(Order { pattern: pattern.to_owned(), id: None });
        orders.len() - 1
    }

    /// Everything that was ordered.
    pub(crate) fn orders(&self) -> Vec<Order> {
        locked(&self.orders).clone()
    }

    /// The scopes that a pattern means.
    pub(crate) fn scopes(&self, pattern: &str) -> BTreeSet<String> {
        let mut scopes = self.data.scopes(pattern);
        let extra = self.ends.keys().filter(|scope| {
            let group = scope.split(',').next().unwrap_or_default();
            pattern
                .trim_start_matches("g=")
                .trim_end_matches(",k=*")
                .split('|')
                .any(|g| group == format!("g={g}"))
        });
        scopes.extend(extra.cloned());
        scopes
    }

    /// Something to tell whoever reads the results.
    pub(crate) fn note(&self, text: impl Into<String>) {
        locked(&self.notes).push(text.into());
    }

    pub(crate) fn notes(&self) -> Vec<String> {
        locked(&self.notes).clone()
    }
}
