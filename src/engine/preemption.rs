//! Preemption: decides whether a task is preempted before an operation, and continues the task later.
//!
//! [`StepState`] is the state of the current step, [`PreemptedPoll`] that of a preempted task.
//!
//! # Invariants
//! - A preempted task continues the same resumption, with the counts and wakes that it had.
//! - A preemption leaves no trace if the same task runs next.

use timeloop_sim::{Access, Announced, DecisionKey, Operation, ResourceKey};

use super::scheduler::Scheduler;
use super::tasks::{Slot, State};
use super::unsafe_cells::InlinedCell;
use super::{Core, Engine};

/// The state of the current step. Its layout lets one store reset it.
#[derive(Debug, Default)]
#[repr(C, align(8))]
pub(super) struct StepState {
    /// Whether the task has been woken during its poll.
    pub(super) woken: InlinedCell<bool>,
    /// Whether the task is suspended: it was preempted before an operation, or interrupted.
    pub(super) suspended: InlinedCell<bool>,
    /// How the step was interrupted, if it was. Then `suspended` is set, too.
    pub(super) interrupted: InlinedCell<Interrupted>,
    /// How many units of the budget the resumption has spent: at most [`UNITS`](super::budget::UNITS) and one more
    /// that was refused, or [`UNLIMITED`](super::budget::UNLIMITED).
    pub(super) spent: InlinedCell<u8>,
    /// How many operations the resumption has announced.
    pub(super) operations: InlinedCell<u32>,
}

impl StepState {
    #[inline(always)]
    pub(super) fn reset(&self) {
        self.woken.set(false);
        self.suspended.set(false);
        self.interrupted.set(Interrupted::No);
        self.spent.set(0);
        self.operations.set(0);
    }
}

/// How a change of the task's node has interrupted a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Interrupted {
    /// The step was not interrupted.
    #[default]
    No,
    /// The node is paused, so the task was not polled.
    Parked,
    /// The task stopped or paused its own node during its poll.
    Within,
}

/// A resumption that was preempted before an operation.
// Copied field by field: a wide read right after narrow writes stalls the CPU.
#[derive(Clone, Copy, Debug)]
pub(super) struct PreemptedPoll {
    index: u32,
    access: Access,
    resource: ResourceKey,
    operations: u32,
    selects: u32,
    spent: u8,
    /// Whether the task had been woken before it was preempted. Then another resumption follows this one.
    woken: bool,
}

impl PreemptedPoll {
    #[inline(always)]
    pub(super) fn announced(&self) -> Announced {
        let operation = Operation { resource: self.resource, access: self.access };
        Announced { index: self.index, operation }
    }
}

impl Engine {
    /// Counts an operation of the current resumption. Returns whether it is observed, or may have to be suspended.
    #[inline]
    pub(super) fn count_operation(&self) -> bool {
        self.step.operations.set(self.step.operations.get().wrapping_add(1));
        self.step.spend();
        self.is_observed() || self.step.suspended.get() || self.step.is_overspent()
    }

    /// Undoes the last count, for an operation that is suspended and will be counted again.
    #[inline(always)]
    pub(super) fn uncount_operation(&self) {
        self.step.operations.set(self.step.operations.get() - 1);
        self.step.restore();
    }

    /// Returns the number of the operation that was counted last.
    #[inline(always)]
    pub(super) fn operation_index(&self) -> u32 {
        self.step.operations.get() - 1
    }

    /// Asks the source whether to preempt the task before this operation. If so, suspends the task and returns the number of
    /// the current step; the source relies on the suspension.
    ///
    /// A source that does not want operations is asked only about those that are `always` preemption points, even in a
    /// recorded run.
    #[inline]
    pub(super) fn should_preempt(
        &self,
        core: &mut Core,
        index: u32,
        operation: Operation,
        always: bool,
    ) -> Option<u64> {
        if !(always || core.scheduler.wants_operations) {
            return None;
        }
        let current = self.current.get();
        let slot = core.tasks.at(current);
        if slot.state != State::Running {
            // A destructor of another task polls.
            return None;
        }
        // The count includes the current resumption.
        let (task, resume) = (slot.key, slot.resumes - 1);
        let key = DecisionKey::Operation { task, resume, index };
        if !core.scheduler.source.should_preempt(key, operation) {
            return None;
        }
        core.scheduler.mix_decision(task, resume, index, 0);
        self.step.suspended.set(true);
        core.note_preemption(current, self.step.woken.get(), index, operation);
        core.observer.record(|recorder| recorder.preempted(key));
        Some(core.scheduler.steps())
    }

    /// Restores the state of a preempted task, which continues now. Returns whether the preemption leaves no trace: if no
    /// other task ran in between, the two steps count as one.
    #[inline]
    pub(super) fn continue_preempted(
        &self,
        scheduler: &mut Scheduler,
        place: &mut Slot,
        poll: &PreemptedPoll,
        slot: u32,
    ) -> bool {
        place.preempted = false;
        self.step.operations.set(poll.operations);
        self.step.spent.set(poll.spent);
        // The wake must not be lost: without the preemption it would resume the task.
        self.step.woken.set(poll.woken);
        scheduler.selects = poll.selects;
        let (last_slot, after_steps) = scheduler.preempted_last;
        // The current step is counted already.
        let leaves_no_trace = last_slot == slot && after_steps == scheduler.steps() - 1;
        if !leaves_no_trace {
            scheduler.mix(u64::from(poll.index));
        }
        leaves_no_trace
    }

    /// Ends the step of a task that was preempted.
    #[inline]
    pub(super) fn end_preempted_poll(&self, core: &mut Core, slot: u32) {
        if self.step.woken.get() {
            core.observer.record(|recorder| {
                recorder.will_continue();
                recorder.end_step(false);
            });
            core.requeue_preempted(slot, &self.step);
        } else {
            // A combinator polls the future and did not pass on its wake: the task waits.
            let Core { tasks, scheduler, observer, .. } = core;
            scheduler.pending(tasks.at(slot), slot, false, observer);
        }
    }
}

impl Core {
    /// Stores the operation before which the running task in this slot is preempted, and whether the task has been woken.
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
                spent: 0,
                woken: false,
            };
            // One allocation suffices for a short run.
            self.tasks.preempted_polls.resize((place + 1).max(8), nothing);
        }
        let poll = &mut self.tasks.preempted_polls[place];
        poll.index = index;
        poll.access = operation.access;
        poll.resource = operation.resource;
        poll.woken = woken;
    }

    /// Marks the preempted task in this slot as ready to continue.
    #[inline]
    pub(super) fn requeue_preempted(&mut self, slot: u32, step: &StepState) {
        self.scheduler.preempted_last = (slot, self.scheduler.steps());
        let poll = &mut self.tasks.preempted_polls[slot as usize];
        poll.operations = step.operations.get();
        poll.spent = step.spent.get();
        poll.selects = self.scheduler.selects;
        let announced = poll.announced();
        let place = self.tasks.at(slot);
        place.preempted = true;
        self.scheduler.make_ready(place, slot, Some(announced), &mut self.observer);
    }
}
