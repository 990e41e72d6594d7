//! Points in virtual time.
//!
//! Always true: an instant is a number of nanoseconds; a run starts at [`START_NS`], so that there are instants before
//! it, as there are with a real clock: code may take an hour from `Instant::now()` in its first second.

use std::fmt;
use std::ops::{Add, AddAssign, Sub, SubAssign};
use std::sync::OnceLock;
use std::time::Duration;

use super::nanos;
use crate::engine::{self, Engine, context};

/// A point in virtual time, as [`tokio::time::Instant`](https://docs.rs/tokio/1/tokio/time/struct.Instant.html).
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

/// The instant at which every run starts: about 73 years after the first one there is, and 511 before the last.
const START_NS: u64 = 1 << 61;

impl Instant {
    /// Nanoseconds since the run's start; 0 for what was before it.
    pub(crate) const fn ns(self) -> u64 {
        self.ns.saturating_sub(START_NS)
    }

    /// The instant so many nanoseconds after the run's start.
    pub(crate) const fn at_ns(ns: u64) -> Self {
        Self { ns: START_NS.saturating_add(ns) }
    }

    /// So far in the future that no run comes to it.
    pub(crate) const fn far_future() -> Self {
        Self { ns: u64::MAX }
    }

    /// The current instant.
    ///
    /// # Panics
    /// Outside of a run, where there is no virtual time.
    #[must_use]
    #[track_caller]
    pub fn now() -> Self {
        match context::with(Engine::local_now_ns) {
            Some(ns) => Self::at_ns(ns),
            None => engine::outside("read the virtual clock"),
        }
    }

    /// The virtual instant that stands for a real one: the process's first call of this function or of
    /// [`into_std`](Self::into_std) is the run's start. Differences between instants are kept.
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

    /// The real instant that stands for this one; see [`from_std`](Self::from_std).
    #[must_use]
    pub fn into_std(self) -> std::time::Instant {
        match self.ns.checked_sub(START_NS) {
            Some(after) => anchor() + Duration::from_nanos(after),
            None => anchor() - Duration::from_nanos(START_NS - self.ns),
        }
    }

    /// The time from `earlier` to this instant; zero when `earlier` is later.
    #[must_use]
    pub fn duration_since(&self, earlier: Self) -> Duration {
        self.saturating_duration_since(earlier)
    }

    /// The time from `earlier` to this instant; `None` when `earlier` is later.
    #[must_use]
    pub fn checked_duration_since(&self, earlier: Self) -> Option<Duration> {
        self.ns.checked_sub(earlier.ns).map(Duration::from_nanos)
    }

    /// The time from `earlier` to this instant; zero when `earlier` is later.
    #[must_use]
    pub fn saturating_duration_since(&self, earlier: Self) -> Duration {
        Duration::from_nanos(self.ns.saturating_sub(earlier.ns))
    }

    /// The time since this instant.
    ///
    /// # Panics
    /// Outside of a run.
    #[must_use]
    #[track_caller]
    pub fn elapsed(&self) -> Duration {
        Self::now().duration_since(*self)
    }

    /// This instant plus a duration; `None` beyond the end of time.
    #[must_use]
    pub fn checked_add(&self, duration: Duration) -> Option<Self> {
        u64::try_from(duration.as_nanos()).ok().and_then(|ns| self.ns.checked_add(ns)).map(|ns| Self { ns })
    }

    /// This instant minus a duration; `None` from about 73 years before the run's start on.
    #[must_use]
    pub fn checked_sub(&self, duration: Duration) -> Option<Self> {
        u64::try_from(duration.as_nanos()).ok().and_then(|ns| self.ns.checked_sub(ns)).map(|ns| Self { ns })
    }
}

/// The real instant that stands for the start of every run. It reaches no decision: it is only ever added and taken away.
#[expect(clippy::disallowed_methods, reason = "the one bridge to real instants, for code that must convert")]
fn anchor() -> std::time::Instant {
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
