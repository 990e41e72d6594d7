//! The remaining work of each task, by which URW and SURW weigh tasks.
//!
//! # Invariants
//! - The work of a future child counts as its parent's until the child is spawned, and as the child's from then on.

use super::Draw;
use super::task_table::TaskTable;
use crate::TaskKey;
use crate::sorting::{pair, sort_by_number};

/// The remaining work of each task and of the descendants that it has yet to spawn.
#[derive(Debug, Default)]
pub(super) struct Weights {
    /// The estimates of whole tasks, sorted by key.
    counts: Vec<(TaskKey, u32)>,
    /// The least remaining work of any task.
    least: u32,
    left: TaskTable<Option<u32>>,
    /// The most remaining work that any task has had.
    most: u32,
}

impl Weights {
    /// Begins a run that reuses the memory of the last one. Every task has at least `least` work left, unknown ones
    /// exactly that.
    pub(super) fn reset(&mut self, counts: &[(TaskKey, u32)], least: u32) {
        let Self { counts: own, least: own_least, left, most } = self;
        *own_least = least;
        own.clear();
        own.extend_from_slice(counts);
        if !own.is_sorted() {
            sort_by_number(own, |(task, count)| pair(task.0, (*count).into()));
        }
        left.clear();
        *most = 1;
    }

    fn estimate(&self, task: TaskKey) -> u32 {
        let found = self.counts.binary_search_by_key(&task, |entry| entry.0);
        found.map_or(self.least, |index| self.counts[index].1.max(self.least))
    }

    /// Returns the remaining work of a task, which may be new.
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

    /// Returns the remaining work of the task in `slot`.
    #[inline]
    pub(super) fn at(&mut self, slot: u32) -> u32 {
        self.left.at(slot).unwrap_or(self.least)
    }

    /// Takes one step off the task in `slot`.
    #[inline]
    pub(super) fn step(&mut self, slot: u32) {
        let least = self.least;
        if let Some(left) = self.left.at(slot) {
            *left = left.saturating_sub(1).max(least);
        }
    }

    /// Moves the child's share from its parent to the child. `running` is the slot of the running task, which usually
    /// is the parent. Returns the share, and the remaining work of the parent before.
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

    /// Returns whether `slot` is known to hold `task`.
    pub(super) fn is(&self, slot: u32, task: TaskKey) -> bool {
        self.left.is(slot, task)
    }

    /// Picks one of `many` by rejection sampling, with chances proportional to their weights, without summing all of
    /// them.
    #[cold]
    pub(super) fn pick_by_rejection(
        &self,
        many: usize,
        weight: impl Fn(usize) -> u32,
        draw: &mut Draw,
    ) -> usize {
        for _ in 0..REJECTIONS_MAX {
            let index = draw.index(many);
            if draw.below(self.most) < weight(index) {
                return index;
            }
        }
        draw.index(many)
    }
}

/// After this many rejections the next one is taken whatever its weight.
const REJECTIONS_MAX: u32 = 64;

/// Draws a number below `bound`.
#[inline]
pub(super) fn below(bound: u64, draw: &mut Draw) -> u64 {
    match u32::try_from(bound) {
        Ok(bound) => u64::from(draw.below(bound)),
        Err(_) => ((u128::from(draw.number()) * u128::from(bound)) >> 64) as u64,
    }
}
