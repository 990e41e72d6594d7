//! How a run can fail ([`Failure`], [`FailureKind`]), and which failures are the same ([`Fingerprint`]).
//!
//! # Invariants
//! - Shrinking and deduplication keep the [`Fingerprint`].
//! - A fingerprint depends on the kind and the places of the failure, never on values or the order of unrelated events. It
//!   depends on times only in that a task that waits for a short time when a limit is reached does not count.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use crate::fnv::Fnv;
use crate::sorting::insert_sorted;
use crate::{Access, Anomaly, NodeState, NodeWait, ResourceKind, Seed, Site, SocketWait, TaskLabel};

/// A task that was blocked when the run failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockedTask {
    /// The task.
    pub task: TaskLabel,
    /// Where it waits, if known.
    pub waits_at: Option<Site>,
    /// When it began to wait, in nanoseconds of virtual time since the start of the run. A task that was resumed in between
    /// and waits for the same still has waited since then.
    pub since_ns: u64,
    /// How long it had waited when the run failed, in nanoseconds of virtual time.
    pub for_ns: u64,
    /// What it waits for, if known.
    pub waits_for: Option<Box<Awaited>>,
}

/// What a task waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Awaited {
    /// A resource: a lock, a message.
    Resource {
        /// Its kind.
        kind: ResourceKind,
        /// Its name: for example `mutex`.
        name: Cow<'static, str>,
        /// Where it was created.
        made: Option<Site>,
        /// The access that the task waits for.
        access: Access,
        /// The first tasks that hold it or parts of it.
        held_by: Box<[Holder]>,
        /// The number of further holders.
        more_holders: usize,
        /// The task that requested it next, if the resource has been handed to that request and the task does not poll it.
        handed_to: Option<Box<Holder>>,
        /// What else is known of the resource.
        state: ResourceState,
    },
    /// Nothing: the task returned `Pending` without keeping a waker.
    NoWaker {
        /// The step in which it did, from 1.
        step: u64,
    },
    /// The end of another task.
    End(TaskLabel),
    /// The resumption of its node, which is paused. The task itself is ready.
    Resumption,
    /// A change of a node.
    Node {
        /// The node's name.
        node: Arc<str>,
        /// Its state.
        state: NodeState,
        /// The number of its tasks.
        tasks: u32,
        /// What the task waits for.
        wait: NodeWait,
    },
    /// A socket.
    Socket(SocketWait),
    /// Any one of these.
    Any(Box<[Awaited]>),
}

/// The state of a resource that a task waits for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResourceState {
    /// It is not known, or the resource has none.
    #[default]
    Unknown,
    /// A lock or a semaphore, from which the task has requested more than there is, or several permits.
    Permits {
        /// The number of permits that the task has requested.
        requested: u32,
        /// The number of permits that exist, held or not.
        exist: u64,
    },
    /// A bounded channel without capacity for the message of the task.
    Full {
        /// The capacity of the channel.
        capacity: u64,
        /// The task that receives from it.
        receiver: Option<ChannelUser>,
    },
    /// A channel without a message for the task.
    Empty {
        /// The number of senders that are left.
        senders: u64,
        /// The task that sends to it, if one sender is left.
        sender: Option<ChannelUser>,
    },
    /// A barrier.
    Barrier {
        /// The number of tasks that have arrived.
        arrived: u64,
        /// The number of tasks that the barrier waits for.
        size: u64,
    },
}

impl ResourceState {
    /// Returns the task at the other half of a channel.
    fn other_half(&self) -> Option<&ChannelUser> {
        match self {
            Self::Full { receiver: user, .. } | Self::Empty { sender: user, .. } => user.as_ref(),
            _ => None,
        }
    }
}

/// A task that has the other half of a channel for which a task waits.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChannelUser {
    /// The task used this half last.
    Used(TaskLabel),
    /// The task created the channel, and no living task has used this half.
    Created(TaskLabel),
}

impl ChannelUser {
    fn task(&self) -> &TaskLabel {
        match self {
            Self::Used(task) | Self::Created(task) => task,
        }
    }
}

/// A task that holds a resource for which another task waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The task.
    pub task: TaskLabel,
    /// Where it acquired or requested the resource.
    pub at: Option<Site>,
    /// Whether the task has ended, so that it will never release the resource.
    pub ended: bool,
}

/// The kinds of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum FailureKind {
    /// The root task panicked.
    Panic,
    /// A spawned task panicked, and its `JoinError` was not observed.
    UnobservedPanic,
    /// No task is ready, no timer is pending, and the root has not finished. Or a call would block the only
    /// thread for ever.
    Deadlock,
    /// Tasks keep running while virtual time does not advance.
    Livelock,
    /// The run took more steps than the limit.
    StepLimit,
    /// The run took more virtual time than the limit.
    TimeLimit,
    /// Two runs of one schedule differ.
    Nondeterminism,
    /// A real thread, outside of the simulation, woke a task or used a handle of the run.
    Escape,
    /// The test returned `Err`.
    Error,
}

impl FailureKind {
    /// Every kind.
    pub const ALL: [Self; 9] = [
        Self::Panic,
        Self::UnobservedPanic,
        Self::Deadlock,
        Self::Livelock,
        Self::StepLimit,
        Self::TimeLimit,
        Self::Nondeterminism,
        Self::Escape,
        Self::Error,
    ];

    /// Returns the name of the kind in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Panic => "panic",
            Self::UnobservedPanic => "unobserved panic",
            Self::Deadlock => "deadlock",
            Self::Livelock => "livelock",
            Self::StepLimit => "step limit",
            Self::TimeLimit => "time limit",
            Self::Nondeterminism => "nondeterminism",
            Self::Escape => "escape",
            Self::Error => "error",
        }
    }
}

impl FailureKind {
    /// Returns whether a limit has ended the run, which therefore was long.
    pub(crate) const fn is_limit(self) -> bool {
        matches!(self, Self::Livelock | Self::StepLimit | Self::TimeLimit)
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Identifies a failure by its kind and place: equal failures have equal fingerprints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint(pub u64);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// What failed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// A panic with this message.
    Panic(String),
    /// The error that the test returned, as its `Debug` prints it.
    Error(String),
    /// A deadlock with this number of blocked tasks.
    Deadlock(usize),
    /// A synchronous call that would block the thread, on which the task that could end the wait runs, too.
    BlockedThread(Box<BlockedCall>),
    /// More polls than this limit at one instant.
    Livelock(u64),
    /// More operations than this limit at one instant.
    TooManyOperations(u64),
    /// At the end of the run, tasks that were dropped spawned others, this many times in a row.
    EndlessEnd(u32),
    /// More steps than this limit.
    StepLimit(u64),
    /// More virtual time than the limit.
    TimeLimit {
        /// The limit, in nanoseconds.
        max_ns: u64,
        /// When the next timer is due, in nanoseconds since the start of the run.
        next_timer_ns: u64,
    },
    /// A real thread woke a task.
    Escape,
    /// A real thread used a handle of the run: of a task, a timer, a socket or a node.
    HandleUsedElsewhere,
    /// The code made a call of the C library that leaves the simulation.
    RealCall(RealCall),
    /// Runs of one schedule differ.
    Nondeterminism {
        /// How they differ.
        differ: Difference,
        /// The failure of one of the runs, if it failed.
        seen: Option<Box<Failure>>,
    },
}

/// A call of the C library that leaves the simulation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RealCall {
    /// `pthread_create`.
    StartThread,
    /// `connect`.
    Connect,
    /// `accept` or `accept4`.
    Accept,
    /// `sendto`.
    Send,
}

/// A synchronous call that would block the thread for ever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockedCall {
    /// The task that makes the call.
    pub task: TaskLabel,
    /// The access that the call makes.
    pub access: Access,
    /// The name of the resource.
    pub name: Cow<'static, str>,
    /// Where the resource was created.
    pub made: Option<Site>,
    /// The tasks that have borrowed its value; empty if the run was not recorded.
    pub held_by: Box<[Holder]>,
}

/// How runs of one schedule differ.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Difference {
    /// The difference is not known.
    Unknown,
    /// They differ in a step.
    Step(Box<DifferentStep>),
    /// They take the same steps but end differently.
    End,
    /// The first run differs from two later ones.
    First,
    /// The first run of the process, with this seed or else the baseline run, passed; later runs all differ from it.
    LeftBehind(Option<Seed>),
    /// A run that should repeat this many first steps of an earlier run took other steps.
    Prefix(u64),
}

/// The first step in which two runs differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DifferentStep {
    /// The number of the step, from 1.
    pub step: u64,
    /// What each run does in this step; `None` if the run has ended.
    pub runs: [Option<Resumed>; 2],
}

/// A resumption of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resumed {
    /// The task.
    pub task: TaskLabel,
    /// The number of the resumption, from 0.
    pub resume: u32,
    /// The virtual time, in nanoseconds since the start of the run.
    pub at_ns: u64,
}

/// A possible cause of a failure, or a hint.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Note {
    /// A task had panicked earlier.
    EarlierPanic {
        /// The task.
        task: TaskLabel,
        /// Where it panicked.
        site: Option<Site>,
        /// The message of the panic.
        message: String,
    },
    /// The task lost this many messages of a channel in its last step, because it had received too few of them before.
    Lagged {
        /// The task.
        task: TaskLabel,
        /// The name of the channel, and where it was created.
        channel: (Cow<'static, str>, Option<Site>),
        /// The number of lost messages.
        lost: u64,
        /// The step in which the task learned of it, from 1.
        step: u64,
    },
    /// The task found a resource closed in its last step.
    Closed {
        /// The task.
        task: TaskLabel,
        /// The name of the resource, and where it was created.
        resource: (Cow<'static, str>, Option<Site>),
        /// The task that closed it or dropped its last handle, and the step in which it did, from 1.
        by: Option<(TaskLabel, u64)>,
        /// The step in which the task found it closed, from 1.
        step: u64,
    },
    /// The node with this name is paused, and nothing resumes it.
    PausedNode(Arc<str>),
    /// A real thread woke a task shortly after the run had ended.
    WokenByThread,
    /// The panic is that of a call into tokio's own runtime, which does not exist inside a run.
    TokioRuntime,
}

/// The failure of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The kind.
    pub kind: FailureKind,
    /// What happened; [`message`](Self::message) describes it.
    pub cause: Cause,
    /// Possible causes and hints. Not part of the fingerprint.
    pub notes: Box<[Note]>,
    /// The place of the panic.
    pub site: Option<Box<Site>>,
    /// The task that failed, if one did.
    pub task: Option<Box<TaskLabel>>,
    /// The blocked tasks, for deadlocks and limits.
    pub blocked: Box<[BlockedTask]>,
    /// The anomalies of the network when the run failed. Not part of the fingerprint.
    pub network: Box<[Anomaly]>,
    /// The virtual time of the failure, in nanoseconds since the start of the run.
    pub at_ns: u64,
    /// The number of steps that had been taken.
    pub at_step: u64,
}

impl Failure {
    /// Returns the first cycle of blocked tasks: each waits for the next one, and the last for the first. Empty if there is
    /// none.
    #[must_use]
    pub fn cycle(&self) -> Vec<&TaskLabel> {
        self.first_cycle().into_iter().map(|blocked| &blocked.task).collect()
    }

    /// Returns the tasks of the first cycle.
    fn first_cycle(&self) -> Vec<&BlockedTask> {
        (0..self.blocked.len())
            .find_map(|first| {
                let mut path = vec![first];
                let mut seen = vec![false; self.blocked.len()];
                self.closes_cycle(&mut path, &mut seen).then_some(path)
            })
            .unwrap_or_default()
            .into_iter()
            .map(|index| &self.blocked[index])
            .collect()
    }

    /// Returns the number of tasks in the first cycle, and since when all of them have waited, if they are
    /// [stuck](Self::stuck).
    pub(crate) fn lasting_cycle(&self) -> Option<(usize, u64)> {
        let cycle = self.first_cycle();
        let since_ns = cycle.iter().map(|blocked| blocked.since_ns).max()?;
        cycle.iter().all(|blocked| self.is_stuck(blocked)).then_some((cycle.len(), since_ns))
    }

    /// Extends `path` until its first task is reached again; returns whether it was.
    fn closes_cycle(&self, path: &mut Vec<usize>, seen: &mut [bool]) -> bool {
        let last = path[path.len() - 1];
        for next in self.blocked[last].waits_on() {
            let Some(next) = self.blocked.iter().position(|blocked| blocked.task.path == next.path) else {
                continue;
            };
            if next == path[0] && path.len() > 1 {
                return true;
            }
            if next != last && !seen[next] {
                seen[next] = true;
                path.push(next);
                if self.closes_cycle(path, seen) {
                    return true;
                }
                path.pop();
            }
        }
        false
    }

    /// Returns the fingerprint, which is equal for equal failures. It includes the place of the first panic, and the lines
    /// where blocked tasks wait, if the run has looked them up ([`Detail::Blocked`](crate::Detail::Blocked)) and if the tasks
    /// are fewer than [`BlockedTask::DESCRIBED_MAX`].
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.hash_places(true)
    }

    /// Returns the fingerprint without the lines where blocked tasks wait. It is the same for every
    /// [`Detail`](crate::Detail) of a run.
    #[must_use]
    pub fn lean_fingerprint(&self) -> Fingerprint {
        self.hash_places(false)
    }

    /// Returns whether tasks are blocked for good, so that the lines where they wait belong to the fingerprint.
    pub(crate) fn is_hang(&self) -> bool {
        self.stuck().next().is_some()
    }

    /// Returns the tasks that are blocked for good, as far as can be known. When a limit is reached, a task may wait only for
    /// the next event.
    fn stuck(&self) -> impl Iterator<Item = &BlockedTask> {
        self.blocked.iter().filter(|blocked| self.is_stuck(blocked))
    }

    fn is_stuck(&self, blocked: &BlockedTask) -> bool {
        match self.kind {
            FailureKind::Deadlock => true,
            FailureKind::Livelock => blocked.since_ns < self.at_ns,
            _ => blocked.since_ns < self.at_ns / 2,
        }
    }

    fn hash_places(&self, with_waits: bool) -> Fingerprint {
        // Which of many tasks are described depends on the schedule.
        let with_waits = with_waits && self.blocked.len() < BlockedTask::DESCRIBED_MAX;
        let mut hash = Fnv::default();
        let mut mix = |bytes: &[u8]| hash.mix(bytes);
        mix(self.kind.name().as_bytes());
        match (&self.site, self.kind) {
            (Some(site), _) => mix(site.to_string().as_bytes()),
            // An `Err` has no place; its message without digits is used instead.
            (None, FailureKind::Error) => {
                let message = self.message();
                let letters = message.chars().filter(|character| !character.is_ascii_digit());
                mix(letters.collect::<String>().as_bytes());
            }
            (None, _) => {}
        }
        for note in &self.notes {
            if let Note::EarlierPanic { site: Some(site), .. } = note {
                mix(site.to_string().as_bytes());
            }
        }
        // Several tasks at one place count once: their number may depend on the schedule.
        let mut places = Vec::new();
        for blocked in self.stuck() {
            let place = |site: &Option<Site>| site.as_ref().map_or_else(String::new, Site::to_string);
            let waits_at = if with_waits { place(&blocked.waits_at) } else { String::new() };
            insert_sorted(&mut places, format!("{} {waits_at}", place(&blocked.task.spawned)));
        }
        places.iter().for_each(|place| mix(place.as_bytes()));
        Fingerprint(hash.get())
    }
}

impl std::error::Error for Failure {}

impl BlockedTask {
    /// Returns the tasks without which this one cannot continue.
    fn waits_on(&self) -> impl Iterator<Item = &TaskLabel> {
        let (one, holders) = match self.waits_for.as_deref() {
            Some(Awaited::End(task)) => (Some(task), &[][..]),
            Some(Awaited::Resource { held_by, handed_to, state, .. }) => {
                let handed = handed_to.as_ref().map(|handed| &handed.task);
                (handed.or_else(|| state.other_half().map(ChannelUser::task)), &held_by[..])
            }
            // With several alternatives, the task needs none of them.
            _ => (None, &[][..]),
        };
        one.into_iter().chain(holders.iter().map(|holder| &holder.task))
    }
}
