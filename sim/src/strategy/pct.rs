//! PCT: random task priorities that change at a few random points. Burckhardt, Kothari, Musuvathi, Nagarakatte: *A
//! Randomized Scheduler with Probabilistic Guarantees of Finding Bugs*, ASPLOS 2010.
//!
//! Every task has a random priority, and the ready task with the highest priority runs. At each of `d - 1` change
//! points (`d` is the depth), the task that would run is demoted below all others. With `n` tasks of `k` steps in
//! total, PCT finds a bug that needs `d` ordering constraints with a probability of at least `1 / (n * k^(d-1))`.
//!
//! PCT is weak where tasks poll for each other: a spinning task with the highest priority keeps the others from
//! running.
//!
//! Deviations from the paper:
//! - A run has between 1 and `depth - 1` change points, chosen at random (none at depth 1), instead of exactly `depth -
//!   1`.
//! - After [`UNFAIR_FACTOR`] times its steps (and [`UNFAIR_STEPS`] more), the run continues as a random walk, which is
//!   fair.
//! - A demoted task gets the lowest priority so far, instead of one fixed in advance for its change point.
//!
//! Parameters: the depth, and the number of steps within which the change points lie.
//!
//! # Invariants
//! - Only steps at which two or more tasks could run are counted. At other steps nothing is drawn.
//! - No two tasks have the same priority.

use std::collections::BinaryHeap;

use super::change_points::ChangePoints;
use super::task_table::TaskTable;
use super::{Draw, Strategy};
use crate::{Operation, Ready, TaskKey};

/// A task's priority; the highest runs. 0 means that none has been drawn yet.
type Priority = u64;

/// Initial random priorities are at least this; those of demoted tasks count down from it.
const LOWEST_AT_FIRST: Priority = 1 << 63;

/// After this many times its steps, and [`UNFAIR_STEPS`] more, a run continues as a random walk.
const UNFAIR_FACTOR: u64 = 4;

/// The steps that even a short run may take before it becomes a random walk; see [`UNFAIR_FACTOR`].
const UNFAIR_STEPS: u64 = 1_000;

/// Random priorities with a few change points.
#[derive(Debug, Default)]
pub struct Pct {
    depth: u32,
    priorities: TaskTable<Priority>,
    /// The ready task, if it is the only one: it needs no priority yet.
    alone: Option<u32>,
    /// The priority and slot of each ready task, if there are several.
    ready: BinaryHeap<(Priority, u32)>,
    /// The slots of the ready tasks once the run is a random walk.
    walk_ready: Vec<u32>,
    /// The choices at which the task with the highest priority is demoted.
    change_points: ChangePoints,
    /// The number of demotions so far.
    demotions: u64,
    current: u32,
    /// Whether the running task was preempted, so that the next choice has been made already.
    decided: bool,
}

impl Pct {
    /// Creates a run with up to `depth - 1` change points within the first `steps` choices.
    #[must_use]
    pub fn new(depth: u32, steps: u32) -> Self {
        Self { depth: depth.max(1), change_points: ChangePoints::within(steps), ..Self::default() }
    }

    /// Begins a run that reuses the memory of the last one.
    pub(super) fn reset(&mut self, depth: u32, steps: u32) {
        let Self { mut priorities, mut ready, mut walk_ready, .. } = std::mem::take(self);
        priorities.clear();
        ready.clear();
        walk_ready.clear();
        *self = Self { priorities, ready, walk_ready, ..Self::new(depth, steps) };
    }

    #[inline]
    fn priority(&mut self, slot: u32, draw: &mut Draw) -> Priority {
        match *self.priorities.at(slot) {
            0 => self.first_priority(slot, draw),
            priority => priority,
        }
    }

    /// Kept out of line: it runs once a task, the rest at every step.
    #[cold]
    #[inline(never)]
    fn first_priority(&mut self, slot: u32, draw: &mut Draw) -> Priority {
        let priority = draw.number() | LOWEST_AT_FIRST;
        *self.priorities.at(slot) = priority;
        priority
    }

    /// Gives the task the lowest priority so far and returns it.
    fn demote(&mut self, slot: u32) -> Priority {
        self.demotions += 1;
        let priority = LOWEST_AT_FIRST - self.demotions;
        *self.priorities.at(slot) = priority;
        priority
    }

    /// Counts a choice; returns whether it is a change point.
    #[inline]
    fn is_change_point(&mut self, draw: &mut Draw) -> bool {
        let depth = self.depth;
        let many = |draw: &mut Draw| match depth {
            1 | 2 => depth - 1,
            _ => 1 + draw.below(depth - 1),
        };
        self.change_points.next(draw, many) > 0
    }

    #[inline]
    fn is_random_walk(&self) -> bool {
        self.change_points.counted() >= u64::from(self.change_points.steps()) * UNFAIR_FACTOR + UNFAIR_STEPS
    }

    #[cold]
    fn start_random_walk(&mut self) {
        let ready = std::mem::take(&mut self.ready).into_vec();
        self.walk_ready.extend(ready.into_iter().map(|(_, slot)| slot).chain(self.alone.take()));
    }

    fn next_of_walk(&mut self, draw: &mut Draw) -> Option<u32> {
        if !self.ready.is_empty() || self.alone.is_some() {
            self.start_random_walk();
        }
        match self.walk_ready.len() {
            0 | 1 => self.walk_ready.pop(),
            count => Some(self.walk_ready.swap_remove(draw.index(count))),
        }
    }

    #[inline]
    fn highest(&mut self, draw: &mut Draw) -> Option<u32> {
        if self.is_random_walk() {
            return self.next_of_walk(draw);
        }
        if self.alone.is_some() {
            return self.alone.take();
        }
        let decided = std::mem::take(&mut self.decided);
        if self.ready.len() > 1 && !decided && self.is_change_point(draw) {
            let slot = self.ready.peek()?.1;
            let lowest = self.demote(slot);
            *self.ready.peek_mut()? = (lowest, slot);
        }
        Some(self.ready.pop()?.1)
    }
}

impl Strategy for Pct {
    #[inline]
    fn ready(&mut self, task: Ready, draw: &mut Draw) {
        self.priorities.of(task.slot, task.task);
        if self.is_random_walk() {
            self.walk_ready.push(task.slot);
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
        if self.is_random_walk() {
            let others = self.walk_ready.len() + self.ready.len() + usize::from(self.alone.is_some());
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
        self.decided = if self.is_change_point(draw) {
            self.demote(self.current);
            true
        } else {
            self.ready.peek().is_some_and(|&(other, _)| other > mine)
        };
        self.decided
    }
}
