//! Spawning tasks.
//!
//! # Invariants
//! A new task is ready and not yet polled. The scheduler decides which ready task runs next.

use std::borrow::Cow;
use std::panic::Location;

use super::{JoinHandle, local_set};
use crate::engine::{Flavor, TaskBox, context};

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

/// Spawns a task on the current [`LocalSet`](super::LocalSet) or [`LocalRuntime`](crate::runtime::LocalRuntime).
///
/// # Panics
/// Outside both. There, [`spawn`] does: its future need not be `Send` here.
///
/// ```
/// use std::rc::Rc;
/// use timeloop::task::LocalSet;
///
/// timeloop::run(0, || async {
///     let number = Rc::new(42);
///     let set = LocalSet::new();
///     let answer = set.run_until(async {
///         let task = timeloop::task::spawn_local(async move { *number });
///         task.await.unwrap()
///     });
///     assert_eq!(answer.await, 42);
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
        Err((future, name)) => {
            let is_local = context::with(|engine| engine.settings.flavor == Flavor::Local) == Some(true);
            assert!(
                is_local,
                "`spawn_local` called from outside of a `task::LocalSet` or `runtime::LocalRuntime`; use `spawn`, whose \
                 future need not be `Send` here"
            );
            spawn_named(future, name, location)
        }
    }
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
