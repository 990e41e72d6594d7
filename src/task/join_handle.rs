//! Task handles: [`JoinHandle`] awaits a task, and [`AbortHandle`] cancels it.
//!
//! # Invariants
//! A handle is a number. It owns nothing of the task, may move to another thread, and may outlive the run.

use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll};

use timeloop_sim::Access;

use super::deferred_spawn::{self, Lookup};
use super::{Id, JoinError};
use crate::engine::{self, Joined, RunId, TaskBox, TaskRef, announce};

/// Awaits a task's output, as [`tokio::task::JoinHandle`](https://docs.rs/tokio/1/tokio/task/struct.JoinHandle.html)
/// does.
///
/// Dropping the handle detaches the task, which continues to run. Unlike in tokio, a panic of a detached task fails the
/// run as an unobserved panic.
///
/// ```
/// timeloop::run(0, || async {
///     let task = timeloop::spawn(async { "done" });
///     assert_eq!(task.await.unwrap(), "done");
///
///     let task = timeloop::spawn(std::future::pending::<()>());
///     task.abort();
///     assert!(task.await.unwrap_err().is_cancelled());
/// })?;
/// # Ok::<(), timeloop::Failure>(())
/// ```
pub struct JoinHandle<T> {
    pub(super) task: TaskRef,
    pub(super) id: Id,
    taken: bool,
    /// Takes the output out of the ended task. A function, so that `T: 'static` is needed only where tasks are spawned.
    take: TakeOutput<T>,
    /// `Send` and `Sync` if `T` is `Send`, like tokio's handle.
    output: PhantomData<Mutex<T>>,
}

/// Takes the output of a task of this type.
type TakeOutput<T> = fn(&mut TaskBox) -> Option<Result<T, JoinError>>;

impl<T: 'static> JoinHandle<T> {
    pub(crate) fn new((task, id): (TaskRef, Id)) -> Self {
        Self { task, id, taken: false, take: TaskBox::take_output, output: PhantomData }
    }

    /// Creates a handle to a task of a runtime that is gone. The task counts as cancelled.
    pub(crate) fn of_none(run: RunId) -> Self {
        Self::new((TaskRef::of_none(run), Id::from_number(u64::MAX / 2)))
    }

    /// Creates a handle to a task that no loop has yet.
    pub(super) fn deferred(task: TaskRef) -> Self {
        // A placeholder until the task's loop assigns an id. It counts down from `u64::MAX`, out of reach of a loop's
        // ids.
        Self::new((task, Id::from_number(u64::MAX - task.number())))
    }
}

impl<T> JoinHandle<T> {
    /// Makes this handle inert, because another handle to the same task has taken its slot.
    pub(super) fn hand_over(mut self) {
        self.taken = true;
    }

    /// Cancels the task at its next resumption. Awaiting it then returns a cancelled [`JoinError`], unless the task
    /// ended before. A `spawn_blocking` closure that has not started is dropped.
    #[track_caller]
    pub fn abort(&self) {
        self.abort_handle().abort();
    }

    /// Returns whether the task has ended. An aborted task ends only at its next resumption.
    #[must_use]
    #[track_caller]
    pub fn is_finished(&self) -> bool {
        self.taken || self.abort_handle().is_finished()
    }

    /// Creates a handle that can cancel the task from elsewhere.
    #[must_use]
    pub fn abort_handle(&self) -> AbortHandle {
        AbortHandle { task: self.task, id: self.id }
    }

    /// Returns the task's id.
    #[must_use]
    pub fn id(&self) -> Id {
        self.abort_handle().id()
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    #[track_caller]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.record_read(Location::caller());
        self.poll_spending(cx, true)
    }
}

impl<T> JoinHandle<T> {
    /// Records a check of whether the task has ended.
    #[inline]
    pub(super) fn record_read(&self, at: &'static Location<'static>) {
        if announce::is_observed() {
            self.record_read_observed(at);
        }
    }

    #[inline(never)]
    fn record_read_observed(&self, at: &'static Location<'static>) {
        engine::of_run(self.task.run(), |engine| engine.touch_end(self.task, Access::Read, Some(at)));
    }

    /// Polls for the output without recording a check.
    pub(super) fn poll_unrecorded(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T, JoinError>> {
        self.poll_spending(cx, false)
    }

    fn poll_spending(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        spends: bool,
    ) -> Poll<Result<T, JoinError>> {
        assert!(!self.taken, "JoinHandle polled after completion");
        let joined = engine::of_run(self.task.run(), |engine| {
            if spends && !engine.proceed(cx.waker()) {
                return Joined::Waiting;
            }
            let joined = engine.join(self.task, cx.waker());
            if spends && matches!(joined, Joined::Ended(_)) {
                engine.spend();
            }
            joined
        });
        match joined {
            Some(Joined::Waiting) => Poll::Pending,
            Some(Joined::Ended(mut task)) => {
                self.taken = true;
                let output = (self.take)(&mut task);
                Poll::Ready(output.expect("a task that has ended has an output"))
            }
            // The run is over, or the handle is on another thread than the run.
            Some(Joined::Gone) => self.gone(),
            None => match deferred_spawn::look_up(self.task, cx.waker()) {
                Lookup::Waiting => Poll::Pending,
                Lookup::Gone => self.gone(),
                Lookup::Started(task, id) => {
                    (self.task, self.id) = (task, id);
                    self.poll_spending(cx, spends)
                }
            },
        }
    }
}

impl<T> JoinHandle<T> {
    #[cold]
    fn gone(&mut self) -> Poll<Result<T, JoinError>> {
        self.taken = true;
        Poll::Ready(Err(JoinError::cancelled(self.id)))
    }
}

impl<T> Unpin for JoinHandle<T> {}

impl<T> Drop for JoinHandle<T> {
    fn drop(&mut self) {
        if self.taken {
            return;
        }
        let known = engine::of_run(self.task.run(), |engine| engine.detach(self.task));
        if known.is_none() {
            match deferred_spawn::started(self.task) {
                Some((task, _)) => _ = engine::of_run(task.run(), |engine| engine.detach(task)),
                None => deferred_spawn::detach(self.task),
            }
        }
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle").field("id", &self.id()).finish()
    }
}

/// Cancels a task, as [`tokio::task::AbortHandle`](https://docs.rs/tokio/1/tokio/task/struct.AbortHandle.html) does.
///
/// Unlike a [`JoinHandle`], it can be cloned, and dropping it does nothing.
///
/// ```
/// timeloop::run(0, || async {
///     let task = timeloop::spawn(std::future::pending::<()>());
///     let handle = task.abort_handle();
///     timeloop::spawn(async move { handle.abort() });
///     assert!(task.await.unwrap_err().is_cancelled());
/// })?;
/// # Ok::<(), timeloop::Failure>(())
/// ```
#[derive(Clone)]
pub struct AbortHandle {
    task: TaskRef,
    id: Id,
}

impl AbortHandle {
    /// Cancels the task at its next resumption.
    #[track_caller]
    pub fn abort(&self) {
        let at = Some(Location::caller());
        let (task, id) = self.resolved();
        let known = engine::of_run(task.run(), |engine| {
            if engine.is_task(task, id) {
                engine.touch_end(task, Access::Write, at);
                engine.abort(task);
            }
        });
        if known.is_none() {
            deferred_spawn::abort(task);
        }
    }

    /// Returns whether the task has ended.
    #[must_use]
    #[track_caller]
    pub fn is_finished(&self) -> bool {
        let at = Some(Location::caller());
        let (task, id) = self.resolved();
        let finished = engine::of_run(task.run(), |engine| {
            if !engine.is_task(task, id) {
                return true;
            }
            engine.touch_end(task, Access::Read, at);
            engine.is_finished(task)
        });
        finished.unwrap_or_else(|| !deferred_spawn::is_waiting(task))
    }

    /// Returns the task's id.
    #[must_use]
    pub fn id(&self) -> Id {
        self.resolved().1
    }

    /// Returns the task. If it was spawned before there was a loop, returns the task that the loop started for it.
    fn resolved(&self) -> (TaskRef, Id) {
        let deferred = if self.task.is_deferred() { deferred_spawn::started(self.task) } else { None };
        deferred.unwrap_or((self.task, self.id))
    }
}

impl fmt::Debug for AbortHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AbortHandle").field("id", &self.id()).finish()
    }
}
