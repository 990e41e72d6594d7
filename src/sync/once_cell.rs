//! [`OnceCell`]: a cell that the first task that needs its value sets.
//!
//! # Invariants
//! tokio decides which task sets the cell and which tasks wait. A set cell is only read.

use std::fmt;
use std::future::{Future, ready};
use std::mem;
use std::panic::Location;

use timeloop_sim::Access;
use tokio::sync::SetError;

use super::cell::cell;
use crate::engine::announce::{Action, ResourceId};

/// The cell's name in reports.
const NAME: &str = "once cell";

cell! {
    /// A cell that is initialized on first use, by one task at a time: tokio's `OnceCell`, announcing its operations.
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
    /// Sets the cell. Returns the value if the cell is set already or another task is initializing it.
}

impl<T> OnceCell<T> {
    /// Returns a mutable reference to the value, or `None` if the cell is not set.
    pub fn get_mut(&mut self) -> Option<&mut T> {
        self.cell.get_mut()
    }

    /// Returns the value. If the cell is not set, sets it to the output of `f`, or waits for the task that is setting
    /// it.
    ///
    /// Calling this again on the same cell within `f` deadlocks.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: if the future of `f` is dropped or panics, the cell stays unset, and the next task in the queue
    /// runs its own `f`.
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

    /// Initializes the cell as [`get_or_init`](Self::get_or_init) does. If `f` fails, the cell stays unset, and the
    /// error is returned.
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

    /// Runs `f` while holding the cell. Success or failure is recorded before other tasks wake.
    async fn making<F, Fut>(&self, at: &'static Location<'static>, f: F) -> Fut::Output
    where
        F: FnOnce() -> Fut,
        Fut: Future,
    {
        self.id.acquired(NAME, 1, Some(at));
        let making = Making(&self.id);
        let output = f().await;
        making.end();
        output
    }
}

/// Holds the cell during initialization. Dropping it gives up the queue place too, whose release is already recorded.
struct Making<'a>(&'a ResourceId);

impl Making<'_> {
    fn end(self) {
        self.0.released(NAME, 1);
        mem::forget(self);
    }
}

impl Drop for Making<'_> {
    fn drop(&mut self) {
        self.0.forgotten(1);
    }
}
