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
    /// Slots, in no particular order.
    ready: Vec<u32>,
}

impl Default for Random {
    fn default() -> Self {
        let spare = SPARE.try_with(Cell::take).unwrap_or_default();
        // Room for a few tasks at once: growing to it would take as long as a short run.
        Self { ready: if spare.capacity() > 0 { spare } else { Vec::with_capacity(16) } }
    }
}

thread_local! {
    /// The room of this thread's last run, for the next one.
    static SPARE: Cell<Vec<u32>> = const { Cell::new(Vec::new()) };
}

/// Room for more tasks than this is given back.
const SPARE_MAX: usize = 1_000;

impl Drop for Random {
    fn drop(&mut self) {
        let mut ready = take(&mut self.ready);
        if ready.capacity() <= SPARE_MAX {
            ready.clear();
            // Where the thread is being torn down there is no next run.
            let _ = SPARE.try_with(|spare| spare.set(ready));
        }
    }
}

impl Strategy for Random {
    #[inline]
    fn ready(&mut self, task: Ready, _draw: &mut Draw) {
        self.ready.push(task.slot);
    }

    #[inline]
    fn next(&mut self, draw: &mut Draw) -> Option<u32> {
        let count = self.ready.len();
        if count < 2 {
            return self.ready.pop();
        }
        Some(self.ready.swap_remove(draw.index(count)))
    }
}
