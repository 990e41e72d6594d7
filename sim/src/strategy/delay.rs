//! Delay bounding: first in, first out, except for a few delays. Emmi, Qadeer, Rakamarić: *Delay-Bounded Scheduling*,
//! POPL 2011.
//!
//! At each of a few random points, the task that would run moves behind all other ready tasks. Most bugs need only one
//! or two delays, and a schedule close to the baseline is easy to explain.
//!
//! Delay bounding is weak where many tasks must be late, or one task must be late for long.
//!
//! Deviation from the paper: the paper enumerates all schedules within the bound; here the delays are drawn at random.
//!
//! Parameters: the maximum number of delays (a run has a random number of them, at least one unless the bound is 0),
//! and the number of choices within which they lie.
//!
//! # Invariants
//! - With a bound of 0 this is the baseline run.
//! - There is a choice only where two or more tasks could run; elsewhere nothing is drawn.

use std::collections::VecDeque;

use super::change_points::ChangePoints;
use super::{Draw, Strategy};
use crate::{Operation, Ready, TaskKey};

/// First in, first out, with a few delays.
#[derive(Debug)]
pub struct Delay {
    bound: u32,
    /// The slots of the ready tasks, in the order in which they run.
    ready: VecDeque<u32>,
    /// The choices at which the task at the front is delayed.
    delay_points: ChangePoints,
    /// Whether the running task was delayed before an operation, so that the next choice has been made already.
    decided: bool,
}

impl Delay {
    /// Creates a run with up to `bound` delays within the first `steps` choices.
    #[must_use]
    pub fn new(bound: u32, steps: u32) -> Self {
        Self { bound, ready: VecDeque::new(), delay_points: ChangePoints::within(steps), decided: false }
    }

    /// Begins a run that reuses the memory of the last one.
    pub(super) fn reset(&mut self, bound: u32, steps: u32) {
        let mut ready = std::mem::take(&mut self.ready);
        ready.clear();
        *self = Self { ready, ..Self::new(bound, steps) };
    }

    /// Counts a choice; returns how many delays fall on it.
    #[inline]
    fn delays_now(&mut self, draw: &mut Draw) -> u32 {
        if self.bound == 0 {
            return 0;
        }
        let bound = self.bound;
        self.delay_points.next(draw, |draw| if bound > 1 { 1 + draw.below(bound) } else { 1 })
    }

    fn rotate(&mut self, times: u32) {
        for _ in 0..times {
            if let Some(first) = self.ready.pop_front() {
                self.ready.push_back(first);
            }
        }
    }
}

impl Default for Delay {
    fn default() -> Self {
        Self::new(0, 1)
    }
}

impl Strategy for Delay {
    #[inline]
    fn ready(&mut self, task: Ready, _draw: &mut Draw) {
        self.ready.push_back(task.slot);
    }

    #[inline]
    fn next(&mut self, draw: &mut Draw) -> Option<u32> {
        let decided = std::mem::take(&mut self.decided);
        if self.ready.len() > 1 && !decided {
            let delays = self.delays_now(draw);
            self.rotate(delays);
        }
        self.ready.pop_front()
    }

    fn wants_operations(&self) -> bool {
        self.bound > 0
    }

    #[inline]
    fn should_preempt(&mut self, _task: TaskKey, _operation: Operation, draw: &mut Draw) -> bool {
        if self.decided {
            return true;
        }
        if self.ready.is_empty() {
            return false;
        }
        let delays = self.delays_now(draw);
        if delays == 0 {
            return false;
        }
        // The running task is the first of those delayed.
        self.rotate(delays - 1);
        self.decided = true;
        true
    }
}
