//! Counts of what is left to be done, by task: what the uniform random walks weigh tasks by.
//!
//! Always true: what a task will spawn counts as part of it until it is spawned, and as part of the child from then on.

use super::Draw;
use super::slots::Slots;
use crate::TaskKey;

/// What is left of each task and the descendants that it has yet to spawn.
#[derive(Debug, Default)]
pub(super) struct Weights {
    /// Estimates for whole tasks, by key.
    counts: Vec<(TaskKey, u32)>,
    /// What is not known to be less.
    least: u32,
    left: Slots<Option<u32>>,
    /// The most that was ever left of a task.
    most: u32,
}

impl Weights {
    /// Begins a run in the memory of the last one. Unknown tasks have `least` left, and no task has less.
    pub(super) fn renew(&mut self, counts: &[(TaskKey, u32)], least: u32) {
        let Self { counts: own, least: own_least, left, most } = self;
        *own_least = least;
        own.clear();
        own.extend_from_slice(counts);
        if !own.is_sorted() {
            own.sort_unstable();
        }
        left.empty();
        *most = 1;
    }

    fn estimate(&self, task: TaskKey) -> u32 {
        let found = self.counts.binary_search_by_key(&task, |entry| entry.0);
        found.map_or(self.least, |index| self.counts[index].1.max(self.least))
    }

    /// What is left of a task that may be new.
    #[inline]
    pub(super) fn of(&mut self, slot: u32, task: TaskKey) -> u32 {
        if let Some(left) = *self.left.of(slot, task) { left } else { self.add(slot, task) }
    }

    fn add(&mut self, slot: u32, task: TaskKey) -> u32 {
        let estimate = self.estimate(task);
        *self.left.at(slot) = Some(estimate);
        self.most = self.most.max(estimate);
        estimate
    }

    /// What is left of whoever is in `slot`.
    #[inline]
    pub(super) fn at(&mut self, slot: u32) -> u32 {
        self.left.at(slot).unwrap_or(self.least)
    }

    /// One fewer is left of whoever is in `slot`.
    #[inline]
    pub(super) fn step(&mut self, slot: u32) {
        let least = self.least;
        if let Some(left) = self.left.at(slot) {
            *left = left.saturating_sub(1).max(least);
        }
    }

    /// The child's part is taken from the parent, which is most often the one that runs, in the slot given. Gives the
    /// part, and what was left of the parent before.
    pub(super) fn spawned(&mut self, running: u32, parent: TaskKey, child: TaskKey) -> (u32, u32) {
        let slot = if self.left.is(running, parent) { Some(running) } else { self.left.find(parent) };
        let (part, least) = (self.estimate(child), self.least);
        if let Some(slot) = slot
            && let Some(left) = self.left.at(slot)
        {
            let before = *left;
            *left = before.saturating_sub(part).max(least);
            return (part, before);
        }
        (part, 0)
    }

    /// Whether `slot` is known to be that of `task`.
    pub(super) fn is(&self, slot: u32, task: TaskKey) -> bool {
        self.left.is(slot, task)
    }

    /// One of many, each with a chance in proportion to its weight, without adding up all: some are turned down.
    #[cold]
    pub(super) fn pick_in_crowd(&self, many: usize, weight: impl Fn(usize) -> u32, draw: &mut Draw) -> usize {
        for _ in 0..PATIENCE {
            let index = draw.index(many);
            if draw.below(self.most) < weight(index) {
                return index;
            }
        }
        draw.index(many)
    }
}

/// How many are turned down in a crowd before one is taken as it comes.
const PATIENCE: u32 = 64;

/// A number below `bound`.
#[inline]
pub(super) fn below(bound: u64, draw: &mut Draw) -> u64 {
    match u32::try_from(bound) {
        Ok(bound) => u64::from(draw.below(bound)),
        Err(_) => ((u128::from(draw.number()) * u128::from(bound)) >> 64) as u64,
    }
}
