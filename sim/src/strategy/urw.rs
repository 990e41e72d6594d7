//! URW: the uniform random walk. Zhao, Wolff, Mathur, Roychoudhury: *Selectively Uniform Concurrency Testing*, ASPLOS
//! 2025.
//!
//! Each ready task runs next with a chance proportional to its remaining work: its own steps, and those of the tasks
//! that it has yet to spawn. With exact counts, every interleaving is equally likely; a plain random walk prefers those
//! in which short tasks end early.
//!
//! URW is weak where the counts are wrong, and where most steps do not matter for the bug.
//!
//! Deviation from the paper: every task has at least one step left, so a task without an estimate, or with one that was
//! too low, still runs.
//!
//! Parameters: how many steps (resumptions, and operations with a preemption point) each task takes together with all
//! its descendants.
//!
//! # Invariants
//! - At least one step is left to every task, unknown tasks included.
//! - Where only one task could run, nothing is drawn.

use super::weights::{Weights, below};
use super::{Draw, SCAN_MAX, Strategy};
use crate::{Operation, Ready, TaskKey};

/// Chooses tasks in proportion to their remaining work.
#[derive(Debug, Default)]
pub struct Urw {
    left: Weights,
    /// The remaining work and the slot of each ready task.
    ready: Vec<(u32, u32)>,
    /// The sum of the remaining work of the ready tasks.
    total: u64,
    current: u32,
    /// The task that was chosen when the running one was preempted.
    chosen: Option<u32>,
}

impl Urw {
    /// Creates the state of a run; `counts` says how many steps each task and all its descendants take.
    #[must_use]
    pub fn new(counts: &[(TaskKey, u32)]) -> Self {
        let mut urw = Self::default();
        urw.reset(counts);
        urw
    }

    /// Begins a run that reuses the memory of the last one.
    pub(super) fn reset(&mut self, counts: &[(TaskKey, u32)]) {
        let Self { left, ready, total, current, chosen } = self;
        left.reset(counts, 1);
        ready.clear();
        *total = 0;
        *current = 0;
        *chosen = None;
    }

    /// Picks the index of a ready task, with chances proportional to the remaining work.
    #[inline]
    fn pick(&self, draw: &mut Draw) -> usize {
        match self.ready.len() {
            0 | 1 => 0,
            count if count > SCAN_MAX => self.pick_by_rejection(draw),
            _ => self.index_of(below(self.total, draw)),
        }
    }

    #[inline]
    fn index_of(&self, mut point: u64) -> usize {
        for (index, &(left, _)) in self.ready.iter().enumerate() {
            let left = u64::from(left);
            if point < left {
                return index;
            }
            point -= left;
        }
        unreachable!("the point lies below the sum of all")
    }

    fn pick_by_rejection(&self, draw: &mut Draw) -> usize {
        self.left.pick_by_rejection(self.ready.len(), |index| self.ready[index].0, draw)
    }
}

impl Strategy for Urw {
    #[inline]
    fn ready(&mut self, task: Ready, _draw: &mut Draw) {
        let left = self.left.of(task.slot, task.task);
        self.total += u64::from(left);
        self.ready.push((left, task.slot));
    }

    #[inline]
    fn next(&mut self, draw: &mut Draw) -> Option<u32> {
        if self.ready.is_empty() {
            return None;
        }
        let chosen = self.chosen.take().and_then(|slot| self.ready.iter().position(|entry| entry.1 == slot));
        let index = match chosen {
            Some(index) => index,
            None => self.pick(draw),
        };
        let (left, slot) = self.ready.swap_remove(index);
        self.total -= u64::from(left);
        self.current = slot;
        self.left.step(slot);
        Some(slot)
    }

    fn wants_operations(&self) -> bool {
        true
    }

    #[inline]
    fn should_preempt(&mut self, _task: TaskKey, _operation: Operation, draw: &mut Draw) -> bool {
        if self.chosen.is_some() {
            return true;
        }
        if !self.ready.is_empty() {
            let point = below(self.total + u64::from(self.left.at(self.current)), draw);
            if point < self.total {
                let crowd = self.ready.len() > SCAN_MAX;
                let index = if crowd { self.pick_by_rejection(draw) } else { self.index_of(point) };
                self.chosen = Some(self.ready[index].1);
                return true;
            }
        }
        self.left.step(self.current);
        false
    }

    fn spawned(&mut self, parent: TaskKey, child: TaskKey) {
        self.left.spawned(self.current, parent, child);
    }
}
