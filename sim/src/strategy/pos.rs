//! POS: partial order sampling. Yuan, Yang, Gu: *Partial Order Aware Concurrency Sampling*, CAV 2018.
//!
//! Every pending operation has a random priority, and the task whose operation has the highest priority runs. Then new
//! priorities are drawn for the next operation of that task and for every pending operation that races with the one
//! just performed. So the orders of independent operations are not sampled separately, and each order of two racing
//! operations is equally likely.
//!
//! POS is weak where a bug needs one order of many tasks in a row, because each step forgets the priorities before it.
//!
//! Deviation from the paper: the paper knows every task's next operation. Here it is unknown for a task that was
//! spawned or woken. Three runs in four therefore prefer such tasks: they run at once, until their first operation. In
//! the fourth, they have random priorities like the others, so that every schedule is possible.
//!
//! No parameters.
//!
//! # Invariants
//! - A task whose next operation is unknown races with nothing.
//! - Where only one task could run, nothing is drawn.

use super::fairness::Fairness;
use super::wake_priority::{NONE, WakePriority, placed};
use super::{Draw, SCAN_MAX, Strategy};
use crate::{Operation, Ready, TaskKey};

#[derive(Debug)]
struct Pending {
    priority: u32,
    slot: u32,
    operation: Option<Operation>,
}

/// A random priority for each pending operation, redrawn where there is a race.
#[derive(Debug, Default)]
pub struct Pos {
    ready: Vec<Pending>,
    wake_priority: WakePriority,
    current: u32,
    /// The priority of the operation before which the running task was preempted.
    preempted_priority: u32,
    /// The index of the task chosen in its place, and the number of ready tasks at that time. The choice is valid only
    /// if none but the preempted task has become ready since.
    chosen: Option<(usize, usize)>,
    fairness: Fairness,
}

impl Pos {
    /// Creates the state of a run without ready tasks.
    #[must_use]
    pub fn new() -> Self {
        let mut pos = Self::default();
        pos.reset();
        pos
    }

    /// Begins a run that reuses the memory of the last one.
    pub(super) fn reset(&mut self) {
        let mut ready = std::mem::take(&mut self.ready);
        ready.clear();
        // Capacity for a few tasks at once: growing step by step would take as long as a short run.
        ready.reserve(8);
        *self = Self { ready, ..Self::default() };
    }

    /// Returns the index of the highest priority and its value. Draws the missing priorities.
    #[inline]
    fn highest(&mut self, draw: &mut Draw) -> (usize, u32) {
        let prefers_woken = self.wake_priority.is_on(draw);
        let (mut best, mut highest) = (0, NONE);
        for (index, pending) in self.ready.iter_mut().enumerate() {
            if pending.priority == NONE {
                pending.priority = placed(draw.priority(), prefers_woken, pending.operation.is_none());
            }
            best = if pending.priority > highest { index } else { best };
            highest = highest.max(pending.priority);
        }
        (best, highest)
    }
}

impl Strategy for Pos {
    #[inline]
    fn ready(&mut self, task: Ready, _draw: &mut Draw) {
        let priority =
            if task.slot == self.current { std::mem::take(&mut self.preempted_priority) } else { NONE };
        let operation = task.announced.map(|announced| announced.operation);
        self.ready.push(Pending { priority, slot: task.slot, operation });
    }

    #[inline]
    fn next(&mut self, draw: &mut Draw) -> Option<u32> {
        let index = match (self.ready.len(), self.chosen.take()) {
            (0, _) => return None,
            (1, _) => 0,
            (count, None) if self.fairness.demands_random(draw) => draw.index(count),
            (count, Some((index, among))) if count == among + 1 => index,
            (count, _) if count > SCAN_MAX => draw.index(count),
            _ => self.highest(draw).0,
        };
        self.current = self.ready.swap_remove(index).slot;
        self.preempted_priority = NONE;
        Some(self.current)
    }

    fn wants_operations(&self) -> bool {
        true
    }

    #[inline]
    fn should_preempt(&mut self, _task: TaskKey, _operation: Operation, draw: &mut Draw) -> bool {
        if self.ready.is_empty() {
            return false;
        }
        if self.preempted_priority != NONE {
            return true;
        }
        let drawn = draw.priority();
        let mine = placed(drawn, self.wake_priority.is_on(draw), false);
        let among = self.ready.len();
        if self.fairness.demands_random(draw) {
            self.chosen = Some((draw.index(among), among));
        } else if among <= SCAN_MAX {
            let (index, highest) = self.highest(draw);
            if mine > highest {
                return false;
            }
            self.chosen = Some((index, among));
        }
        self.preempted_priority = mine;
        true
    }

    fn time_passed(&mut self) {
        self.fairness.restart();
    }

    #[inline]
    fn performed(&mut self, _task: TaskKey, operation: Operation, _draw: &mut Draw) {
        if self.ready.len() > SCAN_MAX {
            return;
        }
        self.chosen = None;
        for pending in &mut self.ready {
            let races = pending.operation.is_some_and(|pending| pending.races_with(operation));
            pending.priority = if races { NONE } else { pending.priority };
        }
    }
}
