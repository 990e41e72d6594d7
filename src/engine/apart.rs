//! What is counted apart: the operations and decisions that version 1 of the stored formats did not know. Schedules
//! stored by it keep the numbers of all other operations, and repeat their runs.
//!
//! # Invariants
//! - The n-th of a resumption has the number n, whether or not the task was preempted in between.
//! - A run that does none of them pays nothing for the counts.

use timeloop_sim::{Operation, TaskKey};

use super::tasks::{NO_SLOT, State};
use super::{Core, Engine};

/// The counts of the task in each slot. They belong to one resumption, and are reset when a later one first counts.
#[derive(Debug, Default)]
pub(super) struct ApartCounts(Vec<Counts>);

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    task: Option<TaskKey>,
    resume: u32,
    operations: u32,
    #[cfg(feature = "net")]
    pub(super) decisions: u32,
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

impl Core {
    /// Returns the counts of the running task's resumption; `None` if no task is running.
    pub(super) fn apart_counts(&mut self, current: u32) -> Option<(TaskKey, u32, &mut Counts)> {
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
}
