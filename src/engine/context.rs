//! Finds the loop that the running code belongs to, and the loops that are alive between two calls of `block_on`.
//!
//! # Invariants
//! - A running loop is the current one on its thread, whichever contexts are entered. Without a running loop, the newest
//!   entered context is current.
//! - The pointer to a loop is set only while a stack frame borrows the loop, and changes with the stack.
//! - A wake of an idle loop from its own thread is an ordinary wake.
//! - The root of a loop is polled by one frame at a time, while the call that runs the loop lends it.
#![expect(unsafe_code, reason = "the running loop, reached through a thread-local pointer")]

use std::cell::{Cell, RefCell};
use std::mem::{self, ManuallyDrop};
use std::ptr;
use std::rc::Rc;
use std::task::Context;

use super::run::Root;
use super::{Engine, RunId, TaskRef, waker};

thread_local! {
    /// The loop that runs on this thread, or null.
    pub(super) static DRIVING: Cell<*const Engine> = const { Cell::new(ptr::null()) };
    /// The loops entered by `Runtime::enter`, oldest first, each with the number of its guard.
    pub(super) static ENTERED: RefCell<Vec<(u64, Rc<Engine>)>> = const { RefCell::new(Vec::new()) };
    /// The number of the next guard.
    static NEXT_GUARD: Cell<u64> = const { Cell::new(0) };
    /// The loops of this thread that outlive single calls of `block_on`. Those that are left when the thread ends are leaked:
    /// their tasks could not be dropped in order.
    static REGISTRY: RefCell<ManuallyDrop<Vec<Rc<Engine>>>> = const { RefCell::new(ManuallyDrop::new(Vec::new())) };
}

/// The root of a loop, while a call that runs the loop lends it. The frames of nested loops poll it, too.
#[derive(Default)]
pub(super) struct LentRoot(Cell<Option<*mut (dyn Root + 'static)>>);

impl LentRoot {
    /// Calls `f`, during which [`poll`](Self::poll) polls `root`.
    pub(super) fn lend<R>(&self, root: &mut dyn Root, f: impl FnOnce() -> R) -> R {
        struct TakeBack<'a>(&'a LentRoot);

        impl Drop for TakeBack<'_> {
            fn drop(&mut self) {
                self.0.0.set(None);
            }
        }

        let root: *mut (dyn Root + '_) = root;
        // SAFETY: this extends only the lifetime that the type names. The pointer is taken back before `root`'s borrow ends.
        let root: *mut (dyn Root + 'static) = unsafe { mem::transmute(root) };
        self.0.set(Some(root));
        let _taken_back = TakeBack(self);
        f()
    }

    /// Polls the root; returns whether it has ended. Not while the root is being polled.
    #[inline]
    pub(super) fn poll(&self, context: &mut Context<'_>) -> bool {
        let root = self.0.take().expect("the loop polls its root only while a call runs the loop");
        // SAFETY: the pointer comes from `lend`, whose frame is still on the stack and does not use its reference meanwhile. It
        // has been taken out of the cell, so this is the only use.
        let ended = unsafe { (*root).poll(context) };
        self.0.set(Some(root));
        ended
    }
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
pub(crate) fn driving<R>(f: impl FnOnce(&Engine) -> R) -> Option<R> {
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
    if !engine.is_null() {
        // SAFETY: as in `driving`.
        return Some(f(unsafe { &*engine }));
    }
    let engine = newest_entered()?;
    Some(f(&engine))
}

/// Calls `f` with the loop of this run, if it runs on this thread or is idle between two calls of `block_on`. If it is alive
/// on another thread, that is an escape.
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
    let engine = idle_of_run(run)?;
    Some(f(&engine))
}

#[cold]
fn newest_entered() -> Option<Rc<Engine>> {
    // `try_with`: a waker may be called from the destructor of another thread-local value.
    ENTERED.try_with(|stack| stack.borrow().last().map(|(_, engine)| Rc::clone(engine))).ok()?
}

/// Returns the registered loop with this number. If it is alive on another thread, that is an escape.
fn idle_of_run(run: RunId) -> Option<Rc<Engine>> {
    let engine = find_idle(run);
    if engine.is_none() {
        waker::handle_used(run);
    }
    engine
}

/// A context that was entered without running the loop. Dropping it leaves the context.
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
            let is_newest = position + 1 == stack.len();
            Some((stack.remove(position), is_newest))
        });
        // This may drop the engine, which runs user code: not while the stack is borrowed.
        if let Ok(Some((engine, is_newest))) = left {
            drop(engine);
            assert!(
                is_newest || std::thread::panicking(),
                "an `EnterGuard` is dropped out of order; drop the guards in the reverse of the order in which they were made"
            );
        }
    }
}

/// Adds a loop to the registry of its thread.
pub(super) fn register(engine: &Rc<Engine>) {
    REGISTRY.with_borrow_mut(|loops| loops.push(Rc::clone(engine)));
}

/// Removes the loops that are shut down from the registry of this thread, unless a join handle may still ask for an output.
pub(crate) fn forget_shut_down() {
    let forgotten = REGISTRY.try_with(|loops| {
        let mut loops = loops.borrow_mut();
        let (forgotten, kept) = loops.drain(..).partition(|engine| engine.is_forgettable());
        **loops = kept;
        forgotten
    });
    // This drops engines, which may run user code: not while the registry is borrowed.
    drop::<Option<Vec<_>>>(forgotten.ok());
}

/// Returns the registered loop with this number, if it is alive on this thread.
pub(crate) fn find_idle(run: RunId) -> Option<Rc<Engine>> {
    // `try_with`: a waker may be called from the destructor of another thread-local value.
    REGISTRY
        .try_with(|loops| loops.borrow().iter().find(|engine| engine.run_id() == run).cloned())
        .ok()
        .flatten()
}

/// Wakes a task of a registered loop of this thread; returns false when there is none.
pub(super) fn wake_idle(task: TaskRef) -> bool {
    find_idle(task.run()).map(|engine| engine.wake(task)).is_some()
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
