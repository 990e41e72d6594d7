//! Runs the loop: takes steps until the root has ended or the run fails, and then tears the run down.
//!
//! # Invariants
//! - Each step polls one task once.
//! - Tasks that are left at the end are dropped in order of spawning. The loop is still in place for their destructors.
//! - The loop polls and drops the root through [`Root`] alone, so it is compiled once and not for every test of a user.

use std::any::Any;
use std::mem;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, RawWakerVTable};

use timeloop_sim::{Access, Ended, Failure, Heartbeat, SpawnSite, TaskKey, TaskLabel};

use super::blocking_waits::{Halt, Unwound};
use super::context::Driving;
use super::observer::Level;
use super::panics::{self, __rust_begin_short_backtrace, Watch};
use super::preemption::Interrupted;
use super::tasks::{Interrupts, NO_SLOT, ROOT_SLOT, State};
use super::unsafe_cells::InlinedRefMut;
use super::waker::{self, TaskRef, WakeTarget};
use super::{Core, Engine, Id};

/// A root task that the loop can poll and drop.
pub(crate) trait Root {
    /// Polls the root; returns whether it has ended.
    fn poll(&mut self, context: &mut Context<'_>) -> bool;

    /// Drops the future.
    fn drop_future(&mut self);

    /// Examines the output at the end of the run, in the context of the loop. What the caller does not need is dropped.
    fn examine_output(&mut self) {}

    /// Drops what [`examine_output`](Self::examine_output) has kept, because the run has failed.
    fn drop_output(&mut self) {}
}

/// A root task, and its output once it has ended.
pub(crate) struct RootFuture<'a, F: Future> {
    future: Pin<&'a mut Option<F>>,
    output: Option<F::Output>,
}

impl<'a, F: Future> RootFuture<'a, F> {
    pub(crate) fn new(future: Pin<&'a mut Option<F>>) -> Self {
        Self { future, output: None }
    }

    /// Returns the output, if the root has ended.
    pub(crate) fn into_output(self) -> Option<F::Output> {
        self.output
    }

    /// Takes the output, if the root has ended.
    pub(crate) fn take_output(&mut self) -> Option<F::Output> {
        self.output.take()
    }
}

impl<F: Future> Root for RootFuture<'_, F> {
    fn poll(&mut self, context: &mut Context<'_>) -> bool {
        let future = self.future.as_mut().as_pin_mut().expect("not dropped yet");
        match __rust_begin_short_backtrace(future, context) {
            Poll::Ready(output) => {
                self.output = Some(output);
                true
            }
            Poll::Pending => false,
        }
    }

    fn drop_future(&mut self) {
        self.future.set(None);
    }

    fn drop_output(&mut self) {
        self.output = None;
    }
}

/// Why the loop stopped before its root had ended.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The root panicked.
    Panicked(Box<dyn Any + Send>, Box<Failure>),
    /// The run failed in another way.
    Failed(Box<Failure>),
}

impl Stop {
    pub(crate) fn into_failure(self) -> Box<Failure> {
        match self {
            Self::Panicked(payload, failure) => {
                panics::discard(payload);
                failure
            }
            Self::Failed(failure) => failure,
        }
    }
}

/// How often the teardown drops the tasks that destructors of earlier ones have spawned.
pub(super) const MAX_LAST_ROUNDS: u32 = 1000;

/// Calls its function when it is dropped.
struct OnDrop<'a>(&'a mut dyn FnMut());

impl Drop for OnDrop<'_> {
    fn drop(&mut self) {
        (self.0)();
    }
}

impl Engine {
    /// Adds the root: the first task, whose future the caller of the loop owns.
    pub(crate) fn add_root(&self, spawned: &'static Location<'static>) {
        let mut core = self.core.borrow_mut();
        core.tasks.insert(TaskKey::ROOT, None, spawned, 0);
        let root = core.tasks.at(ROOT_SLOT);
        root.state = State::Waiting;
        // The root is not spawned, so the watchdog has no place to name.
        root.spawn_site = SpawnSite::default();
        core.observer.record(|recorder| recorder.spawned(TaskKey::ROOT, None, "".into(), None, None, 0));
    }

    /// Runs the loop until `root` has ended.
    pub(crate) fn drive(&self, root: &mut dyn Root, loud: bool) -> Result<(), Stop> {
        let _driving = Driving::enter(self);
        let _watch = Watch::begin(loud);
        self.root.lend(root, || self.drive_lent())
    }

    /// Runs the loop, perhaps within another one, until `root` has ended. Panics are printed, unless a run around it is silent.
    pub(crate) fn drive_nested(&self, root: &mut dyn Root) -> Result<(), Stop> {
        let _outer = self.outer.pointer.note();
        let _driving = Driving::enter(self);
        let _watch = Watch::nested();
        self.root.lend(root, || self.drive_lent())
    }

    /// Returns whether a call runs the loop.
    pub(crate) fn is_running(&self) -> bool {
        self.running.get()
    }

    fn drive_lent(&self) -> Result<(), Stop> {
        struct Running<'a>(&'a Engine);

        impl Drop for Running<'_> {
            fn drop(&mut self) {
                self.0.running.set(false);
                self.0.current.set(NO_SLOT);
                self.0.wake_guests();
            }
        }

        let mut core = self.core.borrow_mut();
        let stuck_after = core.scheduler.limits.stuck_after;
        if core.tasks.at(ROOT_SLOT).state == State::Waiting {
            core.make_ready(ROOT_SLOT);
        }
        // After a call that failed no fuel is left.
        core.scheduler.refuel();
        drop(core);
        self.running.set(true);
        self.outer.halted.set(false);
        let _running = Running(self);
        let halted = Heartbeat::watch_run(stuck_after, |heartbeat| {
            // Not earlier: the watchdog asks the system.
            #[cfg(feature = "hermetic")]
            let _entered = self.enter_hermetic();
            self.run_caught(heartbeat)
        });
        halted.map(|_| ())
    }

    /// Takes steps until the loop halts.
    pub(super) fn run_caught(&self, heartbeat: &Heartbeat<'_>) -> Result<Halt, Stop> {
        // Catches the panics that a task's own `catch_unwind` does not: those of the root, of destructors and of wakers. Unless
        // the root panicked, the loop continues.
        loop {
            match catch_unwind(AssertUnwindSafe(|| self.run_steps(heartbeat))) {
                Ok(result) => return result,
                Err(payload) => {
                    if let Some(halted) = self.handle_panic(payload) {
                        return halted;
                    }
                }
            }
        }
    }

    /// Takes steps until the root has ended, the innermost nested wait continues, or the run fails.
    fn run_steps(&self, heartbeat: &Heartbeat<'_>) -> Result<Halt, Stop> {
        let mut guard = self.core.borrow_mut();
        loop {
            let core = &mut *guard;
            let next = if self.foreign_wakes.has_woken() { None } else { core.scheduler.next() };
            let Some(number) = next else {
                drop(guard);
                self.halt_with_outer();
                if let Some(halted) = self.nested.take_halted() {
                    return halted;
                }
                if let Some(failure) = self.between_steps() {
                    return Err(Stop::Failed(failure));
                }
                guard = self.core.borrow_mut();
                continue;
            };
            core.scheduler.count_step();
            let now_ns = core.clock.now_ns;
            let (slot, polls) = core.tasks.at_with_polls(number);
            debug_assert!(matches!(slot.state, State::Ready));
            slot.state = State::Running;
            slot.polled_at_ns = now_ns;
            let (id, key, interrupts) = (slot.id, slot.key, slot.interrupts);
            let continues = slot.preempted;
            let resume = if continues { slot.resumes - 1 } else { slot.resumes };
            slot.resumes = resume + 1;
            let task = TaskRef::number_of(self.run, number, slot.generation);
            heartbeat.begin_poll(key, slot.spawn_site);
            let trace_hash = core.scheduler.trace_hash;
            core.observer.record(|recorder| recorder.begin_step(id, now_ns, trace_hash));
            self.step.reset();
            core.scheduler.selects = 0;
            if continues
                && self.continue_preempted(&mut core.scheduler, slot, &polls[number as usize], number)
            {
                core.scheduler.mix_continuation();
            } else {
                core.scheduler.mix_step(key, resume, now_ns);
            }
            self.current.set(number);
            self.polled.set(task);
            // Last: its pointer, which the poll needs at once, then stays in a register.
            let lent = slot.task.lend();
            drop(guard);

            let waker = waker::of_number(task, self.wakers());
            let context = &mut Context::from_waker(&waker);
            let (ended, polled) = match lent {
                Some(task) if interrupts.any() => {
                    let (ended, polled) = self.resume_interrupted(number, task, context);
                    (ended, Some(polled))
                }
                Some(task) => {
                    let (poll, polled) = task.poll(context);
                    (matches!(poll, Poll::Ready(())), Some(polled))
                }
                // A task that blocks has its future on the stack.
                None if interrupts.has(Interrupts::BLOCKED) => {
                    if self.continues_wait(number, interrupts) {
                        return Ok(Halt::Continues);
                    }
                    (false, None)
                }
                // Only the root has no future in its slot.
                None if self.root.poll(context) => {
                    self.polled.set(0);
                    self.core.borrow_mut().end_root();
                    return Ok(Halt::RootEnded);
                }
                None => (false, None),
            };

            self.polled.set(0);
            // Read again: kept across the poll, the number would be spilled.
            let number = self.current.get();
            guard = self.core.borrow_mut();
            let Core { tasks, scheduler, observer, .. } = &mut *guard;
            let place = tasks.at(number);
            if let Some(polled) = polled {
                place.task.restore(polled);
            }
            if !self.step.suspended.get() {
                scheduler.count_operations(self.step.operations.get());
            }
            if ended {
                self.end_task(guard, number);
                guard = self.core.borrow_mut();
            } else if !self.step.suspended.get() {
                scheduler.pending(place, number, self.step.woken.get(), observer);
            } else if matches!(self.step.interrupted.get(), Interrupted::No) {
                self.end_preempted_poll(&mut guard, number);
            } else {
                drop(guard);
                self.end_interrupted(number);
                guard = self.core.borrow_mut();
            }
        }
    }

    /// Handles a panic that unwound out of a step. Returns why the loop halts, or `None` if it continues.
    #[cold]
    fn handle_panic(&self, payload: Box<dyn Any + Send>) -> Option<Result<Halt, Stop>> {
        let slot = self.current.get();
        let polling = self.polled.replace(0) != 0;
        if self.outer.halted.get() && (!polling || payload.is::<Unwound>()) {
            resume_unwind(payload);
        }
        if payload.is::<Unwound>() && slot == ROOT_SLOT {
            // A loop nested within the root has halted.
            return self.nested.take_halted();
        }
        if polling && slot == ROOT_SLOT {
            let mut core = self.core.borrow_mut();
            if let Some(failure) = core.fatal.take() {
                core.end_root();
                return Some(Err(Stop::Failed(failure)));
            }
        }
        if polling && slot != ROOT_SLOT {
            self.task_panicked(slot, payload);
            self.end_task(self.core.borrow_mut(), slot);
            return None;
        }
        let note = panics::take(&*payload);
        let mut core = self.core.borrow_mut();
        if polling {
            let id = core.tasks.at(ROOT_SLOT).id;
            core.observer.record(|recorder| recorder.panicked(id));
            core.end_root();
            let failure = self.root_panic(&mut core, note);
            return Some(Err(Stop::Panicked(payload, failure)));
        }
        // Between polls: a destructor of an output, or a waker that is not the loop's own.
        drop(core);
        panics::discard(payload);
        let mut core = self.core.borrow_mut();
        let label = if slot == NO_SLOT { TaskLabel::default() } else { core.task_label(slot) };
        core.unobserved((label, note));
        None
    }

    /// Makes the panic the output of the task in this slot, whose poll is over.
    #[cold]
    #[inline(never)]
    pub(super) fn task_panicked(&self, slot: u32, payload: Box<dyn Any + Send>) {
        if payload.is::<Unwound>() {
            let mut core = self.core.borrow_mut();
            let place = core.tasks.at(slot);
            let (id, task) = (place.id, place.task.take());
            drop(core);
            let cancelled = task.map(|mut task| {
                // Unwinding has dropped the future.
                let _ = task.cancel(id);
                task
            });
            self.core.borrow_mut().tasks.at(slot).task.put(cancelled);
            return;
        }
        let note = panics::take(&*payload);
        let mut core = self.core.borrow_mut();
        let place = core.tasks.at(slot);
        let (id, task) = (place.id, place.task.take());
        drop(core);
        let task = task.map(|mut task| {
            task.panicked(id, payload);
            task
        });
        let mut core = self.core.borrow_mut();
        core.observer.record(|recorder| recorder.panicked(id));
        let place = core.tasks.at(slot);
        place.task.put(task);
        place.panicked = true;
        let detached = place.detached;
        let panic = (core.task_label(slot), note);
        core.tasks.first_panic.get_or_insert_with(|| Box::new(panic.clone()));
        if detached {
            core.unobserved(panic);
        } else {
            core.tasks.keep_panic(id, panic);
        }
    }

    /// Returns the waker table of the next poll.
    #[inline]
    pub(super) fn wakers(&self) -> &'static RawWakerVTable {
        if self.level >= Level::Blocked {
            self.alternate.set(!self.alternate.get());
            &waker::NOTING[usize::from(self.alternate.get())]
        } else {
            &waker::PLAIN
        }
    }

    /// Handles everything but a poll: foreign wakes, limits, and the passing of time when no task is ready. Returns the failure,
    /// if the run has failed.
    #[cold]
    #[inline(never)]
    fn between_steps(&self) -> Option<Box<Failure>> {
        let mut guard = self.core.borrow_mut();
        let core = &mut *guard;
        if let Some(task) = self.foreign_wakes.woken() {
            return Some(self.escape(core, task));
        }
        if let Some(failure) = core.fatal.take() {
            return Some(failure);
        }
        if let Some(unobserved) = core.tasks.unobserved.take() {
            let (label, note) = *unobserved;
            return Some(self.unobserved_panic(core, label, note));
        }
        if core.scheduler.is_spent() && core.scheduler.extend_for(core.tasks.live()) {
            return None;
        }
        if core.scheduler.is_spent() {
            // A limit is exceeded only if a task is ready.
            if let Some(slot) = core.scheduler.source.next() {
                // The task stays ready: a runtime may continue after the failure.
                core.make_ready(slot);
                return Some(if core.scheduler.steps() >= core.scheduler.limits.max_steps {
                    self.step_limit(core)
                } else {
                    self.livelock(core, slot)
                });
            }
        }
        let timer_ns = core.clock.timers.next_deadline_ns();
        #[cfg(feature = "net")]
        let timer_ns = self.next_ns_with_world(timer_ns);
        if self.outer.pointer.is_some() && self.waits_in_outer(core, timer_ns) {
            // A task that the strategy holds back is ready all the same.
            let is_idle = !core.scheduler.source.release_held();
            let by_ns = timer_ns.map(|timer_ns| timer_ns - core.clock.now_ns);
            drop(guard);
            if is_idle {
                self.wait_in_outer(by_ns);
            }
            return None;
        }
        let Some(deadline_ns) = timer_ns else {
            // A task that the strategy holds back is ready all the same.
            return if core.scheduler.source.release_held() { None } else { Some(self.deadlock(core)) };
        };
        if u128::from(deadline_ns) > core.scheduler.limits.max_virtual_time.as_nanos() {
            if core.scheduler.source.release_held() {
                return None;
            }
            return Some(self.time_limit(core, deadline_ns));
        }
        let by_ns = deadline_ns.saturating_sub(core.clock.now_ns);
        // A timer that is due already, such as one that was reset to the past, needs no time to pass. So no task can be held
        // back. Nor while the clock is paused.
        let held = if by_ns == 0 || core.clock.paused {
            core.scheduler.source.release_held()
        } else {
            !core.scheduler.source.lets_time_pass(by_ns)
        };
        if held {
            return None;
        }
        self.current.set(NO_SLOT);
        if by_ns > 0 {
            core.scheduler.refuel();
            core.advance_to(deadline_ns);
        }
        let mut foreign = Vec::new();
        while let Some(wake_target) = core.clock.timers.take_due(deadline_ns) {
            match wake_target {
                // The loop's own tasks need no call. Behind a foreign waker they wait for their turn.
                WakeTarget::Task(task) if foreign.is_empty() => core.wake(task),
                other => foreign.push(other),
            }
        }
        drop(guard);
        #[cfg(feature = "net")]
        self.advance_world(&mut foreign);
        foreign.into_iter().for_each(WakeTarget::wake);
        None
    }

    /// Ends the task in this slot after its last poll. `guard` borrows the core.
    #[inline(never)]
    pub(super) fn end_task<'a>(&'a self, mut guard: InlinedRefMut<'a, Core>, slot: u32) {
        if let Some(payload) = self.panicked.take() {
            drop(guard);
            self.task_panicked(slot, payload);
            guard = self.core.borrow_mut();
        }
        if guard.tasks.at(slot).node != 0 {
            drop(guard);
            self.node_task_ended(slot);
            guard = self.core.borrow_mut();
        }
        if self.is_observed() {
            let task = TaskRef::new(self.run, slot, guard.tasks.at(slot).generation);
            drop(guard);
            self.touch_end(task, Access::Write, None);
            guard = self.core.borrow_mut();
        }
        let core = &mut *guard;
        core.observer.record(|recorder| recorder.end_step(true));
        let place = core.tasks.at(slot);
        place.state = State::Ended;
        let (id, key, detached) = (place.id, place.key, place.detached);
        // Not taken as a whole: a wide read right after narrow writes stalls the CPU.
        let joiner = match &place.joiner {
            Some(WakeTarget::Task(joiner)) => {
                let joiner = *joiner;
                place.joiner = None;
                Some(Ok(joiner))
            }
            Some(WakeTarget::Other(_)) => place.joiner.take().map(Err),
            None => None,
        };
        core.scheduler.source.finished(key);
        core.tasks.forget(id);
        match joiner {
            Some(Ok(joiner)) => core.wake(joiner),
            Some(Err(joiner)) => {
                drop(guard);
                joiner.wake();
            }
            None if detached => {
                let remains = core.tasks.remove(slot);
                drop(guard);
                self.drop_remains(id, remains);
            }
            None => {}
        }
    }

    /// Takes the failure that was met after the last step.
    fn take_fatal(&self) -> Option<Box<Failure>> {
        self.core.borrow_mut().fatal.take()
    }

    /// Returns the failure for a panic in the last steps that no join handle can return.
    pub(crate) fn take_unobserved(&self) -> Option<Box<Failure>> {
        let mut core = self.core.borrow_mut();
        let (label, note) = *core.tasks.unobserved.take()?;
        Some(self.unobserved_panic(&mut core, label, note))
    }

    /// Runs user code in the context of the loop, such as a destructor, without a poll.
    pub(crate) fn within<R>(&self, f: impl FnOnce() -> R) -> R {
        let _driving = Driving::enter(self);
        f()
    }

    /// Tears the run down: drops the root, examines its output, and drops the tasks in order of spawning, in the context of the
    /// loop.
    pub(crate) fn finish(&self, loud: bool, root: &mut dyn Root) -> Option<Box<Failure>> {
        let _driving = Driving::enter(self);
        let _watch = Watch::begin(loud);
        let stuck_after = self.core.borrow().scheduler.limits.stuck_after;
        Heartbeat::watch_end(stuck_after, |heartbeat| {
            #[cfg(feature = "hermetic")]
            let _entered = self.enter_hermetic();
            self.tear_down(root, heartbeat)
        })
    }

    fn tear_down(&self, root: &mut dyn Root, heartbeat: &Heartbeat<'_>) -> Option<Box<Failure>> {
        debug_assert!(!self.is_polling(), "a task can't be dropped while it runs");
        self.current.set(NO_SLOT);
        self.keep_anomalies();
        let root_id = {
            let mut core = self.core.borrow_mut();
            core.ended = true;
            core.tasks.at(ROOT_SLOT).id
        };
        heartbeat.begin_drop(TaskKey::ROOT, SpawnSite::default());
        self.drop_remains(root_id, OnDrop(&mut || root.drop_future()));
        heartbeat.begin_output();
        let examined = catch_unwind(AssertUnwindSafe(|| root.examine_output()));
        let output_panic = examined.err().map(|payload| {
            let note = panics::take(&*payload);
            panics::discard(payload);
            self.root_panic(&mut self.core.borrow_mut(), note)
        });
        // Destructors may spawn more.
        let mut endless = None;
        for round in 0.. {
            let slots = {
                let table = &self.core.borrow().tasks;
                // Most often only the root is left, which keeps its slot.
                if table.live() <= 1 { Vec::new() } else { table.in_order() }
            };
            if slots.is_empty() {
                let values = self.core.borrow_mut().nodes.take_values();
                if values.is_empty() {
                    break;
                }
                heartbeat.begin_drop(TaskKey::ROOT, SpawnSite::default());
                self.drop_remains(root_id, values);
                continue;
            }
            if round == MAX_LAST_ROUNDS {
                let mut core = self.core.borrow_mut();
                endless = Some(self.endless_end(&mut core));
                // Leaked: without the loop, their destructors could do anything.
                let left = slots.into_iter().filter(|&slot| slot != ROOT_SLOT);
                left.for_each(|slot| mem::forget(core.tasks.remove(slot)));
                break;
            }
            let slots = slots.into_iter().filter(|&slot| slot != ROOT_SLOT);
            slots.for_each(|slot| self.drop_task(slot, heartbeat));
        }
        self.end_stand_ins();
        let timers = self.core.borrow_mut().clock.timers.clear();
        drop(timers);
        #[cfg(feature = "net")]
        self.end_world();
        let failure =
            self.take_fatal().or_else(|| self.take_unobserved()).or(output_panic).or(endless).or_else(|| {
                // A wake from outside that came after the last step.
                self.foreign_wakes.woken().map(|task| self.escape(&mut self.core.borrow_mut(), task))
            });
        self.foreign_wakes.close();
        if failure.is_some() {
            heartbeat.begin_output();
            self.drop_remains(root_id, OnDrop(&mut || root.drop_output()));
        }
        failure
    }

    /// Drops a task that is left at the end of the run.
    fn drop_task(&self, slot: u32, heartbeat: &Heartbeat<'_>) {
        let mut guard = self.core.borrow_mut();
        let core = &mut *guard;
        let place = core.tasks.at(slot);
        if place.state == State::Vacant {
            // The destructor of an earlier task has removed this one.
            return;
        }
        let id = place.id;
        heartbeat.begin_drop(place.key, place.spawn_site);
        if let Some(panic) = core.tasks.take_panic(id) {
            core.unobserved(panic);
        }
        core.tasks.forget(id);
        let remains = core.tasks.remove(slot);
        drop(guard);
        self.drop_remains(id, remains);
    }

    /// Drops the remains of a task. A panic in its destructors is unobserved and fails the run.
    #[inline(never)]
    pub(super) fn drop_remains<T>(&self, id: Id, remains: T) {
        let outer = self.dropping.replace(Some(id));
        let dropped = catch_unwind(AssertUnwindSafe(|| drop(remains)));
        self.dropping.set(outer);
        if let Err(payload) = dropped {
            let note = panics::take(&*payload);
            panics::discard(payload);
            let mut core = self.core.borrow_mut();
            let label = core
                .observer
                .recorder
                .as_ref()
                .map_or_else(TaskLabel::default, |recorder| recorder.label(id));
            core.unobserved((label, note));
        }
    }

    /// Returns the results of a finished run for the harness.
    // `&self`: moving the engine would cost as much as some steps.
    pub(crate) fn ended(&self) -> Ended {
        let mut core = self.core.borrow_mut();
        let longest_ns = core.clock.longest_wait_ns();
        core.scheduler.source.longest_wait(longest_ns);
        Ended {
            failure: None,
            trace_hash: core.scheduler.trace_hash,
            decisions_hash: core.scheduler.decisions_hash(),
            steps: core.scheduler.steps(),
            operations: core.scheduler.operations_total,
            elapsed_ns: core.clock.now_ns,
            record: core.observer.recorder.take().map(|recorder| Box::new(recorder.into_record())),
            unapplied: core.scheduler.source.unapplied(),
            faults: core.faults,
            held_ns: core.scheduler.source.held_ns(),
            #[cfg(feature = "hermetic")]
            draws: core.tasks.draws() || self.draws_of_system(),
            #[cfg(not(feature = "hermetic"))]
            draws: core.tasks.draws(),
        }
    }
}

impl Core {
    /// Ends the last step of the root. The loop may be driven again with another future.
    fn end_root(&mut self) {
        self.observer.record(|recorder| recorder.end_step(true));
        self.tasks.at(ROOT_SLOT).state = State::Waiting;
    }
}
