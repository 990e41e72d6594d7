//! [`Stalls`]: for how long a ready task may be held back while virtual time passes.

use std::time::Duration;

/// Longer deadlines do not lengthen stalls: two minutes.
pub const DEADLINE_NS_MAX: u64 = 120_000_000_000;

/// A short stall, in which a ready task is held back for a few moves of virtual time, takes less than this.
pub(crate) const SHORT_STALL_NS: u64 = 1_000_000_000;

/// For how long a ready task may be held back while virtual time passes: a stall.
///
/// A `bool` converts to `Deadlines` or `Never`, and a [`Duration`] to `UpTo`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stalls {
    /// Never: virtual time passes only when no task is ready.
    Never,
    /// In some runs for less than a second, in others for up to twice the longest deadline that the baseline run sets, or twice
    /// the time that it takes. Only times of at most two minutes count, and no stall is longer.
    #[default]
    Deadlines,
    /// For up to this time.
    UpTo(Duration),
}

impl Stalls {
    /// Returns whether there are stalls.
    #[must_use]
    pub fn are_possible(self) -> bool {
        !matches!(self, Self::Never | Self::UpTo(Duration::ZERO))
    }
}

impl From<bool> for Stalls {
    fn from(stalls: bool) -> Self {
        if stalls { Self::Deadlines } else { Self::Never }
    }
}

impl From<Duration> for Stalls {
    fn from(longest: Duration) -> Self {
        Self::UpTo(longest)
    }
}
