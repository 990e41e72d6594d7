//! Task-local values: [`LocalKey`], and the future that carries a value.
//!
//! # Invariants
//! A value is in the key's thread-local cell only while its scope is polled, dropped or called. Between polls it is in
//! the future, so a task or run never sees another's value on the same thread.

use std::cell::RefCell;
use std::error::Error;
use std::fmt;
use std::mem;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::thread;

use pin_project_lite::pin_project;

use super::suspended::{self, Scope};
use crate::engine::is_on_own_stack;

/// A key of a task-local value, declared by [`task_local!`](crate::task_local).
///
/// The key has a value only inside a future wrapped by [`scope`](Self::scope). Scopes nest: after an inner scope the
/// key has the outer value again.
///
/// ```
/// timeloop::task_local! {
///     static NUMBER: u32;
/// }
///
/// # timeloop::run(0, || async {
/// NUMBER
///     .scope(1, async {
///         assert_eq!(NUMBER.get(), 1);
///         NUMBER.scope(2, async { assert_eq!(NUMBER.get(), 2) }).await;
///         assert_eq!(NUMBER.get(), 1);
///     })
///     .await;
/// assert!(NUMBER.try_get().is_err());
/// # }).unwrap();
/// ```
///
/// A task that is spawned inside a scope does not inherit the value.
pub struct LocalKey<T: 'static> {
    cell: thread::LocalKey<RefCell<Option<T>>>,
}

impl<T: 'static> LocalKey<T> {
    /// Called by `task_local!`.
    #[doc(hidden)]
    pub const fn __new(cell: thread::LocalKey<RefCell<Option<T>>>) -> Self {
        Self { cell }
    }

    /// Wraps `future` so that the key has `value` while the future is polled or dropped.
    ///
    /// The value is dropped with the returned future, unless [`take_value`](TaskLocalFuture::take_value) takes it.
    ///
    /// # Panics
    ///
    /// Polling the returned future panics within [`with`](Self::with) or [`try_with`](Self::try_with) on the same key.
    pub fn scope<F>(&'static self, value: T, future: F) -> TaskLocalFuture<T, F>
    where
        F: Future,
    {
        TaskLocalFuture { key: self, value: Some(value), future: Some(future) }
    }

    /// Calls `f` while the key has `value`, then drops the value.
    ///
    /// # Panics
    ///
    /// Within [`with`](Self::with) or [`try_with`](Self::try_with) on the same key.
    #[track_caller]
    pub fn sync_scope<F, R>(&'static self, value: T, f: F) -> R
    where
        F: FnOnce() -> R,
    {
        let mut slot = Some(value);
        match self.enter(&mut slot, f) {
            Ok(result) => result,
            Err(error) => error.panic(),
        }
    }

    /// Calls `f` with the current value.
    ///
    /// # Panics
    ///
    /// If there is no value.
    #[track_caller]
    pub fn with<F, R>(&'static self, f: F) -> R
    where
        F: FnOnce(&T) -> R,
    {
        match self.try_with(f) {
            Ok(result) => result,
            Err(_) => panic!("cannot access a task-local storage value without setting it first"),
        }
    }

    /// Calls `f` with the current value.
    ///
    /// # Errors
    ///
    /// If there is no value.
    pub fn try_with<F, R>(&'static self, f: F) -> Result<R, AccessError>
    where
        F: FnOnce(&T) -> R,
    {
        // Only `enter` borrows the cell mutably, and no user code runs while it does.
        let access = self.cell.try_with(|cell| cell.borrow().as_ref().map(f));
        access.ok().flatten().ok_or(AccessError { _private: () })
    }

    /// Swaps the key's value with `slot`, calls `f`, and swaps them back, even if `f` panics.
    fn enter<R>(&'static self, slot: &mut Option<T>, f: impl FnOnce() -> R) -> Result<R, EnterError> {
        struct Entered<'a, T: 'static> {
            key: &'static LocalKey<T>,
            slot: &'a mut Option<T>,
            /// For a closure that may be suspended: holds the outer value in the place of the slot.
            open: Option<Rc<OpenScope<T>>>,
        }

        impl<T: 'static> Drop for Entered<'_, T> {
            fn drop(&mut self) {
                if let Some(open) = self.open.take() {
                    suspended::pop();
                    *self.slot = open.outer.take();
                }
                // Neither call can fail: `enter` has just used the cell, and every borrow within `f` has ended.
                self.key.cell.with(|cell| mem::swap(self.slot, &mut *cell.borrow_mut()));
            }
        }

        let exchanged = self.cell.try_with(|cell| match cell.try_borrow_mut() {
            Ok(mut value) => {
                mem::swap(slot, &mut *value);
                Ok(())
            }
            Err(_) => Err(EnterError::Borrowed),
        });
        exchanged.unwrap_or(Err(EnterError::ThreadEnds))?;
        let open = is_on_own_stack().then(|| {
            let open = Rc::new(OpenScope { key: self, outer: RefCell::new(slot.take()) });
            suspended::push(Rc::clone(&open) as Rc<dyn Scope>);
            open
        });
        let entered = Entered { key: self, slot, open };
        let result = f();
        drop(entered);
        Ok(result)
    }
}

/// A scope that a closure on a stack of its own is in.
struct OpenScope<T: 'static> {
    key: &'static LocalKey<T>,
    /// The value around the scope; that of the scope while the closure is suspended.
    outer: RefCell<Option<T>>,
}

impl<T: 'static> Scope for OpenScope<T> {
    fn swap(&self) {
        // It fails in a closure that waits within `with`: then the value stays, and other scopes of the key can't be entered.
        let _ = self.key.cell.try_with(|cell| {
            cell.try_borrow_mut().map(|mut value| mem::swap(&mut *value, &mut *self.outer.borrow_mut()))
        });
    }
}

impl<T: Clone + 'static> LocalKey<T> {
    /// Returns a clone of the current value.
    ///
    /// # Panics
    ///
    /// If there is no value.
    #[track_caller]
    pub fn get(&'static self) -> T {
        self.with(T::clone)
    }

    /// Returns a clone of the current value.
    ///
    /// # Errors
    ///
    /// If there is no value.
    pub fn try_get(&'static self) -> Result<T, AccessError> {
        self.try_with(T::clone)
    }
}

impl<T: 'static> fmt::Debug for LocalKey<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad("LocalKey { .. }")
    }
}

/// The reason why a scope cannot be entered.
enum EnterError {
    Borrowed,
    ThreadEnds,
}

impl EnterError {
    #[track_caller]
    fn panic(self) -> ! {
        match self {
            Self::Borrowed => {
                panic!("cannot enter a task-local scope while the task-local storage is borrowed")
            }
            Self::ThreadEnds => panic!(
                "cannot enter a task-local scope during or after destruction of the underlying thread-local"
            ),
        }
    }
}

pin_project! {
    /// A future inside which a [`LocalKey`] has a value. Created by [`LocalKey::scope`].
    #[project(!Unpin)]
    pub struct TaskLocalFuture<T: 'static, F> {
        key: &'static LocalKey<T>,
        // `None` while the value is in the key's cell, and after it was taken.
        value: Option<T>,
        // `None` after completion.
        #[pin]
        future: Option<F>,
    }

    impl<T: 'static, F> PinnedDrop for TaskLocalFuture<T, F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if mem::needs_drop::<F>() && this.future.is_some() {
                // The future's destructor runs inside the scope and finds the value. If the scope cannot be entered,
                // the future is dropped outside it, as a field of this struct.
                let _ = this.key.enter(this.value, || this.future.set(None));
            }
        }
    }
}

impl<T: 'static, F> TaskLocalFuture<T, F> {
    /// Takes the value out. Returns `None` if it was taken before.
    ///
    /// If the future has not completed, the key has no value inside it from here on.
    ///
    /// ```
    /// timeloop::task_local! {
    ///     static NUMBER: u32;
    /// }
    ///
    /// # timeloop::run(0, || async {
    /// let mut future = Box::pin(NUMBER.scope(5, async {}));
    /// future.as_mut().await;
    /// assert_eq!(future.as_mut().take_value(), Some(5));
    /// assert_eq!(future.as_mut().take_value(), None);
    /// # }).unwrap();
    /// ```
    pub fn take_value(self: Pin<&mut Self>) -> Option<T> {
        self.project().value.take()
    }
}

impl<T: 'static, F: Future> Future for TaskLocalFuture<T, F> {
    type Output = F::Output;

    #[track_caller]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        let polled = this.key.enter(this.value, || {
            let poll = this.future.as_mut().as_pin_mut()?.poll(context);
            if poll.is_ready() {
                // Dropped inside the scope, so that its destructor finds the value.
                this.future.set(None);
            }
            Some(poll)
        });
        match polled {
            Ok(Some(poll)) => poll,
            Ok(None) => panic!("`TaskLocalFuture` polled after completion"),
            Err(error) => error.panic(),
        }
    }
}

impl<T: fmt::Debug + 'static, F> fmt::Debug for TaskLocalFuture<T, F> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        struct ValueOrNone<'a, T>(&'a Option<T>);

        impl<T: fmt::Debug> fmt::Debug for ValueOrNone<'_, T> {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self.0 {
                    Some(value) => value.fmt(formatter),
                    None => formatter.pad("<missing>"),
                }
            }
        }

        formatter.debug_struct("TaskLocalFuture").field("value", &ValueOrNone(&self.value)).finish()
    }
}

/// The error of a [`LocalKey`] that has no value in the current context.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AccessError {
    _private: (),
}

impl fmt::Debug for AccessError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("AccessError").finish()
    }
}

impl fmt::Display for AccessError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad("task-local value not set")
    }
}

impl Error for AccessError {}
