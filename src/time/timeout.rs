//! Timeouts for futures.
//!
//! # Invariants
//! The future is polled before the deadline is checked, so a future that is ready in time always completes.

use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use timeloop_sim::{BranchKind, Canceller};

use super::error::Elapsed;
use super::{Duration, Instant, Sleep, sleep, sleep_until};
use crate::engine::cancellation::{InnerPlace, cancels};
use crate::engine::{announce, branches};

/// Awaits `future` for at most `duration`, as
/// [`tokio::time::timeout`](https://docs.rs/tokio/1/tokio/time/fn.timeout.html) does.
///
/// # Panics
/// Outside a run.
///
/// ```
/// use timeloop::time::{Duration, sleep, timeout};
///
/// timeloop::run(0, || async {
///     assert!(timeout(Duration::from_secs(1), sleep(Duration::from_secs(2))).await.is_err());
///     assert!(timeout(Duration::from_secs(3), sleep(Duration::from_secs(2))).await.is_ok());
/// })?;
/// # Ok::<(), timeloop::Failure>(())
/// ```
#[track_caller]
pub fn timeout<F: IntoFuture>(duration: Duration, future: F) -> Timeout<F::IntoFuture> {
    Timeout::new(future.into_future(), sleep(duration))
}

/// Awaits `future` until `deadline`, as
/// [`tokio::time::timeout_at`](https://docs.rs/tokio/1/tokio/time/fn.timeout_at.html) does.
#[track_caller]
pub fn timeout_at<F: IntoFuture>(deadline: Instant, future: F) -> Timeout<F::IntoFuture> {
    Timeout::new(future.into_future(), sleep_until(deadline))
}

pin_project! {
    /// The future of [`timeout`] and [`timeout_at`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct Timeout<T> {
        #[pin]
        value: T,
        #[pin]
        delay: Sleep,
        at: &'static Location<'static>,
        place: InnerPlace,
    }
}

impl<T> Timeout<T> {
    #[track_caller]
    fn new(value: T, delay: Sleep) -> Self {
        Self { value, delay, at: Location::caller(), place: InnerPlace::default() }
    }

    /// Returns the future.
    pub fn get_ref(&self) -> &T {
        &self.value
    }

    /// Returns a mutable reference to the future.
    pub fn get_mut(&mut self) -> &mut T {
        &mut self.value
    }

    /// Returns the future without its deadline.
    pub fn into_inner(self) -> T {
        self.value
    }
}

impl<T: Future> Future for Timeout<T> {
    type Output = Result<T::Output, Elapsed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let (is_recorded, had_budget) = this.place.begin_poll();
        if let Poll::Ready(output) = this.value.poll(cx) {
            if is_recorded {
                branches::completed(BranchKind::Timeout, 0, 2, this.at);
            }
            return Poll::Ready(Ok(output));
        }
        if is_recorded {
            this.place.waits();
        }
        if announce::is_suspended(cx.waker()) {
            // The future was preempted and has not reported yet whether it is ready.
            return Poll::Pending;
        }
        // A future that has used up the budget must not keep the deadline from being checked.
        this.delay.poll_with(cx, !had_budget).map(|()| {
            if is_recorded {
                branches::completed(BranchKind::Timeout, 1, 2, this.at);
                cancels(Canceller::Timeout, this.at, *this.place);
            }
            Err(Elapsed::new())
        })
    }
}
