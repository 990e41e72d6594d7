//! Virtual time, in the shape of [`tokio::time`](https://docs.rs/tokio/1/tokio/time/index.html).
//!
//! Always true: time is a number of nanoseconds since the run's start; it moves only when no task goes on (none is
//! ready, or the strategies `starve` and `stall` hold back those that are), and then straight to the next timer, so a
//! year of sleep costs the same as a second; a dropped timer is cancelled and leaves nothing behind; timers due at one
//! instant fire in order of deadline, then of registration.

mod clock;
pub mod error;
mod instant;
mod interval;
mod sleep;
mod system_time;
mod timeout;

pub use std::time::Duration;

pub use clock::{advance, pause, resume};
pub use instant::Instant;
pub use interval::{Interval, MissedTickBehavior, interval, interval_at};
pub use sleep::{Sleep, sleep, sleep_until};
pub use system_time::{SystemTime, SystemTimeError, UNIX_EPOCH};
pub use timeout::{Timeout, timeout, timeout_at};

/// A duration in nanoseconds; about 584 years at most.
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
