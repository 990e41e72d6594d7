//! Instants of virtual time.
//!
//! # Invariants
//! An instant is a number of nanoseconds. A run starts at [`START_NS`] rather than 0, so that code may subtract an hour
//! from `Instant::now()` in the first second of a run.

use std::fmt;
use std::ops::{Add, AddAssign, Sub, SubAssign};
use std::sync::OnceLock;
use std::time::Duration;

use super::nanos;
use crate::engine::{self, Engine, context};

/// An instant of virtual time, as [`tokio::time::Instant`](https://docs.rs/tokio/1/tokio/time/struct.Instant.html).
///
/// ```
/// use timeloop::time::{Duration, Instant, sleep};
///
/// timeloop::run(0, || async {
///     let start = Instant::now();
///     sleep(Duration::from_secs(3600)).await;
///     assert_eq!(start.elapsed(), Duration::from_secs(3600));
/// })?;
/// # Ok::<(), timeloop::Failure>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Instant {
    ns: u64,
}

/// The instant at which every run starts: about 73 years after the first instant, and 511 years before the last.
const START_NS: u64 = 1 << 61;

impl Instant {
    /// Returns the nanoseconds since the run's start, or 0 for an earlier instant.
    pub(crate) const fn ns(self) -> u64 {
        self.ns.saturating_sub(START_NS)
    }

    /// Returns the instant `ns` nanoseconds after the run's start.
    pub(crate) const fn at_ns(ns: u64) -> Self {
        Self { ns: START_NS.saturating_add(ns) }
    }

    /// Returns the last instant, which no run reaches.
    pub(crate) const fn far_future() -> Self {
        Self { ns: u64::MAX }
    }

    /// Returns the current instant.
    ///
    /// # Panics
    /// Outside a run, where there is no virtual time.
    #[must_use]
    #[track_caller]
    pub fn now() -> Self {
        match context::with(Engine::local_now_ns) {
            Some(ns) => Self::at_ns(ns),
            None => engine::outside("read the virtual clock"),
        }
    }

    /// Converts a real instant to a virtual one. Real and virtual time are aligned at the process's first call of this
    /// function or of [`into_std`](Self::into_std), which corresponds to the run's start. Differences between instants
    /// are preserved. With the feature `hermetic`, instants of `std` that were made in a run are virtual, too.
    #[must_use]
    pub fn from_std(instant: std::time::Instant) -> Self {
        let anchor = anchor();
        Self {
            ns: match instant.checked_duration_since(anchor) {
                Some(after) => START_NS.saturating_add(nanos(after)),
                None => START_NS.saturating_sub(nanos(anchor - instant)),
            },
        }
    }

    /// Converts a virtual instant to a real one. See [`from_std`](Self::from_std).
    #[must_use]
    pub fn into_std(self) -> std::time::Instant {
        match self.ns.checked_sub(START_NS) {
            Some(after) => anchor() + Duration::from_nanos(after),
            None => anchor() - Duration::from_nanos(START_NS - self.ns),
        }
    }

    /// Returns the time from `earlier` to this instant, or zero if `earlier` is later.
    #[must_use]
    pub fn duration_since(&self, earlier: Self) -> Duration {
        self.saturating_duration_since(earlier)
    }

    /// Returns the time from `earlier` to this instant, or `None` if `earlier` is later.
    #[must_use]
    pub fn checked_duration_since(&self, earlier: Self) -> Option<Duration> {
        self.ns.checked_sub(earlier.ns).map(Duration::from_nanos)
    }

    /// Returns the time from `earlier` to this instant, or zero if `earlier` is later.
    #[must_use]
    pub fn saturating_duration_since(&self, earlier: Self) -> Duration {
        Duration::from_nanos(self.ns.saturating_sub(earlier.ns))
    }

    /// Returns the time since this instant.
    ///
    /// # Panics
    /// Outside a run.
    #[must_use]
    #[track_caller]
    pub fn elapsed(&self) -> Duration {
        Self::now().duration_since(*self)
    }

    /// Returns this instant plus `duration`, or `None` on overflow.
    #[must_use]
    pub fn checked_add(&self, duration: Duration) -> Option<Self> {
        u64::try_from(duration.as_nanos()).ok().and_then(|ns| self.ns.checked_add(ns)).map(|ns| Self { ns })
    }

    /// Returns this instant minus `duration`, or `None` if the result is more than about 73 years before the run's
    /// start.
    #[must_use]
    pub fn checked_sub(&self, duration: Duration) -> Option<Self> {
        u64::try_from(duration.as_nanos()).ok().and_then(|ns| self.ns.checked_sub(ns)).map(|ns| Self { ns })
    }
}

/// Returns the real instant that corresponds to the start of every run. It never affects a decision: it is only added
/// and subtracted.
#[expect(clippy::disallowed_methods, reason = "the one bridge to real instants, for code that must convert")]
fn anchor() -> std::time::Instant {
    #[cfg(feature = "hermetic")]
    if let Some(start) = engine::hermetic::start() {
        return start;
    }
    static ANCHOR: OnceLock<std::time::Instant> = OnceLock::new();
    *ANCHOR.get_or_init(std::time::Instant::now)
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ns.checked_sub(START_NS) {
            Some(after) => write!(f, "Instant({:?})", Duration::from_nanos(after)),
            None => write!(f, "Instant(-{:?})", Duration::from_nanos(START_NS - self.ns)),
        }
    }
}

impl From<std::time::Instant> for Instant {
    fn from(instant: std::time::Instant) -> Self {
        Self::from_std(instant)
    }
}

impl From<Instant> for std::time::Instant {
    fn from(instant: Instant) -> Self {
        instant.into_std()
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    #[track_caller]
    fn add(self, duration: Duration) -> Self {
        self.checked_add(duration).expect("overflow when adding duration to instant")
    }
}

impl AddAssign<Duration> for Instant {
    #[track_caller]
    fn add_assign(&mut self, duration: Duration) {
        *self = *self + duration;
    }
}

impl Sub for Instant {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        self.duration_since(earlier)
    }
}

impl Sub<Duration> for Instant {
    type Output = Self;

    #[track_caller]
    fn sub(self, duration: Duration) -> Self {
        self.checked_sub(duration).expect("overflow when subtracting duration from instant")
    }
}

impl SubAssign<Duration> for Instant {
    #[track_caller]
    fn sub_assign(&mut self, duration: Duration) {
        *self = *self - duration;
    }
}
