//! Handles to a task: one that awaits it, and one that can only stop it.
//!
//! Always true: a handle is a number; it owns nothing of the task, may go to another thread, and outlives its run.

use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll};

use timeloop_sim::Access;

use super::late::{self, Asked};
use super::{Id, JoinError};
use crate::engine::{self, Joined, TaskRef, announce};

/// Awaits a task's output, as [`tokio::task::JoinHandle`](https://docs.rs/tokio/1/tokio/task/struct.JoinHandle.html).
///
/// Dropping it detaches the task, which runs on. A panic of a detached task ends the run with an unobserved panic.
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
    /// `Send` and `Sync` for a `T` that is `Send`, as the handle of tokio.
    output: PhantomData<Mutex<T>>,
}

impl<T> JoinHandle<T> {
    pub(crate) fn new((task, id): (TaskRef, Id)) -> Self {
        Self { task, id, taken: false, output: PhantomData }
    }

    /// A handle to a task that no loop has yet.
    pub(super) fn late(task: TaskRef) -> Self {
        // A stand-in for the id, which the task's loop will give: from the end of the numbers, where no loop comes to.
        Self::new((task, Id::from_number(u64::MAX - task.number())))
    }

    /// Another handle to the task has taken the place of this one, which does nothing any more.
    pub(super) fn hand_over(mut self) {
        self.taken = true;
    }

    /// Cancels the task at its next resumption; awaiting it gives a [`JoinError`] that is cancelled then, unless it has
    /// ended before. The closure of a `spawn_blocking` that has not begun is dropped.
    #[track_caller]
    pub fn abort(&self) {
        self.abort_handle().abort();
    }

    /// Whether the task has ended. A task that was aborted has not, until its next resumption.
    #[must_use]
    #[track_caller]
    pub fn is_finished(&self) -> bool {
        self.taken || self.abort_handle().is_finished()
    }

    /// A handle that can stop the task from elsewhere.
    #[must_use]
    pub fn abort_handle(&self) -> AbortHandle {
        AbortHandle { task: self.task, id: self.id }
    }

    /// The task's id.
    #[must_use]
    pub fn id(&self) -> Id {
        self.abort_handle().id()
    }
}

impl<T: 'static> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    #[track_caller]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.look(Location::caller());
        self.poll_untold(cx)
    }
}

impl<T: 'static> JoinHandle<T> {
    /// Tells that somebody looks whether the task has ended.
    #[inline]
    pub(super) fn look(&self, at: &'static Location<'static>) {
        if announce::is_observed() {
            self.look_observed(at);
        }
    }

    #[inline(never)]
    fn look_observed(&self, at: &'static Location<'static>) {
        engine::of_run(self.task.run(), |engine| engine.touch_end(self.task, Access::Read, Some(at)));
    }

    /// Polls for the output without telling that anyone looks.
    pub(super) fn poll_untold(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T, JoinError>> {
        assert!(!self.taken, "JoinHandle polled after completion");
        let joined = engine::of_run(self.task.run(), |engine| engine.join(self.task, cx.waker()));
        match joined {
            Some(Joined::Waiting) => Poll::Pending,
            Some(Joined::Ended(mut task)) => {
                self.taken = true;
                let output = task.take_output::<T>();
                Poll::Ready(output.expect("a task that has ended has an output"))
            }
            // The run is over, or the handle is on a thread that is not the run's.
            Some(Joined::Gone) => self.gone(),
            None => match late::ask(self.task, cx.waker()) {
                Asked::Waiting => Poll::Pending,
                Asked::Gone => self.gone(),
                Asked::Started(task, id) => {
                    (self.task, self.id) = (task, id);
                    self.poll_untold(cx)
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
            match late::started(self.task) {
                Some((task, _)) => _ = engine::of_run(task.run(), |engine| engine.detach(task)),
                None => late::detach(self.task),
            }
        }
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle").field("id", &self.id()).finish()
    }
}

/// Stops a task, as [`tokio::task::AbortHandle`](https://docs.rs/tokio/1/tokio/task/struct.AbortHandle.html).
///
/// Unlike a [`JoinHandle`] it can be cloned, and dropping it does nothing.
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
            late::abort(task);
        }
    }

    /// Whether the task has ended.
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
        finished.unwrap_or_else(|| !late::is_waiting(task))
    }

    /// The task's id.
    #[must_use]
    pub fn id(&self) -> Id {
        self.resolved().1
    }

    /// The task: where it was spawned before there was a loop, the one that it has become.
    fn resolved(&self) -> (TaskRef, Id) {
        let late = if self.task.is_late() { late::started(self.task) } else { None };
        late.unwrap_or((self.task, self.id))
    }
}

impl fmt::Debug for AbortHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AbortHandle").field("id", &self.id()).finish()
    }
}
