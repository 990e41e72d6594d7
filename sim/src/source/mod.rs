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
pub(crate) use seeded::{Kept, Spare};
pub use seeded::{Lent, Seeded};

use crate::{Announced, DecisionKey, Domain, Operation, Random, Schedule, Stream, TaskKey};

/// A task that is ready to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ready {
    /// Where the simulation keeps the task: what a source gives back to name the task that it chose, and never a reason
    /// for a choice.
    pub slot: u32,
    /// Which resumption of the task this will be: 0 is its first. Going on after having given way before an operation is
    /// part of the same resumption.
    pub resume: u32,
    /// Who the task is.
    pub task: TaskKey,
    /// The operation that it has given way for, and does first when it runs; `None` where it was woken or has just been
    /// spawned, and nobody knows yet what it does next.
    pub announced: Option<Announced>,
}

impl Ready {
    /// The decision when this runs, in the domain of what kind of readiness it is.
    #[must_use]
    #[inline]
    pub fn key(&self) -> DecisionKey {
        let (domain, index) = match self.announced {
            None => (Domain::Schedule, 0),
            Some(announced) => (Domain::Operation, announced.index),
        };
        DecisionKey { domain, task: self.task, resume: self.resume, index }
    }

    /// The decision whether time passes before this runs.
    #[must_use]
    pub fn stall_key(&self) -> DecisionKey {
        let index = self.announced.map_or(0, |announced| announced.index + 1);
        DecisionKey { domain: Domain::Stall, task: self.task, resume: self.resume, index }
    }
}

/// Makes every decision of one run.
pub trait Source: fmt::Debug {
    /// A task has become ready; calls come in order of arrival.
    fn ready(&mut self, task: Ready);

    /// A task that is ready already has been woken once more, by the task that runs or by a timer.
    fn woken(&mut self, task: TaskKey) {
        let _ = task;
    }

    /// Takes the task that runs next out of the ready ones, and gives its slot; `None` when none is ready.
    ///
    /// What is taken is a step: the simulation runs the task once, and counts and records it as one.
    ///
    /// A source may also answer `None` while it holds tasks back. Then time passes, if there is anything to wait for; if
    /// not, the simulation asks it to [let go](Self::let_go).
    fn next(&mut self) -> Option<u32>;

    /// Whether the source wants to be told of operations: asked once, before the run. Else it is not told of any but those
    /// that give way of themselves.
    fn wants_operations(&self) -> bool {
        false
    }

    /// Whether the source wants to be told of each step of a task on a node, as an operation that reads the node, because
    /// what happens to nodes races with all that happens on them; asked once, before the run.
    fn wants_nodes(&self) -> bool {
        false
    }

    /// A task is about to do `operation`: whether it gives way first, and becomes ready again at once.
    fn gives_way(&mut self, key: DecisionKey, operation: Operation) -> bool {
        let _ = (key, operation);
        false
    }

    /// The task that runs does `operation` now, be it one that it has announced or one for which it can't give way.
    fn performed(&mut self, task: TaskKey, operation: Operation) {
        let _ = (task, operation);
    }

    /// No task is ready that is not held back, and time is about to move by so many nanoseconds: whether it may. If not, the
    /// source has let go of the tasks that it held back, or of some.
    fn lets_time_pass(&mut self, by_ns: u64) -> bool {
        let _ = by_ns;
        true
    }

    /// Virtual time has moved to its next instant.
    fn time_passed(&mut self) {}

    /// Nothing else can happen any more: the tasks that were held back become ready. Whether there were any.
    fn let_go(&mut self) -> bool {
        false
    }

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
    /// A seed and another of the strategies that are used much.
    Lent(Lent),
    /// Any other source.
    Other(Box<dyn Source>),
}

macro_rules! forward {
    ($self:ident, $source:ident => $call:expr) => {
        match $self {
            Self::Random($source) => $call,
            Self::Lent(lent) => {
                let $source = lent.source();
                $call
            }
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
    fn woken(&mut self, task: TaskKey) {
        forward!(self, source => source.woken(task));
    }

    #[inline(always)]
    fn next(&mut self) -> Option<u32> {
        match self {
            // Where the loop stands: what it costs is a good part of a step.
            Self::Random(source) => source.next(),
            other => other.next_of_others(),
        }
    }

    fn wants_operations(&self) -> bool {
        match self {
            Self::Random(source) => source.wants_operations(),
            Self::Lent(lent) => lent.source_ref().wants_operations(),
            Self::Other(source) => source.wants_operations(),
        }
    }

    fn wants_nodes(&self) -> bool {
        match self {
            Self::Random(source) => source.wants_nodes(),
            Self::Lent(lent) => lent.source_ref().wants_nodes(),
            Self::Other(source) => source.wants_nodes(),
        }
    }

    #[inline]
    fn gives_way(&mut self, key: DecisionKey, operation: Operation) -> bool {
        forward!(self, source => source.gives_way(key, operation))
    }

    #[inline]
    fn performed(&mut self, task: TaskKey, operation: Operation) {
        forward!(self, source => source.performed(task, operation));
    }

    #[inline]
    fn lets_time_pass(&mut self, by_ns: u64) -> bool {
        forward!(self, source => source.lets_time_pass(by_ns))
    }

    #[inline]
    fn time_passed(&mut self) {
        forward!(self, source => source.time_passed());
    }

    fn let_go(&mut self) -> bool {
        forward!(self, source => source.let_go())
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
        match self {
            Self::Random(source) => source.unapplied(),
            Self::Lent(lent) => lent.source_ref().unapplied(),
            Self::Other(source) => source.unapplied(),
        }
    }
}

impl AnySource {
    #[inline(never)]
    fn next_of_others(&mut self) -> Option<u32> {
        forward!(self, source => source.next())
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
