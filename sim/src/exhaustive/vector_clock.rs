//! Vector clocks: [`VectorClock`] records which steps of a run happen before a step.
//!
//! # Invariants
//! - The entry of a task in a step's clock is the number of the task's last step that happens before the step or is it.
//!   All earlier steps of that task happen before the step, too.

/// The number of steps of each task that happen before a step, that step included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct VectorClock(Vec<u32>);

impl VectorClock {
    /// Returns whether the step with this number (the task's first is 1) is included.
    pub(super) fn has(&self, task: u32, number: u32) -> bool {
        self.0.get(task as usize).is_some_and(|&last| last >= number)
    }

    /// Adds everything that happens before `other`.
    pub(super) fn join(&mut self, other: &Self) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            *mine = (*mine).max(*theirs);
        }
    }

    pub(super) fn set(&mut self, task: u32, number: u32) {
        let index = task as usize;
        if self.0.len() <= index {
            self.0.resize(index + 1, 0);
        }
        self.0[index] = number;
    }

    pub(super) fn copy_from(&mut self, other: &Self) {
        self.0.clone_from(&other.0);
    }

    pub(super) fn get(&self, task: u32) -> u32 {
        self.0.get(task as usize).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::VectorClock;

    #[test]
    fn joins_by_the_later_of_both() {
        let (mut one, mut two) = (VectorClock::default(), VectorClock::default());
        one.set(0, 3);
        two.set(2, 1);
        two.set(0, 2);
        one.join(&two);
        assert!(one.has(0, 3) && !one.has(0, 4) && one.has(2, 1) && !one.has(1, 1));
        assert_eq!((one.get(1), one.get(9)), (0, 0));
    }
}
