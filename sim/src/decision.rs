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
    /// What becomes of a packet on its way. Not about a task: the path stands for the link.
    Network,
    /// Whether something breaks, when, and for how long. Not about a task: the path stands for what may break.
    Fault,
}

impl Domain {
    /// Every domain, in the order of their codes.
    pub const ALL: [Self; 7] =
        [Self::Schedule, Self::Select, Self::User, Self::Operation, Self::Stall, Self::Network, Self::Fault];

    /// Whether decisions of this domain are about the world around the tasks, and not about a task.
    #[must_use]
    pub const fn is_around(self) -> bool {
        matches!(self, Self::Network | Self::Fault)
    }

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

/// Which decision: its domain, the task that it is about, the task's resumption, and the how-many-th choice within it. Of
/// a domain that [is around](Domain::is_around) the tasks: what it is about, the how-many-th time, and which question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DecisionKey {
    /// The kind of choice.
    pub domain: Domain,
    /// The task.
    pub task: TaskKey,
    /// The task's resumption: 0 is its first poll.
    pub resume: u32,
    /// The how-many-th choice of this domain within the resumption, from 0. For [`Domain::Operation`] the how-many-th
    /// operation of the resumption. For [`Domain::Stall`] 0 where the task is about to be resumed, and one more than the
    /// operation's number where it has given way before an operation.
    pub index: u32,
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
        let (domain, index) = match self.announced {
            None => (Domain::Schedule, 0),
            Some(announced) => (Domain::Operation, announced.index),
        };
        DecisionKey { domain, task: self.task, resume: self.resume, index }
    }

    /// The decision whether time passes before this runs.
    #[must_use]
    pub fn stall_key(&self) -> DecisionKey {
        let index = self.announced.map_or(0, |announced| announced.index + 1);
        DecisionKey { domain: Domain::Stall, task: self.task, resume: self.resume, index }
    }
}
