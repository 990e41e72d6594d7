//! Yielding to other tasks.
//!
//! # Invariants
//! A task that yields is ready again at once, behind the tasks that were ready already.

use std::pin::Pin;
use std::task::{Context, Poll};

/// Yields to the other ready tasks, as [`tokio::task::yield_now`](https://docs.rs/tokio/1/tokio/task/fn.yield_now.html)
/// does. The scheduler decides which ready task runs next.
///
/// ```
/// timeloop::run(0, || async {
///     timeloop::task::yield_now().await;
/// })?;
/// # Ok::<(), timeloop::Failure>(())
/// ```
pub async fn yield_now() {
    YieldNow { yielded: false }.await;
}

struct YieldNow {
    yielded: bool,
}

impl Future for YieldNow {
    type Output = ();

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.yielded {
            return Poll::Ready(());
        }
        self.yielded = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
