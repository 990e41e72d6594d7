//! A loop within another one: a runtime that code blocks on inside of a run, or of another runtime.
//!
//! # Invariants
//! - While an inner loop has a ready task, it runs without the loop around it. When it has none, it waits in that loop, as the code
//!   that blocks on it: for a wake from there, or for the time of its next timer.
//! - The clock of an inner loop moves by what has passed in the loop around it. If the clock is paused, or the waits of the outer
//!   loop have to end in reverse order, it moves to the next timer instead.
//! - When the outer loop halts during such a wait, the inner loop halts too, and unwinds to the code that blocks on it.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use super::blocking_waits::{Unwound, wait_blocking};
use super::context::{self, Driving, LentRoot, OuterPointer};
use super::run::Root;
use super::tasks::NO_SLOT;
use super::{Blocking, Core, Engine, RunId, own_stack};

/// What an engine knows of the loop around it.
#[derive(Default)]
pub(super) struct OuterLoop {
    pub(super) pointer: OuterPointer,
    /// Whether code of the outer loop has used this loop since it began to wait.
    used: Cell<bool>,
    /// The waker of the code that blocks on this loop, while the loop waits.
    waker: Cell<Option<Waker>>,
    /// The wakers of other code that blocks on this loop while a call runs it.
    guests: RefCell<Vec<Waker>>,
    /// Whether this is the loop of a runtime, not of a run.
    pub(super) is_runtime: Cell<bool>,
    /// The run that the loop was made in.
    pub(super) made_in: Cell<Option<RunId>>,
    /// The runtime that was built outside of that run, and that the loop stands for in it.
    pub(super) stands_for: Cell<Option<RunId>>,
    /// Whether loops of this run stand for runtimes.
    pub(super) has_stand_ins: Cell<bool>,
    /// Whether the outer loop has halted.
    pub(super) halted: Cell<bool>,
}

impl Engine {
    /// Returns whether this loop, which has no ready task, waits in the outer one for its next timer, if any.
    #[cold]
    pub(super) fn waits_in_outer(&self, core: &Core, timer_ns: Option<u64>) -> bool {
        let (may_wait, ends_in_any_order) = self
            .outer
            .pointer
            .with(|outer| (outer.blocking() == Blocking::Allowed, own_stack::is_of(outer.run)))
            .unwrap_or_default();
        let later = match timer_ns {
            Some(timer_ns) => timer_ns > core.clock.now_ns && !core.clock.paused && ends_in_any_order,
            None => true,
        };
        may_wait && later
    }

    /// Registers a waker for the end of the call that runs this loop. Returns whether none runs it.
    pub(crate) fn poll_stopped(&self, waker: &Waker) -> bool {
        if self.is_running() {
            self.outer.guests.borrow_mut().push(waker.clone());
        }
        !self.is_running()
    }

    /// Wakes those who wait for the end of the call that runs this loop.
    pub(super) fn wake_guests(&self) {
        let guests = self.outer.guests.take();
        guests.into_iter().for_each(Waker::wake);
    }

    /// Notes that code of another loop uses this one, which may have a ready task now.
    pub(super) fn use_from_outside(&self) {
        self.outer.used.set(true);
        if let Some(waker) = self.outer.waker.take() {
            waker.wake();
        }
    }

    /// Makes this loop, which is new, stand for a runtime that was built outside of the current run.
    pub(crate) fn stand_for(&self, runtime: RunId) {
        self.outer.stands_for.set(Some(runtime));
        context::with_current_run(|run| run.outer.has_stand_ins.set(true));
    }

    /// Ends the loops that stand for runtimes in this run.
    pub(super) fn end_stand_ins(&self) {
        if self.outer.has_stand_ins.replace(false) {
            context::stand_ins_of(self.run).iter().for_each(|engine| engine.shut_down(false));
            context::forget_shut_down();
        }
    }

    /// Waits in the outer loop until code there uses this loop, or for this time.
    #[cold]
    pub(super) fn wait_in_outer(&self, by_ns: Option<u64>) {
        struct Unwinding<'a>(&'a Engine);

        impl Drop for Unwinding<'_> {
            fn drop(&mut self) {
                self.0.outer.waker.take();
                self.0.outer.halted.set(true);
            }
        }

        self.current.set(NO_SLOT);
        let passed_ns = self.outer.pointer.with(|outer| {
            let _driving = Driving::enter(outer);
            let unwinding = Unwinding(self);
            self.outer.used.set(false);
            let began_ns = outer.now_ns();
            let due_ns = by_ns.map(|by_ns| outer.local_now_ns().saturating_add(by_ns));
            let mut timer = None;
            wait_blocking(poll_fn(|cx| {
                let is_due =
                    due_ns.is_some_and(|due_ns| outer.poll_sleep(due_ns, &mut timer, cx.waker(), false));
                if is_due || self.outer.used.get() {
                    return Poll::Ready(());
                }
                drop(self.outer.waker.replace(Some(cx.waker().clone())));
                Poll::Pending
            }));
            outer.cancel_timer(&mut timer);
            self.outer.waker.take();
            std::mem::forget(unwinding);
            outer.now_ns() - began_ns
        });
        self.pass_with_outer(passed_ns.expect("the loop is within another one"));
    }

    /// Unwinds this loop if the outer one has halted.
    pub(super) fn halt_with_outer(&self) {
        if self.outer.halted.get() {
            resume_unwind(Box::new(Unwound));
        }
    }

    /// Moves the clock by the time that has passed in the outer loop. What is due takes effect after the poll.
    fn pass_with_outer(&self, passed_ns: u64) {
        let mut core = self.core.borrow_mut();
        if passed_ns > 0 && !core.clock.paused {
            core.scheduler.refuel();
            let now_ns = core.clock.now_ns.saturating_add(passed_ns);
            core.advance_to(now_ns);
        }
    }

    /// Halts after the current step, because the outer loop has halted.
    fn outer_halts(&self) {
        self.outer.halted.set(true);
        self.core.borrow_mut().scheduler.stop_soon();
    }
}

/// A task that polls a future which the code that blocks on the loop owns.
pub(crate) struct Guest(Rc<LentRoot>);

impl Future for Guest {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // The code may have been unwound.
        if !self.0.is_lent() || self.0.poll(cx) { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Engine {
    /// Calls `f` with a task that polls `root` while `f` runs.
    pub(crate) fn lend_guest<R>(&self, root: &mut dyn Root, f: impl FnOnce(Guest) -> R) -> R {
        let lent = Rc::new(LentRoot::default());
        lent.lend(root, || f(Guest(Rc::clone(&lent))))
    }
}

/// Awaits `future` in the loop of this run, around the running one. Returns the future if there is none, or if its code may not
/// block.
pub(crate) fn wait_in_outer_loop<F: Future>(run: RunId, future: F) -> Result<F::Output, F> {
    let mut future = Some(future);
    let output = context::outer_of(run, |inner, outer| {
        if outer.blocking() != Blocking::Allowed {
            return None;
        }
        let future = future.take()?;
        let began_ns = outer.now_ns();
        let waited = {
            let _driving = Driving::enter(outer);
            catch_unwind(AssertUnwindSafe(|| wait_blocking(future)))
        };
        let passed_ns = outer.now_ns() - began_ns;
        inner.iter().for_each(|inner| inner.pass_with_outer(passed_ns));
        match waited {
            Ok(output) => Some(output),
            Err(payload) => {
                if payload.is::<Unwound>() {
                    inner.iter().for_each(|inner| inner.outer_halts());
                }
                resume_unwind(payload)
            }
        }
    });
    match (output.flatten(), future) {
        (Some(output), _) => Ok(output),
        (None, Some(future)) => Err(future),
        (None, None) => unreachable!("a future is awaited once"),
    }
}
