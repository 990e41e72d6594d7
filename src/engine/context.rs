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
use std::ops::Deref;
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

    /// Returns whether a root is lent that is not being polled.
    pub(super) fn is_lent(&self) -> bool {
        self.0.get().is_some()
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

/// The loop around a loop, while a call runs the latter.
pub(super) struct OuterPointer(Cell<*const Engine>);

impl Default for OuterPointer {
    fn default() -> Self {
        Self(Cell::new(ptr::null()))
    }
}

impl OuterPointer {
    /// Notes the loop that runs on this thread, until the result is dropped.
    pub(super) fn note(&self) -> impl Drop {
        struct Forget<'a>(&'a OuterPointer);

        impl Drop for Forget<'_> {
            fn drop(&mut self) {
                self.0.0.set(ptr::null());
            }
        }

        self.0.set(DRIVING.get());
        Forget(self)
    }

    /// Returns whether there is an outer loop.
    #[inline(always)]
    pub(super) fn is_some(&self) -> bool {
        !self.0.get().is_null()
    }

    /// Calls `f` with the outer loop, if there is one.
    pub(super) fn with<R>(&self, f: impl FnOnce(&Engine) -> R) -> Option<R> {
        let outer = self.0.get();
        // SAFETY: `note` is called while a `Driving` further out on the stack borrows that loop, and its result is dropped before
        // that ends. A stack that is suspended in between is unwound before the loop of its task ends.
        (!outer.is_null()).then(|| f(unsafe { &*outer }))
    }
}

/// Calls `f` with the run around the running code, if there is one.
pub(super) fn with_current_run<R>(f: impl FnOnce(&Engine) -> R) -> Option<R> {
    driving(|engine| {
        let mut current = engine;
        loop {
            let outer = current.outer.pointer.0.get();
            if outer.is_null() {
                return (!current.outer.is_runtime.get()).then(|| f(current));
            }
            // SAFETY: as in `OuterPointer::with`.
            current = unsafe { &*outer };
        }
    })?
}

/// Returns the loops that stand for runtimes in this run.
pub(super) fn stand_ins_of(run: RunId) -> Vec<Rc<Engine>> {
    let stand_ins = REGISTRY.try_with(|loops| {
        let is_one = |engine: &&Rc<Engine>| {
            engine.outer.made_in.get() == Some(run) && engine.outer.stands_for.get().is_some()
        };
        loops.borrow().iter().filter(is_one).cloned().collect()
    });
    stand_ins.unwrap_or_default()
}

/// What a runtime is in the current run.
pub(crate) enum Standing {
    /// Itself: it was built in the run, or there is no run.
    Itself,
    /// Another loop stands for it.
    StandIn(RunId),
    /// It was built outside of the run, and nothing stands for it yet.
    Foreign,
}

/// Returns what the runtime with this loop is in the current run.
pub(crate) fn standing(runtime: RunId) -> Standing {
    if outer_of(runtime, |_, _| ()).is_some() {
        return Standing::Itself;
    }
    let Some(current) = with_current_run(Engine::run_id) else { return Standing::Itself };
    let found = REGISTRY.try_with(|loops| {
        let loops = loops.borrow();
        let mut made_here = loops.iter().filter(|engine| engine.outer.made_in.get() == Some(current));
        made_here
            .find(|engine| engine.run_id() == runtime || engine.outer.stands_for.get() == Some(runtime))
            .map(|engine| engine.run_id())
    });
    match found.ok().flatten() {
        Some(run) if run == runtime => Standing::Itself,
        Some(run) => Standing::StandIn(run),
        None => Standing::Foreign,
    }
}

/// Returns whether this is the running loop, or one around it.
pub(crate) fn is_outer(engine: &Engine) -> bool {
    outer_of(engine.run_id(), |_, _| ()).is_some()
}

/// Calls `f` with the loop of this run, if the running loop is within it, and with the loops within it, the running one first.
pub(super) fn outer_of<R>(run: RunId, f: impl FnOnce(&[&Engine], &Engine) -> R) -> Option<R> {
    driving(|engine| {
        let (mut inner, mut current) = (Vec::new(), engine);
        while current.run_id() != run {
            inner.push(current);
            let outer = current.outer.pointer.0.get();
            if outer.is_null() {
                return None;
            }
            // SAFETY: as in `OuterPointer::with`.
            current = unsafe { &*outer };
        }
        Some(f(&inner, current))
    })?
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
    let engine = of_other_run(run)?;
    Some(f(&engine))
}

/// A loop that is not the running one.
enum Other {
    /// A loop around the running one.
    Outer(*const Engine),
    Idle(Rc<Engine>),
}

impl Deref for Other {
    type Target = Engine;

    fn deref(&self) -> &Engine {
        match self {
            // SAFETY: as in `OuterPointer::with`. The value is used by `of_run` alone, within the loops inside of that one.
            Self::Outer(engine) => unsafe { &**engine },
            Self::Idle(engine) => engine,
        }
    }
}

#[cold]
#[inline(never)]
fn of_other_run(run: RunId) -> Option<Other> {
    let outer = outer_of(run, |_, outer| Other::Outer(ptr::from_ref(outer)));
    outer.or_else(|| idle_of_run(run).map(Other::Idle))
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
    let found =
        REGISTRY.try_with(|loops| loops.borrow().iter().find(|engine| engine.run_id() == run).cloned());
    found.ok().flatten().inspect(|engine| engine.use_from_outside())
}

/// Wakes a task of a registered loop of this thread, or of a loop around the running one. Returns false when there is none.
pub(super) fn wake_idle(task: TaskRef) -> bool {
    outer_of(task.run(), |_, outer| outer.wake(task))
        .or_else(|| find_idle(task.run()).map(|engine| engine.wake(task)))
        .is_some()
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
