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

use super::slots::Slots;
use super::{Draw, Strategy};
use crate::source::Ready;
use crate::{Operation, TaskKey};

/// With more ready tasks than this, tasks are picked at random and turned down in proportion, instead of adding up all.
const CROWD: usize = 256;

/// How many tasks are turned down in a crowd before one is taken as it comes.
const PATIENCE: u32 = 64;

/// In proportion to what is left of each task.
#[derive(Debug)]
pub struct Urw {
    /// By key.
    counts: Vec<(TaskKey, u32)>,
    left: Slots<Option<u32>>,
    /// What is left of each ready task, and its slot.
    ready: Vec<(u32, u32)>,
    /// The sum of what is left of the ready tasks.
    total: u64,
    /// The most that was ever left of a task.
    most: u32,
    current: u32,
    /// The task that was chosen when the running one gave way.
    chosen: Option<u32>,
}

impl Urw {
    /// `counts` says how many steps a task and all its descendants take.
    #[must_use]
    pub fn new(counts: &[(TaskKey, u32)]) -> Self {
        let mut counts = counts.to_vec();
        counts.sort_unstable();
        Self {
            counts,
            left: Slots::default(),
            ready: Vec::new(),
            total: 0,
            most: 1,
            current: 0,
            chosen: None,
        }
    }

    fn count(&self, task: TaskKey) -> u32 {
        let found = self.counts.binary_search_by_key(&task, |entry| entry.0);
        found.map_or(1, |index| self.counts[index].1.max(1))
    }

    /// One step fewer is left of the running task.
    #[inline]
    fn step(&mut self) {
        if let Some(left) = self.left.at(self.current) {
            *left = left.saturating_sub(1).max(1);
        }
    }

    /// The index of a ready task, each with a chance in proportion to what is left of it.
    #[inline]
    fn pick(&self, draw: &mut Draw) -> usize {
        let count = self.ready.len();
        if count < 2 {
            return 0;
        }
        if count > CROWD {
            return self.pick_in_crowd(draw);
        }
        self.index_of(below(self.total, draw))
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

    #[cold]
    fn pick_in_crowd(&self, draw: &mut Draw) -> usize {
        let count = u32::try_from(self.ready.len()).expect("fewer than 2^32 tasks are ready");
        for _ in 0..PATIENCE {
            let index = draw.below(count) as usize;
            if draw.below(self.most) < self.ready[index].0 {
                return index;
            }
        }
        draw.below(count) as usize
    }

    #[inline]
    fn take(&mut self, index: usize) -> u32 {
        let (left, slot) = self.ready.swap_remove(index);
        self.total -= u64::from(left);
        slot
    }
}

/// A number below `bound`.
#[inline]
fn below(bound: u64, draw: &mut Draw) -> u64 {
    match u32::try_from(bound) {
        Ok(bound) => u64::from(draw.below(bound)),
        Err(_) => ((u128::from(draw.number()) * u128::from(bound)) >> 64) as u64,
    }
}

impl Strategy for Urw {
    #[inline]
    fn ready(&mut self, task: Ready, _draw: &mut Draw) {
        let left = match *self.left.of(task.slot, task.task) {
            Some(left) => left,
            None => {
                let count = self.count(task.task);
                *self.left.at(task.slot) = Some(count);
                self.most = self.most.max(count);
                count
            }
        };
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
        self.current = self.take(index);
        self.step();
        Some(self.current)
    }

    fn wants_operations(&self) -> bool {
        true
    }

    #[inline]
    fn gives_way(&mut self, _task: TaskKey, _operation: Operation, draw: &mut Draw) -> bool {
        if self.chosen.is_some() {
            return true;
        }
        if !self.ready.is_empty() {
            let left = u64::from(self.left.at(self.current).unwrap_or(1));
            let point = below(self.total + left, draw);
            if point < self.total {
                let crowd = self.ready.len() > CROWD;
                let index = if crowd { self.pick_in_crowd(draw) } else { self.index_of(point) };
                self.chosen = Some(self.ready[index].1);
                return true;
            }
        }
        self.step();
        false
    }

    fn spawned(&mut self, parent: TaskKey, child: TaskKey) {
        let slot =
            if self.left.is(self.current, parent) { Some(self.current) } else { self.left.find(parent) };
        let count = self.count(child);
        if let Some(slot) = slot
            && let Some(left) = self.left.at(slot)
        {
            *left = left.saturating_sub(count).max(1);
        }
    }
}
