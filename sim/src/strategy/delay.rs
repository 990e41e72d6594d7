//! Delay bounding: first in, first out, but for a few delays. Emmi, Qadeer, Rakamarić: *Delay-Bounded Scheduling*, POPL
//! 2011.
//!
//! At each of a few random points the task that would run goes behind all others that are ready. Most bugs need but one
//! or two delays, and a schedule close to the quiet one is easy to explain. Weak where many tasks must be late, or one
//! must be late for long.
//!
//! Parameters: the most delays that a run may have (how many it has is random, and at least one where any is allowed),
//! and the number of choices that they are spread over.
//!
//! Always true: with a bound of 0 this is the quiet run; only where two or more tasks could run is there a choice, and
//! else nothing is drawn.

use std::collections::VecDeque;

use super::points::Points;
use super::{Draw, Strategy};
use crate::{Operation, Ready, TaskKey};

/// First in, first out, with a few delays.
#[derive(Debug)]
pub struct Delay {
    bound: u32,
    /// Slots, in order of arrival.
    ready: VecDeque<u32>,
    /// The choices at which the first is delayed.
    delays: Points,
    /// The running task gives way: it is behind all others, and the next choice has been made.
    decided: bool,
}

impl Delay {
    /// Up to `bound` delays within the first `steps` choices.
    #[must_use]
    pub fn new(bound: u32, steps: u32) -> Self {
        Self { bound, ready: VecDeque::new(), delays: Points::within(steps), decided: false }
    }

    /// Begins a run in the memory of the last one.
    pub(super) fn renew(&mut self, bound: u32, steps: u32) {
        let mut ready = std::mem::take(&mut self.ready);
        ready.clear();
        *self = Self { ready, ..Self::new(bound, steps) };
    }

    /// Counts a choice; how many of the first are delayed at it.
    #[inline]
    fn delays_now(&mut self, draw: &mut Draw) -> u32 {
        if self.bound == 0 {
            return 0;
        }
        let bound = self.bound;
        self.delays.next(draw, |draw| if bound > 1 { 1 + draw.below(bound) } else { 1 })
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
        // This task is the first of those that are delayed.
        self.rotate(delays - 1);
        self.decided = true;
        true
    }
}
