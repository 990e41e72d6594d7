//! Sources of decisions: a seed and a strategy, a stored schedule, or a fuzzer's bytes.
//!
//! Always true: a simulation asks its source, and nothing else, whenever it has a choice; and a source never learns
//! more than keys, arities and the order in which tasks became ready.

mod bytes;
mod replay;
mod seeded;

use std::fmt;
use std::ops::{Deref, DerefMut};

pub use bytes::Bytes;
pub use replay::Replay;
pub use seeded::Seeded;

use crate::strategy::{Strategy as _, StrategyState};
use crate::{DecisionKey, Operation, Ready, Schedule, Stream, TaskKey};

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
    fn should_preempt(&mut self, key: DecisionKey, operation: Operation) -> bool {
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
/// It dereferences to the [`Source`] in it. Its own methods do the same as those of the trait, without a call through a table,
/// and under the random strategy without any: a good part of a step would be such calls.
#[derive(Debug)]
#[non_exhaustive]
pub enum AnySource {
    /// A seed and a strategy.
    Seeded(Seeded),
    /// Any other source.
    Other(Box<dyn Source>),
}

/// Evaluates an expression for whichever source it is.
macro_rules! for_source {
    ($any:expr, $source:ident => $call:expr) => {
        match $any {
            AnySource::Seeded($source) => $call,
            AnySource::Other($source) => $call,
        }
    };
}

impl AnySource {
    /// A task has become ready; calls come in order of arrival.
    #[inline(always)]
    pub fn ready(&mut self, task: Ready) {
        match self {
            Self::Seeded(Seeded { strategy: StrategyState::Random(random), draw, .. }) => {
                random.ready(task, draw)
            }
            _ => self.ready_of_others(task),
        }
    }

    #[inline(never)]
    fn ready_of_others(&mut self, task: Ready) {
        for_source!(self, source => source.ready(task));
    }

    /// Takes the task that runs next out of the ready ones, and gives its slot; `None` when none is ready.
    #[inline(always)]
    #[expect(clippy::should_implement_trait, reason = "it is the method of a trait of this crate")]
    pub fn next(&mut self) -> Option<u32> {
        match self {
            Self::Seeded(Seeded { strategy: StrategyState::Random(random), draw, .. }) => random.next(draw),
            _ => self.next_of_others(),
        }
    }

    #[inline(never)]
    fn next_of_others(&mut self) -> Option<u32> {
        for_source!(self, source => source.next())
    }

    /// As [`Source::should_preempt`].
    #[inline]
    pub fn should_preempt(&mut self, key: DecisionKey, operation: Operation) -> bool {
        // The random strategy is asked about operations that the code under test announces by itself, and no others.
        self.is_random() || for_source!(self, source => source.should_preempt(key, operation))
    }

    /// As [`Source::wants_operations`].
    #[inline]
    #[must_use]
    pub fn wants_operations(&self) -> bool {
        for_source!(self, source => source.wants_operations())
    }

    /// As [`Source::performed`].
    #[inline]
    pub fn performed(&mut self, task: TaskKey, operation: Operation) {
        for_source!(self, source => source.performed(task, operation));
    }

    /// As [`Source::lets_time_pass`].
    #[inline]
    pub fn lets_time_pass(&mut self, by_ns: u64) -> bool {
        for_source!(self, source => source.lets_time_pass(by_ns))
    }

    /// As [`Source::time_passed`].
    #[inline]
    pub fn time_passed(&mut self) {
        for_source!(self, source => source.time_passed());
    }

    /// `parent` has spawned `child`, which becomes ready right after.
    #[inline]
    pub fn spawned(&mut self, parent: TaskKey, child: TaskKey) {
        if !self.is_random() {
            (**self).spawned(parent, child);
        }
    }

    /// The task has ended and will not be ready again.
    #[inline]
    pub fn finished(&mut self, task: TaskKey) {
        if !self.is_random() {
            (**self).finished(task);
        }
    }

    #[inline(always)]
    fn is_random(&self) -> bool {
        matches!(self, Self::Seeded(Seeded { strategy: StrategyState::Random(_), .. }))
    }
}

impl Deref for AnySource {
    type Target = dyn Source;

    #[inline]
    fn deref(&self) -> &(dyn Source + 'static) {
        match self {
            Self::Seeded(source) => source,
            Self::Other(source) => &**source,
        }
    }
}

impl DerefMut for AnySource {
    #[inline]
    fn deref_mut(&mut self) -> &mut (dyn Source + 'static) {
        match self {
            Self::Seeded(source) => source,
            Self::Other(source) => &mut **source,
        }
    }
}

impl From<Bytes> for AnySource {
    fn from(source: Bytes) -> Self {
        Self::Other(Box::new(source))
    }
}

impl<S: Source + 'static> From<Box<S>> for AnySource {
    fn from(source: Box<S>) -> Self {
        Self::Other(source)
    }
}

/// The source that makes the decisions of a schedule.
impl From<&Schedule> for AnySource {
    fn from(schedule: &Schedule) -> Self {
        schedule.source()
    }
}

impl Schedule {
    /// A source that makes the decisions of this schedule.
    #[must_use]
    pub fn source(&self) -> AnySource {
        match self {
            Self::Seeded { seed, strategy, estimates } => {
                estimates.tell(|told| AnySource::Seeded(Seeded::told(*seed, *strategy, told)))
            }
            Self::Deviations { randomness, deviations } => {
                AnySource::Other(Box::new(Replay::new(*randomness, deviations)))
            }
        }
    }
}
