//! Blocking within a task.
//!
//! # Invariants
//! The closure is part of the calling task's step.

/// Calls a blocking closure, as
/// [`tokio::task::block_in_place`](https://docs.rs/tokio/1/tokio/task/fn.block_in_place.html) does.
///
/// The closure runs within the current step, and no other task runs meanwhile. It must not wait for another task of the
/// run. Starting a loop within it (`Handle::block_on`) is an error, because a thread runs one loop at a time.
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
