//! Sources of decisions: a seed with a strategy ([`Seeded`]), a stored schedule ([`Replay`]), or a fuzzer's bytes
//! ([`Bytes`]). [`Source`] is the trait they implement, and [`AnySource`] is the type that a run uses.
//!
//! # Invariants
//! - A simulation takes every nondeterministic choice from its source.
//! - A source learns only keys, arities and the order in which tasks became ready.

mod bytes;
mod replay;
mod seeded;

use std::fmt;
use std::ops::{Deref, DerefMut};

pub use bytes::Bytes;
pub use replay::Replay;
pub use seeded::Seeded;

use crate::strategy::{Strategy as _, StrategyState};
use crate::{Announced, DecisionKey, Operation, Ready, Schedule, SeedVersion, Stream, TaskKey};

/// Makes every decision of one run.
pub trait Source: fmt::Debug {
    /// Adds a task that has become ready. Calls come in order of arrival.
    fn ready(&mut self, task: Ready);

    /// Records that a ready task has been woken once more, by the running task or by a timer.
    fn woken(&mut self, task: TaskKey) {
        let _ = task;
    }

    /// Removes the next task from the ready ones and returns its slot; returns `None` when no task may run.
    ///
    /// Each returned slot is one step: the simulation runs the task once, and counts and records that as a step.
    ///
    /// A source may also return `None` while it holds tasks back. Virtual time then advances if there is anything to
    /// wait for; otherwise the simulation calls [`release_held`](Self::release_held).
    fn next(&mut self) -> Option<u32>;

    /// Returns whether the source needs to know each operation before it happens. Called once, before the run. If it
    /// returns `false`, the source is asked only about operations that the code under test announces explicitly.
    fn wants_operations(&self) -> bool {
        false
    }

    /// Returns whether each step of a task on a node is reported to the source as an operation that reads the node.
    /// What happens to a node races with everything that runs on it. Called once, before the run.
    fn wants_nodes(&self) -> bool {
        false
    }

    /// Returns which decisions the source knows. Called once, before the run.
    fn version(&self) -> SeedVersion {
        SeedVersion::default()
    }

    /// Returns whether input and output vary: a read or a write may move a part of its bytes, and a lookup may take time.
    /// If not, the source is not asked about them. Called once, before the run.
    fn varies_io(&self) -> bool {
        false
    }

    /// Receives the longest time for which the run has set a timer, or which the run took, up to
    /// [`DEADLINE_NS_MAX`](crate::DEADLINE_NS_MAX). Called once, after the run.
    fn longest_wait(&mut self, ns: u64) {
        let _ = ns;
    }

    /// Returns whether to preempt the task before it performs `operation`. A preempted task becomes ready again at
    /// once.
    fn should_preempt(&mut self, key: DecisionKey, operation: Operation) -> bool {
        let _ = (key, operation);
        false
    }

    /// Records that the running task performs `operation`, whether or not it could have been preempted before it.
    fn performed(&mut self, task: TaskKey, operation: Operation) {
        let _ = (task, operation);
    }

    /// Returns whether virtual time may advance by `by_ns` nanoseconds. Called when the only ready tasks are those held
    /// back. If it returns `false`, the source has released at least some of them.
    fn lets_time_pass(&mut self, by_ns: u64) -> bool {
        let _ = by_ns;
        true
    }

    /// Records that virtual time has advanced to its next instant.
    fn time_passed(&mut self) {}

    /// Releases the tasks that are held back, because nothing else can happen. Returns whether there were any.
    fn release_held(&mut self) -> bool {
        false
    }

    /// Chooses one of `arity` possibilities, of which 0 is the baseline choice. The returned value is less than
    /// `arity`.
    ///
    /// A simulation calls this only where there is a choice: `arity` is at least 2.
    fn choose(&mut self, key: DecisionKey, arity: u32) -> u32;

    /// Creates the stream from which the code under test draws its random numbers, for this entity (a task).
    fn user_stream(&mut self, entity: u64) -> Stream;

    /// Records that `parent` has spawned `child`, which becomes ready right after.
    fn spawned(&mut self, parent: TaskKey, child: TaskKey) {
        let _ = (parent, child);
    }

    /// Records that the task has ended. It will not become ready again.
    fn finished(&mut self, task: TaskKey) {
        let _ = task;
    }

    /// Returns the number of stored deviations that the run did not reach. It is above 0 if the schedule was made for
    /// other code.
    fn unapplied(&self) -> usize {
        0
    }

    /// Returns the longest virtual time for which a stored deviation held a ready task back, in nanoseconds.
    fn held_ns(&self) -> u64 {
        0
    }
}

/// A source in use by a run.
///
/// Dereferences to the [`Source`] in it. Its own methods do the same as those of the trait, without a virtual call and,
/// under the random strategy, without any call. Such calls would be a good part of a step's time.
#[derive(Debug)]
#[non_exhaustive]
pub enum AnySource {
    /// A seed and a strategy.
    Seeded(Seeded),
    /// Any other source.
    Other(Box<dyn Source>),
}

/// Evaluates an expression for the source in an [`AnySource`].
macro_rules! for_source {
    ($any:expr, $source:ident => $call:expr) => {
        match $any {
            AnySource::Seeded($source) => $call,
            AnySource::Other($source) => $call,
        }
    };
}

impl AnySource {
    /// Adds a task that has become ready. Calls come in order of arrival.
    #[inline(always)]
    pub fn ready(&mut self, task: Ready) {
        match self {
            Self::Seeded(Seeded { strategy: StrategyState::Random(random), draw, .. }) => {
                random.ready(task, draw)
            }
            _ => self.ready_of_others(task.slot, task.resume, task.task, task.announced),
        }
    }

    // Single arguments: the struct would be written to the stack under the random strategy, too.
    #[inline(never)]
    fn ready_of_others(&mut self, slot: u32, resume: u32, task: TaskKey, announced: Option<Announced>) {
        for_source!(self, source => source.ready(Ready { slot, resume, task, announced }));
    }

    /// Removes the next task from the ready ones and returns its slot; returns `None` when no task may run.
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

    /// As [`Source::version`].
    #[inline]
    #[must_use]
    pub fn version(&self) -> SeedVersion {
        for_source!(self, source => source.version())
    }

    /// As [`Source::varies_io`].
    #[inline]
    #[must_use]
    pub fn varies_io(&self) -> bool {
        for_source!(self, source => source.varies_io())
    }

    /// As [`Source::performed`].
    #[inline]
    pub fn performed(&mut self, task: TaskKey, operation: Operation) {
        for_source!(self, source => source.performed(task, operation));
    }

    /// As [`Source::longest_wait`].
    #[inline]
    pub fn longest_wait(&mut self, ns: u64) {
        if let Self::Other(source) = self {
            source.longest_wait(ns);
        }
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

    /// Records that `parent` has spawned `child`, which becomes ready right after.
    #[inline]
    pub fn spawned(&mut self, parent: TaskKey, child: TaskKey) {
        if !self.is_random() {
            (**self).spawned(parent, child);
        }
    }

    /// Records that the task has ended. It will not become ready again.
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

/// Creates the source that makes the decisions of a schedule.
impl From<&Schedule> for AnySource {
    fn from(schedule: &Schedule) -> Self {
        schedule.source()
    }
}

impl Schedule {
    /// Creates a source that makes the decisions of this schedule.
    #[must_use]
    pub fn source(&self) -> AnySource {
        match self {
            Self::Seeded { seed, strategy, estimates, version } => estimates.with_keys(|keyed| {
                AnySource::Seeded(Seeded::with_estimates(*seed, *strategy, keyed).of_version(*version))
            }),
            Self::Deviations { randomness, deviations } => {
                AnySource::Other(Box::new(Replay::new(*randomness, deviations)))
            }
        }
    }
}
