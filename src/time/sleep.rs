//! Waiting for an instant.
//!
//! # Invariants
//! A sleep sets its timer when first polled, and cancels it when it completes or is dropped.

use std::marker::PhantomPinned;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::{Duration, Instant};
use crate::engine::{self, TimerRef, context};

/// Waits until `deadline`, as [`tokio::time::sleep_until`](https://docs.rs/tokio/1/tokio/time/fn.sleep_until.html)
/// does, but with a resolution of one nanosecond. Completes at once if the deadline has passed.
#[track_caller]
pub fn sleep_until(deadline: Instant) -> Sleep {
    Sleep::new(deadline)
}

/// Waits for `duration` of virtual time, as [`tokio::time::sleep`](https://docs.rs/tokio/1/tokio/time/fn.sleep.html)
/// does, but with a resolution of one nanosecond.
///
/// # Panics
/// Outside a run.
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
    Sleep::new(Instant::now().checked_add(duration).unwrap_or(Instant::far_future()))
}

pin_project! {
    /// The future of [`sleep`] and [`sleep_until`]. As in tokio, it is not `Unpin`.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct Sleep {
        deadline: Instant,
        timer: Option<TimerRef>,
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
    fn new(deadline: Instant) -> Self {
        Self { deadline, timer: None, pinned: PhantomPinned }
    }

    /// Returns the deadline.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Returns whether the deadline has passed.
    ///
    /// # Panics
    /// Outside a run.
    #[must_use]
    #[track_caller]
    pub fn is_elapsed(&self) -> bool {
        Instant::now() >= self.deadline
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
        if let Some(timer) = *this.timer {
            let moved = engine::of_run(timer.run(), |engine| engine.move_sleep(timer, deadline.ns()));
            *this.timer = moved.flatten();
        }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        match context::with(|engine| engine.poll_sleep(this.deadline.ns(), this.timer, cx.waker())) {
            Some(true) => Poll::Ready(()),
            Some(false) => Poll::Pending,
            None => engine::outside("sleep"),
        }
    }
}
