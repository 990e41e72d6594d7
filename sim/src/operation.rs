//! Operations: what a task is about to do to something that it may share with others.
//!
//! Always true: a resource's key depends on content alone (who made it, as its how-many-th, or where), never on an
//! address; and two operations that do not race may be swapped without anyone noticing.

use std::fmt;

/// Something that tasks share: a lock, a channel, a row of a fake database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ResourceKey(pub u64);

/// In which way an operation touches its resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Access {
    /// Looks at it, or takes a share of a lock that readers share.
    Read,
    /// Changes it.
    Write,
    /// Takes it, or part of it, for itself: a lock, a permit.
    Acquire,
    /// Gives back what was taken.
    Release,
    /// Puts something in.
    Send,
    /// Takes something out.
    Receive,
}

impl Access {
    /// Every way, in the order of their codes.
    pub const ALL: [Self; 6] =
        [Self::Read, Self::Write, Self::Acquire, Self::Release, Self::Send, Self::Receive];

    /// The number that stands for this way; it never changes.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// As a verb: `reads`, `sends to`, …
    #[must_use]
    pub const fn verb(self) -> &'static str {
        match self {
            Self::Read => "reads",
            Self::Write => "writes",
            Self::Acquire => "acquires",
            Self::Release => "releases",
            Self::Send => "sends to",
            Self::Receive => "receives from",
        }
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Acquire => "acquire",
            Self::Release => "release",
            Self::Send => "send",
            Self::Receive => "receive",
        })
    }
}

/// One access to one resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Operation {
    /// What is accessed.
    pub resource: ResourceKey,
    /// In which way.
    pub access: Access,
}

impl Operation {
    /// Whether the order of the two may matter: they are about the same resource, and at least one does more than read.
    #[must_use]
    #[inline]
    pub fn races_with(self, other: Self) -> bool {
        let both_read = (self.access == Access::Read) & (other.access == Access::Read);
        (self.resource == other.resource) & !both_read
    }
}

/// The operation that a ready task does first when it runs: it has given way just before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Announced {
    /// The how-many-th operation of the task's resumption, from 0.
    pub index: u32,
    /// The operation.
    pub operation: Operation,
}

#[cfg(test)]
mod tests {
    use super::{Access, Operation, ResourceKey};

    #[test]
    fn only_reads_commute() {
        for one in Access::ALL {
            for two in Access::ALL {
                let of = |access, key| Operation { resource: ResourceKey(key), access };
                let reads = one == Access::Read && two == Access::Read;
                assert_eq!(of(one, 1).races_with(of(two, 1)), !reads);
                assert!(!of(one, 1).races_with(of(two, 2)));
            }
        }
    }
}
