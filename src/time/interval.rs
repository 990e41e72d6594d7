//! Ticking at a fixed rate.
//!
//! Always true: ticks are counted from the schedule, not from when they were noticed, unless the behaviour chosen for
//! missed ticks says otherwise.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::{Duration, Instant, Sleep, sleep_until};

/// Ticks every `period`, the first time at once, as
/// [`tokio::time::interval`](https://docs.rs/tokio/1/tokio/time/fn.interval.html).
///
/// # Panics
/// When `period` is zero, and outside of a run.
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

/// Ticks every `period`, the first time at `start`, as
/// [`tokio::time::interval_at`](https://docs.rs/tokio/1/tokio/time/fn.interval_at.html).
///
/// # Panics
/// When `period` is zero.
#[track_caller]
#[must_use]
pub fn interval_at(start: Instant, period: Duration) -> Interval {
    assert!(!period.is_zero(), "`period` must be non-zero.");
    Interval::new(start, period)
}

/// What an [`Interval`] does about ticks that nobody awaited in time, as
/// [`tokio::time::MissedTickBehavior`](https://docs.rs/tokio/1/tokio/time/enum.MissedTickBehavior.html).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MissedTickBehavior {
    /// Makes up for them as fast as it can, then goes on at the old times.
    #[default]
    Burst,
    /// Ticks `period` after the late tick, and so on from there.
    Delay,
    /// Leaves them out and goes on at the old times.
    Skip,
}

impl MissedTickBehavior {
    /// How late a tick must be noticed for it to count as missed, as in tokio.
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

/// The ticks of [`interval`] and [`interval_at`], as
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

    /// Waits for the next tick and gives its scheduled time. Dropping the future loses no tick.
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

    /// Makes the next tick come one period from now.
    pub fn reset(&mut self) {
        self.reset_after(self.period);
    }

    /// Makes the next tick come at once.
    pub fn reset_immediately(&mut self) {
        self.reset_at(Instant::now());
    }

    /// Makes the next tick come after `after`.
    pub fn reset_after(&mut self, after: Duration) {
        self.reset_at(Instant::now().checked_add(after).unwrap_or(Instant::far_future()));
    }

    /// Makes the next tick come at `deadline`.
    pub fn reset_at(&mut self, deadline: Instant) {
        self.delay.as_mut().reset(deadline);
    }

    /// What is done about missed ticks.
    #[must_use]
    pub fn missed_tick_behavior(&self) -> MissedTickBehavior {
        self.missed
    }

    /// Chooses what is done about missed ticks.
    pub fn set_missed_tick_behavior(&mut self, behavior: MissedTickBehavior) {
        self.missed = behavior;
    }

    /// The time between ticks.
    #[must_use]
    pub fn period(&self) -> Duration {
        self.period
    }
}
