//! Sources of decisions: a seed and a strategy, a stored schedule, or a fuzzer's bytes.
//!
//! Always true: a simulation asks its source, and nothing else, whenever it has a choice; and a source never learns
//! more than keys, arities and the order in which tasks became ready.

mod bytes;
mod replay;
mod seeded;

use std::fmt;

pub use bytes::Bytes;
pub use replay::Replay;
pub use seeded::Seeded;

use crate::{DecisionKey, Stream, TaskKey};

/// A task that is ready to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ready {
    /// Where the simulation keeps the task: handed back as it came, never a reason for a choice.
    pub slot: u32,
    /// Which resumption of the task this will be: 0 is its first.
    pub resume: u32,
    /// Who the task is.
    pub task: TaskKey,
}

/// Makes every decision of one run.
pub trait Source: fmt::Debug {
    /// A task has become ready; calls come in order of arrival.
    fn ready(&mut self, task: Ready);

    /// Takes the task that runs next out of the ready ones; `None` when none is ready.
    fn next(&mut self) -> Option<Ready>;

    /// Decides among `arity` possibilities, of which 0 is the quiet one. The answer is below `arity`.
    ///
    /// A simulation asks only where there is a choice: `arity` is 2 or more.
    fn choose(&mut self, key: DecisionKey, arity: u32) -> u32;

    /// The stream that the code under test draws its random numbers from, for the entity (a task) given.
    fn user_stream(&mut self, entity: u64) -> Stream;

    /// `parent` has spawned `child`, which becomes ready right after.
    fn spawned(&mut self, parent: TaskKey, child: TaskKey) {
        let _ = (parent, child);
    }

    /// The task has ended and will not be ready again.
    fn finished(&mut self, task: TaskKey) {
        let _ = task;
    }

    /// How many stored deviations the run never came to: more than none when a schedule was made for other code.
    fn unapplied(&self) -> usize {
        0
    }
}
