//! A spawned task in one box: [`TaskBox`] holds the future while it runs, and its output once it has ended.
//!
//! # Invariants
//! - The future is dropped as soon as it has ended or was cancelled.
//! - The output of a task that panicked is a `JoinError`.

use std::any::{Any, type_name};
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
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
pub(crate) struct TaskBox(Pin<Box<dyn Task>>);

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
        Self(Box::into_pin(task))
    }

    /// Polls the task, which has not ended.
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
        // A destructor that panicked may have left the rest of the future, whose destructor may panic again.
        if let Err(payload) = self.cancel(id) {
            panics::discard(payload);
        }
        self.0.as_mut().fail(JoinError::panicked(id, payload));
    }

    /// Takes the output of an ended task. Returns `None` if it has another type or has been taken.
    #[inline]
    pub(crate) fn take_output<T: 'static>(&mut self) -> Option<Result<T, JoinError>> {
        // The type differs if a handle outlives its run and finds another task in the slot, after 16 million runs.
        self.0.as_mut().output()?.downcast_mut::<Option<Result<T, JoinError>>>()?.take()
    }

    /// Returns the name of the future's type.
    pub(super) fn type_name(&self) -> &'static str {
        self.0.type_name()
    }
}
