//! [`LocalRuntime`]: a runtime whose tasks need not be `Send`.
//!
//! # Invariants
//! `spawn_local` works everywhere inside of it.

use std::marker::PhantomData;
use std::panic::{Location, RefUnwindSafe, UnwindSafe};
use std::time::Duration;

use super::owned_loop::OwnedLoop;
use super::{Builder, EnterGuard, Handle, RuntimeMetrics};
use crate::task::JoinHandle;

/// A runtime on the current thread, as
/// [`tokio::runtime::LocalRuntime`](https://docs.rs/tokio/1/tokio/runtime/struct.LocalRuntime.html).
///
/// It differs from a [`Runtime`](super::Runtime) in that [`spawn_local`](crate::task::spawn_local) works in all of its
/// tasks, and that it can't move to another thread.
///
/// ```
/// use std::rc::Rc;
///
/// let runtime = timeloop::runtime::LocalRuntime::new()?;
/// let number = Rc::new(42);
/// let task = runtime.spawn_local(async move { *number });
/// assert_eq!(runtime.block_on(task).unwrap(), 42);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct LocalRuntime {
    owned: OwnedLoop,
    _not_send: PhantomData<*mut u8>,
}

/// The options of [`Builder::build_local`], as
/// [`tokio::runtime::LocalOptions`](https://docs.rs/tokio/1/tokio/runtime/struct.LocalOptions.html). There are none yet.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct LocalOptions {
    /// As in tokio, the options can't be sent to another thread.
    _not_send: PhantomData<*mut u8>,
}

impl LocalRuntime {
    /// Creates a runtime with seed 0 and the strategy `random`. Use [`Builder::build_local`] to change them.
    ///
    /// # Errors
    /// Never fails; the `Result` is tokio's signature.
    #[track_caller]
    pub fn new() -> std::io::Result<Self> {
        Builder::new_current_thread().enable_all().build_local(LocalOptions::default())
    }

    pub(super) fn of_loop(owned: OwnedLoop) -> Self {
        Self { owned, _not_send: PhantomData }
    }

    /// Returns a handle, which may be cloned and sent to other threads.
    #[must_use]
    pub fn handle(&self) -> &Handle {
        self.owned.handle()
    }

    /// Spawns a task. It runs during calls of [`block_on`](Self::block_on).
    #[track_caller]
    pub fn spawn_local<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        self.handle().spawn_named(future, None, Location::caller())
    }

    /// Spawns a closure that may block, as [`spawn_blocking`](crate::task::spawn_blocking) does.
    #[track_caller]
    pub fn spawn_blocking<F, R>(&self, func: F) -> JoinHandle<R>
    where
        F: FnOnce() -> R + 'static,
        R: 'static,
    {
        self.handle().spawn_blocking(func)
    }

    /// Runs the loop until `future` completes.
    ///
    /// # Panics
    /// As [`Runtime::block_on`](super::Runtime::block_on).
    #[track_caller]
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.handle().block_on(future)
    }

    /// Makes the runtime current on this thread, so that `spawn_local` and similar functions work outside `block_on`.
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

impl UnwindSafe for LocalRuntime {}

impl RefUnwindSafe for LocalRuntime {}
