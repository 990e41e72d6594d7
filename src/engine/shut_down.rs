//! The end of a runtime: its tasks are cancelled, and their outputs are kept for the join handles that are left.
//!
//! # Invariants
//! - Closures of `spawn_blocking` that were spawned before run to their end if the shutdown waits for them, as on the threads
//!   of tokio's pool. Those that are suspended continue when the other tasks are cancelled; if they still wait then, they are
//!   cancelled, too.
//! - Nothing is spawned on a runtime that has been shut down. A task that code tries to spawn is cancelled at once.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake};

use timeloop_sim::{Limits, Seed, StrategySpec};

use super::context::Driving;
use super::panics::Watch;
use super::run::{MAX_LAST_ROUNDS, Root};
use super::tasks::{Interrupts, NO_SLOT, ROOT_SLOT, State};
use super::waker::{self, TaskRef};
use super::{Engine, ForeignWakes, Label, RunId, RuntimeSettings};

impl Engine {
    /// Creates a loop in the place of one that has been shut down and dropped.
    pub(crate) fn after_shutdown(run: RunId) -> Rc<Self> {
        let source = StrategySpec::Fifo.source(Seed(0));
        let (limits, label) = (Limits::default(), Label::Fixed("a `Runtime` that has been shut down"));
        let settings = RuntimeSettings::OF_RUN;
        let detail = timeloop_sim::Detail::Lean;
        let mut engine = Self::with_mailbox(source, &limits, detail, label, settings, ForeignWakes::new());
        engine.foreign_wakes.close();
        engine.run = run;
        {
            let mut core = engine.core.borrow_mut();
            (core.ended, core.shut_down) = (true, true);
        }
        Rc::new(engine)
    }

    /// Returns whether the runtime has been shut down.
    pub(crate) fn is_shut_down(&self) -> bool {
        self.core.borrow().shut_down
    }

    /// Returns whether the runtime has been shut down and no join handle can ask for an output.
    pub(super) fn is_forgettable(&self) -> bool {
        let core = self.core.borrow();
        core.shut_down && core.tasks.live() <= 1
    }

    /// Shuts a runtime down that is not running. If it `waits`, the closures of `spawn_blocking` that are left run first.
    pub(crate) fn shut_down(&self, waits: bool) {
        let _driving = Driving::enter(self);
        let _watch = Watch::nested();
        self.current.set(NO_SLOT);
        {
            let mut core = self.core.borrow_mut();
            (core.ended, core.shut_down) = (true, true);
        }
        if waits {
            for slot in self.unfinished() {
                self.run_blocking_closure(slot);
            }
        }
        for slot in self.unfinished() {
            if !(waits && self.has_begun(slot)) {
                self.cancel_at_end(slot);
            }
        }
        if waits {
            self.resume_closures();
        }
        for slot in self.unfinished() {
            self.cancel_at_end(slot);
        }
        let (root, values, timers) = {
            let mut core = self.core.borrow_mut();
            let root = core.tasks.at(ROOT_SLOT).id;
            (root, core.nodes.take_values(), core.clock.timers.clear())
        };
        self.drop_remains(root, (values, timers));
        #[cfg(feature = "net")]
        self.end_world();
        // As in tokio, nobody learns of the panics of tasks that are dropped here.
        self.core.borrow_mut().tasks.unobserved = None;
        self.foreign_wakes.close();
    }

    /// Returns the spawned tasks that have not ended, in order of spawning.
    fn unfinished(&self) -> Vec<u32> {
        let mut core = self.core.borrow_mut();
        let mut slots = core.tasks.in_order();
        slots.retain(|&slot| slot != ROOT_SLOT && core.tasks.at(slot).state != State::Ended);
        slots
    }

    /// Runs the task in this slot if it is a closure of `spawn_blocking` that has not been aborted.
    fn run_blocking_closure(&self, slot: u32) {
        {
            let mut core = self.core.borrow_mut();
            let place = core.tasks.at(slot);
            if !place.blocking || place.interrupts.any() {
                return;
            }
        }
        self.poll_closure(slot);
    }

    /// Returns whether the task in this slot is a closure that is suspended.
    fn has_begun(&self, slot: u32) -> bool {
        let mut core = self.core.borrow_mut();
        let interrupts = core.tasks.at(slot).interrupts;
        interrupts.has(Interrupts::BEGUN) && !interrupts.has(Interrupts::STOPPED)
    }

    /// Resumes the suspended closures that something has woken, such as the end of the other tasks, until none is left.
    fn resume_closures(&self) {
        let is_due =
            |&slot: &u32| self.has_begun(slot) && self.core.borrow_mut().tasks.at(slot).state == State::Ready;
        for _ in 0..MAX_LAST_ROUNDS {
            let due: Vec<u32> = self.unfinished().into_iter().filter(is_due).collect();
            if due.is_empty() {
                return;
            }
            due.into_iter().for_each(|slot| self.poll_closure(slot));
        }
    }

    /// Polls the task in this slot, a closure of `spawn_blocking`.
    fn poll_closure(&self, slot: u32) {
        let (task, number) = {
            let mut core = self.core.borrow_mut();
            let place = core.tasks.at(slot);
            place.state = State::Running;
            (place.task.take(), TaskRef::number_of(self.run, slot, place.generation))
        };
        let Some(mut task) = task else { return };
        self.step.reset();
        self.current.set(slot);
        self.polled.set(number);
        let ended = task.poll(&mut Context::from_waker(&waker::of_number(number, &waker::PLAIN))).is_ready();
        self.polled.set(0);
        let mut core = self.core.borrow_mut();
        let place = core.tasks.at(slot);
        place.task.put(Some(task));
        if ended {
            self.end_task(core, slot);
        } else {
            place.state = if self.step.woken.get() { State::Ready } else { State::Waiting };
            drop(core);
        }
        self.current.set(NO_SLOT);
    }

    /// Cancels the task in this slot. If its destructor panics, that is its output.
    fn cancel_at_end(&self, slot: u32) {
        let (id, task) = {
            let mut core = self.core.borrow_mut();
            let place = core.tasks.at(slot);
            if matches!(place.state, State::Vacant | State::Ended) {
                // The destructor of an earlier task has ended this one.
                return;
            }
            let dropped = place.interrupts.has(Interrupts::FUTURE_DROPPED);
            (place.id, if dropped { None } else { place.task.take() })
        };
        if let Some(mut task) = task {
            let outer = self.dropping.replace(Some(id));
            let cancelled = task.cancel(id);
            self.dropping.set(outer);
            self.core.borrow_mut().tasks.at(slot).task.put(Some(task));
            if let Err(payload) = cancelled {
                self.task_panicked(slot, payload);
            }
        }
        self.end_task(self.core.borrow_mut(), slot);
    }

    /// Polls `root` in the context of a runtime that has been shut down, until it has ended. Only `root` itself can wake it.
    #[track_caller]
    pub(crate) fn poll_after_shutdown(&self, root: &mut dyn Root) {
        struct Woken(AtomicBool);

        impl Wake for Woken {
            fn wake(self: Arc<Self>) {
                self.0.store(true, Ordering::Relaxed);
            }
        }

        let _driving = Driving::enter(self);
        let woken = Arc::new(Woken(AtomicBool::new(false)));
        let waker = Arc::clone(&woken).into();
        while !root.poll(&mut Context::from_waker(&waker)) {
            assert!(
                woken.0.swap(false, Ordering::Relaxed),
                "`block_on` of {}, which has been shut down, would wait for ever: its tasks do not run any more",
                self.label()
            );
        }
    }
}
