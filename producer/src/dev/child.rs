//! One child process: it never outlives us, and ends when asked.

use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child as Process, Command};

/// Time a process has to end by itself before it is killed.
const GRACE: Duration = Duration::from_secs(25);

/// A running process with its log file.
#[derive(Debug)]
pub(super) struct Child {
    pub(super) name: String,
    pub(super) log: PathBuf,
    process: Process,
}

impl Child {
    /// Starts `command`, whose output goes to `logs/NAME.log`.
    pub(super) fn start(name: &str, mut command: Command, logs: &Path) -> anyhow::Result<Child> {
        let log = logs.join(format!("{name}.log"));
        let open = || File::options().create(true).append(true).open(&log);
        let (out, err) = (open(), open());
        let (out, err) = (
            out.with_context(|| log.display().to_string())?,
            err.with_context(|| log.display().to_string())?,
        );
        command.stdin(Stdio::null()).stdout(out).stderr(err).kill_on_drop(true);
        // Its own group: Ctrl-C at the terminal is for us, and we end the children in order.
        command.process_group(0);
        die_with_parent(&mut command);
        let program = command.as_std().get_program().to_owned();
        let process = command.spawn().with_context(|| format!("starting {}", program.to_string_lossy()))?;
        Ok(Child { name: name.to_owned(), log, process })
    }

    /// Returns when the process has ended.
    pub(super) async fn ended(&mut self) -> String {
        match self.process.wait().await {
            Ok(status) => describe(status),
            Err(error) => error.to_string(),
        }
    }

    /// How the process ended, if it has.
    pub(super) fn has_ended(&mut self) -> Option<String> {
        self.process.try_wait().ok().flatten().map(describe)
    }

    /// Asks the process to end, and waits for it.
    pub(super) async fn stop(mut self) {
        let id = self.process.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        if let Some(id) = id
            && let Err(error) = kill_process(id, Signal::TERM)
        {
            tracing::debug!(name = self.name, %error, "already gone");
        }
        if tokio::time::timeout(GRACE, self.process.wait()).await.is_err() {
            tracing::warn!(name = self.name, "did not end within {} s and is killed", GRACE.as_secs());
            if let Err(error) = self.process.kill().await {
                tracing::warn!(name = self.name, %error, "cannot be killed");
            }
        }
    }

    /// The last lines of its log.
    pub(super) fn last_words(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().rev().take(5).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }
}

fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with status {code}"),
        (_, Some(signal)) => format!("was killed by signal {signal}"),
        _ => "ended".into(),
    }
}

/// Has the kernel end the child when the thread that starts it ends, which is this process's main thread: children
/// do not outlive us even when we are killed.
#[cfg(target_os = "linux")]
fn die_with_parent(command: &mut Command) {
    use rustix::process::{getpid, getppid, set_parent_process_death_signal};
    let parent = getpid();
    let hook = move || {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // The parent may have ended before the line above.
        match getppid() {
            Some(now) if now == parent => Ok(()),
            _ => Err(std::io::Error::other("the parent is gone")),
        }
    };
    // SAFETY: between fork and exec the hook makes two system calls and allocates nothing when it succeeds.
    unsafe { command.pre_exec(hook) };
}

#[cfg(not(target_os = "linux"))]
fn die_with_parent(_command: &mut Command) {}
