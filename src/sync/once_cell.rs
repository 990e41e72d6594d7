//! The cell that is set once, by whoever needs its value first.
//!
//! # Invariants
//! tokio decides who sets the cell and who waits for that. A cell that is set is only read.

use std::fmt;
use std::future::{Future, ready};
use std::mem;
use std::panic::Location;

use timeloop_sim::Access;
use tokio::sync::SetError;

use super::cell::cell;
use crate::engine::announce::{Action, ResourceId};

/// What reports call it.
const NAME: &str = "once cell";

cell! {
    /// A value that is made when it is needed first, by one task at a time: tokio's own, which announces what is done to it.
    ///
    /// ```
    /// use std::rc::Rc;
    /// use timeloop::sync::OnceCell;
    ///
    /// let made = timeloop::run(1, || async {
    ///     let (cell, made) = (Rc::new(OnceCell::new()), Rc::new(std::cell::Cell::new(0)));
    ///     let tasks: Vec<_> = (0..3)
    ///         .map(|_| {
    ///             let (cell, made) = (Rc::clone(&cell), Rc::clone(&made));
    ///             timeloop::spawn(async move {
    ///                 let connect = || async {
    ///                     timeloop::task::yield_now().await;
    ///                     made.set(made.get() + 1);
    ///                     "connection"
    ///                 };
    ///                 assert_eq!(*cell.get_or_init(connect).await, "connection");
    ///             })
    ///         })
    ///         .collect();
    ///     for task in tasks {
    ///         task.await.unwrap();
    ///     }
    ///     made.get()
    /// });
    /// assert_eq!(made.unwrap(), 1);
    /// ```
    OnceCell, SetError,
    /// Sets the cell. Gives the value back if the cell is set, or somebody is about to set it.
}

impl<T> OnceCell<T> {
    /// Returns the value, if the cell is set, to be changed: nobody else can reach it.
    pub fn get_mut(&mut self) -> Option<&mut T> {
        self.cell.get_mut()
    }

    /// The value, if it is set; otherwise sets it to what `f` gives, or waits until somebody else has.
    ///
    /// To ask for the value within `f` would be to wait for ever.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: if `f`'s future is dropped or panics, the cell stays unset, and the next in the queue makes its own.
    #[track_caller]
    pub fn get_or_init<F, Fut>(&self, f: F) -> impl Future<Output = &T>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = T>,
    {
        let at = Location::caller();
        async move {
            if let Some(value) = self.cell.get() {
                self.action(Access::Read, at).before(ready(())).await;
                return value;
            }
            let making = self.cell.get_or_init(|| self.making(at, f));
            self.action(Access::Acquire, at).before(making).once().in_queue().await
        }
    }

    /// As [`get_or_init`](Self::get_or_init), but `f` may fail: then the cell stays unset, and this gives the error.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe, as `get_or_init` is.
    #[track_caller]
    pub fn get_or_try_init<E, F, Fut>(&self, f: F) -> impl Future<Output = Result<&T, E>>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let at = Location::caller();
        async move {
            if let Some(value) = self.cell.get() {
                self.action(Access::Read, at).before(ready(())).await;
                return Ok(value);
            }
            let making = self.cell.get_or_try_init(|| self.making(at, f));
            self.action(Access::Acquire, at).before(making).once().in_queue().await
        }
    }

    /// Takes the value out, and leaves the cell unset.
    pub fn take(&mut self) -> Option<T> {
        self.cell.take()
    }

    fn action(&self, access: Access, at: &'static Location<'static>) -> Action<'_> {
        Action { id: &self.id, name: NAME, access, at }
    }

    /// Makes the value, holding the cell meanwhile. That it is made, or failed to be, is recorded before others wake.
    async fn making<F, Fut>(&self, at: &'static Location<'static>, f: F) -> Fut::Output
    where
        F: FnOnce() -> Fut,
        Fut: Future,
    {
        self.id.acquired(NAME, Some(at));
        let making = Making(&self.id);
        let output = f().await;
        making.end();
        output
    }
}

/// Holds the cell while its value is made. If that is given up, so is the place in the queue, which is recorded already.
struct Making<'a>(&'a ResourceId);

impl Making<'_> {
    fn end(self) {
        self.0.released(NAME);
        mem::forget(self);
    }
}

impl Drop for Making<'_> {
    fn drop(&mut self) {
        self.0.forgotten();
    }
}
