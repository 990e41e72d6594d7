//! [`Runtime`]: an event loop that outlives a call of `block_on`.
//!
//! # Invariants
//! Tasks and virtual time are kept between calls of `block_on`, and proceed only during them.

use std::panic::{Location, resume_unwind};
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use timeloop_sim::{AnySource, Limits};

use super::{Builder, EnterGuard, Handle, RuntimeMetrics};
use crate::engine::{Engine, Root, RootFuture, Stop, TaskBox, context};
use crate::harness::assert_no_loop;
use crate::task::JoinHandle;

/// An event loop with its tasks, as
/// [`tokio::runtime::Runtime`](https://docs.rs/tokio/1/tokio/runtime/struct.Runtime.html).
///
/// Unlike tokio's, it stays on the thread that built it. Its [`Handle`] may move to other threads.
///
/// ```
/// let runtime = timeloop::runtime::Runtime::new()?;
/// let task = runtime.spawn(async { 42 });
/// assert_eq!(runtime.block_on(task).unwrap(), 42);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Runtime {
    engine: Rc<Engine>,
    handle: Handle,
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

    #[track_caller]
    pub(super) fn build(source: AnySource, limits: &Limits, built: &'static Location<'static>) -> Self {
        let label = format!("the `Runtime` built at {built}");
        assert_no_loop(&|| label.clone());
        let engine = Engine::long_lived(source, limits, label.into());
        engine.add_root(built);
        let handle = Handle::new(engine.run_id());
        Self { engine, handle }
    }

    /// Returns a handle, which may be cloned and sent to other threads.
    #[must_use]
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Spawns a task. It runs during calls of [`block_on`](Self::block_on).
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        match self.engine.spawn(TaskBox::new(future), None, Location::caller()) {
            Ok(task) => JoinHandle::new(task),
            Err(too_many) => too_many.panic(),
        }
    }

    /// Spawns a closure that runs as one step, as [`spawn_blocking`](crate::task::spawn_blocking) does.
    #[track_caller]
    pub fn spawn_blocking<F, R>(&self, f: F) -> JoinHandle<R>
    where
        F: FnOnce() -> R + 'static,
        R: 'static,
    {
        self.spawn(async move { f() })
    }

    /// Runs the loop until `future` completes.
    ///
    /// # Panics
    /// - If the future panics, with its payload.
    /// - If the loop cannot continue (a deadlock, a livelock, a limit, an unobserved panic), with a description.
    /// - Inside a run, because a thread runs one loop at a time.
    #[track_caller]
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        assert_no_loop(&|| self.engine.label().into_owned());
        block_on(&self.engine, future)
    }

    /// Makes the runtime current on this thread, so that `spawn` and similar functions work outside `block_on`.
    pub fn enter(&self) -> EnterGuard<'_> {
        EnterGuard::new(Rc::clone(&self.engine))
    }

    /// Returns a view of the runtime's tasks and timers.
    #[must_use]
    pub fn metrics(&self) -> RuntimeMetrics {
        self.handle.metrics()
    }

    /// Drops all tasks. Equivalent to dropping the runtime, since nothing runs in the background.
    pub fn shutdown_timeout(self, duration: Duration) {
        let _ = duration;
    }

    /// Drops all tasks. Equivalent to dropping the runtime.
    pub fn shutdown_background(self) {}
}

impl Drop for Runtime {
    fn drop(&mut self) {
        let run = self.engine.run_id();
        if context::is_driving(run) {
            // The loop is still on the stack, so it cannot be dropped now.
            assert!(
                std::thread::panicking(),
                "cannot drop {} inside its own loop; drop it after `block_on` has returned",
                self.engine.label()
            );
            return;
        }
        // As in tokio, a failure of a task that is dropped here is not reported.
        let _ = self.engine.finish(true, &mut || ());
    }
}

/// Runs a loop that is not running.
#[track_caller]
pub(super) fn block_on<F: Future>(engine: &Engine, future: F) -> F::Output {
    let mut future = pin!(Some(future));
    let mut root = RootFuture::new(future.as_mut());
    drive(engine, &mut root);
    root.into_output().expect("it has ended")
}

/// Runs a loop until its root future completes.
#[track_caller]
fn drive(engine: &Engine, root: &mut dyn Root) {
    let result = engine.drive(root, true);
    engine.within(|| root.drop_future());
    match result.and_then(|()| engine.take_unobserved().map_or(Ok(()), |failure| Err(Stop::Failed(failure))))
    {
        Ok(()) => {}
        Err(Stop::Panicked(payload, _)) => resume_unwind(payload),
        Err(Stop::Failed(failure)) => panic!("{failure}"),
    }
}
