//! The read-write lock and its guards.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::sync::Arc;

use tokio::sync::TryLockError;

use super::lock::{self, Guard, Guarded, Guarding, Lock, Reading, Writing, guard};
use crate::engine::announce::ResourceId;

/// tokio's limit on simultaneous readers.
const MAX_READS: u32 = u32::MAX >> 3;

/// A lock that one task may hold for writing, or many tasks for reading: tokio's `RwLock`, announcing its operations.
///
/// Tasks acquire it in the order in which they ask for it. A reader that asks after a waiting writer waits too.
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
    guarded: Guarded<Reading, T>,
}

impl<T: ?Sized> RwLock<T> {
    /// Creates an unlocked lock.
    #[track_caller]
    pub fn new(value: T) -> Self
    where
        T: Sized,
    {
        Self { guarded: Guarded::new(ResourceId::new(), MAX_READS, value) }
    }

    /// Creates a lock that at most `max_reads` readers share.
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
        Self { guarded: Guarded::new(ResourceId::new(), max_reads, value) }
    }

    /// Creates a lock as [`new`](Self::new) does, at compile time, for a `static`.
    #[track_caller]
    pub const fn const_new(value: T) -> Self
    where
        T: Sized,
    {
        Self { guarded: Guarded::new(ResourceId::const_new(), MAX_READS, value) }
    }

    /// Creates a lock as [`with_max_readers`](Self::with_max_readers) does, at compile time, for a `static`.
    ///
    /// # Panics
    /// As `with_max_readers`.
    #[track_caller]
    pub const fn const_with_max_readers(value: T, max_reads: u32) -> Self
    where
        T: Sized,
    {
        assert!(max_reads != 0, "a RwLock may not be created with 0 readers");
        assert!(max_reads <= MAX_READS);
        Self { guarded: Guarded::new(ResourceId::const_new(), max_reads, value) }
    }

    /// Locks for reading, waiting while a writer holds the lock or waits ahead in the queue.
    ///
    /// A task that holds a read guard and asks for another deadlocks if a writer asked in between.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: dropping the future only gives up its place in the queue.
    #[track_caller]
    pub fn read(&self) -> impl Future<Output = RwLockReadGuard<'_, T>> {
        lock::take(self, Location::caller(), RwLockReadGuard::of)
    }

    /// Locks as [`read`](Self::read) does, and returns a guard that keeps the lock alive.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe, as `read` is.
    #[track_caller]
    pub fn read_owned(self: Arc<Self>) -> impl Future<Output = OwnedRwLockReadGuard<T>> {
        lock::take_owned(self, Location::caller(), OwnedRwLockReadGuard::new)
    }

    /// Locks for writing, waiting while another task holds the lock.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: dropping the future only gives up its place in the queue.
    #[track_caller]
    pub fn write(&self) -> impl Future<Output = RwLockWriteGuard<'_, T>> {
        lock::take(self, Location::caller(), RwLockWriteGuard::of)
    }

    /// Locks as [`write`](Self::write) does, and returns a guard that keeps the lock alive.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe, as `write` is.
    #[track_caller]
    pub fn write_owned(self: Arc<Self>) -> impl Future<Output = OwnedRwLockWriteGuard<T>> {
        lock::take_owned(self, Location::caller(), OwnedRwLockWriteGuard::new)
    }

    /// Locks for reading from synchronous code. Outside a run, blocks the thread until the lock can be read.
    ///
    /// # Panics
    /// In a task, unless it is in `spawn_blocking` or `block_in_place`. Outside a run, if called within a tokio runtime.
    #[track_caller]
    pub fn blocking_read(&self) -> RwLockReadGuard<'_, T> {
        RwLockReadGuard::of(lock::take_blocking(self, "blocking_read", "read().await"))
    }

    /// Locks for writing from synchronous code. Outside a run, blocks the thread until the lock can be written.
    ///
    /// # Panics
    /// In a task, unless it is in `spawn_blocking` or `block_in_place`. Outside a run, if called within a tokio runtime.
    #[track_caller]
    pub fn blocking_write(&self) -> RwLockWriteGuard<'_, T> {
        RwLockWriteGuard::of(lock::take_blocking(self, "blocking_write", "write().await"))
    }

    /// Locks for reading if that needs no wait.
    #[track_caller]
    pub fn try_read(&self) -> Result<RwLockReadGuard<'_, T>, TryLockError> {
        lock::try_take(self, Location::caller()).map(RwLockReadGuard::of)
    }

    /// Locks as [`try_read`](Self::try_read) does, and returns a guard that keeps the lock alive.
    #[track_caller]
    pub fn try_read_owned(self: Arc<Self>) -> Result<OwnedRwLockReadGuard<T>, TryLockError> {
        lock::try_take(self, Location::caller()).map(OwnedRwLockReadGuard::new)
    }

    /// Locks for writing if that needs no wait.
    #[track_caller]
    pub fn try_write(&self) -> Result<RwLockWriteGuard<'_, T>, TryLockError> {
        lock::try_take(self, Location::caller()).map(RwLockWriteGuard::of)
    }

    /// Locks as [`try_write`](Self::try_write) does, and returns a guard that keeps the lock alive.
    #[track_caller]
    pub fn try_write_owned(self: Arc<Self>) -> Result<OwnedRwLockWriteGuard<T>, TryLockError> {
        lock::try_take(self, Location::caller()).map(OwnedRwLockWriteGuard::new)
    }

    /// Returns the value without locking: the exclusive borrow rules out other holders.
    pub fn get_mut(&mut self) -> &mut T {
        self.guarded.get_mut()
    }

    /// Returns the value.
    pub fn into_inner(self) -> T
    where
        T: Sized,
    {
        self.guarded.into_inner()
    }
}

impl<T: ?Sized> Guarding for RwLock<T> {
    type Weakest = Reading;
    type Value = T;

    #[inline]
    fn guarded(&self) -> &Guarded<Reading, T> {
        &self.guarded
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

/// Formatting is not recorded as an operation.
impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.guarded.fmt("RwLock", f)
    }
}

guard! {
    /// Holds a [`RwLock`] for reading until dropped. Other readers may hold it too.
    #[must_use = "if unused the RwLock will immediately unlock"]
    RwLockReadGuard<'a, => T>(Guard<&'a Lock, Reading, T>);
    /// Narrows the guard to a part of the value. The whole value stays locked.
    map_shared<F, V> -> RwLockReadGuard<'a, V>;
}

impl<'a, T: ?Sized> RwLockReadGuard<'a, T> {
    #[inline]
    fn of(guard: Guard<&'a RwLock<T>, Reading, T>) -> Self {
        Self::new(guard.into())
    }
}

guard! {
    /// Holds a [`RwLock`] for writing until dropped.
    #[must_use = "if unused the RwLock will immediately unlock"]
    RwLockWriteGuard<'a, => T>(Guard<&'a Lock, Writing, T>);
    /// Narrows the guard to a part of the value. The whole value stays locked.
    map<F, V> -> RwLockMappedWriteGuard<'a, V>;
}

impl<'a, T: ?Sized> RwLockWriteGuard<'a, T> {
    #[inline]
    fn of(guard: Guard<&'a RwLock<T>, Writing, T>) -> Self {
        Self::new(guard.into())
    }

    /// Converts the guard to a mapped guard of the whole value.
    #[inline]
    pub fn into_mapped(this: Self) -> RwLockMappedWriteGuard<'a, T> {
        RwLockMappedWriteGuard::new(this.guard)
    }

    /// Converts the guard to a read guard. No writer can acquire the lock in between.
    #[inline]
    pub fn downgrade(self) -> RwLockReadGuard<'a, T> {
        RwLockReadGuard::new(self.guard.downgrade())
    }

    /// Downgrades as [`downgrade`](Self::downgrade) does, and narrows the guard to a part of the value.
    #[inline]
    pub fn downgrade_map<F, U: ?Sized>(this: Self, f: F) -> RwLockReadGuard<'a, U>
    where
        F: FnOnce(&T) -> &U,
    {
        RwLockReadGuard::new(this.guard.map_shared(f).downgrade())
    }

    /// Downgrades as [`downgrade_map`](Self::downgrade_map) does, if `f` returns a part. Otherwise returns the guard.
    #[inline]
    pub fn try_downgrade_map<F, U: ?Sized>(this: Self, f: F) -> Result<RwLockReadGuard<'a, U>, Self>
    where
        F: FnOnce(&T) -> Option<&U>,
    {
        let guard = this.guard.try_map_shared(f).map_err(Self::new)?;
        Ok(RwLockReadGuard::new(guard.downgrade()))
    }
}

guard! {
    /// Holds a [`RwLock`] for writing until dropped, and gives access to a part of its value. See
    /// [`RwLockWriteGuard::map`].
    #[must_use = "if unused the RwLock will immediately unlock"]
    RwLockMappedWriteGuard<'a, => T>(Guard<&'a Lock, Writing, T>);
    /// Narrows the guard to a part of its part.
    map<F, V> -> RwLockMappedWriteGuard<'a, V>;
}

guard! {
    /// Holds a [`RwLock`] for reading until dropped, and keeps it alive. Other readers may hold it too.
    OwnedRwLockReadGuard<T, => U>(Guard<Arc<RwLock<T>>, Reading, U>);
    /// Narrows the guard to a part of the value. The whole value stays locked.
    map_shared<F, V> -> OwnedRwLockReadGuard<T, V>;
}

impl<T: ?Sized, U: ?Sized> OwnedRwLockReadGuard<T, U> {
    /// Returns the lock.
    #[inline]
    pub fn rwlock(this: &Self) -> &Arc<RwLock<T>> {
        this.guard.owner()
    }
}

guard! {
    /// Holds a [`RwLock`] for writing until dropped, and keeps it alive.
    OwnedRwLockWriteGuard< => T>(Guard<Arc<RwLock<T>>, Writing, T>);
    /// Narrows the guard to a part of the value. The whole value stays locked.
    map<F, V> -> OwnedRwLockMappedWriteGuard<T, V>;
}

impl<T: ?Sized> OwnedRwLockWriteGuard<T> {
    /// Converts the guard to a mapped guard of the whole value.
    #[inline]
    pub fn into_mapped(this: Self) -> OwnedRwLockMappedWriteGuard<T> {
        OwnedRwLockMappedWriteGuard::new(this.guard)
    }

    /// Converts the guard to a read guard. No writer can acquire the lock in between.
    #[inline]
    pub fn downgrade(self) -> OwnedRwLockReadGuard<T> {
        OwnedRwLockReadGuard::new(self.guard.downgrade())
    }

    /// Downgrades as [`downgrade`](Self::downgrade) does, and narrows the guard to a part of the value.
    #[inline]
    pub fn downgrade_map<F, U: ?Sized>(this: Self, f: F) -> OwnedRwLockReadGuard<T, U>
    where
        F: FnOnce(&T) -> &U,
    {
        OwnedRwLockReadGuard::new(this.guard.map_shared(f).downgrade())
    }

    /// Downgrades as [`downgrade_map`](Self::downgrade_map) does, if `f` returns a part. Otherwise returns the guard.
    #[inline]
    pub fn try_downgrade_map<F, U: ?Sized>(this: Self, f: F) -> Result<OwnedRwLockReadGuard<T, U>, Self>
    where
        F: FnOnce(&T) -> Option<&U>,
    {
        let guard = this.guard.try_map_shared(f).map_err(Self::new)?;
        Ok(OwnedRwLockReadGuard::new(guard.downgrade()))
    }

    /// Returns the lock.
    #[inline]
    pub fn rwlock(this: &Self) -> &Arc<RwLock<T>> {
        this.guard.owner()
    }
}

guard! {
    /// Holds a [`RwLock`] for writing until dropped, keeps it alive, and gives access to a part of its value. See
    /// [`OwnedRwLockWriteGuard::map`].
    OwnedRwLockMappedWriteGuard<T, => U>(Guard<Arc<RwLock<T>>, Writing, U>);
    /// Narrows the guard to a part of its part.
    map<F, V> -> OwnedRwLockMappedWriteGuard<T, V>;
}

impl<T: ?Sized, U: ?Sized> OwnedRwLockMappedWriteGuard<T, U> {
    /// Returns the lock.
    #[inline]
    pub fn rwlock(this: &Self) -> &Arc<RwLock<T>> {
        this.guard.owner()
    }
}
