//! The loops of this thread that are alive between two calls of `block_on`.
//!
//! Always true: a wake that reaches such a loop from its own thread counts as any other wake.

use std::cell::RefCell;
use std::rc::{Rc, Weak};

use super::Engine;
use super::waker::{RunId, TaskRef};

thread_local! {
    static LOOPS: RefCell<Vec<(RunId, Weak<Engine>)>> = const { RefCell::new(Vec::new()) };
}

/// Makes the loop known to its thread.
pub(super) fn register(engine: &Rc<Engine>) {
    LOOPS.with_borrow_mut(|loops| {
        loops.retain(|(_, engine)| engine.strong_count() > 0);
        loops.push((engine.run_id(), Rc::downgrade(engine)));
    });
}

/// The loop with this number, if it is alive on this thread.
pub(crate) fn find(run: RunId) -> Option<Rc<Engine>> {
    // `try_with`: a waker may be called from the destructor of another thread-local value.
    LOOPS
        .try_with(|loops| {
            loops.borrow().iter().find(|(number, _)| *number == run).and_then(|(_, engine)| engine.upgrade())
        })
        .ok()
        .flatten()
}

/// Wakes a task of a loop of this thread; false when there is none.
pub(super) fn wake(task: TaskRef) -> bool {
    find(task.run()).map(|engine| engine.wake(task)).is_some()
}
