//! A spawned task in its one box: the future while it runs, its output once it has ended.
//!
//! Always true: the future is dropped as soon as it has ended or was cancelled; a task that panicked has a `JoinError`
//! for an output.
#![expect(unsafe_code, reason = "a pinned future inside its boxed task")]

use std::any::{Any, TypeId, type_name};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Poll};

use super::context;
use super::{Id, JoinError};

/// A task whose future's type has been forgotten.
trait Task {
    /// Resumes the task. Not called again once it has ended. A task that panics is done, and the loop has the payload.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// Drops the future, or what is there of an output; the output is this error then.
    fn fail(&mut self, error: JoinError);

    /// Moves the output, if the task has ended and it has not been taken, to where `into` points, if it is of the type
    /// wanted, an `Option<Result<T, JoinError>>`.
    ///
    /// # Safety
    /// `into` points to a `None` of the type wanted that may be written to.
    unsafe fn take_output(&mut self, wanted: TypeId, into: NonNull<()>);

    /// The name of the future's type.
    fn type_name(&self) -> &'static str;
}

enum Stage<F: Future> {
    Running(F),
    Ended(Option<Result<F::Output, JoinError>>),
}

/// Leaves the payload of a task's panic to the loop that polls it.
#[cold]
#[inline(never)]
fn fall(payload: Box<dyn Any + Send>) -> Poll<()> {
    let mut payload = Some(payload);
    context::driving(|engine| engine.fallen.set(payload.take()));
    match payload {
        None => Poll::Ready(()),
        Some(payload) => resume_unwind(payload),
    }
}

/// A future, and then its output, in one place.
struct Cell<F: Future> {
    stage: Stage<F>,
}

impl<F> Task for Cell<F>
where
    F: Future + 'static,
    F::Output: 'static,
{
    #[inline]
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Stage::Running(future) = &mut self.stage else {
            unreachable!("a task that has ended is not resumed");
        };
        // SAFETY: the cell is created in a box (`TaskBox::new`) and never moved out of it: nothing hands out the
        // cell by value, and the future is dropped where it stands when the stage is replaced.
        let future = unsafe { Pin::new_unchecked(future) };
        // Here, where the future's own code most often stands too: to unwind through another frame costs about as much as
        // ten steps.
        match catch_unwind(AssertUnwindSafe(|| future.poll(cx))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(output)) => {
                self.stage = Stage::Ended(Some(Ok(output)));
                Poll::Ready(())
            }
            Err(payload) => fall(payload),
        }
    }

    fn fail(&mut self, error: JoinError) {
        self.stage = Stage::Ended(Some(Err(error)));
    }

    unsafe fn take_output(&mut self, wanted: TypeId, into: NonNull<()>) {
        // A handle that outlives its run may, after sixteen million others, find another task in its place.
        if wanted != TypeId::of::<Option<Result<F::Output, JoinError>>>() {
            return;
        }
        if let Stage::Ended(output) = &mut self.stage {
            // SAFETY: the type wanted is this one, and the caller promises that `into` points to one; as that is `None`,
            // there is nothing to drop.
            unsafe { into.cast::<Option<Result<F::Output, JoinError>>>().write(output.take()) };
        }
    }

    fn type_name(&self) -> &'static str {
        type_name::<F>()
    }
}

/// Owns a boxed task.
///
/// A pointer and not a `Box`, so that the task can be polled where it stands while its owner, the table, moves.
pub(crate) struct TaskBox(NonNull<dyn Task>);

/// A task to be polled.
#[derive(Clone, Copy)]
pub(super) struct TaskPointer(NonNull<dyn Task>);

impl TaskBox {
    /// Boxes a future as a task.
    #[inline]
    pub(crate) fn new<F>(future: F) -> Self
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let task = Box::<Cell<F>>::new_uninit();
        // Made where it will stay: futures are large, and would be moved there through the stack.
        let task = Box::write(task, Cell { stage: Stage::Running(future) });
        let task: Box<dyn Task> = task;
        Self(NonNull::from(Box::leak(task)))
    }

    /// The task, to be polled while the box is not touched.
    #[inline]
    pub(super) fn pointer(&self) -> TaskPointer {
        TaskPointer(self.0)
    }

    /// Takes the output of a task that has ended; `None` if it is of another type, or has been taken.
    #[inline]
    pub(crate) fn take_output<T: 'static>(&mut self) -> Option<Result<T, JoinError>> {
        let mut output: Option<Result<T, JoinError>> = None;
        let wanted = TypeId::of::<Option<Result<T, JoinError>>>();
        // SAFETY: the box owns the task, and the exclusive borrow of the box says that nobody polls it; the pointer is to
        // a local variable of the type that is given as wanted, which is `None`.
        unsafe { self.0.as_mut().take_output(wanted, NonNull::from(&mut output).cast()) };
        output
    }

    /// The name of the future's type.
    pub(super) fn type_name(&self) -> &'static str {
        // SAFETY: the box owns the task. The function looks at the type alone, through a pointer that a poll under way
        // does not lose by it: names are asked for between polls only.
        unsafe { self.0.as_ref() }.type_name()
    }
}

impl Drop for TaskBox {
    fn drop(&mut self) {
        // SAFETY: the pointer comes from `Box::leak` in `new` and is freed once, here.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}

impl TaskPointer {
    /// Resumes the task.
    ///
    /// # Safety
    /// The task's box is alive and nobody else uses the task until this returns; it has not ended.
    #[inline]
    pub(super) unsafe fn poll(mut self, cx: &mut Context<'_>) -> Poll<()> {
        // SAFETY: as the caller promises.
        unsafe { self.0.as_mut() }.poll(cx)
    }

    /// Ends the task with an error. Its future's destructor may panic; the task has ended then too.
    ///
    /// # Safety
    /// As for `poll`.
    pub(super) unsafe fn fail(mut self, error: JoinError) {
        // SAFETY: as the caller promises.
        unsafe { self.0.as_mut() }.fail(error);
    }

    /// Ends a task that has panicked.
    ///
    /// # Safety
    /// As for `poll`.
    pub(super) unsafe fn panicked(mut self, id: Id, payload: Box<dyn Any + Send>) {
        // SAFETY: as the caller promises.
        let task = unsafe { self.0.as_mut() };
        // The destructor of a future that has panicked may panic again; the first panic is the one to tell. The stage
        // has been replaced all the same then, so the second attempt drops no future.
        let _ = catch_unwind(AssertUnwindSafe(|| task.fail(JoinError::cancelled(id))));
        task.fail(JoinError::panicked(id, payload));
    }
}
