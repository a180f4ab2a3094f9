//! How much memory the processes of a step hold.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The most that processes held, by what they are.
#[derive(Debug, Default)]
pub(crate) struct Peak {
    /// The largest of all.
    pub(crate) largest_bytes: u64,
    by_name: BTreeMap<String, u64>,
}

impl std::fmt::Display for Peak {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let all = self.by_name.iter().map(|(name, bytes)| format!("{name} {} MiB", bytes >> 20));
        write!(f, "peak {}", all.collect::<Vec<_>>().join(", "))
    }
}

/// Waits for `work`, and looks meanwhile at this process's children and at those of `trainer`.
pub(crate) async fn watch<T>(work: impl Future<Output = T>, trainer: u32) -> (T, Peak) {
    let mut peak = Peak::default();
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return (done, peak),
            () = tokio::time::sleep(LOOK_EVERY) => look(&mut peak, trainer),
        }
    }
}

fn look(peak: &mut Peak, trainer: u32) {
    let own = std::process::id();
    let processes = processes();
    for (id, process) in &processes {
        let grandparent = || processes.get(&process.parent).map(|parent| parent.parent);
        let is_ours = process.parent == own
            || *id == trainer
            || process.parent == trainer
            || grandparent().is_some_and(|id| id == trainer);
        // The highest resident size of its life, in which pages that a learner shares with its host are counted in both.
        if is_ours && process.name != "nats-server" {
            let most = peak.by_name.entry(process.name.clone()).or_default();
            *most = (*most).max(process.peak_bytes);
            peak.largest_bytes = peak.largest_bytes.max(process.peak_bytes);
        }
    }
}

struct Process {
    parent: u32,
    name: String,
    peak_bytes: u64,
}

fn processes() -> HashMap<u32, Process> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return HashMap::new() };
    let ids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    ids.filter_map(|id| Some((id, process(id)?))).collect()
}

/// `None` when it has ended.
fn process(id: u32) -> Option<Process> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next().map(str::to_owned)
    };
    let words = std::fs::read_to_string(format!("/proc/{id}/cmdline")).ok()?;
    let mut words = words.split('\0');
    let program = words.next()?.rsplit('/').next()?.to_owned();
    let role = words.find(|word| matches!(*word, "train" | "learn-host" | "cluster" | "plan"));
    Some(Process {
        parent: field("PPid:")?.parse().ok()?,
        name: match role {
            Some(role) => format!("{program} {role}"),
            None => program,
        },
        peak_bytes: field("VmHWM:").and_then(|kib| kib.parse::<u64>().ok()).unwrap_or_default() * 1024,
    })
}
