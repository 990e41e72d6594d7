//! The value that is set once, and awaited by those who need it.
//!
//! # Invariants
//! tokio decides who waits. To be woken by the task that sets the cell is no operation of its own.

use std::fmt;
use std::future::Future;

use timeloop_sim::Access;
use tokio::sync::SetOnceError;

use super::cell::cell;
use crate::engine::announce::ResourceId;

/// What reports call it.
const NAME: &str = "set once";

cell! {
    /// A value that somebody sets once, and others wait for: tokio's own, which announces what is done to it.
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
    /// Sets the cell, and wakes all who wait. Gives the value back if the cell is set.
}

impl<T> SetOnce<T> {
    /// Waits until it is set.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the value stays for the next call.
    #[track_caller]
    pub fn wait(&self) -> impl Future<Output = &T> {
        self.id.action(NAME, Access::Read).before(self.cell.wait()).once()
    }
}
