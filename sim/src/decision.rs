//! Decisions: every nondeterministic choice of a run has a [`DecisionKey`] in a [`Domain`].
//!
//! # Invariants
//! - A decision is keyed by content (its task, the task's resumption, the choice within it), never by its position in
//!   the run. So removing one deviation moves no other.
//! - Value 0 is the baseline choice.

use std::fmt;

use crate::{Announced, TaskKey};

/// The kind of choice that a decision makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Domain {
    /// Which ready task runs next.
    Schedule,
    /// Which branch of a `select!` is polled first.
    Select,
    /// Random numbers drawn by the code under test.
    User,
    /// Whether a task is preempted before an operation that it has announced.
    Operation,
    /// Whether time passes while a task is ready.
    Stall,
    /// What happens to a packet in transit.
    Network,
    /// Whether a fault happens, when, and for how long.
    Fault,
    /// How many bytes a read or a write moves, and how long a name lookup takes.
    Io,
}

impl Domain {
    /// Every domain, in the order of their codes.
    pub const ALL: [Self; 8] = [
        Self::Schedule,
        Self::Select,
        Self::User,
        Self::Operation,
        Self::Stall,
        Self::Network,
        Self::Fault,
        Self::Io,
    ];

    /// The domains whose deviations run a task out of FIFO order.
    pub(crate) const MOVING: [Self; 3] = [Self::Schedule, Self::Operation, Self::Stall];

    /// Returns the number of this domain in stored schedules and in streams. It never changes.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Schedule => 0,
            Self::Select => 1,
            Self::User => 2,
            Self::Operation => 3,
            Self::Stall => 4,
            Self::Network => 5,
            Self::Fault => 6,
            Self::Io => 7,
        }
    }

    /// Returns the domain with this code.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|domain| domain.code() == code)
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Schedule => "schedule",
            Self::Select => "select",
            Self::User => "user randomness",
            Self::Operation => "operation",
            Self::Stall => "stall",
            Self::Network => "network",
            Self::Fault => "fault",
            Self::Io => "input or output",
        })
    }
}

/// Identifies a decision: its subject, and the n-th choice of its kind.
///
/// `resume` is the task's resumption (0 is its first poll), and `index` counts the choices of one kind within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the fields are those of the type's own documentation")]
pub enum DecisionKey {
    /// When a resumption runs.
    Schedule { task: TaskKey, resume: u32 },
    /// Which branch of a `select!` is polled first.
    Select { task: TaskKey, resume: u32, index: u32 },
    /// A random number drawn by the code under test.
    User { task: TaskKey, resume: u32, index: u32 },
    /// Whether a task is preempted before its operation with this index.
    Operation { task: TaskKey, resume: u32, index: u32 },
    /// Whether time passes while a task is ready. The index is 0 where the task is about to be resumed; where it was
    /// preempted before an operation, it is one more than the operation's.
    Stall { task: TaskKey, resume: u32, index: u32 },
    /// What happens to the n-th packet on a link, which is given by its key; one of several questions about it.
    Packet { link: u64, number: u32, question: u32 },
    /// Whether and how a fault happens in the n-th plan of faults for the subject with this key; one of several
    /// questions about it.
    Fault { fault: u64, number: u32, question: u32 },
    /// How many bytes a read or a write of a task moves, or how long its lookup of a name takes.
    Io { task: TaskKey, resume: u32, index: u32 },
}

impl DecisionKey {
    /// Returns the key stored as these numbers; see [`parts`](Self::parts).
    #[must_use]
    pub const fn from_parts(domain: Domain, subject: u64, number: u32, index: u32) -> Self {
        let (task, resume) = (TaskKey(subject), number);
        match domain {
            Domain::Schedule => Self::Schedule { task, resume },
            Domain::Select => Self::Select { task, resume, index },
            Domain::User => Self::User { task, resume, index },
            Domain::Operation => Self::Operation { task, resume, index },
            Domain::Stall => Self::Stall { task, resume, index },
            Domain::Network => Self::Packet { link: subject, number, question: index },
            Domain::Fault => Self::Fault { fault: subject, number, question: index },
            Domain::Io => Self::Io { task, resume, index },
        }
    }

    /// Returns the numbers that represent the key in stored formats: its domain, its subject (a task's key, for
    /// example), and two counts.
    #[must_use]
    pub const fn parts(self) -> (Domain, u64, u32, u32) {
        match self {
            Self::Schedule { task, resume } => (Domain::Schedule, task.0, resume, 0),
            Self::Select { task, resume, index } => (Domain::Select, task.0, resume, index),
            Self::User { task, resume, index } => (Domain::User, task.0, resume, index),
            Self::Operation { task, resume, index } => (Domain::Operation, task.0, resume, index),
            Self::Stall { task, resume, index } => (Domain::Stall, task.0, resume, index),
            Self::Packet { link, number, question } => (Domain::Network, link, number, question),
            Self::Fault { fault, number, question } => (Domain::Fault, fault, number, question),
            Self::Io { task, resume, index } => (Domain::Io, task.0, resume, index),
        }
    }

    /// Returns the kind of choice.
    #[must_use]
    pub const fn domain(self) -> Domain {
        self.parts().0
    }

    /// Returns the task whose order the decision is about; `None` if it is about the network, a fault, input or output.
    #[must_use]
    pub const fn task(self) -> Option<TaskKey> {
        match self {
            Self::Schedule { task, .. }
            | Self::Select { task, .. }
            | Self::User { task, .. }
            | Self::Operation { task, .. }
            | Self::Stall { task, .. } => Some(task),
            Self::Packet { .. } | Self::Fault { .. } | Self::Io { .. } => None,
        }
    }
}

/// A task that is ready to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ready {
    /// The simulation's slot for the task. A source returns it to name the task that it chose; a slot is never a reason
    /// for a choice.
    pub slot: u32,
    /// The task's resumption: 0 is its first. A task that continues after a preemption is still in the same resumption.
    pub resume: u32,
    /// The task.
    pub task: TaskKey,
    /// The operation before which the task was preempted, which it performs first when it runs. `None` if the task was
    /// spawned or woken, so that its next operation is unknown.
    pub announced: Option<Announced>,
}

impl Ready {
    /// Returns the key of the decision when this task runs.
    #[must_use]
    #[inline]
    pub fn key(&self) -> DecisionKey {
        let Self { task, resume, .. } = *self;
        match self.announced {
            None => DecisionKey::Schedule { task, resume },
            Some(announced) => DecisionKey::Operation { task, resume, index: announced.index },
        }
    }

    /// Returns the key of the decision whether time passes before this task runs.
    #[must_use]
    pub fn stall_key(&self) -> DecisionKey {
        let index = self.announced.map_or(0, |announced| announced.index + 1);
        DecisionKey::Stall { task: self.task, resume: self.resume, index }
    }
}
