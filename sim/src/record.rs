//! The record of a run: who became ready when, who ran, what was chosen.
//!
//! Kept only for runs that are to be explained; exploring keeps a rolling hash instead.
//!
//! Always true: `steps` lists arrivals in the order in which they ran, each at most once; indices never dangle.

use std::borrow::Cow;

use crate::{
    DecisionKey, Deviation, Domain, Operation, ResourceKey, Site, TaskKey, TaskLabel, WorldChange,
    WorldEffect,
};

/// A task that took part in a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskRecord {
    /// Who it is.
    pub key: TaskKey,
    /// Path, name and the place where it was spawned.
    pub label: TaskLabel,
    /// Virtual time of its spawning, nanoseconds since the run's start.
    pub spawned_at_ns: u64,
}

/// A task becoming ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Index into [`Record::tasks`].
    pub task: u32,
    /// Which resumption of the task this will be.
    pub resume: u32,
    /// The how-many-th operation of that resumption the task has given way for, where it has.
    pub operation: Option<u32>,
    /// How many steps had begun when it became ready.
    pub after_steps: u64,
}

/// One step: one poll of one task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Index into [`Record::arrivals`].
    pub arrival: u32,
    /// Virtual time, nanoseconds since the run's start.
    pub at_ns: u64,
    /// Where the task waits after this step, where known; `None` also when the step ended the task.
    pub waits_at: Option<Site>,
    /// Whether the task ended with this step.
    pub finished: bool,
    /// The trace hash before this step.
    pub trace_hash: u64,
}

/// A decision other than which task runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Which decision.
    pub key: DecisionKey,
    /// Index into [`Record::tasks`] of the task that it is about.
    pub task: u32,
    /// How many possibilities there were.
    pub arity: u32,
    /// Which was taken.
    pub value: u32,
    /// Index into [`Record::steps`] of the step that asked.
    pub step: u64,
}

/// A decision about the world around the tasks that was not the quiet one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorldDeviation {
    /// The decision, as what differs from the quiet run.
    pub deviation: Deviation,
    /// How many steps had begun.
    pub after_steps: u64,
    /// What it came to.
    pub effect: WorldEffect,
}

/// An operation that a step did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Performed {
    /// Index into [`Record::steps`].
    pub step: u64,
    /// The how-many-th operation of the task's resumption; `None` for one that is not announced before it is done, such
    /// as letting go of a lock.
    pub index: Option<u32>,
    /// The operation.
    pub operation: Operation,
    /// Where the code asked for it.
    pub site: Option<Site>,
}

/// Something that a step did to the world in which the tasks live: it crashed a node, say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorldEvent {
    /// Index into [`Record::steps`].
    pub step: u64,
    /// What it did.
    pub change: WorldChange,
}

/// What kind of thing a resource is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResourceKind {
    /// Something that tasks share: a lock, a channel, what the code under test has named.
    #[default]
    Shared,
    /// The end of a task, which others may await.
    TaskEnd,
    /// A socket.
    Socket,
}

/// A resource that a run touched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceRecord {
    /// Which.
    pub key: ResourceKey,
    /// What kind of thing it is.
    pub kind: ResourceKind,
    /// What it is called: `mutex`, or the name that the code under test has given it.
    pub name: Cow<'static, str>,
    /// Where it was made.
    pub made: Option<Site>,
}

/// Virtual time moving to its next instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advance {
    /// How many arrivals there were before it.
    pub after_arrivals: u64,
    /// How many steps.
    pub after_steps: u64,
}

/// All that happened in a run, in the harness's words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Every task, the root first, in order of spawning.
    pub tasks: Vec<TaskRecord>,
    /// Every time a task became ready, in order.
    pub arrivals: Vec<Arrival>,
    /// Every step, in order.
    pub steps: Vec<Step>,
    /// Every other decision, in order.
    pub choices: Vec<Choice>,
    /// Every decision about the world that was not the quiet one, in order.
    pub world_deviations: Vec<WorldDeviation>,
    /// Every operation, in order.
    pub operations: Vec<Performed>,
    /// Every resource, in the order in which they were first touched.
    pub resources: Vec<ResourceRecord>,
    /// Every move of virtual time, in order.
    pub advances: Vec<Advance>,
    /// What was done to the world, in order.
    pub events: Vec<WorldEvent>,
}

impl Record {
    /// The arrival that a step ran.
    #[must_use]
    pub fn arrival_of(&self, step: &Step) -> Arrival {
        self.arrivals[step.arrival as usize]
    }

    /// The task that a step ran.
    #[must_use]
    pub fn task_of(&self, step: &Step) -> &TaskRecord {
        &self.tasks[self.arrival_of(step).task as usize]
    }

    /// For each arrival the step that ran it.
    pub(crate) fn ran_at(&self) -> Vec<Option<usize>> {
        let mut ran_at = vec![None; self.arrivals.len()];
        for (number, step) in self.steps.iter().enumerate() {
            ran_at[step.arrival as usize] = Some(number);
        }
        ran_at
    }

    /// The arrival that a deviation is about, if the run comes to it.
    pub(crate) fn arrival_about(&self, deviation: &Deviation) -> Option<usize> {
        let operation = match deviation.domain {
            Domain::Schedule | Domain::Select | Domain::User => None,
            Domain::Operation => Some(deviation.index),
            Domain::Stall => deviation.index.checked_sub(1),
            Domain::Network | Domain::Fault => return None,
        };
        self.arrivals.iter().position(|arrival| {
            arrival.resume == deviation.resume
                && arrival.operation == operation
                && self.tasks[arrival.task as usize].label.path == deviation.task
        })
    }

    /// What a deviation came to in the world around the tasks, if the run comes to it.
    pub(crate) fn effect_of(&self, deviation: &Deviation) -> Option<&WorldDeviation> {
        self.world_deviations.iter().find(|other| other.deviation.key() == deviation.key())
    }

    /// How many steps had begun when the turn of an arrival that ran at `step` began: when it became ready, or when time
    /// last moved on while it was held back.
    pub(crate) fn turn_begins(&self, arrival: usize, step: usize) -> u64 {
        let end = self.advances.partition_point(|advance| advance.after_steps <= step as u64);
        let last = self.advances[..end].last().filter(|advance| advance.after_arrivals > arrival as u64);
        last.map_or(self.arrivals[arrival].after_steps, |advance| advance.after_steps)
    }

    /// What the record knows of a resource.
    #[must_use]
    pub fn resource(&self, key: ResourceKey) -> Option<&ResourceRecord> {
        self.resources.iter().find(|resource| resource.key == key)
    }

    /// Whether a resource stands for the end of a task, which it was made with.
    pub(crate) fn is_task_end(&self, key: ResourceKey) -> bool {
        self.resource(key).is_some_and(|resource| {
            resource.kind == ResourceKind::TaskEnd
                && resource.made.is_some()
                && self.tasks.iter().any(|task| task.label.spawned == resource.made)
        })
    }

    /// The operations of step number `step`, in order.
    pub fn operations_of(&self, step: usize) -> &[Performed] {
        let step = step as u64;
        let start = self.operations.partition_point(|performed| performed.step < step);
        let end = self.operations.partition_point(|performed| performed.step <= step);
        &self.operations[start..end]
    }

    /// What step number `step` did to the world, in order.
    pub fn events_of(&self, step: usize) -> &[WorldEvent] {
        let step = step as u64;
        let start = self.events.partition_point(|event| event.step < step);
        let end = self.events.partition_point(|event| event.step <= step);
        &self.events[start..end]
    }

    /// Where the task of step number `step` resumes: the place where it waited before; `None` for a first
    /// resumption, and where the place is not known.
    #[must_use]
    pub fn resumes_at(&self, step: usize) -> Option<&Site> {
        let task = self.arrival_of(&self.steps[step]).task;
        self.steps[..step]
            .iter()
            .rev()
            .find(|earlier| self.arrival_of(earlier).task == task)
            .and_then(|earlier| earlier.waits_at.as_ref())
    }
}
