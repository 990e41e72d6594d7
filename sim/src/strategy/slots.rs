//! What a strategy knows of each task, found by the task's slot.
//!
//! Always true: a slot is a place to look and never a reason for a choice; an entry belongs to one task, and starts anew
//! when the slot is given to another.

use crate::TaskKey;

/// An entry for each task, by slot.
#[derive(Debug)]
pub(super) struct Slots<T>(Vec<(TaskKey, T)>);

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Copy + Default> Slots<T> {
    /// The entry of `task`, which is in `slot`.
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

    /// The entry of whoever is in `slot`.
    #[inline]
    pub(super) fn at(&mut self, slot: u32) -> &mut T {
        &mut self.0[slot as usize].1
    }

    /// Whether `slot` is known to be that of `task`.
    #[inline]
    pub(super) fn is(&self, slot: u32, task: TaskKey) -> bool {
        self.0.get(slot as usize).is_some_and(|entry| entry.0 == task)
    }

    /// The slot of `task`, looked for in all of them: for what happens seldom.
    pub(super) fn find(&self, task: TaskKey) -> Option<u32> {
        let index = self.0.iter().position(|entry| entry.0 == task)?;
        u32::try_from(index).ok()
    }

    /// The first slot with an entry of this kind: for what happens seldom.
    pub(super) fn position(&self, is: impl Fn(T) -> bool) -> Option<u32> {
        let index = self.0.iter().position(|entry| is(entry.1))?;
        u32::try_from(index).ok()
    }

    /// Forgets all, and gives back room that was for very many.
    pub(super) fn empty(&mut self) {
        const KEPT_MAX: usize = 1_000;
        self.0.clear();
        self.0.shrink_to(KEPT_MAX);
    }

    #[cold]
    fn grow(&mut self, index: usize) {
        self.0.resize(index + 1, (TaskKey(0), T::default()));
    }
}
