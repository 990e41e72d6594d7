//! Spawning tasks.
//!
//! # Invariants
//! A new task is ready and not yet polled. The scheduler decides which ready task runs next.

use std::borrow::Cow;
use std::panic::Location;

use super::{JoinHandle, local_set};
use crate::engine::{TaskBox, context};

/// Spawns a task, as [`tokio::spawn`](https://docs.rs/tokio/1/tokio/fn.spawn.html) does.
///
/// Unlike in tokio, the future need not be `Send`, since a run has one thread. The task is ready at once, and is first
/// polled when the scheduler chooses it.
///
/// # Panics
/// Outside a run, and if `max_tasks` tasks are alive.
///
/// ```
/// timeloop::run(0, || async {
///     let task = timeloop::spawn(async { 40 + 2 });
///     assert_eq!(task.await.unwrap(), 42);
/// })?;
/// # Ok::<(), timeloop::Failure>(())
/// ```
#[track_caller]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    spawn_named(future, None, Location::caller())
}

/// Spawns a task on the current [`LocalSet`](super::LocalSet). Without one, spawns as [`spawn`] does.
///
/// # Panics
/// Outside both a run and a `LocalSet`.
///
/// ```
/// use std::rc::Rc;
///
/// timeloop::run(0, || async {
///     let number = Rc::new(42);
///     let task = timeloop::task::spawn_local(async move { *number });
///     assert_eq!(task.await.unwrap(), 42);
/// })?;
/// # Ok::<(), timeloop::Failure>(())
/// ```
#[track_caller]
pub fn spawn_local<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    spawn_local_named(future, None, Location::caller())
}

#[track_caller]
pub(super) fn spawn_local_named<F>(
    future: F,
    name: Option<Cow<'static, str>>,
    location: &'static Location<'static>,
) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    match local_set::spawn_on_current(future, name, location) {
        Ok(handle) => handle,
        Err((future, name)) => spawn_named(future, name, location),
    }
}

/// Runs a blocking closure as one step, as
/// [`tokio::task::spawn_blocking`](https://docs.rs/tokio/1/tokio/task/fn.spawn_blocking.html) does.
///
/// Unlike in tokio, there is no thread: the closure must not wait for another task of the run.
///
/// # Panics
/// Outside a run.
///
/// ```
/// timeloop::run(0, || async {
///     let sum = timeloop::task::spawn_blocking(|| (1..=10).sum::<u32>());
///     assert_eq!(sum.await.unwrap(), 55);
/// })?;
/// # Ok::<(), timeloop::Failure>(())
/// ```
#[track_caller]
pub fn spawn_blocking<F, R>(f: F) -> JoinHandle<R>
where
    F: FnOnce() -> R + 'static,
    R: 'static,
{
    spawn_named(async move { f() }, None, Location::caller())
}

#[track_caller]
#[inline]
pub(crate) fn spawn_named<F>(
    future: F,
    name: Option<Cow<'static, str>>,
    location: &'static Location<'static>,
) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    // Outside the closure: a captured future would be moved into it first.
    let task = TaskBox::new(future);
    match context::with(|engine| engine.spawn(task, name, location)) {
        Some(Ok(task)) => JoinHandle::new(task),
        Some(Err(too_many)) => too_many.panic(),
        None => crate::engine::outside("spawn a task"),
    }
}
