//! Runs the loop: one step after the other until the root has ended or something fails, and then the teardown.
//!
//! # Invariants
//! Each step polls one task once. Tasks that are left at the end are dropped in order of spawning, with the loop still in
//! place, so that their destructors find their world. The loop polls and drops the root through [`Root`] alone, so that the
//! loop and the making of a run are compiled once, and not once more for every test of a user.

use std::any::Any;
use std::mem::{self, ManuallyDrop};
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, RawWakerVTable};

use timeloop_sim::{Access, Ended, Failure, Heartbeat, SpawnSite, TaskKey, TaskLabel};

use super::context::Driving;
use super::observer::{Level, Recorder};
use super::panics::{self, Watch};
use super::preemption::Interrupted;
use super::tasks::{NO_SLOT, ROOT_SLOT, State};
use super::waker::{self, TaskRef, WakeTarget};
use super::{Core, Engine, Id};

/// A root that the loop can poll and drop.
pub(crate) trait Root {
    /// Polls it; whether it has ended.
    fn poll(&mut self, context: &mut Context<'_>) -> bool;

    /// Drops what is left of it.
    fn drop_future(&mut self);
}

/// A root, and its output once it has ended.
pub(crate) struct RootFuture<'a, F: Future> {
    future: Pin<&'a mut Option<F>>,
    output: Option<F::Output>,
}

impl<'a, F: Future> RootFuture<'a, F> {
    pub(crate) fn new(future: Pin<&'a mut Option<F>>) -> Self {
        Self { future, output: None }
    }

    /// What it came to, if it has ended.
    pub(crate) fn into_output(self) -> Option<F::Output> {
        self.output
    }
}

impl<F: Future> Root for RootFuture<'_, F> {
    fn poll(&mut self, context: &mut Context<'_>) -> bool {
        match self.future.as_mut().as_pin_mut().expect("not dropped yet").poll(context) {
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
}

/// Why the loop stopped before its root had ended.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The root panicked.
    Panicked(Box<dyn Any + Send>, Box<Failure>),
    /// The run failed otherwise.
    Failed(Box<Failure>),
}

impl Stop {
    pub(crate) fn into_failure(self) -> Box<Failure> {
        match self {
            Self::Panicked(_, failure) | Self::Failed(failure) => failure,
        }
    }
}

/// How many times the tasks that are left at the end may spawn others while they are dropped.
pub(super) const MAX_LAST_ROUNDS: u32 = 1000;

/// Calls its function when it is dropped.
struct OnDrop<'a>(&'a mut dyn FnMut());

impl Drop for OnDrop<'_> {
    fn drop(&mut self) {
        (self.0)();
    }
}

impl Engine {
    /// Adds the root: the first task, with no future of its own.
    pub(crate) fn add_root(&self, spawned: &'static Location<'static>) {
        let mut core = self.core.borrow_mut();
        core.tasks.insert(TaskKey::ROOT, None, spawned, 0);
        let root = core.tasks.at(ROOT_SLOT);
        root.state = State::Waiting;
        // Nobody spawned it: the watchdog has no place to name.
        root.spawn_site = SpawnSite::default();
        core.observer.record(|recorder| recorder.spawned(TaskKey::ROOT, None, "".into(), None, None, 0));
    }

    /// Runs the loop until `root` has ended.
    pub(crate) fn drive(&self, root: &mut dyn Root, loud: bool) -> Result<(), Stop> {
        let _driving = Driving::enter(self);
        let _watch = Watch::begin(loud);
        let mut core = self.core.borrow_mut();
        let stuck_after = core.scheduler.limits.stuck_after;
        if core.tasks.at(ROOT_SLOT).state == State::Waiting {
            core.make_ready(ROOT_SLOT);
        }
        // A call that failed has left none.
        core.scheduler.refuel();
        drop(core);
        Heartbeat::watch_run(stuck_after, |heartbeat| {
            // One net for all that a task's own does not catch: the root, and destructors. The loop goes on without who
            // panics.
            loop {
                match catch_unwind(AssertUnwindSafe(|| self.run_steps(root, heartbeat))) {
                    Ok(result) => {
                        self.current.set(NO_SLOT);
                        return result;
                    }
                    Err(payload) => {
                        if let Some(stop) = self.handle_panic(payload) {
                            self.current.set(NO_SLOT);
                            return Err(stop);
                        }
                    }
                }
            }
        })
    }

    /// Takes one step after the other.
    fn run_steps(&self, root: &mut dyn Root, heartbeat: &Heartbeat<'_>) -> Result<(), Stop> {
        let mut guard = self.core.borrow_mut();
        loop {
            let core = &mut *guard;
            let next = if self.foreign_wakes.has_woken() { None } else { core.scheduler.next() };
            let Some(number) = next else {
                drop(guard);
                if let Some(failure) = self.between_steps() {
                    return Err(Stop::Failed(failure));
                }
                guard = self.core.borrow_mut();
                continue;
            };
            let now_ns = core.clock.now_ns;
            let slot = core.tasks.at(number);
            debug_assert!(matches!(slot.state, State::Ready));
            slot.state = State::Running;
            slot.polled_at_ns = now_ns;
            let (id, key, interrupts) = (slot.id, slot.key, slot.interrupts);
            let continues = slot.preempted;
            let resume = if continues { slot.resumes - 1 } else { slot.resumes };
            slot.resumes = resume + 1;
            let task = TaskRef::number_of(self.run, number, slot.generation);
            // Out of its slot while it is polled: the table may grow meanwhile. A poll catches all panics, so that the
            // task is always put back, and the loop need not be ready to drop it.
            let mut future = ManuallyDrop::new(if interrupts.any() { None } else { slot.task.take() });
            heartbeat.begin_poll(key, slot.spawn_site);
            let trace_hash = core.scheduler.trace_hash;
            core.observer.record(|recorder| recorder.begin_step(id, now_ns, trace_hash));
            self.step.reset();
            core.scheduler.selects = 0;
            if !(continues && self.continue_preempted(core, number)) {
                core.scheduler.mix_step(key, resume, now_ns);
            }
            self.current.set(number);
            self.polled.set(task);
            drop(guard);

            let waker = waker::of_number(task, self.wakers());
            let context = &mut Context::from_waker(&waker);
            let ended = match &mut *future {
                Some(future) => matches!(future.poll(context), Poll::Ready(())),
                None if interrupts.any() => self.resume_interrupted(number, context),
                // Only the root has no future of its own.
                None if root.poll(context) => {
                    self.polled.set(0);
                    self.core.borrow_mut().end_root();
                    return Ok(());
                }
                None => false,
            };

            self.polled.set(0);
            guard = self.core.borrow_mut();
            let Core { tasks, scheduler, observer, .. } = &mut *guard;
            let place = tasks.at(number);
            if let Some(future) = ManuallyDrop::into_inner(future) {
                place.put_back(future);
            }
            if ended {
                drop(guard);
                self.end_task(number);
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

    /// A panic came out of a step.
    #[cold]
    fn handle_panic(&self, payload: Box<dyn Any + Send>) -> Option<Stop> {
        let slot = self.current.get();
        let polling = self.polled.replace(0) != 0;
        if polling && slot != ROOT_SLOT {
            self.task_panicked(slot, payload);
            self.end_task(slot);
            return None;
        }
        let note = panics::take(&*payload);
        let mut core = self.core.borrow_mut();
        if polling {
            core.end_root();
            let failure = self.root_panic(&mut core, note);
            return Some(Stop::Panicked(payload, failure));
        }
        // Between polls: the destructor of an output, or a waker that is not the loop's own.
        let label = if slot == NO_SLOT { TaskLabel::default() } else { core.task_label(slot) };
        core.unobserved((label, note));
        None
    }

    /// Makes the panic the output of the task in this slot, which is not being polled any more.
    #[cold]
    #[inline(never)]
    pub(super) fn task_panicked(&self, slot: u32, payload: Box<dyn Any + Send>) {
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
        let place = core.tasks.at(slot);
        place.task = task;
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

    /// The wakers of the next poll.
    #[inline]
    fn wakers(&self) -> &'static RawWakerVTable {
        if matches!(self.level, Level::Explain) {
            self.alternate.set(!self.alternate.get());
            &waker::NOTING[usize::from(self.alternate.get())]
        } else {
            &waker::PLAIN
        }
    }

    /// Between steps, when there is no task to run or something else to look at: lets time pass, or says what failed.
    #[cold]
    #[inline(never)]
    fn between_steps(&self) -> Option<Box<Failure>> {
        let mut guard = self.core.borrow_mut();
        let core = &mut *guard;
        if let Some(task) = self.foreign_wakes.woken() {
            return Some(self.escape(core, task));
        }
        if let Some(unobserved) = core.tasks.unobserved.take() {
            let (label, note) = *unobserved;
            return Some(self.unobserved_panic(core, label, note));
        }
        if core.scheduler.is_spent() && core.scheduler.extend_for(core.tasks.live()) {
            return None;
        }
        if core.scheduler.is_spent() {
            // A bound has been reached: that matters only if a task would run beyond it.
            if let Some(slot) = core.scheduler.source.next() {
                // It stays ready: a runtime may go on after this.
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
        let Some(deadline_ns) = timer_ns else {
            // What a strategy holds back is ready all the same.
            return if core.scheduler.source.let_go() { None } else { Some(self.deadlock(core)) };
        };
        if u128::from(deadline_ns) > core.scheduler.limits.max_virtual_time.as_nanos() {
            if core.scheduler.source.let_go() {
                return None;
            }
            return Some(self.time_limit(core, deadline_ns));
        }
        let by_ns = deadline_ns.saturating_sub(core.clock.now_ns);
        // What is due already, such as a timer that was set back to the past, comes without time's moving: nobody can be
        // held back for that.
        let held = if by_ns == 0 {
            core.scheduler.source.let_go()
        } else {
            !core.scheduler.source.lets_time_pass(by_ns)
        };
        if held {
            return None;
        }
        self.current.set(NO_SLOT);
        if by_ns > 0 {
            core.clock.now_ns = deadline_ns;
            core.scheduler.refuel();
            core.scheduler.preempted_last = (NO_SLOT, 0);
            core.observer.record(Recorder::advanced);
            core.scheduler.source.time_passed();
        }
        let mut foreign = Vec::new();
        while let Some(wake_target) = core.clock.timers.take_due(deadline_ns) {
            match wake_target {
                // The loop's own tasks need no call; but once one does, those behind it wait for their turn.
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

    /// Ends the task in this slot, whose last step is over.
    #[inline(never)]
    pub(super) fn end_task(&self, slot: u32) {
        if let Some(payload) = self.panicked.take() {
            self.task_panicked(slot, payload);
        }
        let mut guard = self.core.borrow_mut();
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
        // Read before it is taken: as a whole it would be read wide just after it was written narrow.
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

    /// A panic that nobody observed in the last steps before the root ended.
    pub(crate) fn take_unobserved(&self) -> Option<Box<Failure>> {
        let mut core = self.core.borrow_mut();
        let (label, note) = *core.tasks.unobserved.take()?;
        Some(self.unobserved_panic(&mut core, label, note))
    }

    /// Runs code of the user's that belongs to the loop, such as a destructor, without polling anything.
    pub(crate) fn within<R>(&self, f: impl FnOnce() -> R) -> R {
        let _driving = Driving::enter(self);
        f()
    }

    /// Ends the run: drops what is left of it, first the root and then the tasks in order of spawning, with the loop in
    /// place.
    pub(crate) fn finish(&self, loud: bool, drop_root: &mut dyn FnMut()) -> Option<Box<Failure>> {
        let _driving = Driving::enter(self);
        let _watch = Watch::begin(loud);
        debug_assert!(!self.is_polling(), "a task can't be dropped while it runs");
        self.current.set(NO_SLOT);
        self.keep_anomalies();
        let root = {
            let mut core = self.core.borrow_mut();
            core.ended = true;
            core.tasks.at(ROOT_SLOT).id
        };
        self.drop_remains(root, OnDrop(drop_root));
        // Destructors may spawn more.
        let mut endless = None;
        for round in 0.. {
            let slots = {
                let table = &self.core.borrow().tasks;
                // The root, most often: it keeps its slot.
                if table.live() <= 1 { Vec::new() } else { table.in_order() }
            };
            if slots.is_empty() {
                let values = self.core.borrow_mut().nodes.take_values();
                if values.is_empty() {
                    break;
                }
                self.drop_remains(root, values);
                continue;
            }
            if round == MAX_LAST_ROUNDS {
                let mut core = self.core.borrow_mut();
                endless = Some(self.endless_end(&mut core));
                // Forgotten: their destructors would do worse without their loop.
                let left = slots.into_iter().filter(|&slot| slot != ROOT_SLOT);
                left.for_each(|slot| mem::forget(core.tasks.remove(slot)));
                break;
            }
            slots.into_iter().filter(|&slot| slot != ROOT_SLOT).for_each(|slot| self.drop_task(slot));
        }
        let timers = self.core.borrow_mut().clock.timers.clear();
        drop(timers);
        #[cfg(feature = "net")]
        self.end_world();
        let failure = self.take_unobserved().or(endless).or_else(|| {
            // A wake from outside that came after the last step.
            self.foreign_wakes.woken().map(|task| self.escape(&mut self.core.borrow_mut(), task))
        });
        self.foreign_wakes.close();
        failure
    }

    /// Drops a task that the end of the run leaves behind.
    fn drop_task(&self, slot: u32) {
        let mut guard = self.core.borrow_mut();
        let core = &mut *guard;
        let place = core.tasks.at(slot);
        if place.state == State::Vacant {
            // The destructor of an earlier task has let go of this one.
            return;
        }
        let id = place.id;
        if let Some(panic) = core.tasks.take_panic(id) {
            core.unobserved(panic);
        }
        core.tasks.forget(id);
        let remains = core.tasks.remove(slot);
        drop(guard);
        self.drop_remains(id, remains);
    }

    /// Drops what is left of a task. A panic in its destructors has nobody left to observe it.
    #[inline(never)]
    pub(super) fn drop_remains<T>(&self, id: Id, remains: T) {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(remains))) {
            let note = panics::take(&*payload);
            let mut core = self.core.borrow_mut();
            let label = core
                .observer
                .recorder
                .as_ref()
                .map_or_else(TaskLabel::default, |recorder| recorder.label(id));
            core.unobserved((label, note));
        }
    }

    /// What the harness wants to know of a run that has been finished.
    // By reference: it is large, and to move it would cost as much as some steps.
    pub(crate) fn ended(&self) -> Ended {
        let mut core = self.core.borrow_mut();
        Ended {
            failure: None,
            trace_hash: core.scheduler.trace_hash,
            steps: core.scheduler.steps(),
            elapsed_ns: core.clock.now_ns,
            record: core.observer.recorder.take().map(|recorder| Box::new(recorder.into_record())),
            unapplied: core.scheduler.source.unapplied(),
        }
    }
}

impl Core {
    /// Ends the step of the root, which has ended; it may be driven again with another future.
    fn end_root(&mut self) {
        self.observer.record(|recorder| recorder.end_step(true));
        self.tasks.at(ROOT_SLOT).state = State::Waiting;
    }
}
