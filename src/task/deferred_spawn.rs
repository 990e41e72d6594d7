//! Deferred spawns: a task that a `LocalSet` gets while no loop runs is spawned when the set is first awaited.
//!
//! [`is_needed`] says whether a spawn is deferred, and [`start_all`] carries the deferred spawns out. The rest is for
//! the handles of tasks that have not been spawned yet.
//!
//! # Invariants
//! - A handle to a deferred task carries a number. This thread's list maps it to the started task.
//! - Requests made meanwhile (abort, detach) are carried out when the task starts.

use std::cell::{Cell, RefCell};
use std::mem;
use std::task::Waker;

use timeloop_sim::IntMap;

use super::local_set::{LocalTask, Shared, Stage};
use super::{AbortHandle, Id, JoinHandle};
use crate::engine::{TaskRef, context};

/// The state of a deferred task.
#[derive(Debug, Default)]
struct Deferred {
    started: Option<(TaskRef, Id)>,
    aborted: bool,
    detached: bool,
    joiner: Option<Waker>,
}

thread_local! {
    /// Keyed by task number.
    static DEFERRED: RefCell<IntMap<Deferred>> = const { RefCell::new(IntMap::new()) };
    static NEXT: Cell<u64> = const { Cell::new(1) };
}

/// The state of a deferred task, as its handle sees it.
#[derive(Debug)]
pub(super) enum Lookup {
    Started(TaskRef, Id),
    Waiting,
    /// The set was dropped, or belongs to another thread.
    Gone,
}

/// Returns whether a spawn must be deferred: no loop runs on this thread.
pub(super) fn is_needed() -> bool {
    context::with(|_| ()).is_none()
}

/// Spawns the deferred tasks of a set, in the order in which they were added. Called whenever a future begins to await
/// the set.
pub(super) fn start_all(set: &Shared) {
    let numbers: Vec<u128> = set.state.borrow().tasks.keys().collect();
    for number in numbers {
        let start = match set.state.borrow_mut().tasks.get_mut(number) {
            Some(LocalTask { stage, .. }) if matches!(stage, Stage::Deferred { .. }) => {
                mem::replace(stage, Stage::Spawned(None))
            }
            _ => continue,
        };
        let Stage::Deferred { start, .. } = start else { continue };
        let abort = start();
        if let Some(task) = set.state.borrow_mut().tasks.get_mut(number) {
            task.stage = Stage::Spawned(Some(abort));
        }
    }
}

/// Adds a task that no loop has yet.
pub(super) fn add() -> TaskRef {
    let task = TaskRef::deferred(NEXT.replace(NEXT.get() + 1));
    DEFERRED.with_borrow_mut(|deferred| deferred.insert(task.number(), Deferred::default()));
    task
}

/// Records that a loop has started the task.
pub(super) fn start<T>(task: TaskRef, handle: JoinHandle<T>) -> AbortHandle {
    let abort = handle.abort_handle();
    let joiner = DEFERRED.with_borrow_mut(|deferred| {
        let deferred = deferred.get_mut(task.number())?;
        deferred.started = Some((handle.task, handle.id));
        if deferred.aborted {
            abort.abort();
        }
        // The deferred handle now stands for this one. Dropping this one would detach the task.
        if !deferred.detached {
            handle.hand_over();
        }
        deferred.joiner.take()
    });
    if let Some(joiner) = joiner {
        joiner.wake();
    }
    abort
}

/// Removes a task whose set was dropped.
pub(super) fn forget(task: TaskRef) {
    let joiner = DEFERRED.try_with(|deferred| {
        deferred.borrow_mut().remove(task.number()).and_then(|deferred| deferred.joiner)
    });
    if let Ok(Some(joiner)) = joiner {
        joiner.wake();
    }
}

/// Returns the state of the task. `waker` is woken when it changes.
pub(super) fn look_up(task: TaskRef, waker: &Waker) -> Lookup {
    let waker = waker.clone();
    let (found, previous) = DEFERRED.with_borrow_mut(|deferred| match deferred.get_mut(task.number()) {
        Some(Deferred { started: Some((task, id)), .. }) => (Lookup::Started(*task, *id), None),
        Some(deferred) => (Lookup::Waiting, deferred.joiner.replace(waker)),
        None => (Lookup::Gone, None),
    });
    drop(previous);
    found
}

/// Returns the started task.
pub(super) fn started(task: TaskRef) -> Option<(TaskRef, Id)> {
    DEFERRED
        .try_with(|deferred| deferred.borrow().get(task.number()).and_then(|deferred| deferred.started))
        .ok()
        .flatten()
}

/// Returns whether the task is listed and has not started.
pub(super) fn is_waiting(task: TaskRef) -> bool {
    DEFERRED
        .try_with(|deferred| {
            deferred.borrow().get(task.number()).is_some_and(|deferred| deferred.started.is_none())
        })
        .unwrap_or(false)
}

/// Cancels the task as soon as it starts.
pub(super) fn abort(task: TaskRef) {
    let _ = DEFERRED.try_with(|deferred| {
        deferred.borrow_mut().get_mut(task.number()).map(|deferred| deferred.aborted = true)
    });
}

/// Detaches the task: no handle will ask for its output.
pub(super) fn detach(task: TaskRef) {
    let joiner = DEFERRED.try_with(|deferred| {
        let mut deferred = deferred.borrow_mut();
        let deferred = deferred.get_mut(task.number())?;
        deferred.detached = true;
        deferred.joiner.take()
    });
    drop(joiner);
}
