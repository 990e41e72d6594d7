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

use crate::{DecisionKey, Random, Schedule, Stream, TaskKey};

/// A task that is ready to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ready {
    /// Where the simulation keeps the task: what a source gives back to name the task that it chose, and never a reason
    /// for a choice.
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

    /// Takes the task that runs next out of the ready ones, and gives its slot; `None` when none is ready.
    ///
    /// What is taken is a step: the simulation runs the task once, and counts and records it as one.
    fn next(&mut self) -> Option<u32>;

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

/// A source in use by a run.
///
/// The one that exploring uses most stands here as it is, so that a step costs no call through a table of functions.
#[derive(Debug)]
#[non_exhaustive]
pub enum AnySource {
    /// A seed and the random strategy.
    Random(Seeded<Random>),
    /// Any other source.
    Other(Box<dyn Source>),
}

macro_rules! forward {
    ($self:ident, $source:ident => $call:expr) => {
        match $self {
            Self::Random($source) => $call,
            Self::Other($source) => $call,
        }
    };
}

impl Source for AnySource {
    #[inline]
    fn ready(&mut self, task: Ready) {
        forward!(self, source => source.ready(task));
    }

    #[inline]
    fn next(&mut self) -> Option<u32> {
        forward!(self, source => source.next())
    }

    fn choose(&mut self, key: DecisionKey, arity: u32) -> u32 {
        forward!(self, source => source.choose(key, arity))
    }

    fn user_stream(&mut self, entity: u64) -> Stream {
        forward!(self, source => source.user_stream(entity))
    }

    #[inline]
    fn spawned(&mut self, parent: TaskKey, child: TaskKey) {
        forward!(self, source => source.spawned(parent, child));
    }

    #[inline]
    fn finished(&mut self, task: TaskKey) {
        forward!(self, source => source.finished(task));
    }

    fn unapplied(&self) -> usize {
        forward!(self, source => source.unapplied())
    }
}

impl From<Bytes> for AnySource {
    fn from(source: Bytes) -> Self {
        Self::Other(Box::new(source))
    }
}

/// The source that makes the decisions of a schedule.
impl From<&Schedule> for AnySource {
    fn from(schedule: &Schedule) -> Self {
        schedule.source()
    }
}

impl<S: Source + 'static> From<Box<S>> for AnySource {
    fn from(source: Box<S>) -> Self {
        Self::Other(source)
    }
}
