//! Lockstep: tasks take turns, one operation each. Not from a paper.
//!
//! In the baseline run a task continues for as long as it can. Here each task is preempted before every operation and
//! moves behind all other ready tasks. Two tasks with the same operations perform them side by side: both read before
//! either writes, and both take their first lock before either takes its second. So the simplest races and deadlocks
//! appear in the first such run.
//!
//! Lockstep is weak beyond those, because there are few such schedules.
//!
//! In three runs of four, a task that is spawned or woken takes a random place among the ready tasks. In the fourth it
//! goes behind them.
//!
//! # Invariants
//! - No task performs two operations while another is ready.
//! - Where only one task could run, nothing is drawn.

use std::collections::VecDeque;

use super::{Draw, Strategy};
use crate::{Operation, Ready, TaskKey};

/// One run in this many keeps the order of arrival.
const ORDERLY_ONE_IN: u32 = 4;

/// Tasks take turns, one operation each.
#[derive(Debug, Default)]
pub struct Lockstep {
    /// The slots of the ready tasks, in the order in which they run.
    ready: VecDeque<u32>,
    /// Whether new arrivals go to the back; `None` before the first choice.
    orderly: Option<bool>,
}

impl Lockstep {
    /// Begins a run that reuses the memory of the last one.
    pub(super) fn reset(&mut self) {
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
