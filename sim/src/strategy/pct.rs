//! PCT: priorities at random, and a few points at which they change. Burckhardt, Kothari, Musuvathi, Nagarakatte: *A
//! Randomized Scheduler with Probabilistic Guarantees of Finding Bugs*, ASPLOS 2010.
//!
//! Every task has a random priority, and the ready task with the highest runs, until at a few random steps the task that
//! would run falls behind all others. A bug that needs `d` orders between `n` tasks of `k` steps in all is found with a
//! chance of at least `1 / (n * k^(d-1))`, given `d - 1` points. Weak where tasks wait for each other by looking again
//! and again: whoever spins with the highest priority keeps the others from running. So after an unfair beginning the
//! rest of a run is a random walk.
//!
//! Parameters: one more than the most change points that a run may have (it has at least one of them, and how many more is
//! random), and the number of steps that they are spread over.
//!
//! Always true: only steps at which two or more tasks could run are counted, and with fewer nothing is drawn; no two
//! tasks have the same priority.

use std::collections::BinaryHeap;

use super::points::Points;
use super::slots::Slots;
use super::{Draw, Strategy};
use crate::{Operation, Ready, TaskKey};

/// A task's priority; the highest runs. 0 is for one that has none yet.
type Priority = u64;

/// Priorities at random start above this; those of tasks that fell behind count down from it.
const LOWEST_AT_FIRST: Priority = 1 << 63;

/// After this many times its steps, and [`UNFAIR_STEPS`] more, a run goes on as a random walk.
const UNFAIR_FACTOR: u64 = 4;

/// See [`UNFAIR_FACTOR`]: what even a short run may take.
const UNFAIR_STEPS: u64 = 1_000;

/// Random priorities, with a few points of change.
#[derive(Debug, Default)]
pub struct Pct {
    depth: u32,
    priorities: Slots<Priority>,
    /// The only task that is ready, where there is one alone: it needs no priority.
    alone: Option<u32>,
    /// Priority and slot of each ready task, else.
    ready: BinaryHeap<(Priority, u32)>,
    /// Slots of the ready tasks once the run is a random walk.
    walking: Vec<u32>,
    /// The choices at which the first falls behind.
    changes: Points,
    /// How many times a task has fallen behind.
    fallen: u64,
    current: u32,
    /// The choice that the next step follows from has been made, and the running task gives way for it.
    decided: bool,
}

impl Pct {
    /// Up to `depth - 1` changes within the first `steps` choices.
    #[must_use]
    pub fn new(depth: u32, steps: u32) -> Self {
        Self { depth: depth.max(1), changes: Points::within(steps), ..Self::default() }
    }

    /// Begins a run in the memory of the last one.
    pub(super) fn renew(&mut self, depth: u32, steps: u32) {
        let Self { mut priorities, mut ready, mut walking, .. } = std::mem::take(self);
        priorities.empty();
        ready.clear();
        walking.clear();
        *self = Self { priorities, ready, walking, ..Self::new(depth, steps) };
    }

    #[inline]
    fn priority(&mut self, slot: u32, draw: &mut Draw) -> Priority {
        match *self.priorities.at(slot) {
            0 => self.first_priority(slot, draw),
            priority => priority,
        }
    }

    /// A call of its own: it comes once a task, and the rest is part of every step.
    #[cold]
    #[inline(never)]
    fn first_priority(&mut self, slot: u32, draw: &mut Draw) -> Priority {
        let priority = draw.number() | LOWEST_AT_FIRST;
        *self.priorities.at(slot) = priority;
        priority
    }

    /// The lowest priority that there is from now on.
    fn fall_behind(&mut self, slot: u32) -> Priority {
        self.fallen += 1;
        let priority = LOWEST_AT_FIRST - self.fallen;
        *self.priorities.at(slot) = priority;
        priority
    }

    /// Counts a choice; whether the first falls behind at it.
    #[inline]
    fn changes_now(&mut self, draw: &mut Draw) -> bool {
        let depth = self.depth;
        let many = |draw: &mut Draw| match depth {
            1 | 2 => depth - 1,
            _ => 1 + draw.below(depth - 1),
        };
        self.changes.next(draw, many) > 0
    }

    #[inline]
    fn walks(&self) -> bool {
        self.changes.counted() >= u64::from(self.changes.steps()) * UNFAIR_FACTOR + UNFAIR_STEPS
    }

    #[cold]
    fn start_walking(&mut self) {
        let ready = std::mem::take(&mut self.ready).into_vec();
        self.walking.extend(ready.into_iter().map(|(_, slot)| slot).chain(self.alone.take()));
    }

    fn walk(&mut self, draw: &mut Draw) -> Option<u32> {
        if !self.ready.is_empty() || self.alone.is_some() {
            self.start_walking();
        }
        match self.walking.len() {
            0 | 1 => self.walking.pop(),
            count => Some(self.walking.swap_remove(draw.index(count))),
        }
    }

    #[inline]
    fn highest(&mut self, draw: &mut Draw) -> Option<u32> {
        if self.walks() {
            return self.walk(draw);
        }
        if self.alone.is_some() {
            return self.alone.take();
        }
        let decided = std::mem::take(&mut self.decided);
        if self.ready.len() > 1 && !decided && self.changes_now(draw) {
            let slot = self.ready.peek()?.1;
            let behind = self.fall_behind(slot);
            *self.ready.peek_mut()? = (behind, slot);
        }
        Some(self.ready.pop()?.1)
    }
}

impl Strategy for Pct {
    #[inline]
    fn ready(&mut self, task: Ready, draw: &mut Draw) {
        self.priorities.of(task.slot, task.task);
        if self.walks() {
            self.walking.push(task.slot);
        } else if self.ready.is_empty() && self.alone.is_none() {
            self.alone = Some(task.slot);
        } else {
            if let Some(first) = self.alone.take() {
                let priority = self.priority(first, draw);
                self.ready.push((priority, first));
            }
            let priority = self.priority(task.slot, draw);
            self.ready.push((priority, task.slot));
        }
    }

    #[inline]
    fn next(&mut self, draw: &mut Draw) -> Option<u32> {
        let next = self.highest(draw)?;
        self.current = next;
        self.decided = false;
        Some(next)
    }

    fn wants_operations(&self) -> bool {
        true
    }

    #[inline]
    fn should_preempt(&mut self, _task: TaskKey, _operation: Operation, draw: &mut Draw) -> bool {
        if self.decided {
            return true;
        }
        if self.walks() {
            let others = self.walking.len() + self.ready.len() + usize::from(self.alone.is_some());
            return others > 0;
        }
        if let Some(other) = self.alone.take() {
            let priority = self.priority(other, draw);
            self.ready.push((priority, other));
        }
        if self.ready.is_empty() {
            return false;
        }
        let mine = self.priority(self.current, draw);
        self.decided = if self.changes_now(draw) {
            self.fall_behind(self.current);
            true
        } else {
            self.ready.peek().is_some_and(|&(other, _)| other > mine)
        };
        self.decided
    }
}
