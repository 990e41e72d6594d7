//! URW: the uniform random walk. Zhao, Wolff, Mathur, Roychoudhury: *Selectively Uniform Concurrency Testing*, ASPLOS 2025.
//!
//! Each ready task runs next with a chance in proportion to what is left of it: its own steps, and those of the tasks that
//! it has yet to spawn. Given exact counts, every interleaving is as likely as any other; a random walk prefers those in
//! which short tasks end early. Bad where the counts are, and where most steps do not matter.
//!
//! Parameters: how many steps (resumptions, and operations that can give way) each task and all its descendants take.
//!
//! Always true: what is left of a task is never less than one step, and unknown tasks have one; where one task alone could
//! run nothing is drawn.

use super::weights::{Weights, below};
use super::{CROWD, Draw, Strategy};
use crate::{Operation, Ready, TaskKey};

/// In proportion to what is left of each task.
#[derive(Debug, Default)]
pub struct Urw {
    left: Weights,
    /// What is left of each ready task, and its slot.
    ready: Vec<(u32, u32)>,
    /// The sum of what is left of the ready tasks.
    total: u64,
    current: u32,
    /// The task that was chosen when the running one gave way.
    chosen: Option<u32>,
}

impl Urw {
    /// `counts` says how many steps a task and all its descendants take.
    #[must_use]
    pub fn new(counts: &[(TaskKey, u32)]) -> Self {
        let mut urw = Self::default();
        urw.renew(counts);
        urw
    }

    /// Begins a run in the memory of the last one.
    pub(super) fn renew(&mut self, counts: &[(TaskKey, u32)]) {
        let Self { left, ready, total, current, chosen } = self;
        left.renew(counts, 1);
        ready.clear();
        *total = 0;
        *current = 0;
        *chosen = None;
    }

    /// The index of a ready task, each with a chance in proportion to what is left of it.
    #[inline]
    fn pick(&self, draw: &mut Draw) -> usize {
        match self.ready.len() {
            0 | 1 => 0,
            count if count > CROWD => self.pick_in_crowd(draw),
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

    fn pick_in_crowd(&self, draw: &mut Draw) -> usize {
        self.left.pick_in_crowd(self.ready.len(), |index| self.ready[index].0, draw)
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
                let crowd = self.ready.len() > CROWD;
                let index = if crowd { self.pick_in_crowd(draw) } else { self.index_of(point) };
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
