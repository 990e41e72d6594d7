//! First in, first out: the order of the baseline run.
//!
//! # Invariants
//! - Tasks run in order of arrival and are never preempted.
//! - Nothing is drawn.

use std::collections::VecDeque;

use super::{Draw, Strategy};
use crate::{Operation, Ready, TaskKey};

/// First in, first out.
#[derive(Debug, Default)]
pub struct Fifo {
    /// The slots of the ready tasks, in order of arrival.
    ready: VecDeque<u32>,
}

impl Strategy for Fifo {
    #[inline]
    fn ready(&mut self, task: Ready, _draw: &mut Draw) {
        self.ready.push_back(task.slot);
    }

    #[inline]
    fn next(&mut self, _draw: &mut Draw) -> Option<u32> {
        self.ready.pop_front()
    }

    fn should_preempt(&mut self, _task: TaskKey, _operation: Operation, _draw: &mut Draw) -> bool {
        false
    }
}
