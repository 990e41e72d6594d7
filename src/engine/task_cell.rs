//! A spawned task in one box: [`TaskBox`] holds the future while it runs, and its output once it has ended. [`TaskPlace`] is its
//! place in the table of tasks, and [`LentTask`] the task during a poll.
//!
//! # Invariants
//! - The future is dropped as soon as it has ended or was cancelled.
//! - The output of a task that panicked is a `JoinError`.
//! - While a [`LentTask`] exists, nothing else uses its task, and its box is not freed.
#![expect(unsafe_code, reason = "a task stays in its slot while it is polled")]

use std::any::{Any, type_name};
use std::mem::{self, ManuallyDrop};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::panics::__rust_begin_short_backtrace;
use super::{Id, JoinError, context, panics};

/// A task whose future's type has been erased.
trait Task {
    /// Polls the task, which has not ended. If the task panics, it has ended, and the loop gets the panic payload.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()>;

    /// Drops the future or the output and makes `error` the output, even if the destructor panics.
    fn fail(self: Pin<&mut Self>, error: JoinError);

    /// Returns the output of an ended task: an `Option<Result<T, JoinError>>`, which is `None` after it was taken.
    fn output(self: Pin<&mut Self>) -> Option<&mut dyn Any>;

    /// Returns the name of the future's type.
    fn type_name(&self) -> &'static str;
}

pin_project! {
    #[project = StageProjection]
    enum Stage<F: Future> {
        Running { #[pin] future: F },
        Ended { output: Option<Result<F::Output, JoinError>> },
    }
}

/// Drops the future of a task when a panic unwinds out of its poll. So `thread::panicking()` is true in the destructors.
struct DropOnUnwind<'a, F: Future>(Pin<&'a mut Stage<F>>);

impl<F: Future> Drop for DropOnUnwind<'_, F> {
    fn drop(&mut self) {
        // The first panic is the task's output, and its note is kept. A second one would abort the process.
        panics::keep_note(|| {
            let _ = catch_unwind(AssertUnwindSafe(|| self.0.set(Stage::Ended { output: None })));
        });
    }
}

impl<F> Task for Stage<F>
where
    F: Future + 'static,
    F::Output: 'static,
{
    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // Caught in the frame next to the future's code: unwinding through another frame costs about ten steps.
        let polled = catch_unwind(AssertUnwindSafe(|| {
            let mut unwinding = DropOnUnwind(self.as_mut());
            let StageProjection::Running { future } = unwinding.0.as_mut().project() else {
                unreachable!("a task that has ended is not resumed");
            };
            let polled = __rust_begin_short_backtrace(future, cx);
            mem::forget(unwinding);
            match polled {
                Poll::Pending => Poll::Pending,
                Poll::Ready(output) => {
                    // Inside `catch_unwind`: the future's destructor may panic.
                    self.set(Stage::Ended { output: Some(Ok(output)) });
                    Poll::Ready(())
                }
            }
        }));
        match polled {
            Ok(polled) => polled,
            Err(payload) => panicked(payload),
        }
    }

    fn fail(mut self: Pin<&mut Self>, error: JoinError) {
        self.set(Stage::Ended { output: Some(Err(error)) });
    }

    fn output(self: Pin<&mut Self>) -> Option<&mut dyn Any> {
        match self.project() {
            StageProjection::Running { .. } => None,
            StageProjection::Ended { output } => Some(output),
        }
    }

    fn type_name(&self) -> &'static str {
        type_name::<F>()
    }
}

/// Passes the payload of a task's panic to the loop that polls the task.
#[cold]
#[inline(never)]
fn panicked(payload: Box<dyn Any + Send>) -> Poll<()> {
    let mut payload = Some(payload);
    context::driving(|engine| engine.panicked.set(payload.take()));
    match payload {
        None => Poll::Ready(()),
        Some(payload) => resume_unwind(payload),
    }
}

/// Owns a boxed task.
///
/// It is a pointer, not a `Box`, because a [`LentTask`] points to the same task: a `Box` that is moved claims to be the only
/// way to what it owns.
pub(crate) struct TaskBox(NonNull<dyn Task>);

impl TaskBox {
    /// Boxes a future as a task.
    #[inline]
    pub(crate) fn new<F>(future: F) -> Self
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        // Written in place: futures are large, and moving one would copy it through the stack.
        let task = Box::write(Box::<Stage<F>>::new_uninit(), Stage::Running { future });
        let task: Box<dyn Task> = task;
        Self(NonNull::from(Box::leak(task)))
    }

    #[inline]
    fn pinned(&mut self) -> Pin<&mut dyn Task> {
        // SAFETY: the box owns the task and never moves it. A `TaskPlace` hands out no box whose task is lent, so the exclusive
        // borrow of the box is one of the task.
        unsafe { Pin::new_unchecked(self.0.as_mut()) }
    }

    /// Polls the task, which has not ended.
    #[inline]
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.pinned().poll(cx)
    }

    /// Ends the task as cancelled, and drops its future. Returns the payload if the future's destructor panics.
    pub(super) fn cancel(&mut self, id: Id) -> Result<(), Box<dyn Any + Send>> {
        catch_unwind(AssertUnwindSafe(|| self.pinned().fail(JoinError::cancelled(id))))
    }

    /// Ends a task that has panicked.
    pub(super) fn panicked(&mut self, id: Id, payload: Box<dyn Any + Send>) {
        // A destructor that panicked may have left the rest of the future, whose destructor may panic again.
        if let Err(payload) = self.cancel(id) {
            panics::discard(payload);
        }
        self.pinned().fail(JoinError::panicked(id, payload));
    }

    /// Takes the output of an ended task. Returns `None` if it has another type or has been taken.
    #[inline]
    pub(crate) fn take_output<T: 'static>(&mut self) -> Option<Result<T, JoinError>> {
        // The type differs if a handle outlives its run and finds another task in the slot, after 16 million runs.
        self.pinned().output()?.downcast_mut::<Option<Result<T, JoinError>>>()?.take()
    }

    /// Returns the name of the future's type.
    fn type_name(&self) -> &'static str {
        // SAFETY: the box owns the task, which is not lent; see `pinned`.
        unsafe { self.0.as_ref() }.type_name()
    }
}

impl Drop for TaskBox {
    fn drop(&mut self) {
        // SAFETY: the pointer comes from `Box::leak`, is freed only here, and its task is not lent; see `pinned`.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}

/// A slot's task. While the loop polls it, it is lent: its box stays here, and all methods act as if it were gone.
///
/// A poll is 6 % faster than if the box were moved out of the slot and back.
#[derive(Default)]
pub(super) struct TaskPlace {
    task: Option<TaskBox>,
    lent: bool,
}

impl TaskPlace {
    /// Returns whether there is a task here that is not lent.
    #[inline]
    pub(super) fn is_some(&self) -> bool {
        !self.lent && self.task.is_some()
    }

    /// Takes the task out. Returns `None` while it is lent.
    #[inline]
    pub(super) fn take(&mut self) -> Option<TaskBox> {
        if self.lent { None } else { self.task.take() }
    }

    /// Puts a task here. The place must be empty.
    #[inline]
    pub(super) fn put(&mut self, task: Option<TaskBox>) {
        debug_assert!(!self.lent && self.task.is_none(), "a place holds one task");
        // The compiler does not know that there is nothing to drop.
        mem::forget(mem::replace(&mut self.task, task));
    }

    /// Returns the name of the future's type. Returns `None` while the task is lent.
    pub(super) fn type_name(&self) -> Option<&'static str> {
        if self.lent { None } else { self.task.as_ref().map(TaskBox::type_name) }
    }

    /// Lends the task for a poll. Returns `None` if there is none or it is lent.
    #[inline(always)]
    pub(super) fn lend(&mut self) -> Option<LentTask> {
        if self.lent {
            return None;
        }
        let task = self.task.as_ref()?;
        self.lent = true;
        Some(LentTask(task.0))
    }

    /// Takes back a task that was lent.
    #[inline(always)]
    pub(super) fn restore(&mut self, _: Polled) {
        self.lent = false;
    }
}

impl Drop for TaskPlace {
    fn drop(&mut self) {
        if self.lent {
            // A poll may still use it.
            mem::forget(self.task.take());
        }
    }
}

/// A task that is being polled.
pub(super) struct LentTask(NonNull<dyn Task>);

/// The proof that a lent task is no longer used.
pub(super) struct Polled(());

impl LentTask {
    /// Polls the task, which has not ended.
    #[inline(always)]
    pub(super) fn poll(mut self, cx: &mut Context<'_>) -> (Poll<()>, Polled) {
        // SAFETY: the box never moves the task. Its place neither uses nor drops the task until it gets what this function
        // returns, and has lent it only once.
        let polled = unsafe { Pin::new_unchecked(self.0.as_mut()) }.poll(cx);
        (polled, Polled(()))
    }

    /// Ends the task as cancelled, in the place of a poll; see [`TaskBox::cancel`].
    pub(super) fn cancel(self, id: Id) -> (Result<(), Box<dyn Any + Send>>, Polled) {
        let mut task = ManuallyDrop::new(TaskBox(self.0));
        (task.cancel(id), Polled(()))
    }

    /// Returns the task without a poll.
    pub(super) fn unused(self) -> Polled {
        Polled(())
    }
}
