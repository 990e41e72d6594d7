//! Operations on resources that tasks may share.
//!
//! # Invariants
//! - A [`ResourceKey`] depends on content only (the task that created the resource and its number, or the place), never on an
//!   address.
//! - Two operations that do not [race](Operation::races_with) may be swapped without an effect on the run.

use std::fmt;

/// The key of a resource that tasks share: a lock, a channel, a row of a fake database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ResourceKey(pub u64);

/// The kind of access that an operation makes to its resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Access {
    /// Reads the resource, or takes a read lock.
    Read,
    /// Changes the resource.
    Write,
    /// Acquires the resource or a part of it: a lock, a permit.
    Acquire,
    /// Releases what was acquired.
    Release,
    /// Sends a message.
    Send,
    /// Receives a message.
    Receive,
}

impl Access {
    /// Every kind of access, in the order of the codes.
    pub const ALL: [Self; 6] =
        [Self::Read, Self::Write, Self::Acquire, Self::Release, Self::Send, Self::Receive];

    /// Returns the number of this kind, which never changes.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// Returns the verb: `reads`, `sends to`, …
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
    /// The resource.
    pub resource: ResourceKey,
    /// The kind of access.
    pub access: Access,
}

impl Operation {
    /// Marks the index of an operation that version 1 of the stored formats did not know as a preemption point. These
    /// operations are counted apart, so that the others keep their indices.
    pub const APART: u32 = 1 << 31;

    /// Returns whether the order of the two may matter: both access the same resource, and at least one does more than read.
    #[must_use]
    #[inline]
    pub fn races_with(self, other: Self) -> bool {
        let both_read = (self.access == Access::Read) & (other.access == Access::Read);
        (self.resource == other.resource) & !both_read
    }
}

/// The operation before which a ready task was preempted, and with which it continues.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Announced {
    /// The number of the operation within the task's resumption, from 0. Of an operation that is counted apart, it has
    /// the bit [`Operation::APART`].
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
