//! Virtual time, as in [`tokio::time`](https://docs.rs/tokio/1/tokio/time/index.html).
//!
//! # Invariants
//! - Time is the number of nanoseconds since the run's start.
//! - Time advances only while no task runs: if none is ready, or if the strategies `starve` and `stall` hold back the
//!   ready ones. It jumps to the next timer, so a year of sleep costs as much as a second.
//! - A dropped timer is cancelled and leaves nothing behind.
//! - Timers due at the same instant fire in order of deadline, then of registration.

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

/// Converts a duration to nanoseconds, at most `u64::MAX` (about 584 years).
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
