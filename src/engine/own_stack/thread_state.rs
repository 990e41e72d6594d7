//! The thread's state that belongs to a stack: what the code on it has entered.

use std::rc::Rc;

use super::super::context::{DRIVING, ENTERED};
use super::super::panics::{MODE, Mode};
use super::super::{Engine, RunId, context};

/// The state of the thread before code on another stack runs.
#[derive(Clone, Copy)]
pub(super) struct Before {
    driving: *const Engine,
    entered: usize,
    mode: Mode,
}

impl Before {
    /// Returns the current state.
    pub(super) fn note() -> Self {
        let entered = ENTERED.try_with(|stack| stack.borrow().len()).unwrap_or(0);
        Self { driving: DRIVING.get(), entered, mode: MODE.get() }
    }

    /// Restores the state; returns what the code had entered.
    pub(super) fn restore(self) -> Left {
        let entered = ENTERED.try_with(|stack| {
            let mut stack = stack.borrow_mut();
            // A guard from before may have been dropped since.
            let since = self.entered.min(stack.len());
            stack.split_off(since)
        });
        Left {
            driving: DRIVING.replace(self.driving),
            entered: entered.unwrap_or_default(),
            mode: MODE.replace(self.mode),
        }
    }
}

/// What suspended code had entered.
pub(super) struct Left {
    driving: *const Engine,
    entered: Vec<(u64, Rc<Engine>)>,
    mode: Mode,
}

impl Left {
    /// Enters it again. Where no loop runs, as when a loop itself is dropped, none runs for this code either.
    pub(super) fn enter(self) {
        if !DRIVING.get().is_null() {
            DRIVING.set(self.driving);
        }
        MODE.set(self.mode);
        let _ = ENTERED.try_with(|stack| stack.borrow_mut().extend(self.entered));
    }
}

/// Returns the run of the loop that runs on this thread.
pub(super) fn driving_run() -> Option<RunId> {
    context::driving(Engine::run_id)
}

/// The state of the current step that an unwinding stack changes.
#[derive(Clone, Copy)]
pub(super) struct Step {
    blocking: bool,
    spent: u8,
    woken: bool,
}

impl Step {
    pub(super) fn of(engine: &Engine) -> Self {
        Self {
            blocking: engine.nested.blocking.get(),
            spent: engine.step.spent.get(),
            woken: engine.step.woken.get(),
        }
    }

    pub(super) fn restore(self, engine: &Engine) {
        engine.nested.blocking.set(self.blocking);
        engine.step.spent.set(self.spent);
        engine.step.woken.set(self.woken);
    }
}
