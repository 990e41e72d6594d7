//! Random walk: uniform over the ready tasks at each step.
//!
//! Always true: with one ready task nothing is drawn, so a run without concurrency uses no randomness at all.

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
        // Room for a few tasks at once: growing to it would take as long as a short run.
        Self { ready: Vec::with_capacity(16) }
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
