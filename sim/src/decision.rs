//! Decisions: every nondeterministic choice of a run.
//!
//! Always true: a decision is keyed by content (which task, which of its resumptions, which choice within it), never by
//! its position in the run, so taking one deviation out moves no other; and value 0 is the quiet choice.

use std::fmt;

use crate::{Announced, TaskKey};

/// What kind of choice a decision is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Domain {
    /// Which ready task runs next.
    Schedule,
    /// Which branch of a `select!` is polled first.
    Select,
    /// Random numbers drawn by the code under test.
    User,
    /// Whether a task gives way before an operation that it has announced.
    Operation,
    /// Whether time passes while a task is ready.
    Stall,
    /// What becomes of a packet on its way.
    Network,
    /// Whether something breaks, when, and for how long.
    Fault,
}

impl Domain {
    /// Every domain, in the order of their codes.
    pub const ALL: [Self; 7] =
        [Self::Schedule, Self::Select, Self::User, Self::Operation, Self::Stall, Self::Network, Self::Fault];

    /// The number that stands for this domain in stored schedules and in streams; it never changes.
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
        }
    }

    /// The domain with this code.
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
        })
    }
}

/// Which decision: what it is about, and the n-th of which kind.
///
/// `resume` is the task's resumption, of which 0 is its first poll, and `index` counts the choices of one kind within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the fields are those of the type's own documentation")]
pub enum DecisionKey {
    /// When a resumption runs.
    Schedule { task: TaskKey, resume: u32 },
    /// Which branch of a `select!` is polled first.
    Select { task: TaskKey, resume: u32, index: u32 },
    /// What the code under test draws.
    User { task: TaskKey, resume: u32, index: u32 },
    /// Whether a task gives way before its operation of this index.
    Operation { task: TaskKey, resume: u32, index: u32 },
    /// Whether time passes while a task is ready. The index is 0 where the task is about to be resumed, and one more than
    /// the operation's where it has given way before one.
    Stall { task: TaskKey, resume: u32, index: u32 },
    /// What becomes of the n-th packet on a link, which its key stands for; one of several questions.
    Packet { link: u64, number: u32, question: u32 },
    /// Whether and how something breaks in the n-th plan, where its key stands for what; one of several questions.
    Fault { fault: u64, number: u32, question: u32 },
}

impl DecisionKey {
    /// The key that is stored as these numbers; see [`parts`](Self::parts).
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
        }
    }

    /// The numbers that stand for the key wherever it is stored: its domain, what it is about (a task's key, say), and two
    /// counts.
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
        }
    }

    /// The kind of choice.
    #[must_use]
    pub const fn domain(self) -> Domain {
        self.parts().0
    }

    /// The task that it is about; `None` if it is about the world around the tasks.
    #[must_use]
    pub const fn task(self) -> Option<TaskKey> {
        match self {
            Self::Schedule { task, .. }
            | Self::Select { task, .. }
            | Self::User { task, .. }
            | Self::Operation { task, .. }
            | Self::Stall { task, .. } => Some(task),
            Self::Packet { .. } | Self::Fault { .. } => None,
        }
    }
}

/// A task that is ready to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ready {
    /// Where the simulation keeps the task: what a source gives back to name the task that it chose, and never a reason
    /// for a choice.
    pub slot: u32,
    /// Which resumption of the task this will be: 0 is its first. Going on after having given way before an operation is
    /// part of the same resumption.
    pub resume: u32,
    /// Who the task is.
    pub task: TaskKey,
    /// The operation that it has given way for, and does first when it runs; `None` where it was woken or has just been
    /// spawned, and nobody knows yet what it does next.
    pub announced: Option<Announced>,
}

impl Ready {
    /// The decision when this runs, in the domain of what kind of readiness it is.
    #[must_use]
    #[inline]
    pub fn key(&self) -> DecisionKey {
        let Self { task, resume, .. } = *self;
        match self.announced {
            None => DecisionKey::Schedule { task, resume },
            Some(announced) => DecisionKey::Operation { task, resume, index: announced.index },
        }
    }

    /// The decision whether time passes before this runs.
    #[must_use]
    pub fn stall_key(&self) -> DecisionKey {
        let index = self.announced.map_or(0, |announced| announced.index + 1);
        DecisionKey::Stall { task: self.task, resume: self.resume, index }
    }
}
