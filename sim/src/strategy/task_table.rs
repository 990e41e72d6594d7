//! A strategy's state for each task, looked up by the task's slot.
//!
//! # Invariants
//! - A slot is only a place to look and never a reason for a choice.
//! - An entry belongs to one task. It is reset when another task gets the slot.

use crate::TaskKey;

/// An entry for each task, by slot.
#[derive(Debug)]
pub(super) struct TaskTable<T>(Vec<(TaskKey, T)>);

impl<T> Default for TaskTable<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Copy + Default> TaskTable<T> {
    /// Returns the entry of `task`, which is in `slot`.
    #[inline]
    pub(super) fn of(&mut self, slot: u32, task: TaskKey) -> &mut T {
        let index = slot as usize;
        if index >= self.0.len() {
            self.grow(index);
        }
        let entry = &mut self.0[index];
        if entry.0 != task {
            *entry = (task, T::default());
        }
        &mut entry.1
    }

    /// Returns the entry of the task in `slot`.
    #[inline]
    pub(super) fn at(&mut self, slot: u32) -> &mut T {
        &mut self.0[slot as usize].1
    }

    /// Returns whether `slot` is known to hold `task`.
    #[inline]
    pub(super) fn is(&self, slot: u32, task: TaskKey) -> bool {
        self.0.get(slot as usize).is_some_and(|entry| entry.0 == task)
    }

    /// Returns the slot of `task` by scanning all of them; for rare events.
    pub(super) fn find(&self, task: TaskKey) -> Option<u32> {
        let index = self.0.iter().position(|entry| entry.0 == task)?;
        u32::try_from(index).ok()
    }

    /// Returns the first slot whose entry satisfies `is`; for rare events.
    pub(super) fn position(&self, is: impl Fn(T) -> bool) -> Option<u32> {
        let index = self.0.iter().position(|entry| is(entry.1))?;
        u32::try_from(index).ok()
    }

    /// Removes all entries and frees a large capacity.
    pub(super) fn clear(&mut self) {
        const KEPT_MAX: usize = 1_000;
        self.0.clear();
        self.0.shrink_to(KEPT_MAX);
    }

    #[cold]
    fn grow(&mut self, index: usize) {
        self.0.resize(index + 1, (TaskKey(0), T::default()));
    }
}
