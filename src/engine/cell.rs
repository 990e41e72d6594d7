//! A spawned task in its one box: the future while it runs, its output once it has ended.
//!
//! Always true: the future is dropped as soon as it has ended or was cancelled, and a panic in it (or in its
//! destructor) ends the task with a `JoinError` and goes no further.
#![expect(unsafe_code, reason = "a pinned future inside its boxed task")]

use std::any::{Any, type_name};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use super::panics::{self, PanicNote};
use crate::task::{Id, JoinError};

/// How a resumption went.
#[derive(Debug)]
pub(crate) enum Polled {
    Pending,
    Done,
    Panicked(Box<PanicNote>),
}

/// A task whose future's type has been forgotten.
pub(crate) trait Task {
    /// Resumes the task. Not called again once it has ended.
    fn poll(&mut self, id: Id, cx: &mut Context<'_>) -> Polled;

    /// Drops the future; the output is a `JoinError` then.
    fn cancel(&mut self, id: Id) -> Polled;

    /// The output, an `Option<Result<T, JoinError>>`; `None` while the task has not ended.
    fn output(&mut self) -> Option<&mut dyn Any>;

    /// The name of the future's type.
    fn type_name(&self) -> &'static str;
}

enum Stage<F: Future> {
    Running(F),
    Ended(Option<Result<F::Output, JoinError>>),
}

/// A future, and then its output, in one place.
struct Cell<F: Future> {
    stage: Stage<F>,
}

/// Boxes a future as a task.
pub(super) fn boxed<F>(future: F) -> Box<dyn Task>
where
    F: Future + 'static,
    F::Output: 'static,
{
    Box::new(Cell { stage: Stage::Running(future) })
}

impl<F> Cell<F>
where
    F: Future + 'static,
    F::Output: 'static,
{
    #[cold]
    fn panicked(&mut self, id: Id, payload: Box<dyn Any + Send>) -> Polled {
        // The destructor of a future that has panicked may panic again; the first panic is the one to tell.
        let note = panics::take(&*payload);
        let error = JoinError::panicked(id, payload);
        let _ = catch_unwind(AssertUnwindSafe(|| self.stage = Stage::Ended(None)));
        self.stage = Stage::Ended(Some(Err(error)));
        Polled::Panicked(Box::new(note))
    }
}

impl<F> Task for Cell<F>
where
    F: Future + 'static,
    F::Output: 'static,
{
    #[inline]
    fn poll(&mut self, id: Id, cx: &mut Context<'_>) -> Polled {
        let polled = catch_unwind(AssertUnwindSafe(|| {
            let Stage::Running(future) = &mut self.stage else {
                unreachable!("a task that has ended is not resumed");
            };
            // SAFETY: the cell is created in a box (`boxed`) and never moved out of it: nothing hands out the
            // cell by value, and the future is dropped where it stands when the stage is replaced.
            let future = unsafe { Pin::new_unchecked(future) };
            match future.poll(cx) {
                Poll::Pending => Polled::Pending,
                Poll::Ready(output) => {
                    self.stage = Stage::Ended(Some(Ok(output)));
                    Polled::Done
                }
            }
        }));
        match polled {
            Ok(polled) => polled,
            Err(payload) => self.panicked(id, payload),
        }
    }

    fn cancel(&mut self, id: Id) -> Polled {
        let dropped = catch_unwind(AssertUnwindSafe(|| {
            self.stage = Stage::Ended(Some(Err(JoinError::cancelled(id))));
        }));
        match dropped {
            Ok(()) => Polled::Done,
            Err(payload) => self.panicked(id, payload),
        }
    }

    fn output(&mut self) -> Option<&mut dyn Any> {
        match &mut self.stage {
            Stage::Running(_) => None,
            Stage::Ended(output) => Some(output),
        }
    }

    fn type_name(&self) -> &'static str {
        type_name::<F>()
    }
}
