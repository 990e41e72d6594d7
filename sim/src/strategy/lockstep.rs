//! Lockstep: tasks take turns, one operation each.
//!
//! The opposite of the quiet run, in which a task goes on for as long as it can: here each gives way before every
//! operation, and goes behind all others that are ready. Whatever two tasks do in the same order they do at the same time:
//! both read before either writes, both take their first lock before either takes its second. So the plainest races and
//! deadlocks show in the very first such run. Weak beyond: there are few such runs.
//!
//! In most runs a task that starts or was woken takes a random place among those that are ready; in the others it goes
//! behind them.
//!
//! Always true: no task does two operations while another is ready; where one task alone could run nothing is drawn.

use std::collections::VecDeque;

use super::{Draw, Strategy};
use crate::{Operation, Ready, TaskKey};

/// One run in so many keeps the order of arrival.
const ORDERLY_ONE_IN: u32 = 4;

/// Tasks take turns, one operation each.
#[derive(Debug, Default)]
pub struct Lockstep {
    /// Slots, in the order of their turns.
    ready: VecDeque<u32>,
    /// Whether new arrivals keep their order; `None` before the first choice.
    orderly: Option<bool>,
}

impl Lockstep {
    /// Begins a run in the memory of the last one.
    pub(super) fn renew(&mut self) {
        self.ready.clear();
        self.orderly = None;
    }
}

impl Strategy for Lockstep {
    #[inline]
    fn ready(&mut self, task: Ready, draw: &mut Draw) {
        let others = self.ready.len() as u32;
        if task.announced.is_some() || others == 0 {
            self.ready.push_back(task.slot);
            return;
        }
        if *self.orderly.get_or_insert_with(|| draw.below(ORDERLY_ONE_IN) == 0) {
            self.ready.push_back(task.slot);
        } else {
            let place = draw.below(others + 1);
            self.ready.insert(place as usize, task.slot);
        }
    }

    #[inline]
    fn next(&mut self, _draw: &mut Draw) -> Option<u32> {
        self.ready.pop_front()
    }

    fn wants_operations(&self) -> bool {
        true
    }

    #[inline]
    fn should_preempt(&mut self, _task: TaskKey, _operation: Operation, _draw: &mut Draw) -> bool {
        !self.ready.is_empty()
    }
}
