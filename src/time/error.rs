//! Errors of time.
//!
//! Always true: they carry no data; a deadline that has passed says all there is to say.

use std::fmt;

/// The deadline passed before the future ended, as
/// [`tokio::time::error::Elapsed`](https://docs.rs/tokio/1/tokio/time/error/struct.Elapsed.html).
#[derive(Debug, PartialEq, Eq)]
pub struct Elapsed(());

impl Elapsed {
    pub(super) fn new() -> Self {
        Self(())
    }
}

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("deadline has elapsed")
    }
}

impl std::error::Error for Elapsed {}

impl From<Elapsed> for std::io::Error {
    fn from(_: Elapsed) -> Self {
        std::io::ErrorKind::TimedOut.into()
    }
}

/// What keeps a timer from being set, as
/// [`tokio::time::error::Error`](https://docs.rs/tokio/1/tokio/time/error/struct.Error.html).
///
/// Nothing in timeloop fails in this way; the type is for code that names it, or makes such errors itself.
#[derive(Clone, Copy, Debug)]
pub struct Error(Kind);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Shutdown,
    AtCapacity,
    Invalid,
}

impl Error {
    /// The loop has ended.
    #[must_use]
    pub fn shutdown() -> Self {
        Self(Kind::Shutdown)
    }

    /// Whether the loop has ended.
    #[must_use]
    pub fn is_shutdown(&self) -> bool {
        self.0 == Kind::Shutdown
    }

    /// There are too many timers.
    #[must_use]
    pub fn at_capacity() -> Self {
        Self(Kind::AtCapacity)
    }

    /// Whether there are too many timers.
    #[must_use]
    pub fn is_at_capacity(&self) -> bool {
        self.0 == Kind::AtCapacity
    }

    /// The duration is too long.
    #[must_use]
    pub fn invalid() -> Self {
        Self(Kind::Invalid)
    }

    /// Whether the duration is too long.
    #[must_use]
    pub fn is_invalid(&self) -> bool {
        self.0 == Kind::Invalid
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Kind::Shutdown => "the loop of the timer has ended",
            Kind::AtCapacity => "too many timers are set",
            Kind::Invalid => "the duration is longer than a timer can wait",
        })
    }
}

impl std::error::Error for Error {}
