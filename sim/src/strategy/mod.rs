//! Strategies: how a seed chooses among ready tasks. One strategy a file.
//!
//! Always true: a strategy is a plain state machine over [`Ready`] entries; it is told of each task that becomes ready,
//! in order of arrival, and owns the set of ready tasks in whatever shape suits it (a vector, a queue, a heap). It never
//! sees a future, and draws randomness from the stream that it is handed and from nothing else.

#[cfg(test)]
mod choiceless;
mod delay;
mod fifo;
mod haste;
mod lockstep;
mod patience;
mod pct;
mod points;
pub(crate) mod portfolio;
mod pos;
mod random;
mod slots;
pub(crate) mod spec;
mod stall;
mod starve;
mod surw;
mod urw;
mod walk;
mod weights;

use std::cell::Cell;
use std::fmt;

pub use delay::Delay;
pub use fifo::Fifo;
pub use lockstep::Lockstep;
pub use pct::Pct;
pub use pos::Pos;
pub use random::Random;
pub use spec::{StrategySpec, UnknownStrategy};
pub use stall::Stall;
pub use starve::Starve;
pub use surw::Surw;
pub use urw::Urw;

use crate::source::Ready;
use crate::{Operation, Seed, Stream, TaskKey};

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
    fn gives_way(&mut self, task: TaskKey, operation: Operation, draw: &mut Draw) -> bool {
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
}

impl Draw {
    pub(crate) fn new(seed: Seed) -> Self {
        Self { seed, stream: None }
    }

    /// As `new`, for the next run.
    pub(crate) fn renew(&mut self, seed: Seed) {
        self.seed = seed;
        if let Some(stream) = &mut self.stream {
            stream.renew(seed, crate::Domain::Schedule, 0);
        }
    }

    /// A number below `bound`.
    #[inline]
    pub fn below(&mut self, bound: u32) -> u32 {
        match &mut self.stream {
            Some(stream) => stream.below(bound),
            None => self.first(bound),
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

    #[cold]
    fn first(&mut self, bound: u32) -> u32 {
        self.stream().below(bound)
    }

    #[inline]
    fn stream(&mut self) -> &mut Stream {
        let seed = self.seed;
        // A call of its own for the first: what follows is part of every step.
        self.stream.get_or_insert_with(|| begin(seed))
    }
}

#[cold]
#[inline(never)]
fn begin(seed: Seed) -> Box<Stream> {
    match SPARE.try_with(Cell::take) {
        Ok(Some(mut spare)) => {
            spare.renew(seed, crate::Domain::Schedule, 0);
            spare
        }
        _ => Box::new(Stream::new(seed, crate::Domain::Schedule, 0)),
    }
}

thread_local! {
    /// The place of the stream of this thread's last run, for the next one.
    static SPARE: Cell<Option<Box<Stream>>> = const { Cell::new(None) };
}

impl Drop for Draw {
    fn drop(&mut self) {
        if let Some(stream) = self.stream.take() {
            // Where the thread is being torn down there is no next run.
            let _ = SPARE.try_with(|spare| spare.set(Some(stream)));
        }
    }
}
