//! The lock that readers share.
//!
//! Always true: the value is reached only by who holds tokio's lock beside it, and changed only by who holds it for
//! writing; who waits is tokio's own doing.
#![expect(unsafe_code, reason = "the guarded value lies beside the lock, not in it")]

mod owned_read_guard;
mod owned_write_guard;
mod read_guard;
mod write_guard;

use std::cell::UnsafeCell;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::ptr;
use std::sync::Arc;

use timeloop_sim::Access;
use tokio::sync::{
    RwLock as Lock, RwLockReadGuard as ReadLocked, RwLockWriteGuard as WriteLocked, TryLockError,
};

use super::announcing::{Held, Named, inside_run, queue, would_wait};
use super::guard::{Guard, Unborrow};
use crate::engine::announce::ResourceId;

pub use owned_read_guard::OwnedRwLockReadGuard;
pub use owned_write_guard::{OwnedRwLockMappedWriteGuard, OwnedRwLockWriteGuard};
pub use read_guard::RwLockReadGuard;
pub use write_guard::{RwLockMappedWriteGuard, RwLockWriteGuard};

/// What reports call it.
const NAME: &str = <WriteLocked<'static, ()> as Named>::NAME;

/// A lock that one task may hold for writing, or many at a time for reading: tokio's own, which announces what is done
/// to it.
///
/// Tasks get it in the order in which they ask for it: a reader that comes after a writer that waits does so too.
///
/// ```
/// use std::rc::Rc;
/// use timeloop::sync::RwLock;
///
/// let seen = timeloop::run(1, || async {
///     let config = Rc::new(RwLock::new("old"));
///     let one = config.read().await;
///     let other = config.read().await; // shared
///     assert_eq!((*one, *other), ("old", "old"));
///     let writer = timeloop::spawn({
///         let config = Rc::clone(&config);
///         async move { *config.write().await = "new" }
///     });
///     drop((one, other));
///     writer.await.unwrap();
///     *config.read().await
/// });
/// assert_eq!(seen.unwrap(), "new");
/// ```
pub struct RwLock<T: ?Sized> {
    id: ResourceId,
    lock: Lock<()>,
    value: UnsafeCell<T>,
}

// SAFETY: the value goes to one thread at a time to be changed, and to many to be read, both under the lock.
unsafe impl<T: ?Sized + Send + Sync> Sync for RwLock<T> {}

impl<T: ?Sized> RwLock<T> {
    /// A lock that nobody holds.
    #[track_caller]
    pub fn new(value: T) -> Self
    where
        T: Sized,
    {
        Self { id: ResourceId::new(), lock: Lock::new(()), value: UnsafeCell::new(value) }
    }

    /// A lock that at most `max_reads` readers share.
    ///
    /// # Panics
    /// If `max_reads` is 0 or more than `u32::MAX >> 3`.
    #[track_caller]
    pub fn with_max_readers(value: T, max_reads: u32) -> Self
    where
        T: Sized,
    {
        let lock = Lock::with_max_readers((), max_reads);
        Self { id: ResourceId::new(), lock, value: UnsafeCell::new(value) }
    }

    /// As [`new`](Self::new) at compile time, for a `static`.
    #[track_caller]
    pub const fn const_new(value: T) -> Self
    where
        T: Sized,
    {
        Self { id: ResourceId::const_new(), lock: Lock::const_new(()), value: UnsafeCell::new(value) }
    }

    /// As [`with_max_readers`](Self::with_max_readers) at compile time, for a `static`.
    ///
    /// # Panics
    /// As `with_max_readers` does.
    #[track_caller]
    pub const fn const_with_max_readers(value: T, max_reads: u32) -> Self
    where
        T: Sized,
    {
        let lock = Lock::const_with_max_readers((), max_reads);
        Self { id: ResourceId::const_new(), lock, value: UnsafeCell::new(value) }
    }

    /// Waits until this task may read.
    ///
    /// A task that reads already and asks once more waits for ever if a writer has asked in between.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a wait that is dropped loses its place in the queue, and nothing else.
    #[track_caller]
    pub fn read(&self) -> impl Future<Output = RwLockReadGuard<'_, T>> {
        let at = Location::caller();
        async move {
            let locked = queue!(&self.id, NAME, Access::Read, at, self.lock.read());
            RwLockReadGuard::new(self.guard(locked, at).forgetful())
        }
    }

    /// As [`read`](Self::read), with a guard that keeps the lock alive.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe, as `read` is.
    #[track_caller]
    pub fn read_owned(self: Arc<Self>) -> impl Future<Output = OwnedRwLockReadGuard<T>> {
        let at = Location::caller();
        async move {
            let locked = queue!(&self.id, NAME, Access::Read, at, self.lock.read());
            // SAFETY: the guard owns the lock.
            let locked = unsafe { locked.unborrow() };
            OwnedRwLockReadGuard::new(self.owned_guard(locked, at))
        }
    }

    /// Waits until this task may write.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a wait that is dropped loses its place in the queue, and nothing else.
    #[track_caller]
    pub fn write(&self) -> impl Future<Output = RwLockWriteGuard<'_, T>> {
        let at = Location::caller();
        async move {
            let locked = queue!(&self.id, NAME, Access::Acquire, at, self.lock.write());
            RwLockWriteGuard::new(self.guard(locked, at).forgetful())
        }
    }

    /// As [`write`](Self::write), with a guard that keeps the lock alive.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe, as `write` is.
    #[track_caller]
    pub fn write_owned(self: Arc<Self>) -> impl Future<Output = OwnedRwLockWriteGuard<T>> {
        let at = Location::caller();
        async move {
            let locked = queue!(&self.id, NAME, Access::Acquire, at, self.lock.write());
            // SAFETY: the guard owns the lock.
            let locked = unsafe { locked.unborrow() };
            OwnedRwLockWriteGuard::new(self.owned_guard(locked, at))
        }
    }

    /// Takes it for reading without waiting; outside of a run the thread may have to wait.
    ///
    /// # Panics
    /// In a run, if it may not be read yet. Outside, in one of tokio's runtimes.
    #[track_caller]
    pub fn blocking_read(&self) -> RwLockReadGuard<'_, T> {
        let at = Location::caller();
        let locked = if inside_run() {
            let locked = self.try_acquire_read(at);
            locked.unwrap_or_else(|_| would_wait("blocking_read", "a lock that is held", "read().await"))
        } else {
            self.lock.blocking_read()
        };
        RwLockReadGuard::new(self.guard(locked, at).forgetful())
    }

    /// Takes it for writing without waiting; outside of a run the thread may have to wait.
    ///
    /// # Panics
    /// In a run, if it may not be written yet. Outside, in one of tokio's runtimes.
    #[track_caller]
    pub fn blocking_write(&self) -> RwLockWriteGuard<'_, T> {
        let at = Location::caller();
        let locked = if inside_run() {
            let locked = self.try_acquire_write(at);
            locked.unwrap_or_else(|_| would_wait("blocking_write", "a lock that is held", "write().await"))
        } else {
            self.lock.blocking_write()
        };
        RwLockWriteGuard::new(self.guard(locked, at).forgetful())
    }

    /// Takes it for reading, if that may be done at once.
    #[track_caller]
    pub fn try_read(&self) -> Result<RwLockReadGuard<'_, T>, TryLockError> {
        let at = Location::caller();
        let locked = self.try_acquire_read(at)?;
        Ok(RwLockReadGuard::new(self.guard(locked, at).forgetful()))
    }

    /// As [`try_read`](Self::try_read), with a guard that keeps the lock alive.
    #[track_caller]
    pub fn try_read_owned(self: Arc<Self>) -> Result<OwnedRwLockReadGuard<T>, TryLockError> {
        let at = Location::caller();
        let locked = self.try_acquire_read(at)?;
        // SAFETY: the guard owns the lock.
        let locked = unsafe { locked.unborrow() };
        Ok(OwnedRwLockReadGuard::new(self.owned_guard(locked, at)))
    }

    /// Takes it for writing, if that may be done at once.
    #[track_caller]
    pub fn try_write(&self) -> Result<RwLockWriteGuard<'_, T>, TryLockError> {
        let at = Location::caller();
        let locked = self.try_acquire_write(at)?;
        Ok(RwLockWriteGuard::new(self.guard(locked, at).forgetful()))
    }

    /// As [`try_write`](Self::try_write), with a guard that keeps the lock alive.
    #[track_caller]
    pub fn try_write_owned(self: Arc<Self>) -> Result<OwnedRwLockWriteGuard<T>, TryLockError> {
        let at = Location::caller();
        let locked = self.try_acquire_write(at)?;
        // SAFETY: the guard owns the lock.
        let locked = unsafe { locked.unborrow() };
        Ok(OwnedRwLockWriteGuard::new(self.owned_guard(locked, at)))
    }

    /// The value, which nobody else can reach: there is no need to lock it.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }

    /// Takes the lock apart.
    pub fn into_inner(self) -> T
    where
        T: Sized,
    {
        self.value.into_inner()
    }

    #[inline]
    fn try_acquire_read(&self, at: &'static Location<'static>) -> Result<ReadLocked<'_, ()>, TryLockError> {
        self.id.touch(NAME, Access::Read, Some(at));
        self.lock.try_read()
    }

    #[inline]
    fn try_acquire_write(&self, at: &'static Location<'static>) -> Result<WriteLocked<'_, ()>, TryLockError> {
        self.id.touch(NAME, Access::Acquire, Some(at));
        self.lock.try_write()
    }

    #[inline]
    fn guard<'a, L: Named>(&'a self, locked: L, at: &'static Location<'static>) -> Guard<'a, L, &'a Self, T> {
        let held = Held::new(&self.id, at);
        // SAFETY: the owner is the lock itself; the guards have a marker.
        unsafe { Guard::new(held, locked, self.value.get(), self) }
    }

    #[inline]
    fn owned_guard<L: Named>(
        self: Arc<Self>,
        locked: L,
        at: &'static Location<'static>,
    ) -> Guard<'static, L, Arc<Self>, T> {
        // SAFETY: the guard owns the lock.
        let id: &'static ResourceId = unsafe { &*ptr::from_ref(&self.id) };
        let value = self.value.get();
        // SAFETY: the owner is the lock itself; the guards have a marker.
        unsafe { Guard::new(Held::new(id, at), locked, value, self) }
    }
}

impl<T> From<T> for RwLock<T> {
    #[track_caller]
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T: Default> Default for RwLock<T> {
    #[track_caller]
    fn default() -> Self {
        Self::new(T::default())
    }
}

/// To look at it this way is no operation.
impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("RwLock");
        match self.lock.try_read() {
            // SAFETY: the lock is held as long as this arm.
            Ok(_locked) => shown.field("data", &unsafe { &*self.value.get() }),
            Err(_) => shown.field("data", &format_args!("<locked>")),
        };
        shown.finish()
    }
}
