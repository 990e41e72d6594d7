//! Waiting for an instant.
//!
//! Always true: a sleep sets its timer when it is first polled and takes it back when it is dropped or has ended.

use std::marker::PhantomPinned;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::{Duration, Instant};
use crate::engine::{self, TimerRef, context};

/// Waits until `deadline`, as [`tokio::time::sleep_until`](https://docs.rs/tokio/1/tokio/time/fn.sleep_until.html),
/// to the nanosecond. A deadline that has passed does not wait.
#[track_caller]
pub fn sleep_until(deadline: Instant) -> Sleep {
    Sleep::new(deadline)
}

/// Waits for `duration` of virtual time, as [`tokio::time::sleep`](https://docs.rs/tokio/1/tokio/time/fn.sleep.html),
/// to the nanosecond.
///
/// # Panics
/// Outside of a run.
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
    /// The future of [`sleep`] and [`sleep_until`], as
    /// [`tokio::time::Sleep`](https://docs.rs/tokio/1/tokio/time/struct.Sleep.html): not `Unpin`, as there.
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

    /// When the sleep ends.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Whether the deadline has passed.
    ///
    /// # Panics
    /// Outside of a run.
    #[must_use]
    #[track_caller]
    pub fn is_elapsed(&self) -> bool {
        Instant::now() >= self.deadline
    }

    /// Gives the sleep another deadline. A task that awaits it wakes at the new one.
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
