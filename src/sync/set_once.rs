//! [`SetOnce`]: a cell that is set once, and that tasks can wait for.
//!
//! # Invariants
//! tokio decides which tasks wait. Being woken by the task that sets the cell is not an operation.

use std::fmt;
use std::future::Future;

use timeloop_sim::Access;
use tokio::sync::SetOnceError;

use super::cell::cell;
use crate::engine::announce::ResourceId;

/// The cell's name in reports.
const NAME: &str = "set once";

cell! {
    /// A cell that is set once, and that tasks can wait for: tokio's `SetOnce`, announcing its operations.
    ///
    /// ```
    /// use std::rc::Rc;
    /// use timeloop::sync::SetOnce;
    ///
    /// let port = timeloop::run(1, || async {
    ///     let port = Rc::new(SetOnce::new());
    ///     let client = timeloop::spawn({
    ///         let port = Rc::clone(&port);
    ///         async move { *port.wait().await }
    ///     });
    ///     port.set(8080).unwrap();
    ///     client.await.unwrap()
    /// });
    /// assert_eq!(port.unwrap(), 8080);
    /// ```
    SetOnce, SetOnceError,
    /// Sets the cell, and wakes all waiting tasks. Returns the value if the cell is set already.
}

impl<T> SetOnce<T> {
    /// Waits until the cell is set.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the next call still finds the value.
    #[track_caller]
    pub fn wait(&self) -> impl Future<Output = &T> {
        self.id.action(NAME, Access::Read).before(self.cell.wait()).once()
    }
}
