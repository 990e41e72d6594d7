//! Estimates: what a strategy was told beforehand of the run that it decides.
//!
//! Always true: a seed, a strategy and its estimates determine a run, so what a strategy was told is part of the schedule,
//! of its token and of its line in a regression file; and nothing is told that the strategy has no use for.

use crate::{ResourceKey, TaskKey, TaskPath};

/// What the strategy of a run was told of it, mostly from the quiet run. Empty is: nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Estimates {
    /// Points at which two or more tasks are ready to go on. 0 is unknown.
    pub steps: u32,
    /// Tasks, the root included. 0 is unknown.
    pub tasks: u32,
    /// Moves of virtual time.
    pub instants: u32,
    /// The resource that a strategy attends to.
    pub resource: Option<ResourceKey>,
    /// For a task: how much it and all its descendants do, in operations and resumptions or, if there is a
    /// [`resource`](Self::resource), in accesses to that; in order of their paths, and no task twice. Of many tasks those
    /// with the largest numbers are told, at most [`COUNTS_MAX`](Self::COUNTS_MAX); one that is not among them does as
    /// little as a task can do.
    pub counts: Vec<(TaskPath, u32)>,
}

impl Estimates {
    /// How many [`counts`](Self::counts) are told at most: so that a token stays a word that can be copied.
    pub const COUNTS_MAX: usize = 48;

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Does something with the estimates in the form in which strategies take them.
    pub(crate) fn tell<R>(&self, f: impl FnOnce(&Told<'_>) -> R) -> R {
        let counts: Vec<(TaskKey, u32)> =
            self.counts.iter().map(|(path, count)| (path.key(), *count)).collect();
        let Self { steps, tasks, instants, resource, .. } = *self;
        f(&Told { steps, tasks, instants, resource, counts: &counts })
    }
}

/// Estimates in the form in which strategies take them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Told<'a> {
    pub(crate) steps: u32,
    pub(crate) tasks: u32,
    pub(crate) instants: u32,
    pub(crate) resource: Option<ResourceKey>,
    pub(crate) counts: &'a [(TaskKey, u32)],
}
