//! What is counted apart: the operations and decisions that version 1 of the stored formats did not know. Schedules
//! stored by it keep the numbers of all other operations, and repeat their runs.
//!
//! # Invariants
//! - The n-th of a resumption has the number n, whether or not the task was preempted in between.
//! - A run that does none of them pays nothing for the counts.

use std::sync::Arc;

use timeloop_sim::{DecisionKey, Operation, TaskKey, WorldEffect};

use super::tasks::{NO_SLOT, State};
use super::{Core, Engine};

/// The counts of the task in each slot. They belong to one resumption, and are reset when a later one first counts.
#[derive(Debug, Default)]
pub(super) struct ApartCounts(Vec<Counts>);

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    task: Option<TaskKey>,
    resume: u32,
    operations: u32,
    decisions: u32,
}

impl ApartCounts {
    fn at(&mut self, slot: u32, task: TaskKey, resume: u32) -> &mut Counts {
        let place = slot as usize;
        if self.0.len() <= place {
            self.0.resize(place + 1, Counts::default());
        }
        let counts = &mut self.0[place];
        if (counts.task, counts.resume) != (Some(task), resume) {
            *counts = Counts { task: Some(task), resume, ..Counts::default() };
        }
        counts
    }
}

/// The number of values of a decision how many bytes to move. Those above the last one that has a meaning mean all bytes, so
/// that most transfers are whole.
const TRANSFER_VALUES: u32 = 8;

/// How long a lookup of a name may take, in nanoseconds, by the value of the decision.
const LOOKUP_NS: [u64; 8] = [0, 100_000, 300_000, 1_000_000, 3_000_000, 10_000_000, 30_000_000, 100_000_000];

impl Core {
    /// Returns the counts of the running task's resumption; `None` if no task is running.
    fn apart_counts(&mut self, current: u32) -> Option<(TaskKey, u32, &mut Counts)> {
        if current == NO_SLOT || self.ended {
            return None;
        }
        let place = self.tasks.at(current);
        if place.state != State::Running {
            // A destructor of another task does something.
            return None;
        }
        // The count includes the current resumption.
        let (task, resume) = (place.key, place.resumes - 1);
        Some((task, resume, self.scheduler.apart_counts.at(current, task, resume)))
    }
}

impl Engine {
    /// Counts an operation apart; returns its index.
    pub(super) fn count_apart(&self) -> u32 {
        let mut core = self.core.borrow_mut();
        let number = core.apart_counts(self.current.get()).map_or(0, |(.., counts)| {
            counts.operations += 1;
            counts.operations - 1
        });
        number | Operation::APART
    }

    /// Decides how many of `whole` bytes a read or a write of the running task moves: at least one, unless there is none.
    #[cold]
    #[inline(never)]
    pub(crate) fn split_transfer(&self, stream: &'static str, reads: bool, whole: usize) -> usize {
        let moved = |value| match value {
            1 => 1,
            2 => whole / 2,
            3 => whole - 1,
            _ => whole,
        };
        if whole < 2 {
            return whole;
        }
        let value = self.decide_io(
            TRANSFER_VALUES,
            |value| if moved(value) == whole { 0 } else { value },
            |value, task| {
                let (bytes, of) = (moved(value) as u64, whole as u64);
                WorldEffect::Transfer { task, stream, reads, bytes, of }
            },
        );
        moved(value)
    }

    /// Decides how long the running task's lookup of a name takes, in nanoseconds.
    pub(crate) fn lookup_ns(&self, name: &str) -> u64 {
        let takes_ns = |value: u32| LOOKUP_NS[value as usize];
        let value = self.decide_io(
            LOOKUP_NS.len() as u32,
            |value| value,
            |value, task| WorldEffect::Lookup { task, name: Arc::from(name), takes_ns: takes_ns(value) },
        );
        takes_ns(value)
    }

    /// Draws a value below `arity` for a decision of the running task about input or output, and returns what `effective` makes
    /// of it. `effect` describes a value other than the baseline's.
    fn decide_io(
        &self,
        arity: u32,
        effective: impl FnOnce(u32) -> u32,
        effect: impl FnOnce(u32, timeloop_sim::TaskLabel) -> WorldEffect,
    ) -> u32 {
        if !self.varies_io {
            return 0;
        }
        let current = self.current.get();
        let mut core = self.core.borrow_mut();
        let core = &mut *core;
        let Some((task, resume, counts)) = core.apart_counts(current) else { return 0 };
        let index = counts.decisions;
        counts.decisions += 1;
        let key = DecisionKey::Io { task, resume, index };
        let value = core.scheduler.source.choose(key, arity);
        assert!(value < arity, "a source decides within the arity");
        let value = effective(value);
        if value != 0 {
            core.scheduler.mix(u64::from(value) << 32 | u64::from(arity));
            core.observer.record(|recorder| recorder.io_deviates(key, value, |task| effect(value, task)));
        }
        value
    }
}
