//! The virtual wall clock.
//!
//! # Invariants
//! The clock shows the run's epoch plus the virtual time since its start. It never jumps and is the same in every run,
//! except for changes that the test makes to a node's clock. The default epoch is 2026-01-01T00:00:00Z.

use std::fmt;
use std::ops::{Add, AddAssign, Sub, SubAssign};
use std::time::Duration;

use crate::engine::{self, context};

/// The time of day in the simulation, with the interface of [`std::time::SystemTime`].
///
/// ```
/// use timeloop::time::{Duration, SystemTime, UNIX_EPOCH, sleep};
///
/// timeloop::run(0, || async {
///     let start = SystemTime::now();
///     assert_eq!(start.duration_since(UNIX_EPOCH).unwrap(), Duration::from_secs(1_767_225_600));
///     sleep(Duration::from_secs(1)).await;
///     assert_eq!(start.elapsed().unwrap(), Duration::from_secs(1));
/// })?;
/// # Ok::<(), timeloop::Failure>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SystemTime(std::time::SystemTime);

/// 1970-01-01T00:00:00Z.
pub const UNIX_EPOCH: SystemTime = SystemTime::UNIX_EPOCH;

impl SystemTime {
    /// 1970-01-01T00:00:00Z.
    pub const UNIX_EPOCH: Self = Self(std::time::SystemTime::UNIX_EPOCH);

    /// Returns the current time of day.
    ///
    /// # Panics
    /// Outside a run, where there is no virtual time.
    #[must_use]
    #[track_caller]
    pub fn now() -> Self {
        match context::with(|engine| engine.wall_clock_ns(engine.current_node())) {
            Some(since_epoch_ns) => Self::from_ns(since_epoch_ns),
            None => engine::outside("read the virtual wall clock"),
        }
    }

    /// Converts from nanoseconds since the Unix epoch, which may be negative.
    pub(crate) fn from_ns(since_epoch_ns: i128) -> Self {
        const NANOS_A_SECOND: u128 = 1_000_000_000;
        let distance = since_epoch_ns.unsigned_abs();
        let seconds = u64::try_from(distance / NANOS_A_SECOND).unwrap_or(u64::MAX);
        let distance = Duration::new(seconds, (distance % NANOS_A_SECOND) as u32);
        let epoch = Self::UNIX_EPOCH;
        if since_epoch_ns < 0 { epoch - distance } else { epoch + distance }
    }

    /// Returns the time from `earlier` to this one.
    ///
    /// # Errors
    /// If `earlier` is later. The error contains the difference.
    pub fn duration_since(&self, earlier: Self) -> Result<Duration, SystemTimeError> {
        self.0.duration_since(earlier.0).map_err(|error| SystemTimeError(error.duration()))
    }

    /// Returns the time since this one.
    ///
    /// # Errors
    /// If this time is in the future. The error contains the difference.
    ///
    /// # Panics
    /// Outside a run.
    #[track_caller]
    pub fn elapsed(&self) -> Result<Duration, SystemTimeError> {
        Self::now().duration_since(*self)
    }

    /// Returns this time plus `duration`, or `None` if the result cannot be represented.
    #[must_use]
    pub fn checked_add(&self, duration: Duration) -> Option<Self> {
        self.0.checked_add(duration).map(Self)
    }

    /// Returns this time minus `duration`, or `None` if the result cannot be represented.
    #[must_use]
    pub fn checked_sub(&self, duration: Duration) -> Option<Self> {
        self.0.checked_sub(duration).map(Self)
    }
}

impl fmt::Debug for SystemTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.duration_since(UNIX_EPOCH) {
            Ok(since) => write!(f, "SystemTime({since:?} since the epoch)"),
            Err(error) => write!(f, "SystemTime({:?} before the epoch)", error.duration()),
        }
    }
}

impl From<SystemTime> for std::time::SystemTime {
    fn from(time: SystemTime) -> Self {
        time.0
    }
}

impl From<std::time::SystemTime> for SystemTime {
    fn from(time: std::time::SystemTime) -> Self {
        Self(time)
    }
}

impl Add<Duration> for SystemTime {
    type Output = Self;

    #[track_caller]
    fn add(self, duration: Duration) -> Self {
        self.checked_add(duration).expect("overflow when adding duration to instant")
    }
}

impl AddAssign<Duration> for SystemTime {
    #[track_caller]
    fn add_assign(&mut self, duration: Duration) {
        *self = *self + duration;
    }
}

impl Sub<Duration> for SystemTime {
    type Output = Self;

    #[track_caller]
    fn sub(self, duration: Duration) -> Self {
        self.checked_sub(duration).expect("overflow when subtracting duration from instant")
    }
}

impl SubAssign<Duration> for SystemTime {
    #[track_caller]
    fn sub_assign(&mut self, duration: Duration) {
        *self = *self - duration;
    }
}

/// The error of a difference whose other time is later, as [`std::time::SystemTimeError`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemTimeError(Duration);

impl SystemTimeError {
    /// Returns how much later the other time is.
    #[must_use]
    pub fn duration(&self) -> Duration {
        self.0
    }
}

impl fmt::Display for SystemTimeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("second time provided was later than self")
    }
}

impl std::error::Error for SystemTimeError {}
