//! [`Runtime`]: an event loop that outlives a call of `block_on`.
//!
//! # Invariants
//! Tasks and virtual time are kept between calls of `block_on`, and proceed only during them.

use std::panic::{Location, RefUnwindSafe, UnwindSafe};
use std::time::Duration;

use super::owned_loop::OwnedLoop;
use super::{Builder, EnterGuard, Handle, RuntimeMetrics};
use crate::task::JoinHandle;

/// An event loop with its tasks, as
/// [`tokio::runtime::Runtime`](https://docs.rs/tokio/1/tokio/runtime/struct.Runtime.html).
///
/// Unlike tokio's, its loop stays on the thread that built it. The runtime and its [`Handle`] may move to other
/// threads, and what they do there panics. A runtime that is dropped on another thread leaks its tasks.
///
/// Where code may block, a run and the tasks of a runtime may block on another runtime:
/// - Its tasks run during the calls of [`block_on`](Self::block_on), in the order that its own seed decides.
/// - When none of them is ready, it waits in the loop around it, where the other tasks continue. In closures of
///   [`spawn_blocking`](crate::task::spawn_blocking) with the feature `blocking-stacks`, its clock moves with the clock
///   there. Elsewhere, and if its clock is paused, it moves at once to its next timer, and waits only if there is none.
/// - A runtime that was built outside of a run, such as one in a static, starts anew in each run: with no tasks, at time
///   zero.
///
/// ```
/// let runtime = timeloop::runtime::Runtime::new()?;
/// let task = runtime.spawn(async { 42 });
/// assert_eq!(runtime.block_on(task).unwrap(), 42);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Runtime {
    owned: OwnedLoop,
}

impl Runtime {
    /// Creates a runtime with seed 0 and the strategy `random`. Use [`Builder`] to change them.
    ///
    /// # Errors
    /// Never fails; the `Result` is tokio's signature.
    #[track_caller]
    pub fn new() -> std::io::Result<Self> {
        Builder::new_multi_thread().enable_all().build()
    }

    pub(super) fn of_loop(owned: OwnedLoop) -> Self {
        Self { owned }
    }

    /// Returns a handle, which may be cloned and sent to other threads.
    #[must_use]
    pub fn handle(&self) -> &Handle {
        self.owned.handle()
    }

    /// Spawns a task. It runs during calls of [`block_on`](Self::block_on).
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        self.handle().spawn_named(future, None, Location::caller())
    }

    /// Spawns a closure that may block, as [`spawn_blocking`](crate::task::spawn_blocking) does.
    #[track_caller]
    pub fn spawn_blocking<F, R>(&self, f: F) -> JoinHandle<R>
    where
        F: FnOnce() -> R + 'static,
        R: 'static,
    {
        self.handle().spawn_blocking(f)
    }

    /// Runs the loop until `future` completes.
    ///
    /// # Panics
    /// - If the future panics, with its payload.
    /// - If the loop cannot continue (a deadlock, a livelock, a limit, an unobserved panic), with a description.
    /// - Inside a task, unless it is in `spawn_blocking` or `block_in_place`.
    #[track_caller]
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.handle().block_on(future)
    }

    /// Makes the runtime current on this thread, so that `spawn` and similar functions work outside `block_on`.
    #[track_caller]
    pub fn enter(&self) -> EnterGuard<'_> {
        self.handle().enter()
    }

    /// Returns a view of the runtime's tasks and timers.
    #[must_use]
    pub fn metrics(&self) -> RuntimeMetrics {
        self.handle().metrics()
    }

    /// Runs the closures of `spawn_blocking` that are left, unless the duration is zero, and drops all other tasks.
    /// Nothing runs in the background.
    #[track_caller]
    pub fn shutdown_timeout(mut self, duration: Duration) {
        self.owned.shut_down(!duration.is_zero());
    }

    /// Drops all tasks. Unlike dropping the runtime, this is allowed in a task.
    #[track_caller]
    pub fn shutdown_background(mut self) {
        self.owned.shut_down_anywhere(false);
    }
}

impl UnwindSafe for Runtime {}

impl RefUnwindSafe for Runtime {}
