//! Points in a pack's life where a test may make the process crash, and scopes whose learner it may poison.
//!
//! Nothing here does anything by itself: the programs that users run install no hook. A program of the tests does.

use std::sync::OnceLock;

use schemas::pack::PackScope;

/// A moment in the life of a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// Taken off the queue, and not yet read.
    BeforeFit,
    /// Learned, and not yet written.
    AfterFit,
    /// Its blob is written, its outcomes are not.
    AfterBlob,
    /// Its outcomes are written, and nobody was told.
    AfterLand,
    /// About to be confirmed.
    BeforeConfirm,
    /// Confirmed.
    AfterConfirm,
}

/// What a test does at these moments.
pub trait Hook: Send + Sync {
    /// At a moment in the life of a pack, in the trainer.
    fn at(&self, step: Step);
    /// Before a scope is learned, in the learner.
    fn learn(&self, scope: &PackScope);
}

static HOOK: OnceLock<Box<dyn Hook>> = OnceLock::new();

/// Installs the test's hook, once, before anything is trained.
pub fn install(hook: Box<dyn Hook>) {
    // A second hook would be a mistake of the test, and the first one counts.
    let _ = HOOK.set(hook);
}

pub(crate) fn at(step: Step) {
    if let Some(hook) = HOOK.get() {
        hook.at(step);
    }
}

pub(crate) fn learn(scope: &PackScope) {
    if let Some(hook) = HOOK.get() {
        hook.learn(scope);
    }
}
