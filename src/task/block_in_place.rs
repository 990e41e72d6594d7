//! Blocking within a task.
//!
//! Always true: the closure is a part of the step of the task that calls it.

/// Calls a blocking closure, as
/// [`tokio::task::block_in_place`](https://docs.rs/tokio/1/tokio/task/fn.block_in_place.html).
///
/// The closure runs at once, within the current step, and no other task runs meanwhile: so it must not wait for another
/// task of the run, and a loop within it (`Handle::block_on`) is an error, since only one loop runs at a time on a thread.
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
    f()
}
