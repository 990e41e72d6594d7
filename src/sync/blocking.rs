//! Support for methods that block the thread. Inside a run, they wait where code may block: in `spawn_blocking` and
//! `block_in_place`. Outside, a polling loop serves primitives whose own blocking methods are newer than the oldest
//! supported tokio.
//!
//! # Invariants
//! - Inside a run, the other tasks run while a method waits.
//! - Outside, the thread waits exactly where tokio's would.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use crate::engine::announce::Action;
use crate::engine::{Blocking, Engine, context, wait_blocking};

/// Returns whether a run is in progress on this thread, so that blocking it would deadlock.
pub(super) fn inside_run() -> bool {
    context::running()
}

/// Waits for `future` inside a run. Returns `None` outside a run, where the caller may block the thread.
///
/// # Panics
/// In a task that may not block. While tasks are dropped at the end of the run, if the future is not ready. The messages
/// name the method, what it waits for, and what to await instead.
#[track_caller]
pub(super) fn wait<F: Future>(
    future: impl FnOnce() -> F,
    action: Action<'_>,
    [method, thing, instead]: [&str; 3],
) -> Option<F::Output> {
    let blocking = context::driving(Engine::blocking)?;
    match blocking {
        Blocking::Refused => panic!(
            "Cannot block the current thread from within a runtime: `{method}` is called in a task; use `{instead}`, or \
             call it in `spawn_blocking`"
        ),
        Blocking::Allowed => Some(wait_blocking(action.before(future()))),
        Blocking::Between => {
            action.touch();
            // Not `unwrap_or_else`: from a closure, the panic would report a line of this file.
            match pin!(future()).poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(output) => Some(output),
                Poll::Pending => panic!(
                    "`{method}` would wait for {thing}, and no other task can run meanwhile; use `{instead}` in a task"
                ),
            }
        }
    }
}

/// Blocks the thread until the future is ready.
///
/// # Panics
/// Within a tokio runtime.
#[track_caller]
pub(super) fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    // Panics where tokio's own blocking methods do, with their message.
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
