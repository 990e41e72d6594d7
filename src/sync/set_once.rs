//! The value that is set once, and awaited by those who need it.
//!
//! Always true: who waits is tokio's own doing; to be woken by the one who sets it is no operation of its own.

use std::fmt;
use std::future::Future;
use std::panic::Location;

use timeloop_sim::Access;
use tokio::sync::{SetOnce as Cell, SetOnceError};

use super::announcing::Announcing;
use crate::engine::announce::ResourceId;

/// What reports call it.
const NAME: &str = "set once";

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
pub struct SetOnce<T> {
    id: ResourceId,
    cell: Cell<T>,
}

impl<T> SetOnce<T> {
    /// One that is not set.
    #[track_caller]
    pub fn new() -> Self {
        Self { id: ResourceId::new(), cell: Cell::new() }
    }

    /// The same at compile time, for a `static`.
    #[track_caller]
    pub const fn const_new() -> Self {
        Self { id: ResourceId::const_new(), cell: Cell::const_new() }
    }

    /// One that is set if there is a value.
    #[track_caller]
    pub fn new_with(value: Option<T>) -> Self {
        Self { id: ResourceId::new(), cell: Cell::new_with(value) }
    }

    /// One that is set at compile time.
    #[track_caller]
    pub const fn const_new_with(value: T) -> Self {
        Self { id: ResourceId::const_new(), cell: Cell::const_new_with(value) }
    }

    /// Whether it is set.
    #[track_caller]
    pub fn initialized(&self) -> bool {
        self.id.touch(NAME, Access::Read, Some(Location::caller()));
        self.cell.initialized()
    }

    /// The value, if it is set.
    #[track_caller]
    pub fn get(&self) -> Option<&T> {
        self.id.touch(NAME, Access::Read, Some(Location::caller()));
        self.cell.get()
    }

    /// Sets it, and wakes all who wait; gives the value back if it is set already.
    #[track_caller]
    pub fn set(&self, value: T) -> Result<(), SetOnceError<T>> {
        self.id.touch(NAME, Access::Write, Some(Location::caller()));
        self.cell.set(value)
    }

    /// Takes it apart.
    pub fn into_inner(self) -> Option<T> {
        self.cell.into_inner()
    }

    /// Waits until it is set.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the value stays for the next call.
    #[track_caller]
    pub fn wait(&self) -> impl Future<Output = &T> {
        let announcing = Announcing::new(&self.id, NAME, Access::Read, Location::caller());
        async move {
            announcing.await;
            self.cell.wait().await
        }
    }
}

impl<T> Default for SetOnce<T> {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

impl<T> From<T> for SetOnce<T> {
    #[track_caller]
    fn from(value: T) -> Self {
        Self { id: ResourceId::new(), cell: Cell::from(value) }
    }
}

impl<T: Clone> Clone for SetOnce<T> {
    #[track_caller]
    fn clone(&self) -> Self {
        Self::new_with(self.get().cloned())
    }
}

impl<T: PartialEq> PartialEq for SetOnce<T> {
    #[track_caller]
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

impl<T: Eq> Eq for SetOnce<T> {}

/// To look at it this way is no operation.
impl<T: fmt::Debug> fmt::Debug for SetOnce<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cell.fmt(f)
    }
}
