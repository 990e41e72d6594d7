//! Running the loop: one step after the other until the root has ended or something fails.
//!
//! Always true: each step polls one task once; tasks that are left at the end are dropped in order of spawning, with the
//! loop still in place, so that their destructors find their world.

use std::any::Any;
use std::mem;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, RawWakerVTable, Waker};

use timeloop_sim::{Ended, Failure, Pulse, TaskKey, TaskLabel, TaskPath};

use super::cell::{Polled, Task};
use super::context::Driving;
use super::panics::{self, Watch};
use super::table::State;
use super::waker::{self, TaskRef};
use super::{Core, Engine, NO_SLOT, ROOT_SLOT, mix_step};
use crate::task::Id;

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

impl Engine {
    /// Adds the root: the first task, with no future of its own.
    pub(crate) fn add_root(&self, spawned: &'static Location<'static>) {
        let mut core = self.core.borrow_mut();
        let id = Id::from_number(core.next_id);
        core.next_id += 1;
        core.table.insert(TaskKey::ROOT, id, None, spawned);
        core.table.at(ROOT_SLOT).state = State::Waiting;
        if let Some(recorder) = &mut core.recorder {
            recorder.spawned(TaskKey::ROOT, None, "".into(), None, 0);
        }
    }

    /// Runs the loop until `root` has ended.
    pub(crate) fn drive<F: Future>(&self, root: Pin<&mut F>, loud: bool) -> Result<F::Output, Stop> {
        let _driving = Driving::enter(self);
        let _watch = Watch::begin(loud);
        let pulse = Pulse::begin_run(self.core.borrow().limits.stuck_after);
        let result = self.steps(root, &pulse);
        self.current.set(NO_SLOT);
        result
    }

    fn steps<F: Future>(&self, mut root: Pin<&mut F>, pulse: &Pulse) -> Result<F::Output, Stop> {
        self.core.borrow_mut().make_ready_root();
        loop {
            let mut guard = self.core.borrow_mut();
            let core = &mut *guard;
            let next = if core.fuel == 0 || self.post.woken().is_some() { None } else { core.source.next() };
            let Some(ready) = next else {
                drop(guard);
                match self.pause() {
                    None => continue,
                    Some(failure) => return Err(Stop::Failed(failure)),
                }
            };
            core.fuel -= 1;
            core.selects = 0;
            let slot = core.table.at(ready.slot);
            debug_assert!(slot.state == State::Ready && slot.resumes == ready.resume);
            slot.state = State::Running;
            slot.resumes += 1;
            let (id, aborted) = (slot.id, slot.aborted);
            let task = TaskRef::new(self.run, ready.slot, slot.generation);
            let future = slot.task.take();
            pulse.begin_poll(ready.task, slot.spawn_site);
            let now_ns = self.now_ns.get();
            if let Some(recorder) = &mut core.recorder {
                recorder.begin_step(id, now_ns, core.trace_hash);
            }
            core.trace_hash = mix_step(core.trace_hash, ready, now_ns);
            self.current.set(ready.slot);
            drop(guard);
            let waker = task.waker(self.wakers());
            let context = &mut Context::from_waker(&waker);
            let Some(mut task) = future else {
                // Only the root has no future of its own.
                match catch_unwind(AssertUnwindSafe(|| root.as_mut().poll(context))) {
                    Ok(Poll::Pending) => self.core.borrow_mut().pending(ROOT_SLOT, None),
                    Ok(Poll::Ready(output)) => {
                        self.core.borrow_mut().end_root();
                        return Ok(output);
                    }
                    Err(payload) => return Err(self.root_panicked(payload)),
                }
                continue;
            };
            let polled = if aborted { task.cancel(id) } else { task.poll(id, context) };
            self.end_poll(ready.slot, id, task, polled);
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

    #[cold]
    fn root_panicked(&self, payload: Box<dyn Any + Send>) -> Stop {
        let note = panics::take(&*payload);
        let mut core = self.core.borrow_mut();
        core.end_root();
        let failure = self.root_panic(&mut core, note);
        Stop::Panicked(payload, failure)
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
        if let Some((label, note)) = core.unobserved.take() {
            return Some(self.unobserved_panic(core, label, note));
        }
        if core.fuel == 0 {
            // A bound has been reached: that matters only if a task would run beyond it.
            if let Some(ready) = core.source.next() {
                return Some(if core.steps() >= core.limits.max_steps {
                    self.step_limit(core)
                } else {
                    self.livelock(core, ready.slot)
                });
            }
        }
        let Some(deadline_ns) = core.timers.next_deadline_ns() else {
            return Some(self.deadlock(core));
        };
        if u128::from(deadline_ns) > core.limits.max_virtual_time.as_nanos() {
            return Some(self.time_limit(core, deadline_ns));
        }
        debug_assert!(deadline_ns >= self.now_ns.get(), "time does not run backwards");
        self.now_ns.set(deadline_ns);
        self.current.set(NO_SLOT);
        core.refuel();
        let mut due = mem::take(&mut core.due);
        core.timers.take_due(&mut due);
        drop(guard);
        due.drain(..).for_each(Waker::wake);
        self.core.borrow_mut().due = due;
        None
    }

    #[inline]
    fn end_poll(&self, slot: u32, id: Id, task: Box<dyn Task>, polled: Polled) {
        let mut guard = self.core.borrow_mut();
        let core = &mut *guard;
        let note = match polled {
            Polled::Pending => return core.pending(slot, Some(task)),
            Polled::Done => None,
            Polled::Panicked(note) => Some(note),
        };
        core.end_step(true);
        let place = core.table.at(slot);
        place.state = State::Ended;
        place.task = Some(task);
        let (key, detached, joiner) = (place.key, place.detached, place.joiner.take());
        core.source.finished(key);
        if let Some(note) = note {
            core.table.at(slot).panicked = true;
            let label = core.task_label(slot);
            core.panics.insert(id, (label, *note));
            if detached {
                core.unobserved(id);
            }
        }
        core.forget(id);
        let remains = if detached { Some(core.table.remove(slot)) } else { None };
        drop(guard);
        // User code: the destructor of the output, the waker of who awaits it.
        drop(remains);
        if let Some(joiner) = joiner {
            joiner.wake();
        }
    }

    /// A panic that nobody observed in the last steps before the root ended.
    pub(crate) fn take_unobserved(&self) -> Option<Box<Failure>> {
        let mut core = self.core.borrow_mut();
        let (label, note) = core.unobserved.take()?;
        Some(self.unobserved_panic(&mut core, label, note))
    }

    /// Ends the run: drops what is left of it, in order of spawning, with the loop in place.
    pub(crate) fn finish(&self, loud: bool) -> Option<Box<Failure>> {
        let _driving = Driving::enter(self);
        let _watch = Watch::begin(loud);
        self.current.set(NO_SLOT);
        self.core.borrow_mut().ended = true;
        // Destructors may spawn more.
        loop {
            let slots = self.core.borrow().table.in_order();
            if slots.iter().all(|&slot| slot == ROOT_SLOT) {
                break;
            }
            slots.into_iter().filter(|&slot| slot != ROOT_SLOT).for_each(|slot| self.drop_task(slot));
        }
        let timers = self.core.borrow_mut().timers.clear();
        drop(timers);
        let failure = self.take_unobserved();
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
        let (id, panicked) = (place.id, place.panicked);
        if panicked {
            core.unobserved(id);
        }
        core.forget(id);
        let remains = core.table.remove(slot);
        drop(guard);
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(remains))) {
            let note = panics::take(&*payload);
            let mut core = self.core.borrow_mut();
            let label = TaskLabel { path: TaskPath::root(), name: "the end of the run".into(), spawned: None };
            core.unobserved.get_or_insert((label, note));
        }
    }

    /// What the harness wants to know of a run that has been finished.
    pub(crate) fn into_ended(self) -> Ended {
        let core = self.core.into_inner();
        Ended {
            failure: None,
            trace_hash: core.trace_hash,
            steps: core.steps(),
            elapsed_ns: self.now_ns.get(),
            record: core.recorder.map(|recorder| Box::new(recorder.into_record())),
            unapplied: core.source.unapplied(),
        }
    }
}

impl Core {
    /// How many steps have been taken.
    pub(super) fn steps(&self) -> u64 {
        self.steps_before + (self.granted - self.fuel)
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
    #[inline]
    fn pending(&mut self, slot: u32, task: Option<Box<dyn Task>>) {
        self.end_step(false);
        let place = self.table.at(slot);
        place.task = task;
        let woken = place.state == State::RunningWoken;
        place.state = State::Waiting;
        if woken {
            self.make_ready(slot);
        }
    }

    /// The root has ended; it may be driven again with another future.
    fn end_root(&mut self) {
        self.end_step(true);
        self.table.at(ROOT_SLOT).state = State::Waiting;
    }

    #[inline]
    fn end_step(&mut self, finished: bool) {
        if let Some(recorder) = &mut self.recorder {
            recorder.end_step(finished);
        }
    }

    /// Lets go of what is kept beside the table for a task.
    #[inline]
    fn forget(&mut self, id: Id) {
        if !self.names.is_empty() {
            self.names.remove(&id);
        }
        if !self.streams.is_empty() {
            self.streams.remove(&id);
        }
        if let Some(paths) = &mut self.paths {
            paths.remove(&id);
        }
    }
}
