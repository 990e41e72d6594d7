//! Handles to a runtime.
//!
//! # Invariants
//! A handle is a number. It may move to any thread, but works only on its runtime's thread, since the actions of other
//! threads cannot be replayed.

use std::borrow::Cow;
use std::fmt;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::panic::{Location, resume_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use super::owned_loop::here;
use super::{Id, RuntimeMetrics};
use crate::engine::context::{self, Entered};
use crate::engine::{
    self, Blocking, Engine, Flavor, Root, RootFuture, RunId, Stop, TaskBox, wait_blocking, wait_in_outer_loop,
};
use crate::harness::assert_not_inside_tokio;
use crate::task::{JoinHandle, blocking};

/// A handle to a runtime, as [`tokio::runtime::Handle`](https://docs.rs/tokio/1/tokio/runtime/struct.Handle.html).
#[derive(Clone, Debug)]
pub struct Handle {
    run: RunId,
    name: Option<Arc<str>>,
}

impl Handle {
    pub(super) fn named(run: RunId, name: Option<Arc<str>>) -> Self {
        if let Some(name) = &name {
            engine::of_run(run, |engine| engine.set_name(Arc::clone(name)));
        }
        Self { run, name }
    }

    fn of(engine: &Engine) -> Self {
        Self { run: engine.run_id(), name: engine.name() }
    }

    pub(super) fn run(&self) -> RunId {
        self.run
    }

    /// Returns the handle of the current loop: that of a run, or of an entered runtime.
    ///
    /// # Panics
    /// Outside both.
    #[must_use]
    #[track_caller]
    pub fn current() -> Self {
        match Self::try_current() {
            Ok(handle) => handle,
            // Not in a closure: the panic names the caller's line.
            Err(_) => engine::outside("get the current handle"),
        }
    }

    /// Returns the handle of the current loop: that of a run, or of an entered runtime.
    ///
    /// # Errors
    /// Outside both.
    pub fn try_current() -> Result<Self, TryCurrentError> {
        context::with(Self::of).ok_or(TryCurrentError(()))
    }

    /// Spawns a task on the loop.
    ///
    /// If the runtime has been shut down, the future is dropped, and the handle returns that the task was cancelled.
    ///
    /// # Panics
    /// If the loop belongs to another thread.
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
        match engine::of_run(here(self.run), |engine| engine.spawn(TaskBox::new(future), name, location)) {
            Some(Ok(task)) => JoinHandle::new(task),
            Some(Err(too_many)) => too_many.panic(),
            None => self.refused(),
        }
    }

    /// Returns the handle of a task that was not spawned, because the runtime is gone.
    #[cold]
    #[track_caller]
    fn refused<T: 'static>(&self) -> JoinHandle<T> {
        self.assert_of_this_thread();
        JoinHandle::of_none(self.run)
    }

    /// Panics if the loop belongs to another thread.
    #[track_caller]
    fn assert_of_this_thread(&self) {
        if engine::is_alive(self.run) {
            elsewhere();
        }
    }

    /// Spawns a closure that may block, as [`spawn_blocking`](crate::task::spawn_blocking) does. After the shutdown, as
    /// [`spawn`](Self::spawn).
    ///
    /// # Panics
    /// If the loop belongs to another thread.
    #[track_caller]
    pub fn spawn_blocking<F, R>(&self, f: F) -> JoinHandle<R>
    where
        F: FnOnce() -> R + 'static,
        R: 'static,
    {
        self.spawn_blocking_named(f, None, Location::caller())
    }

    #[track_caller]
    pub(crate) fn spawn_blocking_named<F, R>(
        &self,
        f: F,
        name: Option<Cow<'static, str>>,
        location: &'static Location<'static>,
    ) -> JoinHandle<R>
    where
        F: FnOnce() -> R + 'static,
        R: 'static,
    {
        match engine::of_run(here(self.run), |engine| blocking::spawn_on(engine, f, name, location)) {
            Some(Ok(handle)) => handle,
            Some(Err(too_many)) => too_many.panic(),
            None => self.refused(),
        }
    }

    /// Runs the loop until `future` completes.
    ///
    /// In `spawn_blocking` and `block_in_place`, the other tasks of the run proceed meanwhile. If several tasks block at
    /// the same time, the one that began last must end first, because they share one stack. Closures of
    /// [`spawn_blocking`](crate::task::spawn_blocking) are free of this limit with the feature `blocking-stacks`.
    ///
    /// If this is the loop of another runtime, that loop runs meanwhile, as [`Runtime`](super::Runtime) says. If another call
    /// runs it already, the future becomes one of its tasks.
    ///
    /// # Panics
    /// As [`Runtime::block_on`](super::Runtime::block_on); in particular, in a task that may not block.
    #[track_caller]
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        let this = Self { run: here(self.run), name: None };
        this.block_on_here(future)
    }

    #[track_caller]
    fn block_on_here<F: Future>(&self, future: F) -> F::Output {
        let future = match context::driving(|engine| (engine.run_id() == self.run, engine.blocking())) {
            Some((_, Blocking::Refused)) => nested_in_task(),
            Some((true, Blocking::Allowed)) => return wait_blocking(future),
            Some((false, Blocking::Allowed)) => match wait_in_outer_loop(self.run, future) {
                Ok(output) => return output,
                Err(future) => future,
            },
            None => future,
            Some((_, Blocking::Between)) => panic!(
                "cannot block while tasks are dropped at the end of a run or of a runtime; await the future in a task \
                 instead"
            ),
        };
        self.block_on_idle(future)
    }

    /// Runs the loop, which is not one of those that run on the stack, until `future` completes.
    #[track_caller]
    fn block_on_idle<F: Future>(&self, future: F) -> F::Output {
        match engine::find_idle(self.run) {
            Some(engine) if engine.is_running() => block_on_busy(&engine, future),
            Some(engine) => block_on(&engine, future),
            None => {
                self.assert_of_this_thread();
                block_on(&Engine::after_shutdown(self.run), future)
            }
        }
    }

    /// Returns the name that [`Builder::name`](super::Builder::name) set.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Makes the runtime current on this thread until the guard is dropped. Inside a run this has no effect.
    ///
    /// # Panics
    /// If the loop belongs to another thread. Dropping the guard panics if a guard that was made later is still alive.
    #[track_caller]
    pub fn enter(&self) -> EnterGuard<'_> {
        match engine::find_idle(here(self.run)) {
            Some(engine) => EnterGuard::new(engine),
            None if engine::of_run(self.run, |_| ()).is_some() => {
                EnterGuard { entered: None, lifetime: PhantomData }
            }
            None => {
                self.assert_of_this_thread();
                EnterGuard::new(Engine::after_shutdown(self.run))
            }
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
        RuntimeMetrics::new(here(self.run))
    }

    /// Returns the flavor that the builder or the attribute chose. There is one thread all the same.
    ///
    /// # Panics
    /// If the loop belongs to another thread.
    #[must_use]
    #[track_caller]
    pub fn runtime_flavor(&self) -> RuntimeFlavor {
        match engine::of_run(here(self.run), |engine| engine.settings.flavor) {
            Some(Flavor::CurrentThread | Flavor::Local) => RuntimeFlavor::CurrentThread,
            Some(Flavor::MultiThread | Flavor::Unset) => RuntimeFlavor::MultiThread,
            None => {
                self.assert_of_this_thread();
                RuntimeFlavor::MultiThread
            }
        }
    }
}

/// Runs a loop that is not running.
#[track_caller]
fn block_on<F: Future>(engine: &Engine, future: F) -> F::Output {
    assert_not_inside_tokio(&engine.label());
    let mut future = pin!(Some(future));
    let mut root = RootFuture::new(future.as_mut());
    drive(engine, &mut root);
    root.into_output().expect("it has ended")
}

/// Awaits a future as a task of a loop that other code runs, which waits in the loop around it. When that code has ended, runs
/// the loop itself.
#[track_caller]
fn block_on_busy<F: Future>(engine: &Engine, future: F) -> F::Output {
    let can_wait =
        context::driving(Engine::blocking) == Some(Blocking::Allowed) && !context::is_outer(engine);
    assert!(
        can_wait,
        "cannot block on {} here: another call of `block_on` runs it, and can't continue before this code returns; await the \
         future instead",
        engine.label()
    );
    let mut future = pin!(Some(future));
    let mut root = RootFuture::new(future.as_mut());
    let ended = engine.lend_guest(&mut root, |guest| {
        let task = match engine.spawn(TaskBox::new(guest), None, Location::caller()) {
            Ok(task) => task,
            Err(too_many) => too_many.panic(),
        };
        let mut task = JoinHandle::<()>::new(task);
        let ended = wait_blocking(poll_fn(|cx| match Pin::new(&mut task).poll(cx) {
            Poll::Ready(ended) => Poll::Ready(Some(ended)),
            Poll::Pending if engine.poll_stopped(cx.waker()) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }));
        ended.unwrap_or_else(|| block_on(engine, task))
    });
    engine.within(|| root.drop_future());
    match ended {
        Ok(()) => root.into_output().expect("it has ended"),
        Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
        Err(_) => panic!("`block_on` of {}, which has been shut down, can't continue", engine.label()),
    }
}

/// Runs a loop until its root future completes.
#[track_caller]
fn drive(engine: &Engine, root: &mut dyn Root) {
    if engine.is_shut_down() {
        return engine.poll_after_shutdown(root);
    }
    let result = engine.drive_nested(root);
    engine.within(|| root.drop_future());
    match result.and_then(|()| engine.take_unobserved().map_or(Ok(()), |failure| Err(Stop::Failed(failure))))
    {
        Ok(()) => {}
        Err(Stop::Panicked(payload, _)) => resume_unwind(payload),
        Err(Stop::Failed(failure)) => panic!("{failure}"),
    }
}

#[cold]
#[track_caller]
fn elsewhere() -> ! {
    panic!("the event loop of this handle belongs to another thread; use a handle only on its loop's thread")
}

#[cold]
#[track_caller]
fn nested_in_task() -> ! {
    panic!(
        "Cannot start a runtime from within a runtime: a task must not block the thread that runs it; await the future, \
         or call `block_on` in `spawn_blocking` or `block_in_place`"
    )
}

/// Kinds of runtime, as
/// [`tokio::runtime::RuntimeFlavor`](https://docs.rs/tokio/1/tokio/runtime/enum.RuntimeFlavor.html).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RuntimeFlavor {
    /// One thread.
    CurrentThread,
    /// Several threads.
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
        f.write_str("no event loop is running: call this inside a timeloop run")
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
