//! A random walk: uniform over the ready tasks at each step.
//!
//! # Invariants
//! - With one ready task nothing is drawn, so a run without concurrency uses no randomness.

use super::{Draw, Strategy};
use crate::Ready;

/// The capacity for ready tasks, once any is allocated.
const CAPACITY_MIN: usize = 16;

/// A larger capacity than this is not kept for another run.
const CAPACITY_KEPT_MAX: usize = 1_000;

/// Uniform over the ready tasks at each step.
#[derive(Debug, Default)]
pub struct Random {
    /// The slots of the ready tasks, in no particular order, followed by spare capacity. Not a `Vec`: in a debug build,
    /// its `push` and `swap_remove` cost more than the random draw.
    ready: Box<[u32]>,
    /// The number of ready tasks.
    count: usize,
    /// The slot of the first task, if it became ready before anything was allocated: a run of one step needs no
    /// allocation.
    first: Option<u32>,
    begun: bool,
}

impl Random {
    /// Begins a run that reuses the memory of an earlier one.
    #[inline]
    pub(super) fn in_memory(ready: Box<[u32]>) -> Self {
        let ready = if ready.is_empty() { [0; CAPACITY_MIN].into() } else { ready };
        Self { ready, count: 0, first: None, begun: false }
    }

    /// Takes the memory, for use by another run.
    #[inline]
    pub(super) fn take_memory(&mut self) -> Box<[u32]> {
        if self.ready.len() > CAPACITY_KEPT_MAX { Box::default() } else { std::mem::take(&mut self.ready) }
    }

    /// Adds a task when the capacity is used up.
    #[cold]
    #[inline(never)]
    fn add(&mut self, slot: u32) {
        if !self.begun && self.ready.is_empty() {
            self.begun = true;
            self.first = Some(slot);
            return;
        }
        let mut ready = std::mem::take(&mut self.ready).into_vec();
        let capacity = (2 * ready.len()).max(CAPACITY_MIN);
        ready.extend(self.first.take());
        ready.push(slot);
        self.count = ready.len();
        ready.resize(capacity, 0);
        self.ready = ready.into_boxed_slice();
    }
}

impl Strategy for Random {
    #[inline(always)]
    fn ready(&mut self, task: Ready, _draw: &mut Draw) {
        if self.count == self.ready.len() {
            self.add(task.slot);
        } else {
            self.ready[self.count] = task.slot;
            self.count += 1;
        }
    }

    // Inlined into the event loop.
    #[inline(always)]
    fn next(&mut self, draw: &mut Draw) -> Option<u32> {
        if self.count == 0 {
            return self.first.take();
        }
        let last = self.count - 1;
        let index = if last == 0 { 0 } else { draw.index(self.count) };
        self.count = last;
        let next = self.ready[index];
        self.ready[index] = self.ready[last];
        Some(next)
    }
}
