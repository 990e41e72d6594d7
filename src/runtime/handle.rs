//! Handles to a runtime.
//!
//! Always true: a handle is a number and may go anywhere, but works only on the thread of its runtime: what another
//! thread does can't be replayed.

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

    /// The handle of the current loop: that of a run, or of an entered runtime.
    ///
    /// # Panics
    /// Outside of both.
    #[must_use]
    #[track_caller]
    pub fn current() -> Self {
        Self::try_current().unwrap_or_else(|_| engine::outside("get the current handle"))
    }

    /// The handle of the current loop.
    ///
    /// # Errors
    /// Outside of a run.
    pub fn try_current() -> Result<Self, TryCurrentError> {
        context::with(Engine::run_id).map(Self::new).ok_or(TryCurrentError(()))
    }

    /// Spawns a task on the loop.
    ///
    /// # Panics
    /// When the loop has ended or is another thread's.
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

    /// Spawns a closure that runs as one step; see [`spawn_blocking`](crate::task::spawn_blocking).
    ///
    /// # Panics
    /// When the loop has ended or is another thread's.
    #[track_caller]
    pub fn spawn_blocking<F, R>(&self, f: F) -> JoinHandle<R>
    where
        F: FnOnce() -> R + 'static,
        R: 'static,
    {
        self.spawn_named(async move { f() }, None, Location::caller())
    }

    /// Runs the loop until `future` has ended; for a [`Runtime`](super::Runtime) that is not running.
    ///
    /// # Panics
    /// As [`Runtime::block_on`](super::Runtime::block_on): above all, inside of a run.
    #[track_caller]
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        assert_no_loop(&|| "`Handle::block_on`".to_owned());
        match engine::find_idle(self.run) {
            Some(engine) => super::runtime::block_on(&engine, future),
            None => gone(),
        }
    }

    /// Makes the runtime the current one of this thread until the guard is dropped. Inside of a run it changes nothing.
    ///
    /// # Panics
    /// When the loop has ended or is another thread's.
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

    /// What sets this loop apart from all others that are alive.
    #[must_use]
    pub fn id(&self) -> Id {
        Id::new(self.run)
    }

    /// A view of what the loop holds.
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

    /// Always [`RuntimeFlavor::CurrentThread`].
    #[must_use]
    pub fn runtime_flavor(&self) -> RuntimeFlavor {
        RuntimeFlavor::CurrentThread
    }
}

#[cold]
#[track_caller]
fn gone() -> ! {
    panic!(
        "the loop of this handle has ended, or runs on another thread; a handle works on its own loop's thread"
    )
}

/// Kinds of runtime, as
/// [`tokio::runtime::RuntimeFlavor`](https://docs.rs/tokio/1/tokio/runtime/enum.RuntimeFlavor.html).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RuntimeFlavor {
    /// One thread.
    CurrentThread,
    /// Several threads; never the case here.
    MultiThread,
}

/// There is no current loop, as
/// [`tokio::runtime::TryCurrentError`](https://docs.rs/tokio/1/tokio/runtime/struct.TryCurrentError.html).
#[derive(Debug)]
pub struct TryCurrentError(());

impl TryCurrentError {
    /// Always true: there is no other way for it to be missing.
    #[must_use]
    pub fn is_missing_context(&self) -> bool {
        true
    }

    /// Never the case here.
    #[must_use]
    pub fn is_thread_local_destroyed(&self) -> bool {
        false
    }
}

impl fmt::Display for TryCurrentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there is no loop running, must be called from inside of a timeloop run")
    }
}

impl std::error::Error for TryCurrentError {}

/// Keeps a runtime current; see [`Runtime::enter`](super::Runtime::enter).
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
