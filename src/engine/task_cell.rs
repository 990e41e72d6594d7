//! A spawned task in its one box: the future while it runs, its output once it has ended.
//!
//! # Invariants
//! The future is dropped as soon as it has ended or was cancelled. A task that panicked has a `JoinError` as its output.

use std::any::{Any, type_name};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::{Id, JoinError, context};

/// A task whose future's type has been erased.
trait Task {
    /// Resumes the task, which has not ended. A task that panics has ended, and the loop has the panic payload.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()>;

    /// Drops the future or the output, and makes `error` the output. If that destructor panics, `error` is the output all
    /// the same.
    fn fail(self: Pin<&mut Self>, error: JoinError);

    /// Gives the output of a task that has ended: an `Option<Result<T, JoinError>>`, which is `None` once it was taken.
    fn output(self: Pin<&mut Self>) -> Option<&mut dyn Any>;

    /// Gives the name of the future's type.
    fn type_name(&self) -> &'static str;
}

pin_project! {
    #[project = StageProjection]
    enum Stage<F: Future> {
        Running { #[pin] future: F },
        Ended { output: Option<Result<F::Output, JoinError>> },
    }
}

impl<F> Task for Stage<F>
where
    F: Future + 'static,
    F::Output: 'static,
{
    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // Here, in the frame next to the future's own code: unwinding through another frame costs about as much as ten
        // steps.
        let polled = catch_unwind(AssertUnwindSafe(|| {
            let StageProjection::Running { future } = self.as_mut().project() else {
                unreachable!("a task that has ended is not resumed");
            };
            match future.poll(cx) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(output) => {
                    // The future's destructor may panic, too.
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

/// Hands the payload of a task's panic to the loop that polls the task.
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
pub(crate) struct TaskBox(Pin<Box<dyn Task>>);

impl TaskBox {
    /// Boxes a future as a task.
    #[inline]
    pub(crate) fn new<F>(future: F) -> Self
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        // Written where it will stay: futures are large, and would be moved there through the stack.
        let task = Box::write(Box::<Stage<F>>::new_uninit(), Stage::Running { future });
        Self(Box::into_pin(task))
    }

    /// Resumes the task, which has not ended.
    #[inline]
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(cx)
    }

    /// Ends the task as cancelled, and drops its future. Returns the payload if the future's destructor panics.
    pub(super) fn cancel(&mut self, id: Id) -> Result<(), Box<dyn Any + Send>> {
        catch_unwind(AssertUnwindSafe(|| self.0.as_mut().fail(JoinError::cancelled(id))))
    }

    /// Ends a task that has panicked.
    pub(super) fn panicked(&mut self, id: Id, payload: Box<dyn Any + Send>) {
        // The destructor of a future that has panicked may panic again; the first panic is the one to report. The future
        // is gone all the same then, so the second attempt drops none.
        let _ = self.cancel(id);
        self.0.as_mut().fail(JoinError::panicked(id, payload));
    }

    /// Takes the output of a task that has ended; `None` if it is of another type, or has been taken.
    #[inline]
    pub(crate) fn take_output<T: 'static>(&mut self) -> Option<Result<T, JoinError>> {
        // Of another type: a handle that outlives its run may, after sixteen million others, find another task in its place.
        self.0.as_mut().output()?.downcast_mut::<Option<Result<T, JoinError>>>()?.take()
    }

    /// Gives the name of the future's type.
    pub(super) fn type_name(&self) -> &'static str {
        self.0.type_name()
    }
}
