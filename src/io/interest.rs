//! [`Interest`]: what a task waits for on a socket.
//!
//! # Invariants
//! An interest is never empty.

use std::fmt;
use std::ops;

use crate::net::fabric::Direction;

const READABLE: u8 = 0b00_0001;
const WRITABLE: u8 = 0b00_0010;
#[cfg(any(target_os = "linux", target_os = "android"))]
const PRIORITY: u8 = 0b01_0000;
const ERROR: u8 = 0b10_0000;

/// What to wait for in `ready`, as [`tokio::io::Interest`](https://docs.rs/tokio/1/tokio/io/struct.Interest.html).
///
/// ```
/// use timeloop::io::Interest;
///
/// let both = Interest::READABLE | Interest::WRITABLE;
/// assert!(both.is_readable() && both.is_writable());
/// assert_eq!(both.remove(Interest::READABLE), Some(Interest::WRITABLE));
/// ```
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct Interest(u8);

impl Interest {
    /// Readable, or closed for reading.
    pub const READABLE: Self = Self(READABLE);

    /// Writable, or closed for writing.
    pub const WRITABLE: Self = Self(WRITABLE);

    /// An error is pending.
    pub const ERROR: Self = Self(ERROR);

    /// Urgent data is readable. Simulated sockets have none.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub const PRIORITY: Self = Self(PRIORITY);

    /// Returns whether the interest includes reading.
    #[must_use]
    pub const fn is_readable(self) -> bool {
        self.0 & READABLE != 0
    }

    /// Returns whether the interest includes writing.
    #[must_use]
    pub const fn is_writable(self) -> bool {
        self.0 & WRITABLE != 0
    }

    /// Returns whether the interest includes errors.
    #[must_use]
    pub const fn is_error(self) -> bool {
        self.0 & ERROR != 0
    }

    /// Returns whether the interest includes urgent data.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    #[must_use]
    pub const fn is_priority(self) -> bool {
        self.0 & PRIORITY != 0
    }

    /// Returns the directions to wait in.
    pub(crate) fn directions(self) -> impl Iterator<Item = Direction> {
        let reads = (self.is_readable() || !self.is_writable()).then_some(Direction::Read);
        reads.into_iter().chain(self.is_writable().then_some(Direction::Write))
    }

    /// Returns the union of both interests.
    #[must_use = "this returns the result of the operation, without modifying the original"]
    pub const fn add(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Removes `other`. Returns `None` if nothing is left.
    #[must_use = "this returns the result of the operation, without modifying the original"]
    pub fn remove(self, other: Self) -> Option<Self> {
        let rest = self.0 & !other.0;
        (rest != 0).then_some(Self(rest))
    }
}

impl ops::BitOr for Interest {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.add(other)
    }
}

impl ops::BitOrAssign for Interest {
    fn bitor_assign(&mut self, other: Self) {
        *self = *self | other;
    }
}

impl fmt::Debug for Interest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut names = Vec::new();
        if self.is_readable() {
            names.push("READABLE");
        }
        if self.is_writable() {
            names.push("WRITABLE");
        }
        #[cfg(any(target_os = "linux", target_os = "android"))]
        if self.is_priority() {
            names.push("PRIORITY");
        }
        if self.is_error() {
            names.push("ERROR");
        }
        f.write_str(&names.join(" | "))
    }
}
