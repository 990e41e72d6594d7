//! The id of the task that is running.

use crate::engine::{Id, context};

/// The id of the task that is running.
///
/// # Panics
/// Outside of a task; as in tokio, the future given to `block_on` (here also the test's own) has no id.
///
/// ```
/// timeloop::run(0, || async {
///     let task = timeloop::spawn(async { timeloop::task::id() });
///     let id = task.id();
///     assert_eq!(task.await.unwrap(), id);
/// })?;
/// # Ok::<(), timeloop::Failure>(())
/// ```
#[track_caller]
#[must_use]
pub fn id() -> Id {
    try_id().expect("can't get a task id when not inside a task")
}

/// The id of the task that is running; `None` outside of a task and in the future given to `block_on`.
#[must_use]
pub fn try_id() -> Option<Id> {
    context::with(|engine| engine.current_id()).flatten()
}
