//! [`Ready`]: what a socket is ready for.
//!
//! # Invariants
//! A socket that is closed for reading is readable.

use std::fmt;
use std::ops;

use super::Interest;
use crate::net::fabric::{Direction, Readiness};

const READABLE: u8 = 0b00_0001;
const WRITABLE: u8 = 0b00_0010;
const READ_CLOSED: u8 = 0b00_0100;
const WRITE_CLOSED: u8 = 0b00_1000;
#[cfg(any(target_os = "linux", target_os = "android"))]
const PRIORITY: u8 = 0b01_0000;
const ERROR: u8 = 0b10_0000;

/// What a socket is ready for, as [`tokio::io::Ready`](https://docs.rs/tokio/1/tokio/io/struct.Ready.html).
///
/// ```
/// use timeloop::io::Ready;
///
/// let ready = Ready::READABLE | Ready::WRITE_CLOSED;
/// assert!(ready.is_readable() && ready.is_writable() && !ready.is_read_closed());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ready(u8);

impl Ready {
    /// Ready for nothing.
    pub const EMPTY: Self = Self(0);

    /// Readable.
    pub const READABLE: Self = Self(READABLE);

    /// Writable.
    pub const WRITABLE: Self = Self(WRITABLE);

    /// Closed for reading.
    pub const READ_CLOSED: Self = Self(READ_CLOSED);

    /// Closed for writing.
    pub const WRITE_CLOSED: Self = Self(WRITE_CLOSED);

    /// Urgent data is readable.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub const PRIORITY: Self = Self(PRIORITY);

    /// An error is pending.
    pub const ERROR: Self = Self(ERROR);

    /// Ready for everything.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub const ALL: Self = Self(READABLE | WRITABLE | READ_CLOSED | WRITE_CLOSED | PRIORITY | ERROR);

    /// Ready for everything.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    pub const ALL: Self = Self(READABLE | WRITABLE | READ_CLOSED | WRITE_CLOSED | ERROR);

    /// Returns whether the socket is ready for nothing.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self == Self::EMPTY
    }

    /// Returns whether a read would not wait.
    #[must_use]
    pub fn is_readable(self) -> bool {
        self.has(Self::READABLE) || self.is_read_closed()
    }

    /// Returns whether a write would not wait.
    #[must_use]
    pub fn is_writable(self) -> bool {
        self.has(Self::WRITABLE) || self.is_write_closed()
    }

    /// Returns whether the socket is closed for reading.
    #[must_use]
    pub fn is_read_closed(self) -> bool {
        self.has(Self::READ_CLOSED)
    }

    /// Returns whether the socket is closed for writing.
    #[must_use]
    pub fn is_write_closed(self) -> bool {
        self.has(Self::WRITE_CLOSED)
    }

    /// Returns whether urgent data is readable.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    #[must_use]
    pub fn is_priority(self) -> bool {
        self.has(Self::PRIORITY)
    }

    /// Returns whether an error is pending.
    #[must_use]
    pub fn is_error(self) -> bool {
        self.has(Self::ERROR)
    }

    fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Returns the readiness of a socket that is ready for reading, for writing, or both.
    pub(crate) fn of_directions([reads, writes]: [bool; 2]) -> Self {
        let reads = if reads { Self::READABLE } else { Self::EMPTY };
        reads | if writes { Self::WRITABLE } else { Self::EMPTY }
    }

    /// Returns the directions that the socket is ready in.
    pub(crate) fn directions(self) -> impl Iterator<Item = Direction> {
        let each = [(Self::READABLE, Direction::Read), (Self::WRITABLE, Direction::Write)];
        each.into_iter().filter(move |(flag, _)| self.has(*flag)).map(|(_, direction)| direction)
    }

    /// Returns the part of the readiness that `interest` selects.
    pub(crate) fn of_interest(self, interest: Interest) -> Self {
        let mut wanted = Self::EMPTY;
        if interest.is_readable() {
            wanted |= Self::READABLE | Self::READ_CLOSED;
        }
        if interest.is_writable() {
            wanted |= Self::WRITABLE | Self::WRITE_CLOSED;
        }
        #[cfg(any(target_os = "linux", target_os = "android"))]
        if interest.is_priority() {
            wanted |= Self::PRIORITY | Self::READ_CLOSED;
        }
        if interest.is_error() {
            wanted |= Self::ERROR;
        }
        self & wanted
    }
}

impl From<Readiness> for Ready {
    fn from(readiness: Readiness) -> Self {
        let Readiness { readable, writable, read_closed, write_closed, error } = readiness;
        let flags = [
            (readable, Self::READABLE),
            (writable, Self::WRITABLE),
            (read_closed, Self::READ_CLOSED),
            (write_closed, Self::WRITE_CLOSED),
            (error, Self::ERROR),
        ];
        let set = flags.into_iter().filter(|(is_set, _)| *is_set);
        set.fold(Self::EMPTY, |ready, (_, flag)| ready | flag)
    }
}

impl ops::BitOr for Ready {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl ops::BitOrAssign for Ready {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

impl ops::BitAnd for Ready {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl ops::Sub for Ready {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

impl fmt::Debug for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Ready");
        debug
            .field("is_readable", &self.is_readable())
            .field("is_writable", &self.is_writable())
            .field("is_read_closed", &self.is_read_closed())
            .field("is_write_closed", &self.is_write_closed())
            .field("is_error", &self.is_error());
        #[cfg(any(target_os = "linux", target_os = "android"))]
        debug.field("is_priority", &self.is_priority());
        debug.finish()
    }
}
