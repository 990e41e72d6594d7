//! Counting what a loop holds, for those who look at it from outside.
//!
//! Always true: counting changes nothing.

use super::Id;
use super::table::State;
use super::{Engine, ROOT_SLOT, RunId, TaskRef};

impl Engine {
    /// How many spawned tasks have not ended.
    pub(crate) fn unfinished_tasks(&self) -> usize {
        self.count(|state| state != State::Ended)
    }

    /// How many spawned tasks are ready and wait for their turn.
    pub(crate) fn ready_tasks(&self) -> usize {
        self.count(|state| state == State::Ready)
    }

    fn count(&self, counts: impl Fn(State) -> bool) -> usize {
        let mut core = self.core.borrow_mut();
        let slots = core.table.in_order();
        slots.into_iter().filter(|&slot| slot != ROOT_SLOT && counts(core.table.at(slot).state)).count()
    }

    /// Whether the slot and generation are still those of this task: generations repeat after 65,536 tasks in one slot.
    pub(crate) fn is_task(&self, task: TaskRef, id: Id) -> bool {
        self.core.borrow_mut().table.get(task.slot(), task.generation()).is_some_and(|slot| slot.id == id)
    }

    /// The step under way: its run, and how many steps that run has made.
    pub(crate) fn step(&self) -> (RunId, u64) {
        (self.run, self.core.borrow().steps())
    }
}
