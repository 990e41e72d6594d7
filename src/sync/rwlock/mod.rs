//! The lock that readers share.
//!
//! Always true: the value is reached only by who holds the lock beside it, and changed only by who holds it for
//! writing; who waits is tokio's own doing.
#![expect(unsafe_code, reason = "the guarded value lies beside the lock, not in it")]

mod owned_read_guard;
mod owned_write_guard;
mod read_guard;
mod write_guard;

use std::cell::UnsafeCell;
use std::fmt;
use std::future::Future;
use std::ops::Deref;
use std::panic::Location;
use std::sync::Arc;

use tokio::sync::TryLockError;

use super::guard::{Guard, Hold, Lock, Locked, Reading, Writing};
use crate::engine::announce::ResourceId;

pub use owned_read_guard::OwnedRwLockReadGuard;
pub use owned_write_guard::{OwnedRwLockMappedWriteGuard, OwnedRwLockWriteGuard};
pub use read_guard::RwLockReadGuard;
pub use write_guard::{RwLockMappedWriteGuard, RwLockWriteGuard};

/// As many may read at a time as tokio lets.
const MAX_READS: u32 = u32::MAX >> 3;

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
    lock: Lock,
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
        Self { lock: Lock::new(ResourceId::new(), MAX_READS), value: UnsafeCell::new(value) }
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
        assert_ne!(max_reads, 0, "a RwLock may not be created with 0 readers");
        assert!(max_reads <= MAX_READS, "a RwLock may not be created with more than {MAX_READS} readers");
        Self { lock: Lock::new(ResourceId::new(), max_reads), value: UnsafeCell::new(value) }
    }

    /// As [`new`](Self::new) at compile time, for a `static`.
    #[track_caller]
    pub const fn const_new(value: T) -> Self
    where
        T: Sized,
    {
        Self { lock: Lock::new(ResourceId::const_new(), MAX_READS), value: UnsafeCell::new(value) }
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
        assert!(max_reads != 0, "a RwLock may not be created with 0 readers");
        assert!(max_reads <= MAX_READS);
        Self { lock: Lock::new(ResourceId::const_new(), max_reads), value: UnsafeCell::new(value) }
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
        let guard = move || RwLockReadGuard::new(Self::guard(self).forgetful());
        self.lock.take::<Reading, _>(Location::caller(), guard)
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
            self.lock.take::<Reading, _>(at, || ()).await;
            OwnedRwLockReadGuard::new(Self::guard(self))
        }
    }

    /// Waits until this task may write.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a wait that is dropped loses its place in the queue, and nothing else.
    #[track_caller]
    pub fn write(&self) -> impl Future<Output = RwLockWriteGuard<'_, T>> {
        let guard = move || RwLockWriteGuard::new(Self::guard(self).forgetful());
        self.lock.take::<Writing, _>(Location::caller(), guard)
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
            self.lock.take::<Writing, _>(at, || ()).await;
            OwnedRwLockWriteGuard::new(Self::guard(self))
        }
    }

    /// Takes it for reading without waiting; outside of a run the thread may have to wait.
    ///
    /// # Panics
    /// In a run, if it may not be read yet. Outside, in one of tokio's runtimes.
    #[track_caller]
    pub fn blocking_read(&self) -> RwLockReadGuard<'_, T> {
        self.lock.take_blocking::<Reading>("blocking_read", "read().await");
        RwLockReadGuard::new(Self::guard(self).forgetful())
    }

    /// Takes it for writing without waiting; outside of a run the thread may have to wait.
    ///
    /// # Panics
    /// In a run, if it may not be written yet. Outside, in one of tokio's runtimes.
    #[track_caller]
    pub fn blocking_write(&self) -> RwLockWriteGuard<'_, T> {
        self.lock.take_blocking::<Writing>("blocking_write", "write().await");
        RwLockWriteGuard::new(Self::guard(self).forgetful())
    }

    /// Takes it for reading, if that may be done at once.
    #[track_caller]
    pub fn try_read(&self) -> Result<RwLockReadGuard<'_, T>, TryLockError> {
        self.lock.try_take::<Reading>(Location::caller())?;
        Ok(RwLockReadGuard::new(Self::guard(self).forgetful()))
    }

    /// As [`try_read`](Self::try_read), with a guard that keeps the lock alive.
    #[track_caller]
    pub fn try_read_owned(self: Arc<Self>) -> Result<OwnedRwLockReadGuard<T>, TryLockError> {
        self.lock.try_take::<Reading>(Location::caller())?;
        Ok(OwnedRwLockReadGuard::new(Self::guard(self)))
    }

    /// Takes it for writing, if that may be done at once.
    #[track_caller]
    pub fn try_write(&self) -> Result<RwLockWriteGuard<'_, T>, TryLockError> {
        self.lock.try_take::<Writing>(Location::caller())?;
        Ok(RwLockWriteGuard::new(Self::guard(self).forgetful()))
    }

    /// As [`try_write`](Self::try_write), with a guard that keeps the lock alive.
    #[track_caller]
    pub fn try_write_owned(self: Arc<Self>) -> Result<OwnedRwLockWriteGuard<T>, TryLockError> {
        self.lock.try_take::<Writing>(Location::caller())?;
        Ok(OwnedRwLockWriteGuard::new(Self::guard(self)))
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

    /// A guard for who has just taken the lock.
    #[inline]
    fn guard<O: Deref<Target = Self>, W: Hold>(owner: O) -> Guard<O, W, T> {
        let value = owner.value.get();
        // SAFETY: the caller has taken the lock; the value is in the owner's target; the guards have a marker.
        unsafe { Guard::new(owner, value) }
    }
}

impl<T: ?Sized> Locked for RwLock<T> {
    #[inline]
    fn lock(&self) -> &Lock {
        &self.lock
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
        match self.lock.permits.inner.try_acquire() {
            // SAFETY: the lock is held as long as this arm.
            Ok(_taken) => shown.field("data", &unsafe { &*self.value.get() }),
            Err(_) => shown.field("data", &format_args!("<locked>")),
        };
        shown.finish()
    }
}
