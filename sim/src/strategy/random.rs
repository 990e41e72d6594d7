//! Random walk: uniform over the ready tasks at each step.
//!
//! # Invariants
//! With one ready task nothing is drawn, so a run without concurrency uses no randomness at all.

use super::{Draw, Strategy};
use crate::Ready;

/// At least so many tasks have room, once there is any.
const ROOM_MIN: usize = 16;

/// Room for more tasks than this is not kept for another run.
const ROOM_KEPT_MAX: usize = 1_000;

/// Uniform over the ready tasks at each step.
#[derive(Debug, Default)]
pub struct Random {
    /// Slots, in no particular order, and behind them room for more. Not a vector: in a debug build, to put one into that and
    /// to take it out costs more than to draw which.
    ready: Box<[u32]>,
    /// How many there are.
    count: usize,
    /// The slot of the first task, if it was ready before there was room: a run of one step needs none.
    first: Option<u32>,
    begun: bool,
}

impl Random {
    /// Begins a run in the memory of an earlier one.
    #[inline]
    pub(super) fn in_memory(ready: Box<[u32]>) -> Self {
        let ready = if ready.is_empty() { [0; ROOM_MIN].into() } else { ready };
        Self { ready, count: 0, first: None, begun: false }
    }

    /// Takes the memory, for another run.
    #[inline]
    pub(super) fn take_memory(&mut self) -> Box<[u32]> {
        if self.ready.len() > ROOM_KEPT_MAX { Box::default() } else { std::mem::take(&mut self.ready) }
    }

    /// Adds a task for which there is no room.
    #[cold]
    #[inline(never)]
    fn add(&mut self, slot: u32) {
        if !self.begun && self.ready.is_empty() {
            self.begun = true;
            self.first = Some(slot);
            return;
        }
        let mut ready = std::mem::take(&mut self.ready).into_vec();
        let room = (2 * ready.len()).max(ROOM_MIN);
        ready.extend(self.first.take());
        ready.push(slot);
        self.count = ready.len();
        ready.resize(room, 0);
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

    // Where the loop stands.
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
