//! Taking a pack's scopes through a learner, whatever happens to it: first all together; after a crash one by one, so that
//! the guilty one ends `failed` and all others land.

use std::time::{Duration, Instant};

use schemas::blob::FitBody;
use schemas::outcome::{OutcomeKind, ScopeOutcome};
use schemas::pack::PackScope;
use schemas::spec::{LimitsSpec, ModelSpec};

use super::super::assignment::Assignment;
use super::super::beyond::beyond;
use super::hosts::{Hosts, OpenError};
use super::remote::{HostError, Slot};
use super::wire::{Death, FromHost, LearnOrder};

/// How long a killed learner may take to be gone.
const KILLED_WITHIN: Duration = Duration::from_secs(10);

/// Why a pack could not be learned at all.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(in super::super) struct SandboxError(OpenError);

impl SandboxError {
    /// Whether it may go better later. What the source holds does not change by trying again; a process that ended may
    /// have been unlucky.
    pub(in super::super) fn is_transient(&self) -> bool {
        match &self.0 {
            OpenError::Source(error) => error.is_transient(),
            OpenError::Host(HostError::Refused { transient, .. }) => *transient,
            OpenError::Host(_) => true,
        }
    }

    /// Whether the scopes' rows are more than the memory for them.
    fn is_too_large(&self) -> bool {
        matches!(&self.0, OpenError::Host(HostError::Refused { too_large: true, .. }))
    }
}

impl<E: Into<OpenError>> From<E> for SandboxError {
    fn from(error: E) -> SandboxError {
        SandboxError(error.into())
    }
}

/// What came of a pack.
#[derive(Debug, Default)]
pub(in super::super) struct Learned {
    /// One outcome for each of its scopes, in their order, with the fits of those that were trained.
    pub(in super::super) results: Vec<(ScopeOutcome, Option<FitBody>)>,
    /// What they took, in seconds of one core.
    pub(in super::super) seconds: f64,
    /// What their shards took before, for a merge.
    pub(in super::super) shard_seconds: Option<f64>,
}

/// Learns `scopes`; with `singly`, they go one by one from the start. Scopes whose rows do not fit into memory together are
/// learned in halves; one that does not even alone has failed.
pub(in super::super) async fn learn(
    hosts: &Hosts,
    spec: &ModelSpec,
    scopes: &[PackScope],
    (assignment, singly): (&Assignment, bool),
) -> Result<Learned, SandboxError> {
    let mut done = Learned::default();
    let mut together = scopes.len();
    while done.results.len() < scopes.len() {
        let rest = &scopes[done.results.len()..];
        let next = &rest[..together.min(rest.len())];
        match learn_together(hosts, spec, next, (assignment, singly)).await {
            Ok(learned) => {
                done.results.extend(learned.results);
                done.seconds += learned.seconds;
            }
            Err(error) if error.is_too_large() && next.len() > 1 => together = next.len() / 2,
            Err(error) if error.is_too_large() => {
                let reason = format!("{:#}", anyhow::Error::from(error));
                let failed = ScopeOutcome::without_fit(spec, &next[0], OutcomeKind::Failed, &reason);
                done.results.push((failed, None));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

/// As [`learn`], on one host.
async fn learn_together(
    hosts: &Hosts,
    spec: &ModelSpec,
    scopes: &[PackScope],
    (assignment, singly): (&Assignment, bool),
) -> Result<Learned, SandboxError> {
    let others = beyond(spec, assignment.before.values().flat_map(|fit| &fit.inputs));
    let host = hosts.get(spec, scopes, others).await?;
    tracing::debug!(
        scopes = scopes.len(),
        data_bytes = host.size_bytes,
        fetched_bytes = host.fetched_bytes,
        "data at hand"
    );
    let mut slot = host.slot().await?;
    let mut done = Learned::default();
    let mut singly = singly;
    while done.results.len() < scopes.len() {
        let rest = &scopes[done.results.len()..];
        let order = LearnOrder { scopes: rest.to_vec(), assignment: assignment.clone(), singly };
        slot.order(order).await?;
        let end = collect(&mut slot, &spec.limits, scopes.len(), &mut done).await?;
        slot.done();
        let Some(end) = end else { continue };
        let guilty = &scopes[done.results.len()];
        tracing::warn!(scope = %guilty.scope, "a learner ended: {end}");
        if singly {
            done.results.push((ScopeOutcome::without_fit(spec, guilty, OutcomeKind::Failed, &end), None));
        }
        singly = true;
    }
    Ok(done)
}

/// Collects results until there are `wanted`, or the learner ended, or showed no progress for too long: then says why.
async fn collect(
    slot: &mut Slot,
    limits: &LimitsSpec,
    wanted: usize,
    done: &mut Learned,
) -> Result<Option<String>, HostError> {
    let limit = Duration::from_secs(limits.scope_seconds);
    let mut began = Instant::now();
    while done.results.len() < wanted {
        match slot.next(limit).await? {
            Some(FromHost::Learned { results, seconds, .. }) => {
                done.results.extend(results);
                done.seconds += seconds;
                began = Instant::now();
            }
            Some(FromHost::Died { death, .. }) => return Ok(Some(describe(&death, limits, began.elapsed()))),
            Some(_) => {}
            None => {
                slot.kill().await?;
                let peak_bytes = last_peak(slot).await?;
                let spent = format!("no end after {} s, the limit scope_seconds", limits.scope_seconds);
                return Ok(Some(format!("{spent}; peak memory {}", mib(peak_bytes))));
            }
        }
    }
    Ok(None)
}

/// Waits for the death of a killed learner, and tells the most memory it held.
async fn last_peak(slot: &mut Slot) -> Result<u64, HostError> {
    loop {
        match slot.next(KILLED_WITHIN).await? {
            Some(FromHost::Died { death, .. }) => return Ok(death.peak_bytes),
            Some(_) => {}
            None => return Err(HostError::Ended { how: "a learner cannot be killed".into() }),
        }
    }
}

/// What a learner died of, in words.
fn describe(death: &Death, limits: &LimitsSpec, spent: Duration) -> String {
    let words = &death.words;
    let last = words.lines().last().unwrap_or_default();
    let asked = words.lines().find(|line| line.contains("memory allocation of"));
    let what = if let Some(asked) = asked {
        format!("out of memory, the limit scope_mib is {}: {asked}", limits.scope_mib)
    } else if words.contains("overflowed its stack") {
        "stack overflow".into()
    } else {
        match (death.signal, death.code) {
            (Some(9), _) => "killed by signal 9: the system may be out of memory".into(),
            (Some(signal), _) => format!("the learner died of signal {signal} {last}"),
            (None, Some(code)) => format!("the learner ended with code {code} {last}"),
            (None, None) => "the learner is gone".into(),
        }
    };
    format!("{}; after {:.1} s, peak memory {}", what.trim_end(), spent.as_secs_f64(), mib(death.peak_bytes))
}

fn mib(bytes: u64) -> String {
    format!("{} MiB", bytes.div_ceil(1024 * 1024))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_death_is_told_with_its_cause_time_and_memory() {
        let limits = LimitsSpec { scope_mib: 64, ..LimitsSpec::default() };
        let told = |signal, words: &str| {
            let death = Death { signal, code: None, words: words.into(), peak_bytes: 5 << 20 };
            describe(&death, &limits, Duration::from_millis(1_250))
        };
        let memory = told(Some(6), "memory allocation of 21474836480 bytes failed");
        assert!(memory.contains("scope_mib is 64") && memory.contains("21474836480"), "{memory}");
        assert!(memory.ends_with("after 1.2 s, peak memory 5 MiB"), "{memory}");
        assert!(told(Some(6), "thread 'main' has overflowed its stack").starts_with("stack overflow;"));
        assert!(told(Some(9), "").contains("signal 9"));
        assert!(told(Some(11), "").contains("signal 11"));
    }
}
