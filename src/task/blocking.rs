//! Code that blocks: `spawn_blocking`, `block_in_place`, and what they allow.
//!
//! # Invariants
//! A closure that does not wait is part of one step. Where it waits, the other tasks run, as in a nested loop.

use std::borrow::Cow;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::JoinHandle;
use crate::engine::{Blocking, Engine, Flavor, TaskBox, TooManyTasks, context};

/// The future of a closure that may block.
struct BlockingCall<F>(Option<F>);

impl<F> Unpin for BlockingCall<F> {}

impl<F: FnOnce() -> R, R> Future for BlockingCall<F> {
    type Output = R;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<R> {
        let call = self.0.take().expect("a closure is called once");
        Poll::Ready(allow(call))
    }
}

/// Calls `f`, which may block.
fn allow<R>(f: impl FnOnce() -> R) -> R {
    let mut f = Some(f);
    let mut output = None;
    context::driving(|engine| engine.allow_blocking(|| output = f.take().map(|f| f())));
    match (output, f) {
        (Some(output), _) => output,
        (None, Some(f)) => f(),
        (None, None) => unreachable!("a closure that was called has returned"),
    }
}

/// Spawns a closure that may block on the loop.
pub(crate) fn spawn_on<F, R>(
    engine: &Engine,
    f: F,
    name: Option<Cow<'static, str>>,
    location: &'static Location<'static>,
) -> Result<JoinHandle<R>, TooManyTasks>
where
    F: FnOnce() -> R + 'static,
    R: 'static,
{
    let spawned = engine.spawn(TaskBox::new(BlockingCall(Some(f))), name, location)?;
    engine.mark_blocking(spawned.0);
    Ok(JoinHandle::new(spawned))
}

/// Runs a blocking closure, as
/// [`tokio::task::spawn_blocking`](https://docs.rs/tokio/1/tokio/task/fn.spawn_blocking.html) does.
///
/// Unlike in tokio, there is no thread. The closure runs as one step. It may wait for other tasks by
/// [`Handle::block_on`](crate::runtime::Handle::block_on) and by methods such as `blocking_recv`, which let the other
/// tasks run. If several closures wait at the same time, the one that began last must end first.
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
    spawn_blocking_named(f, None, Location::caller())
}

#[track_caller]
pub(super) fn spawn_blocking_named<F, R>(
    f: F,
    name: Option<Cow<'static, str>>,
    location: &'static Location<'static>,
) -> JoinHandle<R>
where
    F: FnOnce() -> R + 'static,
    R: 'static,
{
    match context::with(|engine| spawn_on(engine, f, name, location)) {
        Some(Ok(handle)) => handle,
        Some(Err(too_many)) => too_many.panic(),
        None => crate::engine::outside("spawn a task"),
    }
}

/// Calls a blocking closure, as
/// [`tokio::task::block_in_place`](https://docs.rs/tokio/1/tokio/task/fn.block_in_place.html) does.
///
/// The closure runs within the current step. It may wait for other tasks, as a closure of [`spawn_blocking`] may.
///
/// # Panics
/// If the runtime has the flavor `current_thread`, and in a task of a [`LocalSet`](super::LocalSet). That is the default
/// of `#[timeloop::test]`; `flavor = "multi_thread"` changes it.
///
/// ```
/// timeloop::run(0, || async {
///     assert_eq!(timeloop::task::block_in_place(|| 40 + 2), 42);
/// })?;
/// # Ok::<(), timeloop::Failure>(())
/// ```
#[track_caller]
pub fn block_in_place<F, R>(f: F) -> R
where
    F: FnOnce() -> R,
{
    let refused = context::driving(|engine| {
        let one_thread = matches!(engine.settings.flavor, Flavor::CurrentThread | Flavor::Local);
        engine.blocking() == Blocking::Refused && (one_thread || super::local_set::is_current())
    });
    assert!(
        refused != Some(true),
        "can call blocking only when running on the multi-threaded runtime; use `flavor = \"multi_thread\"`, or \
         `spawn_blocking`"
    );
    allow(f)
}
