//! Preemption: whether a task is preempted before an operation, where its resumption stands then, and how it goes on.
//!
//! # Invariants
//! - Going on is part of the resumption that was preempted, with its counts and its wakes as they were.
//! - A preemption after which the same task goes on at once leaves no trace.

use std::cell::Cell;

use timeloop_sim::{Access, Announced, DecisionKey, Operation, ResourceKey};

use super::tasks::State;
use super::{Core, Engine};

/// What the step under way has come to. Laid out to be reset by one store.
#[derive(Debug, Default)]
#[repr(C, align(8))]
pub(super) struct StepState {
    /// Whether the task that is being polled has been woken meanwhile.
    pub(super) woken: Cell<bool>,
    /// Whether it has given way for an operation.
    pub(super) suspended: Cell<bool>,
    /// How the step has been interrupted, if it has; it has given way then, too.
    pub(super) interrupted: Cell<Interrupted>,
    filling: Cell<u8>,
    /// How many operations its resumption has announced.
    pub(super) operations: Cell<u32>,
}

impl StepState {
    #[inline(always)]
    pub(super) fn reset(&self) {
        self.woken.set(false);
        self.suspended.set(false);
        self.interrupted.set(Interrupted::No);
        self.filling.set(0);
        self.operations.set(0);
    }
}

/// How a step has been interrupted by what happened to its task's node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Interrupted {
    /// It has not.
    #[default]
    No,
    /// The task has not been polled: the node is paused.
    Parked,
    /// The node went down or was paused while the task was polled, by the task itself.
    Within,
}

/// A resumption that stands before an operation. Single numbers, copied one by one: as a whole it would be read wide just
/// after it was written narrow.
#[derive(Clone, Copy, Debug)]
pub(super) struct PreemptedPoll {
    index: u32,
    access: Access,
    resource: ResourceKey,
    operations: u32,
    selects: u32,
    /// Whether the task had been woken before it gave way, so that another resumption is due after this one.
    woken: bool,
}

impl PreemptedPoll {
    #[inline(always)]
    pub(super) fn announced(&self) -> Announced {
        let operation = Operation { resource: self.resource, access: self.access };
        Announced { index: self.index, operation }
    }
}

/// After so many operations without a wait a task goes back to the loop, as tokio's tasks do after 128: a loop that always
/// finds something to do would else never end its step.
const OPERATIONS_MAX: u32 = 1_024;

impl Engine {
    /// Counts an operation of the resumption under way; returns whether anyone observes it, or it may be suspended.
    #[inline]
    pub(super) fn count_operation(&self) -> bool {
        self.step.operations.set(self.step.operations.get().wrapping_add(1));
        self.is_observed() || self.suspends()
    }

    /// Takes the operation counted last back: it is suspended, and will be counted again.
    #[inline(always)]
    pub(super) fn uncount_operation(&self) {
        self.step.operations.set(self.step.operations.get() - 1);
    }

    /// Returns the number of the operation counted last.
    #[inline(always)]
    pub(super) fn operation_index(&self) -> u32 {
        self.step.operations.get() - 1
    }

    /// Whether the step under way does no further operation: its task was preempted, or has done so many that it is time
    /// for others.
    #[inline(always)]
    pub(super) fn suspends(&self) -> bool {
        self.step.suspended.get() || self.step.operations.get() > OPERATIONS_MAX
    }

    /// Asks the source whether the task is preempted before this operation; if so, returns the number of the step in which
    /// that happens. A source that preempts a task counts on it.
    ///
    /// A source that does not want to know of operations is asked only for those that are `always` preemption points,
    /// although the run may be recorded.
    #[inline]
    pub(super) fn should_preempt(&self, index: u32, operation: Operation, always: bool) -> Option<u64> {
        let mut core = self.core.borrow_mut();
        let core = &mut *core;
        if !(always || core.scheduler.wants_operations) {
            return None;
        }
        let current = self.current.get();
        let slot = core.tasks.at(current);
        if slot.state != State::Running {
            // A destructor polls, of a task that does not run.
            return None;
        }
        // The count already includes the resumption under way.
        let (task, resume) = (slot.key, slot.resumes - 1);
        let key = DecisionKey::Operation { task, resume, index };
        if !core.scheduler.source.should_preempt(key, operation) {
            return None;
        }
        self.step.suspended.set(true);
        core.note_preemption(current, self.step.woken.get(), index, operation);
        core.observer.record(|recorder| recorder.preempted(key));
        Some(core.scheduler.steps())
    }

    /// The task goes on where it gave way. Whether that leaves no trace: having given way for nothing, the two steps count
    /// as the one that they would have been.
    #[inline]
    pub(super) fn continue_preempted(&self, core: &mut Core, slot: u32) -> bool {
        core.tasks.at(slot).preempted = false;
        let poll = &core.tasks.preempted_polls[slot as usize];
        let index = poll.index;
        self.step.operations.set(poll.operations);
        // Whoever woke it may be gone, and wake it no more: without giving way it would be resumed all the same.
        self.step.woken.set(poll.woken);
        core.scheduler.selects = poll.selects;
        let (last_slot, after_steps) = core.scheduler.preempted_last;
        // The step under way is counted already.
        let leaves_no_trace = last_slot == slot && after_steps == core.scheduler.steps() - 1;
        if !leaves_no_trace {
            core.scheduler.mix(u64::from(index));
        }
        leaves_no_trace
    }

    /// The task's poll has ended before an operation.
    #[inline]
    pub(super) fn end_preempted_poll(&self, core: &mut Core, slot: u32) {
        if self.step.woken.get() {
            core.observer.record(|recorder| {
                recorder.will_continue();
                recorder.end_step(false);
            });
            core.requeue_preempted(slot, self.step.operations.get());
        } else {
            // Whoever polls the future keeps its wakes to itself: the task waits as it says.
            let Core { tasks, scheduler, observer, .. } = core;
            scheduler.pending(tasks.at(slot), slot, false, observer);
        }
    }
}

impl Core {
    /// The task in this slot, which runs and has been woken meanwhile or not, gives way for an operation.
    #[inline]
    pub(super) fn note_preemption(&mut self, slot: u32, woken: bool, index: u32, operation: Operation) {
        let place = slot as usize;
        if self.tasks.preempted_polls.len() <= place {
            let nothing = PreemptedPoll {
                index: 0,
                access: Access::Read,
                resource: ResourceKey(0),
                operations: 0,
                selects: 0,
                woken: false,
            };
            // At least as many as a short run needs, at once.
            self.tasks.preempted_polls.resize((place + 1).max(8), nothing);
        }
        let poll = &mut self.tasks.preempted_polls[place];
        poll.index = index;
        poll.access = operation.access;
        poll.resource = operation.resource;
        poll.woken = woken;
    }

    /// The task in this slot has given way, and is ready to go on.
    #[inline]
    pub(super) fn requeue_preempted(&mut self, slot: u32, operations: u32) {
        self.scheduler.preempted_last = (slot, self.scheduler.steps());
        let poll = &mut self.tasks.preempted_polls[slot as usize];
        poll.operations = operations;
        poll.selects = self.scheduler.selects;
        let announced = poll.announced();
        let place = self.tasks.at(slot);
        place.preempted = true;
        self.scheduler.make_ready(place, slot, Some(announced), &mut self.observer);
    }
}
