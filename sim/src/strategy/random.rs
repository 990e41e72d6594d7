//! Random walk: uniform over the ready tasks at each step.
//!
//! Always true: with one ready task nothing is drawn, so a run without concurrency uses no randomness at all.

use std::cell::Cell;
use std::mem::take;

use super::{Draw, Strategy};
use crate::source::Ready;

/// Uniform over the ready tasks at each step.
#[derive(Debug)]
pub struct Random {
    /// Slots, in no particular order, and behind them room for more. Not a vector: in a debug build, to put one into that and
    /// to take it out costs more than to draw which.
    ready: Box<[u32]>,
    /// How many there are.
    count: usize,
}

impl Default for Random {
    fn default() -> Self {
        let spare = SPARE.try_with(Cell::take).ok().flatten();
        // Room for a few tasks at once: growing to it would take as long as a short run.
        Self { ready: spare.unwrap_or_else(|| [0; ROOM_MIN].into()), count: 0 }
    }
}

thread_local! {
    /// The room of this thread's last run, for the next one.
    static SPARE: Cell<Option<Box<[u32]>>> = const { Cell::new(None) };
}

/// At least so many tasks have room.
const ROOM_MIN: usize = 16;

/// Room for more tasks than this is given back.
const SPARE_MAX: usize = 1_000;

impl Drop for Random {
    fn drop(&mut self) {
        let ready = take(&mut self.ready);
        if ready.len() <= SPARE_MAX {
            // Where the thread is being torn down there is no next run.
            let _ = SPARE.try_with(|spare| spare.set(Some(ready)));
        }
    }
}

impl Random {
    #[cold]
    #[inline(never)]
    fn grow(&mut self) {
        let mut ready = take(&mut self.ready).into_vec();
        let many = (2 * ready.len()).max(ROOM_MIN);
        ready.reserve_exact(many - ready.len());
        ready.resize(many, 0);
        self.ready = ready.into_boxed_slice();
    }
}

impl Strategy for Random {
    #[inline(always)]
    fn ready(&mut self, task: Ready, _draw: &mut Draw) {
        if self.count == self.ready.len() {
            self.grow();
        }
        self.ready[self.count] = task.slot;
        self.count += 1;
    }

    // Where the loop stands.
    #[inline(always)]
    fn next(&mut self, draw: &mut Draw) -> Option<u32> {
        if self.count == 0 {
            return None;
        }
        let last = self.count - 1;
        let index = if last == 0 { 0 } else { draw.index(self.count) };
        self.count = last;
        let next = self.ready[index];
        self.ready[index] = self.ready[last];
        Some(next)
    }
}
