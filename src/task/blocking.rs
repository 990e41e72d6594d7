//! Code that blocks: `spawn_blocking`, `block_in_place`, and what they allow.
//!
//! # Invariants
//! - A closure that does not wait is part of one step.
//! - Where it waits, the other tasks run. A closure of `spawn_blocking` is then suspended if it has a stack of its own. Any other
//!   code keeps its frames on the stack of the loop, and a nested loop runs above them.

#[cfg(all(test, feature = "blocking-stacks", target_os = "linux", not(miri)))]
mod tests;

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use super::JoinHandle;
use super::suspended::Suspended;
use crate::engine::{
    Blocking, Closure, Engine, Flavor, TaskBox, TooManyTasks, allow_blocking, context, own_stack,
};

/// The future of a closure that may block.
struct BlockingCall<F: FnOnce() -> R + 'static, R: 'static> {
    /// `None` once it has ended.
    closure: Option<Closure<F, R>>,
    suspended: Option<Suspended>,
}

impl<F: FnOnce() -> R + 'static, R: 'static> Unpin for BlockingCall<F, R> {}

impl<F: FnOnce() -> R + 'static, R: 'static> Future for BlockingCall<F, R> {
    type Output = R;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<R> {
        let Self { closure, suspended } = &mut *self;
        let running = closure.as_mut().expect("a closure is called once");
        if !own_stack::IS_SUPPORTED {
            return running.resume();
        }
        let mut left = suspended.take().unwrap_or_default();
        let before = left.enter();
        let resumed = running.resume();
        if resumed.is_pending() {
            left.leave(before);
            *suspended = Some(left);
        } else {
            *closure = None;
        }
        resumed
    }
}

/// Unwinds a closure that is suspended.
impl<F: FnOnce() -> R + 'static, R: 'static> Drop for BlockingCall<F, R> {
    fn drop(&mut self) {
        if let Some(mut suspended) = self.suspended.take() {
            let before = suspended.enter();
            let unwound = catch_unwind(AssertUnwindSafe(|| self.closure = None));
            suspended.leave(before);
            if let Err(payload) = unwound {
                resume_unwind(payload);
            }
        }
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
    let spawned = engine.spawn(
        TaskBox::new(BlockingCall { closure: Some(Closure::new(f)), suspended: None }),
        name,
        location,
    )?;
    engine.mark_blocking(spawned.0);
    Ok(JoinHandle::new(spawned))
}

/// Runs a blocking closure, as
/// [`tokio::task::spawn_blocking`](https://docs.rs/tokio/1/tokio/task/fn.spawn_blocking.html) does.
///
/// Unlike in tokio, there is no thread. The closure runs as one step. It may wait for other tasks by
/// [`Handle::block_on`](crate::runtime::Handle::block_on) and by methods such as `blocking_recv`, which let the other
/// tasks run. Any number of closures may wait at the same time.
///
/// With the feature `blocking-stacks` (Linux on x86-64 and aarch64) each closure has a stack of its own, and the waits may
/// end in any order. Without it, the wait that began last must end first; otherwise the run fails with the reason. A test
/// whose waits end in this order makes the same decisions with and without the feature.
///
/// As in tokio, [`abort`](JoinHandle::abort) has no effect on a closure that has begun. If the run ends or the node
/// crashes while the closure waits, its stack is unwound, so that its destructors run.
///
/// The stack has 2 MiB, or as many bytes as the variable `RUST_MIN_STACK` says. If it overflows, the process ends with
/// SIGSEGV.
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
    allow_blocking(f)
}
