//! Running the loop: one step after the other until the root has ended or something fails.
//!
//! Always true: each step polls one task once; tasks that are left at the end are dropped in order of spawning, with the
//! loop still in place, so that their destructors find their world.
#![expect(unsafe_code, reason = "polls tasks where they stand, while the table of tasks may grow")]

use std::any::Any;
use std::mem;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::task::{Context, RawWakerVTable};

use timeloop_sim::{Access, Ended, Failure, Pulse, SpawnSite, TaskKey, TaskLabel};

use super::Id;
use super::cell::TaskBox;
use super::context::Driving;
use super::panics::{self, PanicNote, Watch};
use super::preemption::Interrupted;
use super::recorder::Recorder;
use super::root::Root;
use super::table::State;
use super::waker::{self, TaskRef, Wakee};
use super::{Core, Engine, NO_SLOT, ROOT_SLOT, mix_step};

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
        let id = Id::from_number(core.next_id);
        core.next_id += 1;
        core.table.insert(TaskKey::ROOT, id, None, spawned, 0);
        let root = core.table.at(ROOT_SLOT);
        root.state = State::Waiting;
        // Nobody spawned it: the watchdog has no place to name.
        root.spawn_site = SpawnSite::default();
        if let Some(recorder) = &mut core.recorder {
            recorder.spawned(TaskKey::ROOT, None, "".into(), None, None, 0);
        }
    }

    /// Runs the loop until `root` has ended.
    pub(crate) fn drive(&self, root: &mut dyn Root, loud: bool) -> Result<(), Stop> {
        let _driving = Driving::enter(self);
        let _watch = Watch::begin(loud);
        let mut core = self.core.borrow_mut();
        let stuck_after = core.limits.stuck_after;
        core.make_ready_root();
        // A call that failed has left none.
        core.refuel();
        drop(core);
        Pulse::watch_run(stuck_after, |pulse| {
            // One net for all that a task's own does not catch: the root, and destructors. The loop goes on without who
            // panics.
            loop {
                match catch_unwind(AssertUnwindSafe(|| self.turn(root, pulse))) {
                    Ok(result) => {
                        self.current.set(NO_SLOT);
                        return result;
                    }
                    Err(payload) => {
                        if let Some(stop) = self.caught(payload) {
                            self.current.set(NO_SLOT);
                            return Err(stop);
                        }
                    }
                }
            }
        })
    }

    /// Takes one step after the other.
    fn turn(&self, root: &mut dyn Root, pulse: &Pulse<'_>) -> Result<(), Stop> {
        let mut guard = self.core.borrow_mut();
        loop {
            let core = &mut *guard;
            let next = if core.fuel == 0 || self.post.has_woken() { None } else { core.source.next() };
            let Some(number) = next else {
                drop(guard);
                if let Some(failure) = self.pause() {
                    return Err(Stop::Failed(failure));
                }
                guard = self.core.borrow_mut();
                continue;
            };
            core.fuel -= 1;
            let now_ns = self.now_ns.get();
            let slot = core.table.at(number);
            debug_assert!(slot.state == State::Ready);
            slot.state = State::Running;
            slot.polled_at_ns = now_ns;
            let (id, key, interrupts) = (slot.id, slot.key, slot.interrupts);
            let goes_on = slot.gave_way;
            let resume = if goes_on { slot.resumes - 1 } else { slot.resumes };
            slot.resumes = resume + 1;
            let task = TaskRef::number_of(self.run, number, slot.generation);
            let future = slot.task.as_ref().map(TaskBox::pointer);
            pulse.begin_poll(key, slot.spawn_site);
            if let Some(recorder) = &mut core.recorder {
                Self::record_step(recorder, id, now_ns, core.trace_hash);
            }
            self.step.reset();
            core.selects = 0;
            if !(goes_on && self.go_on(core, number)) {
                core.trace_hash = mix_step(core.trace_hash, key, resume, now_ns);
            }
            self.current.set(number);
            self.polled.set(task);
            drop(guard);

            let waker = waker::of_number(task, self.wakers());
            let context = &mut Context::from_waker(&waker);
            let ended = match future {
                // SAFETY: a task's box stays in its slot, and nobody uses it, while the slot's state is `Running`;
                // one that has ended is never ready.
                Some(future) if interrupts.any() => unsafe {
                    self.resume_interrupted(number, future, context)
                },
                // SAFETY: as above.
                Some(future) => unsafe { future.poll(context) }.is_ready(),
                // Only the root has no future of its own.
                None if root.poll(context) => {
                    self.polled.set(0);
                    self.core.borrow_mut().end_root();
                    return Ok(());
                }
                None => false,
            };

            self.polled.set(0);
            if ended {
                if let Some(payload) = self.fallen.take() {
                    self.task_fell(number, payload);
                }
                self.end_task(number);
                guard = self.core.borrow_mut();
            } else {
                guard = self.core.borrow_mut();
                if self.step.gave_way.get() {
                    if self.step.interrupted.get() == Interrupted::No {
                        self.give_way(&mut guard, number);
                    } else {
                        drop(guard);
                        self.end_interrupted(number);
                        guard = self.core.borrow_mut();
                    }
                } else {
                    guard.pending(number, self.step.woken.get());
                }
            }
        }
    }

    /// Apart, so that it costs nothing where nothing is recorded.
    #[cold]
    #[inline(never)]
    fn record_step(recorder: &mut Recorder, id: Id, now_ns: u64, trace_hash: u64) {
        recorder.begin_step(id, now_ns, trace_hash);
    }

    /// A panic came out of a step.
    #[cold]
    fn caught(&self, payload: Box<dyn Any + Send>) -> Option<Stop> {
        let note = panics::take(&*payload);
        let slot = self.current.get();
        let polling = self.polled.replace(0) != 0;
        let mut core = self.core.borrow_mut();
        if slot == ROOT_SLOT && polling {
            core.end_root();
            let failure = self.root_panic(&mut core, note);
            return Some(Stop::Panicked(payload, failure));
        }
        if !polling {
            // Between polls: the destructor of an output, or a waker that is not the loop's own.
            let label = if slot == NO_SLOT { TaskLabel::default() } else { core.task_label(slot) };
            core.unobserved(label, note);
            return None;
        }
        drop(core);
        // SAFETY: the state is still `Running`: the poll that panicked is over, and nobody else uses the task.
        unsafe { self.task_panicked(slot, payload, note) };
        self.end_task(slot);
        None
    }

    /// The task in this slot, which was being polled, has panicked.
    #[cold]
    #[inline(never)]
    fn task_fell(&self, slot: u32, payload: Box<dyn Any + Send>) {
        let note = panics::take(&*payload);
        // SAFETY: the state is still `Running`: the poll that panicked is over, and nobody else uses the task.
        unsafe { self.task_panicked(slot, payload, note) };
    }

    /// Code of the task in this slot has panicked, which is its output now.
    ///
    /// # Safety
    /// Nobody uses the task, and nobody will before this returns.
    pub(super) unsafe fn task_panicked(&self, slot: u32, payload: Box<dyn Any + Send>, note: PanicNote) {
        let mut core = self.core.borrow_mut();
        let place = core.table.at(slot);
        let (id, task) = (place.id, place.task.as_ref().map(TaskBox::pointer));
        drop(core);
        if let Some(task) = task {
            // SAFETY: as the caller promises.
            unsafe { task.panicked(id, payload) };
        }
        let mut core = self.core.borrow_mut();
        let place = core.table.at(slot);
        place.panicked = true;
        let detached = place.detached;
        let label = core.task_label(slot);
        core.first_panic.get_or_insert_with(|| Box::new((label.clone(), note.clone())));
        if detached {
            core.unobserved(label, note);
        } else {
            core.aside().panics.insert(id, (label, note));
        }
    }

    /// The wakers of the next poll.
    #[inline]
    fn wakers(&self) -> &'static RawWakerVTable {
        if self.explain {
            self.alternate.set(!self.alternate.get());
            &waker::NOTING[usize::from(self.alternate.get())]
        } else {
            &waker::PLAIN
        }
    }

    /// Between steps, when there is no task to run or something else to look at: lets time pass, or says what failed.
    #[cold]
    #[inline(never)]
    fn pause(&self) -> Option<Box<Failure>> {
        let mut guard = self.core.borrow_mut();
        let core = &mut *guard;
        if let Some(task) = self.post.woken() {
            return Some(self.escape(core, task));
        }
        if let Some(unobserved) = core.unobserved.take() {
            let (label, note) = *unobserved;
            return Some(self.unobserved_panic(core, label, note));
        }
        if core.fuel == 0 && core.extend_for_tasks() {
            return None;
        }
        if core.fuel == 0 {
            // A bound has been reached: that matters only if a task would run beyond it.
            if let Some(slot) = core.source.next() {
                // It stays ready: a runtime may go on after this.
                core.make_ready(slot);
                return Some(if core.steps() >= core.limits.max_steps {
                    self.step_limit(core)
                } else {
                    self.livelock(core, slot)
                });
            }
        }
        let timer_ns = core.timers.next_deadline_ns();
        #[cfg(feature = "net")]
        let timer_ns = self.next_ns_with_network(timer_ns);
        let Some(deadline_ns) = timer_ns else {
            // What a strategy holds back is ready all the same.
            return if core.source.let_go() { None } else { Some(self.deadlock(core)) };
        };
        if u128::from(deadline_ns) > core.limits.max_virtual_time.as_nanos() {
            if core.source.let_go() {
                return None;
            }
            return Some(self.time_limit(core, deadline_ns));
        }
        let by_ns = deadline_ns.saturating_sub(self.now_ns.get());
        // What is due already, such as a timer that was set back to the past, comes without time's moving: nobody can be
        // held back for that.
        let held = if by_ns == 0 { core.source.let_go() } else { !core.source.lets_time_pass(by_ns) };
        if held {
            return None;
        }
        self.current.set(NO_SLOT);
        if by_ns > 0 {
            self.now_ns.set(deadline_ns);
            core.refuel();
            core.gave_way_last = (NO_SLOT, 0);
            if let Some(recorder) = &mut core.recorder {
                recorder.advanced();
            }
            core.source.time_passed();
        }
        let mut foreign = Vec::new();
        while let Some(wakee) = core.timers.take_due(deadline_ns) {
            match wakee {
                // The loop's own tasks need no call; but once one does, those behind it wait for their turn.
                Wakee::Task(task) if foreign.is_empty() => core.wake(task),
                other => foreign.push(other),
            }
        }
        drop(guard);
        #[cfg(feature = "net")]
        self.advance_network(&mut foreign);
        foreign.into_iter().for_each(Wakee::wake);
        None
    }

    /// The task in this slot has ended.
    pub(super) fn end_task(&self, slot: u32) {
        let mut guard = self.core.borrow_mut();
        if guard.table.at(slot).node != 0 {
            drop(guard);
            self.node_task_ends(slot);
            guard = self.core.borrow_mut();
        }
        if self.attends.get() {
            let task = TaskRef::new(self.run, slot, guard.table.at(slot).generation);
            drop(guard);
            self.touch_end(task, Access::Write, None);
            guard = self.core.borrow_mut();
        }
        let core = &mut *guard;
        core.end_step(true);
        let place = core.table.at(slot);
        place.state = State::Ended;
        let (id, key, detached) = (place.id, place.key, place.detached);
        // Read before it is taken: as a whole it would be read wide just after it was written narrow.
        let joiner = match &place.joiner {
            Some(Wakee::Task(joiner)) => {
                let joiner = *joiner;
                place.joiner = None;
                Some(Ok(joiner))
            }
            Some(Wakee::Other(_)) => place.joiner.take().map(Err),
            None => None,
        };
        core.source.finished(key);
        core.forget(id);
        match joiner {
            Some(Ok(joiner)) => core.wake(joiner),
            Some(Err(joiner)) => {
                drop(guard);
                joiner.wake();
            }
            None if detached => {
                let remains = core.table.remove(slot);
                drop(guard);
                self.drop_remains(id, remains);
            }
            None => {}
        }
    }

    /// A panic that nobody observed in the last steps before the root ended.
    pub(crate) fn take_unobserved(&self) -> Option<Box<Failure>> {
        let mut core = self.core.borrow_mut();
        let (label, note) = *core.unobserved.take()?;
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
            core.table.at(ROOT_SLOT).id
        };
        self.drop_remains(root, OnDrop(drop_root));
        // Destructors may spawn more.
        let mut endless = None;
        for round in 0.. {
            let slots = {
                let table = &self.core.borrow().table;
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
                left.for_each(|slot| mem::forget(core.table.remove(slot)));
                break;
            }
            slots.into_iter().filter(|&slot| slot != ROOT_SLOT).for_each(|slot| self.drop_task(slot));
        }
        let timers = self.core.borrow_mut().timers.clear();
        drop(timers);
        #[cfg(feature = "net")]
        self.end_network();
        let failure = self.take_unobserved().or(endless).or_else(|| {
            // A wake from outside that came after the last step.
            self.post.woken().map(|task| self.escape(&mut self.core.borrow_mut(), task))
        });
        self.post.close();
        failure
    }

    /// Drops a task that the end of the run leaves behind.
    fn drop_task(&self, slot: u32) {
        let mut guard = self.core.borrow_mut();
        let core = &mut *guard;
        let place = core.table.at(slot);
        if place.state == State::Vacant {
            // The destructor of an earlier task has let go of this one.
            return;
        }
        let id = place.id;
        if let Some((label, note)) = core.take_panic(id) {
            core.unobserved(label, note);
        }
        core.forget(id);
        let remains = core.table.remove(slot);
        drop(guard);
        self.drop_remains(id, remains);
    }

    /// Drops what is left of a task. A panic in its destructors has nobody left to observe it.
    #[inline(never)]
    pub(super) fn drop_remains<T>(&self, id: Id, remains: T) {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(remains))) {
            let note = panics::take(&*payload);
            let mut core = self.core.borrow_mut();
            let label = core.recorder.as_ref().map_or_else(TaskLabel::default, |recorder| recorder.label(id));
            core.unobserved(label, note);
        }
    }

    /// What the harness wants to know of a run that has been finished.
    // By reference: it is large, and to move it would cost as much as some steps.
    pub(crate) fn ended(&self) -> Ended {
        let mut core = self.core.borrow_mut();
        Ended {
            failure: None,
            trace_hash: core.trace_hash,
            steps: core.steps(),
            elapsed_ns: self.now_ns.get(),
            record: core.recorder.take().map(|recorder| Box::new(recorder.into_record())),
            unapplied: core.source.unapplied(),
        }
    }
}

impl Core {
    /// How many steps have been taken.
    pub(super) fn steps(&self) -> u64 {
        self.steps_before + (self.granted - self.fuel)
    }

    /// The bound of polls at one instant is for a few tasks that wake each other; with very many, each of them may be
    /// polled a few times. Whether there is more fuel now.
    fn extend_for_tasks(&mut self) -> bool {
        const POLLS_A_TASK: u64 = 16;
        let wanted = POLLS_A_TASK * u64::from(self.table.live());
        let most = wanted.min(self.limits.max_steps - self.steps_before);
        if self.granted == 0 || most <= self.granted {
            return false;
        }
        self.fuel = most - self.granted;
        self.granted = most;
        true
    }

    /// A new instant begins: the bound of polls at one instant counts from zero again.
    pub(super) fn refuel(&mut self) {
        self.steps_before = self.steps();
        let steps_left = self.limits.max_steps - self.steps_before;
        self.granted = steps_left.min(self.limits.max_polls_per_instant);
        self.fuel = self.granted;
    }

    /// The root is resumed at the start of each call of `drive`.
    fn make_ready_root(&mut self) {
        let root = self.table.at(ROOT_SLOT);
        if root.state == State::Waiting {
            self.make_ready(ROOT_SLOT);
        }
    }

    /// The poll of this task has ended, the task has not.
    #[inline(always)]
    pub(super) fn pending(&mut self, slot: u32, woken: bool) {
        self.end_step(false);
        let place = self.table.at(slot);
        if woken {
            Self::show(place, slot, &mut self.source, &mut self.recorder);
        } else {
            place.state = State::Waiting;
        }
    }

    /// The root has ended; it may be driven again with another future.
    fn end_root(&mut self) {
        self.end_step(true);
        self.table.at(ROOT_SLOT).state = State::Waiting;
    }

    #[inline]
    pub(super) fn end_step(&mut self, finished: bool) {
        if let Some(recorder) = &mut self.recorder {
            Self::record_end(recorder, finished);
        }
    }

    #[cold]
    #[inline(never)]
    fn record_end(recorder: &mut Recorder, finished: bool) {
        recorder.end_step(finished);
    }

    /// Lets go of what is kept beside the table for a task.
    #[inline]
    fn forget(&mut self, id: Id) {
        if let Some(aside) = &mut self.aside {
            aside.names.remove(&id);
            aside.streams.remove(&id);
        }
    }
}
