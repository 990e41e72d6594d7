//! Waiting for an instant.
//!
//! # Invariants
//! A sleep sets its timer when first polled, and cancels it when it completes or is dropped.

use std::marker::PhantomPinned;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::{Duration, Instant};
use crate::engine::{self, Engine, TimerRef, context};

/// Waits until `deadline`, as [`tokio::time::sleep_until`](https://docs.rs/tokio/1/tokio/time/fn.sleep_until.html)
/// does, but with a resolution of one nanosecond. Completes at once if the deadline has passed.
///
/// # Panics
/// Outside a run, and in a runtime whose timers are disabled.
#[track_caller]
pub fn sleep_until(deadline: Instant) -> Sleep {
    with_timers(|_| ());
    Sleep::new(deadline)
}

/// Calls `f` with the loop. Panics if the code can't use timers.
#[track_caller]
fn with_timers<R>(f: impl FnOnce(&Engine) -> R) -> R {
    match context::with(|engine| engine.settings.time.then(|| f(engine))) {
        Some(Some(result)) => result,
        Some(None) => panic!(
            "can't sleep: the timers of this runtime are disabled; call `enable_time` or `enable_all` on its `Builder`"
        ),
        None => engine::outside("sleep"),
    }
}

/// The longest sleep: 30 years, as tokio's is when a longer one would overflow its clock.
const LONGEST: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

/// Waits for `duration` of virtual time, as [`tokio::time::sleep`](https://docs.rs/tokio/1/tokio/time/fn.sleep.html)
/// does, but with a resolution of one nanosecond. A duration beyond the end of the clock, such as [`Duration::MAX`], counts
/// as 30 years.
///
/// # Panics
/// Outside a run, and in a runtime whose timers are disabled.
///
/// ```
/// use timeloop::time::{Duration, sleep};
///
/// timeloop::run(0, || async {
///     sleep(Duration::from_secs(365 * 24 * 3600)).await; // takes no time at all
/// })?;
/// # Ok::<(), timeloop::Failure>(())
/// ```
#[track_caller]
pub fn sleep(duration: Duration) -> Sleep {
    let now = Instant::at_ns(with_timers(Engine::local_now_ns));
    Sleep::new(
        now.checked_add(duration)
            .unwrap_or_else(|| now.checked_add(LONGEST).unwrap_or(Instant::far_future())),
    )
}

pin_project! {
    /// The future of [`sleep`] and [`sleep_until`]. As in tokio, it is not `Unpin`.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct Sleep {
        deadline: Instant,
        timer: Option<TimerRef>,
        // Whether it was polled or reset.
        registered: bool,
        #[pin]
        pinned: PhantomPinned,
    }

    impl PinnedDrop for Sleep {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if let Some(timer) = *this.timer {
                engine::of_run(timer.run(), |engine| engine.cancel_timer(this.timer));
            }
        }
    }
}

impl Sleep {
    /// Polls the sleep. If it doesn't need budget, a task without any finds out too whether the deadline has passed.
    #[inline]
    pub(super) fn poll_with(self: Pin<&mut Self>, cx: &mut Context<'_>, needs_budget: bool) -> Poll<()> {
        let this = self.project();
        *this.registered = true;
        let deadline_ns = this.deadline.ns();
        match context::with(|engine| engine.poll_sleep(deadline_ns, this.timer, cx.waker(), needs_budget)) {
            Some(true) => Poll::Ready(()),
            Some(false) => Poll::Pending,
            None => engine::outside("sleep"),
        }
    }

    fn new(deadline: Instant) -> Self {
        Self { deadline, timer: None, registered: false, pinned: PhantomPinned }
    }

    /// Returns the deadline.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Returns whether the deadline has passed. `false` until the sleep is polled or reset.
    ///
    /// # Panics
    /// Outside a run.
    #[must_use]
    #[track_caller]
    pub fn is_elapsed(&self) -> bool {
        self.registered && Instant::now() >= self.deadline
    }

    /// Changes the deadline. A task that awaits the sleep wakes at the new one.
    ///
    /// ```
    /// use timeloop::time::{Duration, Instant, sleep};
    ///
    /// timeloop::run(0, || async {
    ///     let start = Instant::now();
    ///     let sleep = sleep(Duration::from_secs(60));
    ///     timeloop::pin!(sleep);
    ///     sleep.as_mut().reset(start + Duration::from_secs(1));
    ///     sleep.await;
    ///     assert_eq!(start.elapsed(), Duration::from_secs(1));
    /// })?;
    /// # Ok::<(), timeloop::Failure>(())
    /// ```
    pub fn reset(self: Pin<&mut Self>, deadline: Instant) {
        let this = self.project();
        *this.deadline = deadline;
        *this.registered = true;
        if let Some(timer) = *this.timer {
            let moved = engine::of_run(timer.run(), |engine| engine.move_sleep(timer, deadline.ns()));
            *this.timer = moved.flatten();
        }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_with(cx, true)
    }
}
