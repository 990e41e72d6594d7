//! The [`Record`] of a run: which tasks became ready and when, which ran, and what was chosen.
//!
//! Only runs that are shrunk or reported are recorded. Exploring keeps a rolling hash instead.
//!
//! # Invariants
//! - `steps` lists arrivals in the order in which they ran, each at most once.
//! - All indices are in range.

use std::borrow::Cow;
use std::ops::Range;

use crate::{
    DecisionKey, Deviation, Domain, NodeState, Operation, ResourceKey, Site, TaskKey, TaskLabel, WorldChange,
    WorldEffect,
};

/// A task that took part in a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskRecord {
    /// The task's key.
    pub key: TaskKey,
    /// The task's path, name and spawn location.
    pub label: TaskLabel,
    /// The virtual time at which it was spawned, in nanoseconds since the run's start.
    pub spawned_at_ns: u64,
}

/// A task becoming ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Index into [`Record::tasks`].
    pub task: u32,
    /// The task's resumption.
    pub resume: u32,
    /// The index within the resumption of the operation before which the task was preempted; `None` if it was not.
    pub operation: Option<u32>,
    /// The number of steps that had begun when it became ready.
    pub after_steps: u64,
}

/// One step: one poll of one task.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// Index into [`Record::arrivals`].
    pub arrival: u32,
    /// Virtual time, nanoseconds since the run's start.
    pub at_ns: u64,
    /// Where the task waits after this step, if known. Also `None` if the step ended the task.
    pub waits_at: Option<Site>,
    /// Whether the task ended with this step.
    pub finished: bool,
    /// Whether the task panicked in this step.
    pub panicked: bool,
    /// The trace hash before this step.
    pub trace_hash: u64,
}

/// What a step does with its task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StepKind {
    /// It polls the task.
    Polls,
    /// It does not poll the task, because its node is paused.
    NodePaused,
    /// It ends the task, because its node went down, which has dropped the task's future.
    NodeDown,
    /// It drops the task's future, because the task was aborted.
    Aborts,
}

/// A decision other than which task runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The decision's key.
    pub key: DecisionKey,
    /// The index into [`Record::tasks`] of the decision's task.
    pub task: u32,
    /// The number of possibilities.
    pub arity: u32,
    /// The value that was chosen.
    pub value: u32,
    /// The index into [`Record::steps`] of the step that made the decision.
    pub step: u64,
}

/// A decision about the network, a fault, input or output that differs from the baseline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorldDeviation {
    /// The decision, as a deviation from the baseline run.
    pub deviation: Deviation,
    /// The number of steps that had begun.
    pub after_steps: u64,
    /// Its effect.
    pub effect: WorldEffect,
}

/// An operation that a step performed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Performed {
    /// Index into [`Record::steps`].
    pub step: u64,
    /// The operation's index within the task's resumption; `None` for one that is not announced in advance, such as
    /// releasing a lock.
    pub index: Option<u32>,
    /// The operation.
    pub operation: Operation,
    /// The source location of the operation.
    pub site: Option<Site>,
    /// How it came out, if not as usual.
    pub outcome: Option<OperationOutcome>,
}

/// How a task performs an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AccessMode {
    /// It was a preemption point.
    Announced,
    /// The operation may not have succeeded: the task may still wait for it when the step ends.
    MayWait,
    /// It was no preemption point: the release of a lock, or the drop of a handle.
    Unannounced,
}

/// How an operation came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OperationOutcome {
    /// An operation that does not wait did not succeed.
    Failed {
        /// The index into [`Record::tasks`] of a task that holds the resource.
        held_by: Option<u32>,
    },
    /// The task had received too few messages before and lost this number of them.
    Lagged(u64),
    /// The resource was closed.
    Closed {
        /// The index into [`Record::tasks`] of the task that closed it, and the index of its step.
        by: Option<(u32, u64)>,
    },
}

/// A change that a step made to the simulated world: it crashed a node, for example.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorldEvent {
    /// Index into [`Record::steps`].
    pub step: u64,
    /// The change.
    pub change: WorldChange,
}

/// The cancellation of a future before its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cancellation {
    /// Index into [`Record::steps`].
    pub step: u64,
    /// What dropped the future.
    pub by: Canceller,
    /// Where the timeout or the `select!` is; `None` if that is not known, and for an abort.
    pub site: Option<Site>,
    /// Where the dropped future waited, if known.
    pub dropped_at: Option<Site>,
}

/// What drops a future before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Canceller {
    /// A timeout that expires.
    Timeout,
    /// A `select!` that drops its other branches.
    Select {
        /// The branch that completes, from 0.
        branch: u32,
    },
    /// An abort of the task.
    Abort,
}

/// The branch with which a `select!` or a timeout has completed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompletedBranch {
    /// Whether it is a `select!` or a timeout.
    pub kind: BranchKind,
    /// Where it is.
    pub site: Site,
    /// The branch, from 0. For a timeout, 0 if its future completed, and 1 if it expired.
    pub branch: u32,
    /// The number of branches.
    pub branches: u32,
}

/// What has branches of which one completes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum BranchKind {
    /// A `select!`.
    Select,
    /// A timeout.
    Timeout,
}

/// A line that the code under test has logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// Index into [`Record::steps`].
    pub step: u64,
    /// Virtual time, nanoseconds since the run's start.
    pub at_ns: u64,
    /// Index into [`Record::tasks`].
    pub task: u32,
    /// The text.
    pub text: String,
}

/// The kind of a resource.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResourceKind {
    /// An object that tasks share: a lock, a channel, or one named by the code under test.
    #[default]
    Shared,
    /// The end of a task, which other tasks may await.
    TaskEnd,
    /// A socket.
    Socket,
    /// A socket that accepts connections.
    Listener,
    /// An address that sockets bind and connect to.
    Address,
    /// The name of a host, which is looked up.
    HostName,
    /// A stream of bytes in memory.
    Stream,
    /// A signal that tasks wait for, without a value.
    Signal,
    /// A channel of which each message is received once.
    Channel,
    /// A channel of which each receiver gets each message.
    Broadcast,
    /// A channel of which receivers see the last value.
    Watch,
}

impl ResourceKind {
    /// Returns whether it is a socket of any kind.
    #[must_use]
    pub fn is_socket(self) -> bool {
        matches!(self, Self::Socket | Self::Listener)
    }
}

/// A resource that a run touched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceRecord {
    /// The resource's key.
    pub key: ResourceKey,
    /// The resource's kind.
    pub kind: ResourceKind,
    /// The resource's name: `mutex`, for example, or a name given by the code under test.
    pub name: Cow<'static, str>,
    /// Where it was created.
    pub made: Option<Site>,
}

/// An advance of virtual time to its next instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advance {
    /// The number of arrivals before it.
    pub after_arrivals: u64,
    /// The number of steps before it.
    pub after_steps: u64,
    /// The new time, in nanoseconds since the run's start.
    pub to_ns: u64,
}

/// All recorded events of a run.
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
    /// Every decision about the network, a fault, input or output that differs from the baseline, in order.
    pub world_deviations: Vec<WorldDeviation>,
    /// Every operation, in order.
    pub operations: Vec<Performed>,
    /// Every resource, in the order in which they were first touched.
    pub resources: Vec<ResourceRecord>,
    /// Every advance of virtual time, in order.
    pub advances: Vec<Advance>,
    /// Every change of the simulated world, in order.
    pub events: Vec<WorldEvent>,
    /// Every known cancellation of a future, in order.
    pub cancellations: Vec<Cancellation>,
    /// The last lines of the log, in order: at least 10,000 if there are as many.
    pub log: Vec<LogLine>,
    /// The number of earlier lines.
    pub log_dropped: u64,
    /// The branches with which `select!`s and timeouts have completed, in order: the first 100,000.
    pub branches: Vec<CompletedBranch>,
    /// The indices of the steps of a long run whose [`waits_at`](Step::waits_at) was not kept, between the first and the last
    /// steps. Empty if all are kept.
    pub without_places: Range<usize>,
}

impl Record {
    /// Returns the arrival that a step ran.
    #[must_use]
    pub fn arrival_of(&self, step: &Step) -> Arrival {
        self.arrivals[step.arrival as usize]
    }

    /// Returns the task that a step ran.
    #[must_use]
    pub fn task_of(&self, step: &Step) -> &TaskRecord {
        &self.tasks[self.arrival_of(step).task as usize]
    }

    /// Returns, for each arrival, the step that ran it.
    pub(crate) fn ran_at(&self) -> Vec<Option<usize>> {
        let mut ran_at = vec![None; self.arrivals.len()];
        for (number, step) in self.steps.iter().enumerate() {
            ran_at[step.arrival as usize] = Some(number);
        }
        ran_at
    }

    /// Returns the arrival that a deviation is about, if the run reaches it.
    pub(crate) fn arrival_about(&self, deviation: &Deviation) -> Option<usize> {
        let operation = match deviation.domain {
            Domain::Schedule | Domain::Select | Domain::User => None,
            Domain::Operation => Some(deviation.index),
            Domain::Stall => deviation.index.checked_sub(1),
            Domain::Network | Domain::Fault | Domain::Io => return None,
        };
        self.arrivals.iter().position(|arrival| {
            arrival.resume == deviation.resume
                && arrival.operation == operation
                && self.tasks[arrival.task as usize].label.path == deviation.task
        })
    }

    /// Returns the effect of a deviation about the network, a fault, input or output, if the run reaches it.
    pub(crate) fn effect_of(&self, deviation: &Deviation) -> Option<&WorldDeviation> {
        self.world_deviations.iter().find(|other| other.deviation.key() == deviation.key())
    }

    /// Returns the number of steps that had begun when an arrival that ran at `step` took its place in FIFO order: when
    /// it became ready, or when time last advanced while it was held back.
    pub(crate) fn turn_begins(&self, arrival: usize, step: usize) -> u64 {
        let end = self.advances.partition_point(|advance| advance.after_steps <= step as u64);
        let last = self.advances[..end].last().filter(|advance| advance.after_arrivals > arrival as u64);
        last.map_or(self.arrivals[arrival].after_steps, |advance| advance.after_steps)
    }

    /// Returns the virtual time at which a task became ready, in nanoseconds since the run's start.
    pub(crate) fn ready_at_ns(&self, arrival: usize) -> u64 {
        let after = self.arrivals[arrival].after_steps;
        let before = after.checked_sub(1).map_or(0, |step| self.steps[step as usize].at_ns);
        let passed = self.advances.iter().rfind(|advance| advance.after_arrivals <= arrival as u64);
        passed.map_or(before, |advance| before.max(advance.to_ns))
    }

    /// Returns the record of a resource.
    #[must_use]
    pub fn resource(&self, key: ResourceKey) -> Option<&ResourceRecord> {
        self.resources.iter().find(|resource| resource.key == key)
    }

    /// Returns the name of a resource, with the place where it was created if others have the same name: `mutex`,
    /// `mutex` of `bank.rs:57`. A place in `file` has only its line. Several that were created at one place are numbered,
    /// except sockets: a connection has several resources.
    pub(crate) fn name_of(&self, resource: &ResourceRecord, file: Option<&str>) -> String {
        let name = format!("`{}`", resource.name);
        let Some(made) = &resource.made else { return name };
        let namesakes: Vec<_> = self
            .resources
            .iter()
            .filter(|other| other.name == resource.name && other.kind == resource.kind)
            .filter_map(|other| Some((other.key, other.made.as_ref()?)))
            .collect();
        let of_line = |other: &Site| (&other.file, other.line) == (&made.file, made.line);
        let of_line: Vec<_> = namesakes.iter().filter(|(_, other)| of_line(other)).collect();
        let of_place: Vec<_> = of_line.iter().filter(|(_, other)| *other == made).collect();
        let is_numbered = of_place.len() > 1 && !resource.kind.is_socket();
        if namesakes.len() == of_place.len() && !is_numbered {
            return name;
        }
        let path = if file == Some(&*made.file) { "" } else { &*made.file };
        let file = path.rsplit(['/', '\\']).next().unwrap_or(path);
        let column = if of_line.len() > of_place.len() { format!(":{}", made.column) } else { String::new() };
        let position = of_place.iter().position(|(key, _)| *key == resource.key);
        let number = position.filter(|_| is_numbered).map(|number| format!("#{} ", number + 1));
        format!("{name} {}of {file}:{}{column}", number.unwrap_or_default(), made.line)
    }

    /// Returns whether a resource is the end of a task. It then has the task's spawn location.
    pub(crate) fn is_task_end(&self, key: ResourceKey) -> bool {
        self.resource(key).is_some_and(|resource| {
            resource.kind == ResourceKind::TaskEnd
                && resource.made.is_some()
                && self.tasks.iter().any(|task| task.label.spawned == resource.made)
        })
    }

    /// Returns the operations of step number `step`, in order.
    pub fn operations_of(&self, step: usize) -> &[Performed] {
        let step = step as u64;
        let start = self.operations.partition_point(|performed| performed.step < step);
        let end = self.operations.partition_point(|performed| performed.step <= step);
        &self.operations[start..end]
    }

    /// Returns how an operation is performed.
    pub(crate) fn mode_of(&self, performed: &Performed) -> AccessMode {
        match performed.index {
            _ if self.may_wait(performed) => AccessMode::MayWait,
            Some(_) => AccessMode::Announced,
            None => AccessMode::Unannounced,
        }
    }

    /// Returns whether the operation failed, or the task may still wait for it when its step ends. Operations that wait are
    /// recorded when they are tried, so the record does not say whether they succeeded.
    fn may_wait(&self, performed: &Performed) -> bool {
        if matches!(performed.outcome, Some(OperationOutcome::Failed { .. })) {
            return true;
        }
        let number = performed.step as usize;
        let Some(step) = self.steps.get(number) else { return false };
        let last = self.operations_of(number).iter().rfind(|last| last.index.is_some());
        let is_last = performed.index.is_some() && last.is_some_and(|last| last.index == performed.index);
        let waits_there = match (&step.waits_at, &performed.site) {
            (Some(waits_at), Some(site)) => (&waits_at.file, waits_at.line) == (&site.file, site.line),
            _ => true,
        };
        is_last && waits_there && !step.finished
    }

    /// Returns the changes that step number `step` made to the simulated world, in order.
    pub fn events_of(&self, step: usize) -> &[WorldEvent] {
        let step = step as u64;
        let start = self.events.partition_point(|event| event.step < step);
        let end = self.events.partition_point(|event| event.step <= step);
        &self.events[start..end]
    }

    /// Returns what step number `step` does with its task.
    #[must_use]
    pub fn kind_of(&self, step: usize) -> StepKind {
        let not_polled = self.events_of(step).iter().find_map(|event| match event.change {
            WorldChange::NotPolled(NodeState::Paused) => Some(StepKind::NodePaused),
            WorldChange::NotPolled(_) => Some(StepKind::NodeDown),
            _ => None,
        });
        let is_aborted =
            || self.cancellations_of(step).iter().any(|cancelled| cancelled.by == Canceller::Abort);
        not_polled.unwrap_or_else(|| if is_aborted() { StepKind::Aborts } else { StepKind::Polls })
    }

    /// Returns the cancellations in step number `step`, in order.
    pub fn cancellations_of(&self, step: usize) -> &[Cancellation] {
        let step = step as u64;
        let start = self.cancellations.partition_point(|cancellation| cancellation.step < step);
        let end = self.cancellations.partition_point(|cancellation| cancellation.step <= step);
        &self.cancellations[start..end]
    }

    /// Returns where the task of step number `step` resumes, which is where it waited before; `None` for a first
    /// resumption, and where the location is unknown.
    #[must_use]
    pub fn resumes_at(&self, step: usize) -> Option<&Site> {
        self.steps[self.step_before(step)?].waits_at.as_ref()
    }

    /// Returns the previous step of the task of step number `step`.
    pub(crate) fn step_before(&self, step: usize) -> Option<usize> {
        let task = self.arrival_of(&self.steps[step]).task;
        self.steps[..step].iter().rposition(|earlier| self.arrival_of(earlier).task == task)
    }
}
