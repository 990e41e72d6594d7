//! The id of the current task.

use crate::engine::{Id, context};

/// Returns the id of the current task.
///
/// # Panics
/// Outside a task. As in tokio, the future passed to `block_on` (here also the test's own) has no id.
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

/// Returns the id of the current task, or `None` outside a task and in the future passed to `block_on`.
#[must_use]
pub fn try_id() -> Option<Id> {
    context::with(|engine| engine.current_id()).flatten()
}
