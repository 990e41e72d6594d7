//! [`Interval`]: ticks at a fixed period.
//!
//! # Invariants
//! Ticks follow the schedule, not the times at which they were observed, unless [`MissedTickBehavior`] says otherwise.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::{Duration, Instant, Sleep, sleep_until};

/// Creates an interval that ticks every `period`, first at once, as
/// [`tokio::time::interval`](https://docs.rs/tokio/1/tokio/time/fn.interval.html) does.
///
/// # Panics
/// If `period` is zero, and outside a run.
///
/// ```
/// use timeloop::time::{Duration, Instant, interval};
///
/// timeloop::run(0, || async {
///     let start = Instant::now();
///     let mut ticks = interval(Duration::from_millis(10));
///     ticks.tick().await; // at once
///     ticks.tick().await;
///     assert_eq!(start.elapsed(), Duration::from_millis(10));
/// })?;
/// # Ok::<(), timeloop::Failure>(())
/// ```
#[track_caller]
#[must_use]
pub fn interval(period: Duration) -> Interval {
    assert!(!period.is_zero(), "`period` must be non-zero.");
    Interval::new(Instant::now(), period)
}

/// Creates an interval that ticks every `period`, first at `start`, as
/// [`tokio::time::interval_at`](https://docs.rs/tokio/1/tokio/time/fn.interval_at.html) does.
///
/// # Panics
/// If `period` is zero.
#[track_caller]
#[must_use]
pub fn interval_at(start: Instant, period: Duration) -> Interval {
    assert!(!period.is_zero(), "`period` must be non-zero.");
    Interval::new(start, period)
}

/// The behavior of an [`Interval`] after a missed tick, as
/// [`tokio::time::MissedTickBehavior`](https://docs.rs/tokio/1/tokio/time/enum.MissedTickBehavior.html).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MissedTickBehavior {
    /// Ticks as fast as possible until it has caught up with the schedule.
    #[default]
    Burst,
    /// Ticks `period` after the late tick, and restarts the schedule from there.
    Delay,
    /// Skips missed ticks and continues on the schedule.
    Skip,
}

impl MissedTickBehavior {
    /// How late a tick must be observed to count as missed, as in tokio.
    const TOLERANCE: Duration = Duration::from_millis(5);

    fn next_tick(self, tick: Instant, now: Instant, period: Duration) -> Instant {
        let later = |from: Instant| from.checked_add(period).unwrap_or(Instant::far_future());
        if now <= tick.checked_add(Self::TOLERANCE).unwrap_or(Instant::far_future()) {
            return later(tick);
        }
        match self {
            Self::Burst => later(tick),
            Self::Delay => later(now),
            Self::Skip => {
                let into_period = (now - tick).as_nanos() % period.as_nanos();
                let into_period = Duration::from_nanos(u64::try_from(into_period).unwrap_or(u64::MAX));
                later(now.checked_sub(into_period).unwrap_or(now))
            }
        }
    }
}

/// The stream of ticks from [`interval`] and [`interval_at`], as
/// [`tokio::time::Interval`](https://docs.rs/tokio/1/tokio/time/struct.Interval.html).
#[derive(Debug)]
pub struct Interval {
    delay: Pin<Box<Sleep>>,
    period: Duration,
    missed: MissedTickBehavior,
}

impl Interval {
    fn new(start: Instant, period: Duration) -> Self {
        Self { delay: Box::pin(sleep_until(start)), period, missed: MissedTickBehavior::default() }
    }

    /// Waits for the next tick and returns its scheduled time. Cancel safe: dropping the future loses no tick.
    pub async fn tick(&mut self) -> Instant {
        poll_fn(|cx| self.poll_tick(cx)).await
    }

    /// Polls for the next tick.
    pub fn poll_tick(&mut self, cx: &mut Context<'_>) -> Poll<Instant> {
        ready!(self.delay.as_mut().poll(cx));
        let tick = self.delay.deadline();
        let next = self.missed.next_tick(tick, Instant::now(), self.period);
        self.delay.as_mut().reset(next);
        Poll::Ready(tick)
    }

    /// Resets the interval to tick one period from now.
    pub fn reset(&mut self) {
        self.reset_after(self.period);
    }

    /// Resets the interval to tick at once.
    pub fn reset_immediately(&mut self) {
        self.reset_at(Instant::now());
    }

    /// Resets the interval to tick after `after`.
    pub fn reset_after(&mut self, after: Duration) {
        self.reset_at(Instant::now().checked_add(after).unwrap_or(Instant::far_future()));
    }

    /// Resets the interval to tick at `deadline`.
    pub fn reset_at(&mut self, deadline: Instant) {
        self.delay.as_mut().reset(deadline);
    }

    /// Returns the behavior after missed ticks.
    #[must_use]
    pub fn missed_tick_behavior(&self) -> MissedTickBehavior {
        self.missed
    }

    /// Sets the behavior after missed ticks.
    pub fn set_missed_tick_behavior(&mut self, behavior: MissedTickBehavior) {
        self.missed = behavior;
    }

    /// Returns the period.
    #[must_use]
    pub fn period(&self) -> Duration {
        self.period
    }
}
