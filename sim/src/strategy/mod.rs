//! Strategies: how a seed chooses among ready tasks. One strategy a file.
//!
//! Always true: a strategy is a plain state machine over [`Ready`] entries; it is told of each task that becomes ready,
//! in order of arrival, and owns the set of ready tasks in whatever shape suits it (a vector, a queue, a heap). It never
//! sees a future, and draws randomness from the stream that it is handed and from nothing else.

#[cfg(test)]
mod choiceless;
mod delay;
mod fifo;
mod lockstep;
mod pct;
mod points;
pub(crate) mod portfolio;
mod pos;
mod priority;
mod random;
mod slots;
pub(crate) mod spec;
mod stall;
mod starve;
mod state;
mod surw;
mod urw;
mod walk;
mod weights;

use std::fmt;

pub use delay::Delay;
pub use fifo::Fifo;
pub use lockstep::Lockstep;
pub use pct::Pct;
pub use pos::Pos;
pub use random::Random;
pub use spec::{Bound, StrategySpec, UnknownStrategy};
pub use stall::Stall;
pub use starve::Starve;
pub use state::Scratch;
pub(crate) use state::{StrategyState, for_strategy};
pub use surw::Surw;
pub use urw::Urw;

use crate::{Domain, Operation, Ready, Seed, Stream, TaskKey};

/// With more ready tasks than this a strategy does not look at every one of them at each step: it would take too long.
const CROWD: usize = 256;

/// A task that is ready is never held back for this much virtual time, or more: whoever waits for a minute counts on its
/// taking less, and no machine stands still for that long.
const HELD_BACK_NS: u64 = 1_000_000_000;

/// Chooses which ready task runs next.
pub trait Strategy: fmt::Debug {
    /// A task has become ready; calls come in order of arrival.
    fn ready(&mut self, task: Ready, draw: &mut Draw);

    /// Takes the task that runs next out of the ready ones, and gives its slot; `None` when none is ready.
    ///
    /// `draw` gives the run's schedule stream; a strategy that has no choice to make leaves it alone.
    ///
    /// `None` while tasks are held back lets time pass.
    fn next(&mut self, draw: &mut Draw) -> Option<u32>;

    /// Whether the strategy wants to know what tasks are about to do, before they do it. Asked once, before the run.
    fn wants_operations(&self) -> bool {
        false
    }

    /// `task`, which runs, is about to do `operation`: whether it gives way first, and becomes ready again at once. A
    /// strategy that does not want operations is asked only about those that the code under test announces by itself.
    fn should_preempt(&mut self, task: TaskKey, operation: Operation, draw: &mut Draw) -> bool {
        let _ = (task, operation, draw);
        true
    }

    /// `task`, which runs, does `operation` now, be it one for which it could give way or not.
    fn performed(&mut self, task: TaskKey, operation: Operation, draw: &mut Draw) {
        let _ = (task, operation, draw);
    }

    /// No task is ready that is not held back, and time is about to move by so many nanoseconds: whether it may. If not, the
    /// strategy has let go of the tasks that it held back.
    fn lets_time_pass(&mut self, by_ns: u64) -> bool {
        let _ = by_ns;
        true
    }

    /// Virtual time has moved to its next instant.
    fn time_passed(&mut self) {}

    /// Nothing else can happen any more: tasks that are held back become ready. Whether there were any.
    fn let_go(&mut self) -> bool {
        false
    }

    /// `parent` has spawned `child`, which becomes ready right after.
    fn spawned(&mut self, parent: TaskKey, child: TaskKey) {
        let _ = (parent, child);
    }

    /// The task has ended and will not be ready again.
    fn finished(&mut self, task: TaskKey) {
        let _ = task;
    }
}

/// The schedule stream of a run, made when first drawn from.
#[derive(Debug)]
pub struct Draw {
    seed: Seed,
    stream: Option<Box<Stream>>,
    /// Where what the run leaves is kept.
    scratch: Option<Scratch>,
}

impl Draw {
    pub(crate) fn new(seed: Seed) -> Self {
        Self { seed, stream: None, scratch: None }
    }

    /// The same in the memory of earlier runs.
    #[inline]
    pub(crate) fn within(scratch: &Scratch, seed: Seed) -> Self {
        Self { seed, stream: None, scratch: Some(scratch.clone()) }
    }

    /// The run's seed.
    pub(crate) fn seed(&self) -> Seed {
        self.seed
    }

    /// Ends the run, which has brought its strategy to this state.
    #[inline]
    pub(crate) fn end(&mut self, state: &mut StrategyState) {
        if let Some(scratch) = self.scratch.take() {
            scratch.keep(state, self.stream.take());
        }
    }

    /// A number below `bound`.
    #[inline]
    pub fn below(&mut self, bound: u32) -> u32 {
        match &mut self.stream {
            Some(stream) => stream.below(bound),
            None => self.begin().below(bound),
        }
    }

    /// An index below `many`.
    #[inline]
    fn index(&mut self, many: usize) -> usize {
        debug_assert!(many <= u32::MAX as usize, "fewer than 2^32 tasks are ready");
        self.below(many as u32) as usize
    }

    /// A random number of 32 bits, but not 0: a priority for a moment, where it matters little if two are the same.
    #[inline]
    fn priority(&mut self) -> u32 {
        self.stream().next_u32().max(1)
    }

    /// A random number of 64 bits: a priority, say.
    #[inline]
    pub fn number(&mut self) -> u64 {
        self.stream().next_u64()
    }

    #[inline]
    fn stream(&mut self) -> &mut Stream {
        // Not `if let`: what is borrowed in it can't be begun beside it.
        if self.stream.is_none() {
            self.begin();
        }
        self.stream.as_mut().expect("it has begun")
    }

    /// Makes the stream. A call of its own: what comes before it is part of every step.
    #[cold]
    #[inline(never)]
    fn begin(&mut self) -> &mut Stream {
        let stream = match self.scratch.as_ref().and_then(Scratch::stream) {
            Some(mut stream) => {
                stream.renew(self.seed, Domain::Schedule, 0);
                stream
            }
            None => Box::new(Stream::new(self.seed, Domain::Schedule, 0)),
        };
        self.stream.insert(stream)
    }
}
