//! Estimates: [`Estimates`] holds what a strategy knows of a run in advance, mostly from the baseline run.
//!
//! # Invariants
//! - A seed, a strategy and its estimates determine a run. So the estimates are part of the schedule, of its token and
//!   of its line in a regression file.
//! - Estimates contain only what their strategy uses, and whether input and output vary.

use crate::{ResourceKey, TaskKey, TaskPath};

/// A strategy's estimates of a run, mostly from the baseline run. Empty means that nothing is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Estimates {
    /// The number of points at which two or more tasks can run. 0 means unknown.
    pub steps: u32,
    /// The number of tasks, including the root. 0 means unknown.
    pub tasks: u32,
    /// The number of advances of virtual time.
    pub instants: u32,
    /// The longest stall, in nanoseconds of virtual time: a time for which a ready task is held back. 0 means that a
    /// stall lasts for a few advances of virtual time, and for less than a second.
    pub stall_ns: u64,
    /// Whether input and output vary: a read or a write may move a part of its bytes, and a lookup may take time.
    pub varied_io: bool,
    /// The resource whose accesses the strategy orders.
    pub resource: Option<ResourceKey>,
    /// The work of a task and all its descendants: operations and resumptions or, if there is a
    /// [`resource`](Self::resource), accesses to that resource. Sorted by path; no task occurs twice. Of many tasks,
    /// only those with the largest numbers are listed, at most [`COUNTS_MAX`](Self::COUNTS_MAX). A task that is not
    /// listed is assumed to do as little as a task can.
    pub counts: Vec<(TaskPath, u32)>,
}

impl Estimates {
    /// The maximum number of [`counts`](Self::counts), so that a token stays short enough to copy.
    pub const COUNTS_MAX: usize = 48;

    /// Returns whether nothing is estimated.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Calls `f` with the estimates keyed by [`TaskKey`], as strategies need them.
    pub(crate) fn with_keys<R>(&self, f: impl FnOnce(&KeyedEstimates<'_>) -> R) -> R {
        let counts: Vec<(TaskKey, u32)> =
            self.counts.iter().map(|(path, count)| (path.key(), *count)).collect();
        let Self { steps, tasks, instants, stall_ns, varied_io, resource, .. } = *self;
        f(&KeyedEstimates { steps, tasks, instants, stall_ns, varied_io, resource, counts: &counts })
    }
}

/// Estimates keyed by [`TaskKey`], as strategies need them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct KeyedEstimates<'a> {
    pub(crate) steps: u32,
    pub(crate) tasks: u32,
    pub(crate) instants: u32,
    pub(crate) stall_ns: u64,
    pub(crate) varied_io: bool,
    pub(crate) resource: Option<ResourceKey>,
    pub(crate) counts: &'a [(TaskKey, u32)],
}
