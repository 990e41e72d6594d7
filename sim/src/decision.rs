//! Decisions: every nondeterministic choice of a run.
//!
//! Always true: a decision is keyed by content (which task, which of its resumptions, which choice within it), never by
//! its position in the run, so taking one deviation out moves no other; and value 0 is the quiet choice.

use std::fmt;

use crate::TaskKey;

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
}

impl Domain {
    /// Every domain, in the order of their codes.
    pub const ALL: [Self; 3] = [Self::Schedule, Self::Select, Self::User];

    /// The number that stands for this domain in stored schedules and in streams; it never changes.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Schedule => 0,
            Self::Select => 1,
            Self::User => 2,
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
        })
    }
}

/// Which decision: its domain, the task that it is about, the task's resumption, and the how-many-th choice within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DecisionKey {
    /// The kind of choice.
    pub domain: Domain,
    /// The task.
    pub task: TaskKey,
    /// The task's resumption: 0 is its first poll.
    pub resume: u32,
    /// The how-many-th choice of this domain within the resumption, from 0.
    pub index: u32,
}
