//! A random walk that may also turn aside before an operation: what several strategies do when they do nothing else.
//!
//! Always true: where one task alone could run nothing is drawn; and before an operation each task that could run, the
//! one that is under way included, is as likely to be next as any other.

use super::Draw;

/// Uniform over the ready tasks.
#[derive(Debug, Default)]
pub(super) struct Walk {
    /// Slots; one that has given way comes last.
    ready: Vec<u32>,
    /// The last of them has given way: another one is next.
    turned: bool,
}

impl Walk {
    /// Takes out the slots of the last run.
    pub(super) fn clear(&mut self) {
        self.ready.clear();
        self.turned = false;
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

    /// Takes the next.
    #[inline]
    pub(super) fn next(&mut self, draw: &mut Draw) -> Option<u32> {
        let turned = std::mem::take(&mut self.turned);
        match self.len() {
            0 | 1 => self.ready.pop(),
            2 if turned => Some(self.ready.swap_remove(0)),
            count => {
                let index = draw.below(if turned { count - 1 } else { count });
                Some(self.ready.swap_remove(index as usize))
            }
        }
    }

    /// Whether the task under way gives way to another.
    #[inline]
    pub(super) fn turns(&mut self, draw: &mut Draw) -> bool {
        self.turned = self.turned || (!self.ready.is_empty() && draw.below(self.len() + 1) != 0);
        self.turned
    }

    /// Takes out the slot given, if it is there.
    pub(super) fn remove(&mut self, slot: u32) -> bool {
        let place = self.ready.iter().position(|other| *other == slot);
        place.map(|index| self.ready.remove(index)).is_some()
    }

    /// Moves all to `others`.
    pub(super) fn empty_into(&mut self, others: &mut Vec<u32>) {
        others.append(&mut self.ready);
        self.turned = false;
    }

    /// Takes over all of `others`.
    pub(super) fn take_over(&mut self, others: &mut Vec<u32>) {
        self.ready.append(others);
        self.turned = false;
    }
}
