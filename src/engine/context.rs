//! Finds the loop that the running code belongs to, and the loops that are alive between two calls of `block_on`.
//!
//! # Invariants
//! - A running loop is the current one on its thread, whichever contexts are entered. Without a running loop, the newest
//!   entered context is current.
//! - The pointer to a loop is set only while a stack frame borrows the loop.
//! - A wake of an idle loop from its own thread is an ordinary wake.
#![expect(unsafe_code, reason = "the running loop, reached through a thread-local pointer")]

use std::cell::{Cell, RefCell};
use std::ptr;
use std::rc::{Rc, Weak};

use super::{Engine, RunId, TaskRef};

thread_local! {
    /// The loop that runs on this thread, or null.
    static DRIVING: Cell<*const Engine> = const { Cell::new(ptr::null()) };
    /// The loops entered by `Runtime::enter`, oldest first, each with the number of its guard.
    static ENTERED: RefCell<Vec<(u64, Rc<Engine>)>> = const { RefCell::new(Vec::new()) };
    /// The number of the next guard.
    static NEXT_GUARD: Cell<u64> = const { Cell::new(0) };
    /// The loops of this thread that outlive single calls of `block_on`.
    static REGISTRY: RefCell<Vec<(RunId, Weak<Engine>)>> = const { RefCell::new(Vec::new()) };
}

/// Makes `engine` the running loop of this thread until it is dropped.
#[derive(Debug)]
pub(super) struct Driving<'a> {
    previous: *const Engine,
    _engine: &'a Engine,
}

impl<'a> Driving<'a> {
    pub(super) fn enter(engine: &'a Engine) -> Self {
        let previous = DRIVING.replace(ptr::from_ref(engine));
        Self { previous, _engine: engine }
    }
}

impl Drop for Driving<'_> {
    fn drop(&mut self) {
        DRIVING.set(self.previous);
    }
}

/// Calls `f` with the loop that runs on this thread; `None` when none runs.
#[inline(always)]
pub(super) fn driving<R>(f: impl FnOnce(&Engine) -> R) -> Option<R> {
    let engine = DRIVING.get();
    if engine.is_null() {
        return None;
    }
    // SAFETY: the pointer was put there by a `Driving`, which borrows the engine, is private to this module's
    // parent, lives in a local variable there and is never forgotten; its drop takes the pointer away again.
    Some(f(unsafe { &*engine }))
}

/// Marks the task with this number as woken if it is being polled. Returns whether it is.
#[inline(always)]
pub(super) fn wakes_itself(number: u64) -> bool {
    let engine = DRIVING.get();
    if engine.is_null() {
        return false;
    }
    // SAFETY: as in `driving`.
    let engine = unsafe { &*engine };
    let itself = engine.is_polled(number);
    if itself {
        engine.step.woken.set(true);
    }
    itself
}

/// Calls `f` with the current loop: the one that runs on this thread, else the newest entered one.
#[inline]
pub(crate) fn with<R>(f: impl FnOnce(&Engine) -> R) -> Option<R> {
    let engine = DRIVING.get();
    if engine.is_null() {
        return entered(f);
    }
    // SAFETY: as in `driving`.
    Some(f(unsafe { &*engine }))
}

/// Calls `f` with the loop of this run, if it runs on this thread or is idle between two calls of `block_on`.
#[inline]
pub(crate) fn of_run<R>(run: RunId, f: impl FnOnce(&Engine) -> R) -> Option<R> {
    let engine = DRIVING.get();
    if !engine.is_null() {
        // SAFETY: as in `driving`.
        let engine = unsafe { &*engine };
        if engine.run_id() == run {
            return Some(f(engine));
        }
    }
    find_idle(run).map(|engine| f(&engine))
}

#[cold]
fn entered<R>(f: impl FnOnce(&Engine) -> R) -> Option<R> {
    // `try_with`: a waker may be called from the destructor of another thread-local value.
    let engine =
        ENTERED.try_with(|stack| stack.borrow().last().map(|(_, engine)| Rc::clone(engine))).ok()??;
    Some(f(&engine))
}

/// A context that was entered without running the loop. Dropping it leaves the context, in any order.
#[derive(Debug)]
pub(crate) struct Entered {
    guard: u64,
    /// Not `Send`: the context must be left on the thread that entered it.
    _not_send: std::marker::PhantomData<std::sync::MutexGuard<'static, ()>>,
}

impl Entered {
    pub(crate) fn enter(engine: Rc<Engine>) -> Self {
        let guard = NEXT_GUARD.replace(NEXT_GUARD.get() + 1);
        ENTERED.with_borrow_mut(|stack| stack.push((guard, engine)));
        Self { guard, _not_send: std::marker::PhantomData }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let left = ENTERED.try_with(|stack| {
            let mut stack = stack.borrow_mut();
            let position = stack.iter().position(|(guard, _)| *guard == self.guard)?;
            Some(stack.remove(position))
        });
        // This may drop the engine, which runs user code: not while the stack is borrowed.
        drop(left);
    }
}

/// Adds a loop to the registry of its thread.
pub(super) fn register(engine: &Rc<Engine>) {
    REGISTRY.with_borrow_mut(|loops| {
        loops.retain(|(_, engine)| engine.strong_count() > 0);
        loops.push((engine.run_id(), Rc::downgrade(engine)));
    });
}

/// Returns the registered loop with this number, if it is alive on this thread.
pub(crate) fn find_idle(run: RunId) -> Option<Rc<Engine>> {
    // `try_with`: a waker may be called from the destructor of another thread-local value.
    let find = |loops: &RefCell<Vec<(RunId, Weak<Engine>)>>| {
        loops.borrow().iter().find(|(number, _)| *number == run).and_then(|(_, engine)| engine.upgrade())
    };
    REGISTRY.try_with(find).ok().flatten()
}

/// Wakes a task of a registered loop of this thread; returns false when there is none.
pub(super) fn wake_idle(task: TaskRef) -> bool {
    find_idle(task.run()).map(|engine| engine.wake(task)).is_some()
}

/// Returns whether this is the loop that runs on this thread.
pub(crate) fn is_driving(run: RunId) -> bool {
    driving(|engine| engine.run_id() == run).unwrap_or(false)
}

/// Returns whether any loop runs on this thread.
#[cfg(feature = "sync")]
pub(crate) fn running() -> bool {
    !DRIVING.get().is_null()
}

/// Returns the label of the loop that runs on this thread; `None` when none runs.
pub(crate) fn running_label() -> Option<std::borrow::Cow<'static, str>> {
    driving(Engine::label)
}
