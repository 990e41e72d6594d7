//! How far the work on a test has come, for those who wait for it.

use std::fmt;
use std::sync::Arc;

/// How far the work on a test has come.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// What is being done.
    pub phase: Phase,
    /// Runs made in this phase.
    pub runs: u64,
    /// Runs that the phase takes at most.
    pub of: u64,
}

/// What is being done with a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phase {
    /// Trying seeds.
    Exploring,
    /// Making a failing schedule smaller.
    Shrinking,
}

/// A callback that hears of [`Progress`].
#[derive(Clone)]
pub struct OnProgress(Arc<dyn Fn(&Progress) + Send + Sync>);

impl OnProgress {
    /// Wraps a closure.
    pub fn new(callback: impl Fn(&Progress) + Send + Sync + 'static) -> Self {
        Self(Arc::new(callback))
    }

    pub(crate) fn call(&self, progress: &Progress) {
        (self.0)(progress);
    }
}

impl fmt::Debug for OnProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnProgress(..)")
    }
}
