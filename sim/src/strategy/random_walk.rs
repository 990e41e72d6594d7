//! A random walk that may also preempt a task before an operation: the default behaviour inside several strategies.
//!
//! # Invariants
//! - Where only one task could run, nothing is drawn.
//! - Before an operation, each task that could run is equally likely to be next, the running one included.

use super::Draw;

/// Uniform over the ready tasks.
#[derive(Debug, Default)]
pub(super) struct RandomWalk {
    /// The slots of the ready tasks; that of the preempted task comes last.
    ready: Vec<u32>,
    /// Whether the last of them was just preempted, so that another one is next.
    preempting: bool,
}

impl RandomWalk {
    /// Removes the slots of the last run.
    pub(super) fn clear(&mut self) {
        self.ready.clear();
        self.preempting = false;
    }

    #[inline]
    pub(super) fn push(&mut self, slot: u32) {
        self.ready.push(slot);
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.ready.is_empty()
    }

    #[inline]
    pub(super) fn len(&self) -> u32 {
        u32::try_from(self.ready.len()).expect("fewer than 2^32 tasks are ready")
    }

    /// Removes the next task and returns its slot.
    #[inline]
    pub(super) fn next(&mut self, draw: &mut Draw) -> Option<u32> {
        let preempting = std::mem::take(&mut self.preempting);
        match self.len() {
            0 | 1 => self.ready.pop(),
            2 if preempting => Some(self.ready.swap_remove(0)),
            count => {
                let index = draw.below(if preempting { count - 1 } else { count });
                Some(self.ready.swap_remove(index as usize))
            }
        }
    }

    /// Returns whether to preempt the running task.
    #[inline]
    pub(super) fn should_preempt(&mut self, draw: &mut Draw) -> bool {
        self.preempting = self.preempting || (!self.ready.is_empty() && draw.below(self.len() + 1) != 0);
        self.preempting
    }

    /// Removes this slot; returns whether it was there.
    pub(super) fn remove(&mut self, slot: u32) -> bool {
        let place = self.ready.iter().position(|other| *other == slot);
        place.map(|index| self.ready.remove(index)).is_some()
    }

    /// Moves all slots to `others`.
    pub(super) fn empty_into(&mut self, others: &mut Vec<u32>) {
        others.append(&mut self.ready);
        self.preempting = false;
    }

    /// Moves all slots of `others` here.
    pub(super) fn take_over(&mut self, others: &mut Vec<u32>) {
        self.ready.append(others);
        self.preempting = false;
    }
}
