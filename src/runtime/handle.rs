//! Handles to a runtime.
//!
//! # Invariants
//! A handle is a number. It may move to any thread, but works only on its runtime's thread, since the actions of other
//! threads cannot be replayed.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;
use std::rc::Rc;

use super::{Id, RuntimeMetrics};
use crate::engine::context::{self, Entered};
use crate::engine::{self, Engine, RunId, TaskBox};
use crate::harness::assert_no_loop;
use crate::task::JoinHandle;

/// A handle to a runtime, as [`tokio::runtime::Handle`](https://docs.rs/tokio/1/tokio/runtime/struct.Handle.html).
#[derive(Clone, Debug)]
pub struct Handle {
    run: RunId,
}

impl Handle {
    pub(super) fn new(run: RunId) -> Self {
        Self { run }
    }

    /// Returns the handle of the current loop: that of a run, or of an entered runtime.
    ///
    /// # Panics
    /// Outside both.
    #[must_use]
    #[track_caller]
    pub fn current() -> Self {
        Self::try_current().unwrap_or_else(|_| engine::outside("get the current handle"))
    }

    /// Returns the handle of the current loop: that of a run, or of an entered runtime.
    ///
    /// # Errors
    /// Outside both.
    pub fn try_current() -> Result<Self, TryCurrentError> {
        context::with(Engine::run_id).map(Self::new).ok_or(TryCurrentError(()))
    }

    /// Spawns a task on the loop.
    ///
    /// # Panics
    /// If the loop has ended or belongs to another thread.
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        self.spawn_named(future, None, Location::caller())
    }

    #[track_caller]
    pub(crate) fn spawn_named<F>(
        &self,
        future: F,
        name: Option<Cow<'static, str>>,
        location: &'static Location<'static>,
    ) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        match engine::of_run(self.run, |engine| engine.spawn(TaskBox::new(future), name, location)) {
            Some(Ok(task)) => JoinHandle::new(task),
            Some(Err(too_many)) => too_many.panic(),
            None => gone(),
        }
    }

    /// Spawns a closure that runs as one step, as [`spawn_blocking`](crate::task::spawn_blocking) does.
    ///
    /// # Panics
    /// If the loop has ended or belongs to another thread.
    #[track_caller]
    pub fn spawn_blocking<F, R>(&self, f: F) -> JoinHandle<R>
    where
        F: FnOnce() -> R + 'static,
        R: 'static,
    {
        self.spawn_named(async move { f() }, None, Location::caller())
    }

    /// Runs the loop until `future` completes. The loop must be that of a [`Runtime`](super::Runtime) that is not
    /// running.
    ///
    /// # Panics
    /// As [`Runtime::block_on`](super::Runtime::block_on); in particular, inside a run.
    #[track_caller]
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        assert_no_loop(&|| "`Handle::block_on`".to_owned());
        match engine::find_idle(self.run) {
            Some(engine) => super::runtime::block_on(&engine, future),
            None => gone(),
        }
    }

    /// Makes the runtime current on this thread until the guard is dropped. Inside a run this has no effect.
    ///
    /// # Panics
    /// If the loop has ended or belongs to another thread.
    #[track_caller]
    pub fn enter(&self) -> EnterGuard<'_> {
        match engine::find_idle(self.run) {
            Some(engine) => EnterGuard::new(engine),
            None if engine::of_run(self.run, |_| ()).is_some() => {
                EnterGuard { entered: None, lifetime: PhantomData }
            }
            None => gone(),
        }
    }

    /// Returns the loop's id, which differs from those of all other live loops.
    #[must_use]
    pub fn id(&self) -> Id {
        Id::new(self.run)
    }

    /// Returns a view of the loop's tasks and timers.
    ///
    /// ```
    /// timeloop::run(0, || async {
    ///     let task = timeloop::spawn(async {});
    ///     let metrics = timeloop::runtime::Handle::current().metrics();
    ///     assert_eq!(metrics.num_alive_tasks(), 1);
    ///     task.await.unwrap();
    ///     assert_eq!(metrics.num_alive_tasks(), 0);
    /// })?;
    /// # Ok::<(), timeloop::Failure>(())
    /// ```
    #[must_use]
    pub fn metrics(&self) -> RuntimeMetrics {
        RuntimeMetrics::new(self.run)
    }

    /// Returns [`RuntimeFlavor::CurrentThread`].
    #[must_use]
    pub fn runtime_flavor(&self) -> RuntimeFlavor {
        RuntimeFlavor::CurrentThread
    }
}

#[cold]
#[track_caller]
fn gone() -> ! {
    panic!(
        "the event loop of this handle has ended or belongs to another thread; use a handle only on its loop's thread"
    )
}

/// Kinds of runtime, as
/// [`tokio::runtime::RuntimeFlavor`](https://docs.rs/tokio/1/tokio/runtime/enum.RuntimeFlavor.html).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RuntimeFlavor {
    /// One thread.
    CurrentThread,
    /// Several threads. Never returned.
    MultiThread,
}

/// The error of [`Handle::try_current`] without a current loop, as
/// [`tokio::runtime::TryCurrentError`](https://docs.rs/tokio/1/tokio/runtime/struct.TryCurrentError.html).
#[derive(Debug)]
pub struct TryCurrentError(());

impl TryCurrentError {
    /// Returns `true`: this is the only reason for the error.
    #[must_use]
    pub fn is_missing_context(&self) -> bool {
        true
    }

    /// Returns `false`.
    #[must_use]
    pub fn is_thread_local_destroyed(&self) -> bool {
        false
    }
}

impl fmt::Display for TryCurrentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no event loop is running: must be called inside a timeloop run")
    }
}

impl std::error::Error for TryCurrentError {}

/// Keeps a runtime current. See [`Runtime::enter`](super::Runtime::enter).
#[derive(Debug)]
#[must_use = "the runtime is current only while the guard lives"]
pub struct EnterGuard<'a> {
    #[expect(dead_code, reason = "undone when dropped")]
    entered: Option<Entered>,
    lifetime: PhantomData<&'a Handle>,
}

impl EnterGuard<'_> {
    pub(super) fn new(engine: Rc<Engine>) -> Self {
        Self { entered: Some(Entered::enter(engine)), lifetime: PhantomData }
    }
}
