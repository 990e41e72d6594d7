//! An event loop that lives longer than one call.
//!
//! Always true: its tasks and its virtual time are kept between calls of `block_on`, and move only during them.

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
/// Unlike tokio's it stays on the thread that built it. Its [`Handle`] may go anywhere.
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
    /// A runtime with seed 0 and the strategy `random`; see [`Builder`] for others.
    ///
    /// # Errors
    /// None today; a `Result` as in tokio.
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

    /// A handle, which may be cloned and sent to where the runtime can't be.
    #[must_use]
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Spawns a task; it runs during calls of [`block_on`](Self::block_on).
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

    /// Spawns a closure that runs as one step; see [`spawn_blocking`](crate::task::spawn_blocking).
    #[track_caller]
    pub fn spawn_blocking<F, R>(&self, f: F) -> JoinHandle<R>
    where
        F: FnOnce() -> R + 'static,
        R: 'static,
    {
        self.spawn(async move { f() })
    }

    /// Runs the loop until `future` has ended.
    ///
    /// # Panics
    /// With the future's own panic; with a description where the loop can't go on (a deadlock, a livelock, a bound, a
    /// panic that nobody observed); and inside of a run, since only one loop runs at a time.
    #[track_caller]
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        assert_no_loop(&|| self.engine.label().into_owned());
        block_on(&self.engine, future)
    }

    /// Makes the runtime the current one of this thread, so that `spawn` and the like find it without `block_on`.
    pub fn enter(&self) -> EnterGuard<'_> {
        EnterGuard::new(Rc::clone(&self.engine))
    }

    /// A view of what the runtime holds.
    #[must_use]
    pub fn metrics(&self) -> RuntimeMetrics {
        self.handle.metrics()
    }

    /// Drops all tasks; the same as dropping the runtime here, since nothing runs in the background.
    pub fn shutdown_timeout(self, duration: Duration) {
        let _ = duration;
    }

    /// Drops all tasks; the same as dropping the runtime here.
    pub fn shutdown_background(self) {}
}

impl Drop for Runtime {
    fn drop(&mut self) {
        let run = self.engine.run_id();
        if context::is_driving(run) {
            // Its loop is on the stack and goes on; it can't be taken apart under itself.
            assert!(std::thread::panicking(), "can't drop {} inside its own loop", self.engine.label());
            return;
        }
        // A failure of tasks that are dropped here has nobody left to hear of it, as in tokio.
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

/// Runs a loop until its root has ended.
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
