//! [`Progress`] of exploring and shrinking, and the callback that receives it.

use std::fmt;
use std::sync::Arc;

/// The progress of an exploration.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// The current phase.
    pub phase: Phase,
    /// The number of runs made in this phase.
    pub runs: u64,
    /// The largest number of runs that this phase makes.
    pub of: u64,
}

/// A phase of an exploration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phase {
    /// Searching for a failing schedule.
    Exploring,
    /// Shrinking a failing schedule.
    Shrinking,
}

/// A callback that receives [`Progress`].
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
