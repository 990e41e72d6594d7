//! [`Footprint`]: the effects of a step on shared state, from which [`depend`] decides which steps depend on each
//! other.
//!
//! # Invariants
//! - Swapping two neighbouring independent steps of different tasks leaves every later step as it was.

use crate::{Operation, TaskKey};

/// The effects of a step that other tasks can observe.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Footprint {
    /// Its operations, each once, in order.
    pub(super) operations: Vec<Operation>,
    /// The other tasks that it woke or spawned, including those that were ready already.
    pub(super) wakes: Vec<TaskKey>,
    /// Whether the run ended with it, so that the tasks still ready never ran.
    pub(super) ends: bool,
}

impl Footprint {
    pub(super) fn performs(&mut self, operation: Operation) {
        if !self.operations.contains(&operation) {
            self.operations.push(operation);
        }
    }

    pub(super) fn wakes(&mut self, task: TaskKey) {
        if !self.wakes.contains(&task) {
            self.wakes.push(task);
        }
    }

    /// Adds the effects of another step.
    pub(super) fn merge(&mut self, other: &Self) {
        other.operations.iter().for_each(|operation| self.performs(*operation));
        other.wakes.iter().for_each(|task| self.wakes(*task));
        self.ends |= other.ends;
    }

    pub(super) fn clear(&mut self) {
        self.operations.clear();
        self.wakes.clear();
        self.ends = false;
    }
}

/// Returns whether the order of two steps may matter. Each step is given by its task and its footprint.
///
/// A wake counts as an operation on the woken task. Two steps that wake the same task do not depend on each other,
/// because it is ready after either.
pub(super) fn depend(one: (TaskKey, &Footprint), other: (TaskKey, &Footprint)) -> bool {
    let ((task, footprint), (other_task, other_footprint)) = (one, other);
    task == other_task
        || footprint.ends
        || other_footprint.ends
        || footprint.wakes.contains(&other_task)
        || other_footprint.wakes.contains(&task)
        || footprint.operations.iter().any(|a| other_footprint.operations.iter().any(|b| a.races_with(*b)))
}

#[cfg(test)]
mod tests {
    use super::{Footprint, depend};
    use crate::{Access, Operation, ResourceKey, TaskKey};

    fn footprint(operations: &[(u64, Access)]) -> Footprint {
        let mut footprint = Footprint::default();
        for (resource, access) in operations {
            footprint.performs(Operation { resource: ResourceKey(*resource), access: *access });
        }
        footprint
    }

    #[test]
    fn steps_depend_by_task_operation_wake_and_end() {
        let (a, b, c) = (TaskKey(1), TaskKey(2), TaskKey(3));
        let nothing = Footprint::default();
        assert!(depend((a, &nothing), (a, &nothing)));
        assert!(!depend((a, &nothing), (b, &nothing)));

        let (reads, writes) =
            (footprint(&[(7, Access::Read)]), footprint(&[(8, Access::Send), (7, Access::Write)]));
        assert!(!depend((a, &reads), (b, &reads)));
        assert!(depend((a, &reads), (b, &writes)));
        assert!(!depend((a, &footprint(&[(8, Access::Read)])), (b, &reads)));

        let mut wakes = Footprint::default();
        wakes.wakes(b);
        assert!(depend((a, &wakes), (b, &nothing)) && depend((b, &nothing), (a, &wakes)));
        assert!(!depend((a, &wakes), (c, &wakes)), "two that wake the same task commute");

        let ends = Footprint { ends: true, ..Footprint::default() };
        assert!(depend((a, &ends), (b, &nothing)) && depend((b, &nothing), (a, &ends)));
    }
}
