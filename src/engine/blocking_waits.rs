//! Nested waits: code that blocks inside of a task, in `spawn_blocking` or `block_in_place`, while the other tasks run on.
//!
//! A task that blocks keeps its frame on the stack. A nested loop runs above it until the task is due again. To the source of
//! decisions this is a task that waits.
//!
//! # Invariants
//! - The innermost wait continues first: a stack has one top. A task that is due below it is parked until then.
//! - When the run ends above a frame that blocks, the frame is unwound with [`Unwound`] as the payload.

use std::cell::{Cell, RefCell};
use std::panic::resume_unwind;
use std::pin::pin;
use std::task::{Context, Poll};

use timeloop_sim::{FailureKind, Heartbeat};

use super::budget::UNLIMITED;
use super::preemption::Interrupted;
use super::run::Stop;
use super::tasks::{Interrupts, ROOT_SLOT, State};
use super::waker;
use super::{Core, Engine, Flavor, context, own_stack};

/// Why the steps of a loop halt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Halt {
    /// The root has ended.
    RootEnded,
    /// The task of the innermost nested wait is due. Its step has begun.
    Continues,
}

/// The payload that unwinds the frames below a loop that has halted for good.
pub(super) struct Unwound;

/// The nested waits of a loop.
#[derive(Default)]
pub(super) struct Nested {
    /// Whether the running code may block: it is inside of `spawn_blocking` or `block_in_place`.
    pub(super) blocking: Cell<bool>,
    /// The slots of the tasks that block, innermost last.
    frames: RefCell<Vec<u32>>,
    /// Why a nested loop has halted for good.
    halted: Cell<Option<Result<Halt, Stop>>>,
}

impl Nested {
    /// Takes the reason why a nested loop has halted for good.
    pub(super) fn take_halted(&self) -> Option<Result<Halt, Stop>> {
        self.halted.take()
    }
}

/// What the running code may do about waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blocking {
    /// It is polled, so it must not block.
    Refused,
    /// It may block: the other tasks of the loop run meanwhile.
    Allowed,
    /// It runs between the polls, as a destructor at the end of the run does. Nothing can run meanwhile.
    Between,
}

/// Calls `f`, which may block, in a task of the running loop. No budget applies meanwhile.
pub(crate) fn allow_blocking<R>(f: impl FnOnce() -> R) -> R {
    struct Restore(Option<(bool, u8)>);

    impl Drop for Restore {
        fn drop(&mut self) {
            context::driving(|engine| self.0.map(|before| engine.set_blocking(before)));
        }
    }

    // The loop is not borrowed while `f` runs, which may be suspended.
    let _restore = Restore(context::driving(|engine| engine.set_blocking((true, UNLIMITED))));
    f()
}

/// Awaits `future` in the current task of the running loop, which may block: the caller has checked that.
pub(crate) fn wait_blocking<F: Future>(future: F) -> F::Output {
    if own_stack::can_suspend() {
        return wait_suspended(future);
    }
    let mut future = pin!(future);
    let mut output = None;
    context::driving(|engine| {
        engine.wait(&mut |context| match future.as_mut().poll(context) {
            Poll::Ready(ready) => {
                output = Some(ready);
                true
            }
            Poll::Pending => false,
        });
    });
    output.expect("the wait is over")
}

/// Awaits `future` in a closure that is suspended while the future is pending.
fn wait_suspended<F: Future>(future: F) -> F::Output {
    struct End {
        resumed: bool,
    }

    impl Drop for End {
        fn drop(&mut self) {
            context::driving(|engine| engine.end_suspended_wait(self.resumed));
        }
    }

    let mut future = pin!(future);
    context::driving(|engine| engine.set_blocking((false, 0)));
    let mut end = End { resumed: false };
    loop {
        let waker = context::driving(|engine| waker::of_number(engine.polled.get(), engine.wakers()));
        let waker = waker.expect("the closure is called by a loop");
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        let dropping = context::driving(|engine| engine.dropping.take()).flatten();
        own_stack::suspend();
        context::driving(|engine| engine.dropping.set(dropping));
        end.resumed = true;
    }
}

impl Engine {
    /// Returns whether the running code may block.
    pub(crate) fn blocking(&self) -> Blocking {
        match (self.is_polling(), self.nested.blocking.get()) {
            _ if own_stack::is_unwinding() => Blocking::Between,
            (true, false) => Blocking::Refused,
            (true, true) if !self.is_shut_down() => Blocking::Allowed,
            _ => Blocking::Between,
        }
    }

    /// Returns whether the running code is on a worker: in a task, or in the root of a runtime with a current thread, and not in
    /// code that may block.
    pub(crate) fn is_on_worker(&self) -> bool {
        let one_thread = matches!(self.settings.flavor, Flavor::CurrentThread | Flavor::Local);
        self.is_polling() && !self.nested.blocking.get() && (one_thread || self.current.get() != ROOT_SLOT)
    }

    /// Sets whether the running code may block, and how many units of the budget are spent. Returns what was set before.
    fn set_blocking(&self, (blocking, spent): (bool, u8)) -> (bool, u8) {
        (self.nested.blocking.replace(blocking), self.step.spent.replace(spent))
    }

    /// Ends a wait in a closure that was suspended, or not.
    fn end_suspended_wait(&self, resumed: bool) {
        self.set_blocking((true, UNLIMITED));
        if resumed {
            // As at the end of a nested wait.
            self.step.woken.set(true);
        }
    }

    /// Polls until `poll` returns true, and runs the loop in between.
    fn wait(&self, poll: &mut dyn FnMut(&mut Context<'_>) -> bool) {
        struct End<'a> {
            engine: &'a Engine,
            resumed: bool,
        }

        impl Drop for End<'_> {
            fn drop(&mut self) {
                self.engine.end_wait();
                if self.resumed {
                    // The task may have been woken for the futures that it polls besides.
                    self.engine.step.woken.set(true);
                }
            }
        }

        assert!(self.blocking() == Blocking::Allowed, "the caller checks that the code may block");
        self.nested.blocking.set(false);
        self.step.spent.set(0);
        let slot = self.current.get();
        self.nested.frames.borrow_mut().push(slot);
        let mut end = End { engine: self, resumed: false };
        loop {
            let waker = waker::of_number(self.polled.get(), self.wakers());
            if poll(&mut Context::from_waker(&waker)) {
                return;
            }
            self.run_nested(slot);
            end.resumed = true;
        }
    }

    /// Returns whether the task in this slot, which blocks, continues now. Otherwise its step ends without a poll.
    #[cold]
    pub(super) fn continues_wait(&self, slot: u32, interrupts: Interrupts) -> bool {
        let is_innermost = self.nested.frames.borrow().last() == Some(&slot);
        let paused = interrupts.has(Interrupts::PAUSED) && !interrupts.has(Interrupts::STOPPED);
        let continues = is_innermost && !paused;
        if !continues {
            self.step.suspended.set(true);
            self.step.interrupted.set(Interrupted::Parked);
        }
        continues
    }

    /// Ends the innermost wait. The one below is the innermost now, and may have been due already.
    fn end_wait(&self) {
        self.nested.blocking.set(true);
        self.step.spent.set(UNLIMITED);
        self.nested.frames.borrow_mut().pop();
        if let Some(below) = self.parked_below(0) {
            self.core.borrow_mut().make_ready(below);
        }
    }

    /// Returns the task in the wait that is this many below the innermost one, if it is due but parked.
    fn parked_below(&self, depth: usize) -> Option<u32> {
        let below = self.nested.frames.borrow().iter().rev().nth(depth).copied()?;
        (self.core.borrow_mut().tasks.at(below).state == State::Parked).then_some(below)
    }

    /// Ends the step of the task in this slot and runs the loop until the task is due again.
    fn run_nested(&self, slot: u32) {
        let number = self.polled.replace(0);
        let stuck_after = {
            let mut core = self.core.borrow_mut();
            self.suspend_blocked(&mut core, slot);
            core.scheduler.limits.stuck_after
        };
        let halted = Heartbeat::watch_run(stuck_after, |heartbeat| self.run_caught(heartbeat));
        let below_is_due = self.parked_below(1).is_some();
        let mut guard = self.core.borrow_mut();
        let core = &mut *guard;
        let place = core.tasks.at(slot);
        place.interrupts.remove(Interrupts::BLOCKED);
        match halted {
            Ok(Halt::Continues) => {
                if place.interrupts.has(Interrupts::STOPPED) {
                    // The node is down. The task ends when its frame is gone.
                    drop(guard);
                    resume_unwind(Box::new(Unwound));
                }
            }
            halted => {
                // The frame belongs to a step that continues in order to unwind.
                place.state = State::Running;
                self.current.set(slot);
                self.polled.set(number);
                if let Err(Stop::Failed(failure)) = &halted
                    && failure.kind == FailureKind::Deadlock
                    && below_is_due
                {
                    drop(guard);
                    panic!(
                        "deadlock of two blocking waits: an earlier wait could continue, but this later one must end first, \
                         because both share one stack; await instead of blocking{}",
                        own_stack::HINT
                    );
                }
                self.nested.halted.set(Some(halted));
                core.scheduler.stop_soon();
                drop(guard);
                resume_unwind(Box::new(Unwound));
            }
        }
    }

    /// Ends the step of a task that blocks.
    fn suspend_blocked(&self, core: &mut Core, slot: u32) {
        core.tasks.at(slot).interrupts.add(Interrupts::BLOCKED);
        if self.step.suspended.get() && self.step.interrupted.get() == Interrupted::No {
            self.end_preempted_poll(core, slot);
        } else {
            let Core { tasks, scheduler, observer, .. } = core;
            scheduler.pending(tasks.at(slot), slot, self.step.woken.get(), observer);
        }
    }
}
