//! Tasks that were spawned where no loop was, on a `LocalSet`: their handles, until a loop takes them over.
//!
//! Always true: a handle to such a task carries a number like any other; this thread's list leads from it to the task
//! that it has become, and what was asked of the task in the meantime is done when it starts.

use std::cell::{Cell, RefCell};
use std::task::Waker;

use timeloop_sim::IntMap;

use super::{AbortHandle, Id, JoinHandle};
use crate::engine::TaskRef;

/// What has become of a late task.
#[derive(Debug, Default)]
struct Late {
    started: Option<(TaskRef, Id)>,
    aborted: bool,
    detached: bool,
    joiner: Option<Waker>,
}

thread_local! {
    /// By their numbers.
    static LATE: RefCell<IntMap<Late>> = const { RefCell::new(IntMap::new()) };
    static NEXT: Cell<u64> = const { Cell::new(1) };
}

/// The answer to who asks for a late task.
#[derive(Debug)]
pub(super) enum Asked {
    Started(TaskRef, Id),
    Waiting,
    /// Its set is gone, or is another thread's.
    Gone,
}

/// Adds a task that no loop has yet.
pub(super) fn add() -> TaskRef {
    let task = TaskRef::late(NEXT.replace(NEXT.get() + 1));
    LATE.with_borrow_mut(|late| late.insert(task.number(), Late::default()));
    task
}

/// A loop has taken the task over.
pub(super) fn start<T>(task: TaskRef, handle: JoinHandle<T>) -> AbortHandle {
    let abort = handle.abort_handle();
    let joiner = LATE.with_borrow_mut(|late| {
        let late = late.get_mut(task.number())?;
        late.started = Some((handle.task, handle.id));
        if late.aborted {
            abort.abort();
        }
        // Whoever has the late handle has this one now; a handle that is dropped detaches the task.
        if !late.detached {
            handle.hand_over();
        }
        late.joiner.take()
    });
    if let Some(joiner) = joiner {
        joiner.wake();
    }
    abort
}

/// The task's set is gone.
pub(super) fn forget(task: TaskRef) {
    let joiner = LATE.try_with(|late| late.borrow_mut().remove(task.number()).and_then(|late| late.joiner));
    if let Ok(Some(joiner)) = joiner {
        joiner.wake();
    }
}

/// Asks for the task; `waker` is called when there is something to hear.
pub(super) fn ask(task: TaskRef, waker: &Waker) -> Asked {
    let waker = waker.clone();
    let (asked, previous) = LATE.with_borrow_mut(|late| match late.get_mut(task.number()) {
        Some(Late { started: Some((task, id)), .. }) => (Asked::Started(*task, *id), None),
        Some(late) => (Asked::Waiting, late.joiner.replace(waker)),
        None => (Asked::Gone, None),
    });
    drop(previous);
    asked
}

/// The task that this one has become.
pub(super) fn started(task: TaskRef) -> Option<(TaskRef, Id)> {
    LATE.try_with(|late| late.borrow().get(task.number()).and_then(|late| late.started)).ok().flatten()
}

/// Whether the task is known and has not started.
pub(super) fn is_waiting(task: TaskRef) -> bool {
    LATE.try_with(|late| late.borrow().get(task.number()).is_some_and(|late| late.started.is_none()))
        .unwrap_or(false)
}

/// Cancels the task as soon as it starts.
pub(super) fn abort(task: TaskRef) {
    let _ = LATE.try_with(|late| late.borrow_mut().get_mut(task.number()).map(|late| late.aborted = true));
}

/// Nobody will ask for the task's output any more.
pub(super) fn detach(task: TaskRef) {
    let joiner = LATE.try_with(|late| {
        let mut late = late.borrow_mut();
        let late = late.get_mut(task.number())?;
        late.detached = true;
        late.joiner.take()
    });
    drop(joiner);
}
