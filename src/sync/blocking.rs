//! What methods that block the thread are made of: one poll, and a loop around polls for primitives whose own methods of
//! that kind are newer than the oldest tokio allowed.
//!
//! Always true: inside of a run nothing blocks; outside, the thread waits exactly where tokio's would.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

/// What a future gives at its first poll, if it does.
pub(super) fn at_once<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

/// Blocks the thread until the future is ready.
///
/// # Panics
/// Inside of one of tokio's runtimes.
#[track_caller]
pub(super) fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    // Refuses where tokio's own methods do, in their words.
    drop(tokio::sync::Mutex::const_new(()).blocking_lock());
    let mut future = pin!(future);
    let waker = Arc::new(Unpark(thread::current())).into();
    let context = &mut Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(context) {
            return output;
        }
        thread::park();
    }
}
