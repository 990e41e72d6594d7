//! What a closure of `spawn_blocking` takes along when it is suspended: the task-local scopes that it is in, and its current
//! [`LocalSet`](super::LocalSet). Otherwise the code of other tasks would find them.

use std::cell::RefCell;
use std::rc::Rc;

use super::local_set::{self, CurrentSet};

/// A scope that code on a stack of its own is in.
pub(super) trait Scope {
    /// Exchanges the value of the scope and the value around it.
    fn swap(&self);
}

thread_local! {
    /// The scopes that closures on stacks of their own are in, outermost first.
    static SCOPES: RefCell<Vec<Rc<dyn Scope>>> = const { RefCell::new(Vec::new()) };
}

/// Adds the innermost scope.
pub(super) fn push(scope: Rc<dyn Scope>) {
    SCOPES.with_borrow_mut(|scopes| scopes.push(scope));
}

/// Removes the innermost scope.
pub(super) fn pop() {
    SCOPES.with_borrow_mut(Vec::pop);
}

/// What a suspended closure has left. It is empty while the closure runs.
#[derive(Default)]
pub(super) struct Suspended {
    scopes: Vec<Rc<dyn Scope>>,
    set: CurrentSet,
}

/// The state of the thread when a closure is resumed.
pub(super) struct Before {
    scopes: usize,
    set: CurrentSet,
}

impl Suspended {
    /// Enters what the closure has left.
    pub(super) fn enter(&mut self) -> Before {
        let set = local_set::replace_current(std::mem::take(&mut self.set));
        let entered = std::mem::take(&mut self.scopes);
        entered.iter().for_each(|scope| scope.swap());
        let scopes = SCOPES.with_borrow_mut(|scopes| {
            let before = scopes.len();
            scopes.extend(entered);
            before
        });
        Before { scopes, set }
    }

    /// Leaves what the closure has entered.
    pub(super) fn leave(&mut self, before: Before) {
        self.scopes = SCOPES.with_borrow_mut(|scopes| scopes.split_off(before.scopes));
        self.scopes.iter().rev().for_each(|scope| scope.swap());
        self.set = local_set::replace_current(before.set);
    }
}
