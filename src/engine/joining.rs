//! Who asks for a task's output, and who no longer does.
//!
//! Always true: a task's output is given once; where nobody can ask any more, a panic of the task ends the run.

use std::task::Waker;

use super::Engine;
use super::cell::TaskBox;
use super::table::State;
use super::waker::{TaskRef, Wakee};

/// The answer to who asks for a task's output.
pub(crate) enum Joined {
    /// The task has ended: here is what is left of it.
    Ended(TaskBox),
    /// It has not ended; the waker will be called when it does.
    Waiting,
    /// The output has been taken already, or the run is over.
    Gone,
}

impl Engine {
    /// Asks for a task's output: gives the ended task, or leaves `waker` to be called when it ends.
    pub(crate) fn join(&self, task: TaskRef, waker: &Waker) -> Joined {
        let mut guard = self.core.borrow_mut();
        let core = &mut *guard;
        let Some(slot) = core.table.get(task.slot(), task.generation()) else { return Joined::Gone };
        if slot.state == State::Ended {
            if slot.panicked {
                let id = slot.id;
                core.take_panic(id);
            }
            // A task's end has taken the waker of who awaits it.
            return core.table.remove_ended(task.slot()).map_or(Joined::Gone, Joined::Ended);
        }
        match &slot.joiner {
            Some(joiner) if joiner.is(waker) => return Joined::Waiting,
            None | Some(Wakee::Task(_)) => {
                if let Some(own) = self.own(waker) {
                    slot.joiner = Some(own);
                    return Joined::Waiting;
                }
            }
            Some(Wakee::Other(_)) => {}
        }
        drop(guard);
        self.join_foreign(task, waker)
    }

    /// Leaves a waker that is not the loop's own, or takes the place of one, which calls code that is not the loop's.
    #[cold]
    fn join_foreign(&self, task: TaskRef, waker: &Waker) -> Joined {
        let waker = Wakee::Other(waker.clone());
        let mut core = self.core.borrow_mut();
        let slot = core.table.get(task.slot(), task.generation());
        let previous = slot.and_then(|slot| slot.joiner.replace(waker));
        drop(core);
        drop(previous);
        Joined::Waiting
    }

    /// Nobody will ask for the task's output any more.
    pub(crate) fn detach(&self, task: TaskRef) {
        let mut core = self.core.borrow_mut();
        let Some(slot) = core.table.get(task.slot(), task.generation()) else { return };
        if slot.state == State::Ended {
            let id = slot.id;
            if slot.panicked
                && let Some((label, note)) = core.take_panic(id)
            {
                core.unobserved(label, note);
            }
            let remains = core.table.remove(task.slot());
            drop(core);
            self.drop_remains(id, remains);
        } else {
            slot.detached = true;
            let joiner = slot.joiner.take();
            drop(core);
            drop(joiner);
        }
    }
}
