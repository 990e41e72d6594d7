//! Strategies choose which ready task runs next. Each file holds one strategy; [`Strategy`] is the trait they
//! implement.
//!
//! A strategy is a plain state machine over [`Ready`] entries. It is notified of each task that becomes ready, in order
//! of arrival, and keeps the ready tasks in the data structure that suits it.
//!
//! # Invariants
//! - A strategy never sees a future.
//! - A strategy draws randomness only from the [`Draw`] that it is passed.

mod change_points;
mod delay;
mod fairness;
mod fifo;
mod lockstep;
#[cfg(test)]
mod no_draw_tests;
mod pct;
pub(crate) mod portfolio;
mod pos;
mod random;
mod random_walk;
mod reach;
pub(crate) mod spec;
mod stall;
mod starve;
mod state;
mod surw;
mod task_table;
mod urw;
mod wake_priority;
mod weights;

use std::fmt;

pub use delay::Delay;
pub use fifo::Fifo;
pub use lockstep::Lockstep;
pub use pct::Pct;
pub use pos::Pos;
pub use random::Random;
pub(crate) use reach::Reach;
pub use spec::{Bound, StrategySpec, UnknownStrategy};
pub use stall::Stall;
pub use starve::Starve;
pub use state::Scratch;
pub(crate) use state::{StrategyState, for_strategy};
pub use surw::Surw;
pub use urw::Urw;

use crate::stalls::SHORT_STALL_NS;
use crate::{Domain, Operation, Ready, Seed, Stream, TaskKey};

/// The most ready tasks that a strategy scans at each step. With more, it samples instead, because a scan would take
/// too long.
const SCAN_MAX: usize = 256;

/// How a run's stalls are bounded.
#[derive(Clone, Copy, Debug)]
struct StallBound {
    /// The most virtual time for which a ready task is held back.
    longest_ns: u64,
    /// Whether stalls last for a time, and not for a few moves.
    timed: bool,
}

impl StallBound {
    /// The bound of short stalls.
    const SHORT: Self = Self { longest_ns: SHORT_STALL_NS - 1, timed: false };

    /// Draws whether the stalls of a run are short (in one run of eight), or last for up to `stall_ns`. Nothing is drawn
    /// where they are all short.
    fn draw(stall_ns: u64, draw: &mut Draw) -> Self {
        match stall_ns {
            0 => Self::SHORT,
            1..SHORT_STALL_NS => Self { longest_ns: stall_ns, timed: false },
            _ if draw.below(8) == 0 => Self::SHORT,
            _ => Self { longest_ns: stall_ns, timed: true },
        }
    }

    /// Draws how long a stall lasts: `moves_max` moves at most, or all, half or a quarter of the longest time.
    fn lasts(self, moves: impl FnOnce(&mut Draw) -> u32, draw: &mut Draw) -> (u32, u64) {
        if self.timed { (u32::MAX, self.longest_ns >> draw.below(3)) } else { (moves(draw), 0) }
    }
}

/// Chooses which ready task runs next.
pub trait Strategy: fmt::Debug {
    /// Adds a task that has become ready. Calls come in order of arrival.
    fn ready(&mut self, task: Ready, draw: &mut Draw);

    /// Removes the next task from the ready ones and returns its slot; returns `None` when no task may run.
    ///
    /// A strategy draws from `draw` only where it has a choice to make.
    ///
    /// If the strategy returns `None` while it holds tasks back, virtual time advances.
    fn next(&mut self, draw: &mut Draw) -> Option<u32>;

    /// Returns whether the strategy needs to know each operation before the task performs it. Called once, before the
    /// run.
    fn wants_operations(&self) -> bool {
        false
    }

    /// Returns whether to preempt the running `task` before it performs `operation`. A preempted task becomes ready
    /// again at once. A strategy that does not want operations is asked only about those that the code under test
    /// announces explicitly.
    fn should_preempt(&mut self, task: TaskKey, operation: Operation, draw: &mut Draw) -> bool {
        let _ = (task, operation, draw);
        true
    }

    /// Records that the running `task` performs `operation`, whether or not it could have been preempted before it.
    fn performed(&mut self, task: TaskKey, operation: Operation, draw: &mut Draw) {
        let _ = (task, operation, draw);
    }

    /// Returns whether virtual time may advance by `by_ns` nanoseconds. Called when the only ready tasks are those held
    /// back. If it returns `false`, the strategy has released the tasks that it held back.
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

    /// Records that `parent` has spawned `child`, which becomes ready right after.
    fn spawned(&mut self, parent: TaskKey, child: TaskKey) {
        let _ = (parent, child);
    }

    /// Records that the task has ended. It will not become ready again.
    fn finished(&mut self, task: TaskKey) {
        let _ = task;
    }
}

/// The schedule stream of a run. The stream is created by the first draw.
#[derive(Debug)]
pub struct Draw {
    seed: Seed,
    stream: Option<Box<Stream>>,
    /// Where the run's memory is kept for the next run.
    scratch: Option<Scratch>,
}

impl Draw {
    pub(crate) fn new(seed: Seed) -> Self {
        Self { seed, stream: None, scratch: None }
    }

    /// As [`new`](Self::new), reusing the memory of earlier runs.
    #[inline]
    pub(crate) fn within(scratch: &Scratch, seed: Seed) -> Self {
        Self { seed, stream: None, scratch: Some(scratch.clone()) }
    }

    /// Returns the run's seed.
    pub(crate) fn seed(&self) -> Seed {
        self.seed
    }

    /// Ends the run and keeps the memory of its stream and of its strategy's state.
    #[inline]
    pub(crate) fn end(&mut self, state: &mut StrategyState) {
        if let Some(scratch) = self.scratch.take() {
            scratch.keep(state, self.stream.take());
        }
    }

    #[cfg(test)]
    fn has_not_begun(&self) -> bool {
        self.stream.is_none()
    }

    /// Draws a number below `bound`.
    #[inline]
    pub fn below(&mut self, bound: u32) -> u32 {
        match &mut self.stream {
            Some(stream) => stream.below(bound),
            None => self.begin().below(bound),
        }
    }

    /// Draws an index below `many`.
    #[inline]
    fn index(&mut self, many: usize) -> usize {
        debug_assert!(many <= u32::MAX as usize, "fewer than 2^32 tasks are ready");
        self.below(many as u32) as usize
    }

    /// Draws a nonzero number of 32 bits: a short-lived priority, for which ties hardly matter.
    #[inline]
    fn priority(&mut self) -> u32 {
        self.stream().next_u32().max(1)
    }

    /// Draws a number of 64 bits.
    #[inline]
    pub fn number(&mut self) -> u64 {
        self.stream().next_u64()
    }

    #[inline]
    fn stream(&mut self) -> &mut Stream {
        // Not `if let`: its borrow would extend to the `else` branch.
        if self.stream.is_none() {
            self.begin();
        }
        self.stream.as_mut().expect("it has begun")
    }

    /// Creates the stream. Kept out of line, because the code before it runs at every step.
    #[cold]
    #[inline(never)]
    fn begin(&mut self) -> &mut Stream {
        let stream = match self.scratch.as_ref().and_then(Scratch::stream) {
            Some(mut stream) => {
                stream.reset(self.seed, Domain::Schedule, 0);
                stream
            }
            None => Box::new(Stream::new(self.seed, Domain::Schedule, 0)),
        };
        self.stream.insert(stream)
    }
}
