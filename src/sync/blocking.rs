//! What methods that block the thread are made of: one poll inside of a run, and a loop around polls for primitives whose
//! own methods of that kind are newer than the oldest tokio allowed.
//!
//! # Invariants
//! Inside of a run nothing blocks. Outside, the thread waits exactly where tokio's would.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use crate::engine::announce::Action;
use crate::engine::context;

/// Whether a run is under way on this thread, so that to block it would be to wait for ever.
pub(super) fn inside_run() -> bool {
    context::running()
}

/// Does inside of a run what a method that blocks the thread can do without waiting; `None` outside, where it may block.
///
/// # Panics
/// When it would have to wait, in these words: the method, what it waits for, and what to write instead.
#[track_caller]
pub(super) fn at_once<F: Future>(
    future: impl FnOnce() -> F,
    action: Action<'_>,
    [method, thing, instead]: [&str; 3],
) -> Option<F::Output> {
    if !inside_run() {
        return None;
    }
    action.touch();
    // Not `unwrap_or_else`: in a closure the panic would name a line of this file.
    match pin!(future()).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => {
            panic!("`{method}` would wait for {thing}, and no other task can run meanwhile; use `{instead}`")
        }
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
