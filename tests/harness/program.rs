//! A child process.

use std::path::PathBuf;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;

use crate::wait::LIMIT;

/// The built program called `name`: in the folder of this program, or above it for a test program.
pub fn program(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("the test program's path");
    let beside = own.parent().expect("a program lies in a folder");
    let folder = match beside.ends_with("deps") {
        true => beside.parent().expect("target/release/deps/TEST has a grandparent"),
        false => beside,
    };
    let file = folder.join(name);
    assert!(file.is_file(), "{} is not built; run `make build` first", file.display());
    file
}

/// The repository's root.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().expect("the package lies in the repository").to_owned()
}

/// A running process whose standard error is collected.
#[derive(Debug)]
pub struct Program {
    child: Child,
    log: watch::Receiver<String>,
    _reader: tokio::task::JoinHandle<()>,
}

/// What a process said and how it ended.
#[derive(Debug)]
pub struct Finished {
    /// The exit code; -1 after a signal.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Finished {
    /// Standard output as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Panics unless the process ended with 0.
    pub fn ok(self) -> Finished {
        assert_eq!(self.code, 0, "{self:?}");
        self
    }
}

/// Runs `command` to its end.
pub async fn finish(mut command: Command) -> Finished {
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(LIMIT * 2, command.output());
    let output = output.await.expect("the command ends in time").expect("the command starts");
    Finished {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// `command` without the environment of whoever runs the tests.
pub fn clean(mut command: Command) -> Command {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("SCOPEFORGE_") {
            command.env_remove(name);
        }
    }
    command
}

impl Program {
    /// Starts `command`.
    pub fn start(mut command: Command) -> Program {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let stderr = child.stderr.take().expect("standard error is piped");
        let (lines, log) = watch::channel(String::new());
        let reader = tokio::spawn(async move {
            let mut reader = BufReader::new(stderr).lines();
            while let Ok(Some(line)) = reader.next_line().await {
                lines.send_modify(|log| *log = format!("{log}{line}\n"));
            }
        });
        Program { child, log, _reader: reader }
    }

    /// Waits until its log contains `text`.
    pub async fn says(&mut self, text: &str) {
        let heard = self.log.wait_for(|log| log.contains(text));
        if !matches!(tokio::time::timeout(LIMIT, heard).await, Ok(Ok(_))) {
            panic!("{text:?} is not in the log:\n{}", self.log());
        }
    }

    /// Its log so far.
    pub fn log(&self) -> String {
        self.log.borrow().clone()
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id().expect("the process runs")
    }

    /// The most memory that it has had, in MiB.
    pub fn peak_mib(&self) -> u64 {
        self.memory_mib("VmHWM:")
    }

    /// The memory that it has now, in MiB.
    pub fn resident_mib(&self) -> u64 {
        self.memory_mib("VmRSS:")
    }

    fn memory_mib(&self, name: &str) -> u64 {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.id())).expect("the process runs");
        let told = status.lines().find_map(|line| line.strip_prefix(name)).expect("Linux tells it");
        told.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") / 1024
    }

    /// Whether it still runs.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Sends SIGTERM and waits for the end; returns the exit code (-1 after a signal).
    pub async fn stop(mut self) -> i32 {
        signal(self.id(), "TERM").await;
        self.wait().await
    }

    /// Sends SIGKILL and waits for the end.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("the process can be killed");
    }

    /// Waits for the end; returns the exit code (-1 after a signal).
    pub async fn wait(&mut self) -> i32 {
        let ended = tokio::time::timeout(LIMIT, self.child.wait()).await;
        let status = ended.unwrap_or_else(|_| panic!("still running:\n{}", self.log()));
        status.expect("the process can be awaited").code().unwrap_or(-1)
    }
}

/// Sends a signal to a process that this test started.
pub async fn signal(id: u32, name: &str) {
    let done = Command::new("kill").arg(format!("-{name}")).arg(id.to_string()).status().await;
    assert!(done.is_ok_and(|status| status.success()), "kill -{name} {id}");
}
