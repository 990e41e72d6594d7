//! Code on stacks of its own: a [`Closure`] of `spawn_blocking` that can be suspended where it waits.
//!
//! # Invariants
//! - A closure is resumed by the poll of its task, and suspended only while the future that it waits for is pending. It stays on
//!   the thread where it began.
//! - What belongs to the thread is swapped with the stack: the running loop, the entered runtimes, and how panics are printed.
//! - A suspended closure that is dropped is unwound with [`Unwound`] as the payload. Meanwhile it can't be suspended again.
#![expect(unsafe_code, reason = "a pointer to the running closure's yielder, and the memory of stacks")]

mod memory;
mod thread_state;

use std::cell::Cell;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::task::Poll;

use corosensei::{Coroutine, CoroutineResult, Yielder};

use super::blocking_waits::{Unwound, allow_blocking};
use super::tasks::Interrupts;
use super::{Engine, RunId, context};
use memory::Memory;
use thread_state::{Before, Left, Step, driving_run};

/// How two blocking waits, one of them in `block_in_place`, can do without each other.
pub(super) const HINT: &str = ", or block in closures of `spawn_blocking`";

/// Whether a closure can be suspended.
pub(crate) const IS_SUPPORTED: bool = true;

/// How a suspended closure is resumed.
enum Resume {
    /// It polls its future again.
    Continue,
    /// It unwinds, because it is dropped.
    Unwind,
}

/// The closure whose stack the running code is on.
#[derive(Clone, Copy)]
struct Running {
    yielder: *const Yielder<Resume, ()>,
    /// The loop of the closure's task.
    run: RunId,
    unwinds: bool,
}

thread_local! {
    static RUNNING: Cell<Option<Running>> = const { Cell::new(None) };
}

#[cfg(test)]
thread_local! {
    /// Whether closures are called on the stack of the loop, as without stacks of their own.
    static ON_LOOP_STACK: Cell<bool> = const { Cell::new(false) };
}

/// Sets whether this thread's closures are called on the stack of the loop, as without stacks of their own.
#[cfg(test)]
pub(crate) fn set_on_loop_stack(on: bool) {
    ON_LOOP_STACK.set(on);
}

/// Returns whether the running code is on the stack of the running loop's current closure, so that it can be suspended.
pub(super) fn can_suspend() -> bool {
    driving_run().is_some_and(is_of)
}

/// Returns whether the running code is on the stack of a closure of this run, so that it can be suspended there.
pub(super) fn is_of(run: RunId) -> bool {
    RUNNING.get().is_some_and(|running| running.run == run && !running.unwinds)
}

/// Returns whether the running code is on a stack of its own.
pub(crate) fn is_on_own_stack() -> bool {
    RUNNING.get().is_some()
}

/// Returns whether the running code is on a stack of its own that is being unwound.
pub(super) fn is_unwinding() -> bool {
    RUNNING.get().is_some_and(|running| running.unwinds)
}

/// Suspends the running closure until its task is polled again.
pub(super) fn suspend() {
    let running = RUNNING.get().expect("the caller checks that the code is on a stack of its own");
    // SAFETY: the yielder lives at the base of this stack as long as its closure runs. Code on another stack, such as that of a
    // closure of a second loop, finds another one in `RUNNING`.
    match unsafe { &*running.yielder }.suspend(()) {
        Resume::Continue => {}
        Resume::Unwind => resume_unwind(Box::new(Unwound)),
    }
}

/// A closure that runs on a stack of its own.
pub(crate) struct Closure<F, R>(Stage<F, R>);

enum Stage<F, R> {
    New(F),
    Begun(Begun<R>),
    Ended,
}

/// A closure that has begun.
struct Begun<R> {
    coroutine: Option<Coroutine<Resume, (), R, Memory>>,
    /// What belongs to the suspended code.
    inside: Option<Inside>,
}

/// What belongs to suspended code.
struct Inside {
    running: Option<Running>,
    left: Left,
}

impl<F, R> Closure<F, R>
where
    F: FnOnce() -> R + 'static,
    R: 'static,
{
    pub(crate) fn new(f: F) -> Self {
        Self(Stage::New(f))
    }

    /// Runs the closure until it waits or has ended.
    pub(crate) fn resume(&mut self) -> Poll<R> {
        if let Stage::New(_) = &self.0
            && let Stage::New(f) = mem::replace(&mut self.0, Stage::Ended)
        {
            #[cfg(test)]
            if ON_LOOP_STACK.get() {
                return Poll::Ready(allow_blocking(f));
            }
            self.0 = Stage::Begun(Begun::new(f));
        }
        let Stage::Begun(begun) = &mut self.0 else { unreachable!("a closure is called once") };
        begun.resume()
    }
}

/// Restores [`RUNNING`] when it is dropped.
struct Outside(Option<Running>);

impl Drop for Outside {
    fn drop(&mut self) {
        RUNNING.set(self.0);
    }
}

impl<R: 'static> Begun<R> {
    fn new(f: impl FnOnce() -> R + 'static) -> Self {
        let coroutine = Coroutine::with_stack(Memory::take(), move |yielder, _: Resume| {
            let run = driving_run().expect("a closure is called by a loop");
            RUNNING.set(Some(Running { yielder, run, unwinds: false }));
            allow_blocking(f)
        });
        Self { coroutine: Some(coroutine), inside: None }
    }

    fn resume(&mut self) -> Poll<R> {
        let coroutine = self.coroutine.as_mut().expect("a closure has a stack until it is dropped");
        let outside = Outside(RUNNING.get());
        let before = Before::note();
        if let Some(inside) = self.inside.take() {
            inside.enter(false);
        }
        // A panic of the closure unwinds from here.
        match coroutine.resume(Resume::Continue) {
            CoroutineResult::Yield(()) => {
                self.inside = Some(Inside { running: RUNNING.get(), left: before.restore() });
                drop(outside);
                context::driving(Engine::mark_suspended);
                Poll::Pending
            }
            CoroutineResult::Return(output) => Poll::Ready(output),
        }
    }
}

impl Inside {
    /// Continues where the code was suspended.
    fn enter(self, unwinds: bool) {
        RUNNING.set(self.running.map(|running| Running { unwinds, ..running }));
        self.left.enter();
    }
}

/// Unwinds the closure if it is suspended.
impl<R> Drop for Begun<R> {
    fn drop(&mut self) {
        let Some(mut coroutine) = self.coroutine.take() else { return };
        let mut panicked = None;
        if let Some(inside) = self.inside.take() {
            let _outside = Outside(RUNNING.get());
            let before = Before::note();
            let step = context::driving(Step::of);
            inside.enter(true);
            let unwound = catch_unwind(AssertUnwindSafe(|| drop(coroutine.resume(Resume::Unwind))));
            drop(before.restore());
            context::driving(|engine| step.map(|step| step.restore(engine)));
            panicked = unwound.err().filter(|payload| !payload.is::<Unwound>());
        }
        if coroutine.done() {
            coroutine.into_stack().give_back();
        }
        if let Some(payload) = panicked {
            resume_unwind(payload);
        }
    }
}

impl Engine {
    /// Notes that the closure of the current task is suspended, so that it can't be aborted any more.
    fn mark_suspended(&self) {
        self.core.borrow_mut().tasks.at(self.current.get()).interrupts.add(Interrupts::BEGUN);
    }
}
