//! The mutex and its guards.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::sync::Arc;

use tokio::sync::TryLockError;

use super::lock::{self, Guard, Guarded, Guarding, Lock, Locking, guard};
use crate::engine::announce::ResourceId;

/// A mutual-exclusion lock that a task may hold across an `.await`: tokio's mutex, announcing its operations.
///
/// Tasks acquire it in the order in which they ask for it. A panic while the lock is held releases it and does not
/// poison it.
///
/// ```
/// use std::rc::Rc;
/// use timeloop::sync::Mutex;
///
/// let sum = timeloop::run(1, || async {
///     let sum = Rc::new(Mutex::new(0));
///     let tasks: Vec<_> = (1..=4)
///         .map(|number| {
///             let sum = Rc::clone(&sum);
///             timeloop::spawn(async move { *sum.lock().await += number })
///         })
///         .collect();
///     for task in tasks {
///         task.await.unwrap();
///     }
///     *sum.lock().await
/// });
/// assert_eq!(sum.unwrap(), 10);
/// ```
pub struct Mutex<T: ?Sized> {
    guarded: Guarded<Locking, T>,
}

impl<T: ?Sized> Mutex<T> {
    /// Creates an unlocked mutex.
    #[track_caller]
    pub fn new(t: T) -> Self
    where
        T: Sized,
    {
        Self { guarded: Guarded::new(ResourceId::new(), 1, t) }
    }

    /// Creates a mutex at compile time, for a `static`.
    #[track_caller]
    pub const fn const_new(t: T) -> Self
    where
        T: Sized,
    {
        Self { guarded: Guarded::new(ResourceId::const_new(), 1, t) }
    }

    /// Locks the mutex, waiting while another task holds it.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: dropping the future only gives up its place in the queue.
    #[track_caller]
    pub fn lock(&self) -> impl Future<Output = MutexGuard<'_, T>> {
        lock::take(self, Location::caller(), MutexGuard::new)
    }

    /// Locks the mutex as [`lock`](Self::lock) does, and returns a guard that keeps the mutex alive.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe, as `lock` is.
    #[track_caller]
    pub fn lock_owned(self: Arc<Self>) -> impl Future<Output = OwnedMutexGuard<T>> {
        lock::take_owned(self, Location::caller(), OwnedMutexGuard::new)
    }

    /// Locks the mutex from synchronous code. Outside a run, blocks the thread until the mutex is free.
    ///
    /// # Panics
    /// In a task, unless it is in `spawn_blocking` or `block_in_place`. Outside a run, if called within a tokio runtime.
    #[track_caller]
    pub fn blocking_lock(&self) -> MutexGuard<'_, T> {
        MutexGuard::new(lock::take_blocking(self, "blocking_lock", "lock().await"))
    }

    /// Locks the mutex as [`blocking_lock`](Self::blocking_lock) does, and returns a guard that keeps the mutex alive.
    ///
    /// # Panics
    /// As `blocking_lock`.
    #[track_caller]
    pub fn blocking_lock_owned(self: Arc<Self>) -> OwnedMutexGuard<T> {
        OwnedMutexGuard::new(lock::take_blocking(self, "blocking_lock_owned", "lock_owned().await"))
    }

    /// Locks the mutex if it is free and no task waits for it. A released mutex belongs to the first task in the queue.
    #[track_caller]
    pub fn try_lock(&self) -> Result<MutexGuard<'_, T>, TryLockError> {
        lock::try_take(self, Location::caller()).map(MutexGuard::new)
    }

    /// Locks the mutex as [`try_lock`](Self::try_lock) does, and returns a guard that keeps the mutex alive.
    #[track_caller]
    pub fn try_lock_owned(self: Arc<Self>) -> Result<OwnedMutexGuard<T>, TryLockError> {
        lock::try_take(self, Location::caller()).map(OwnedMutexGuard::new)
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

impl<T: ?Sized> Guarding for Mutex<T> {
    type Weakest = Locking;
    type Value = T;

    #[inline]
    fn guarded(&self) -> &Guarded<Locking, T> {
        &self.guarded
    }
}

impl<T> From<T> for Mutex<T> {
    #[track_caller]
    fn from(t: T) -> Self {
        Self::new(t)
    }
}

impl<T: Default> Default for Mutex<T> {
    #[track_caller]
    fn default() -> Self {
        Self::new(T::default())
    }
}

/// Formatting is not recorded as an operation.
impl<T: ?Sized + fmt::Debug> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.guarded.fmt("Mutex", f)
    }
}

guard! {
    /// Holds a [`Mutex`] until dropped, and gives access to its value.
    #[must_use = "if unused the Mutex will immediately unlock"]
    MutexGuard<'a, => T>(Guard<&'a Mutex<T>, Locking, T>);
    /// Narrows the guard to a part of the value. The whole value stays locked.
    map<V, F> -> MappedMutexGuard<'a, V>;
}

impl<'a, T: ?Sized> MutexGuard<'a, T> {
    /// Returns the mutex.
    #[inline]
    pub fn mutex(this: &Self) -> &'a Mutex<T> {
        this.guard.owner()
    }
}

guard! {
    /// Holds a [`Mutex`] until dropped, and gives access to a part of its value. See [`MutexGuard::map`].
    #[must_use = "if unused the Mutex will immediately unlock"]
    MappedMutexGuard<'a, => T>(Guard<&'a Lock, Locking, T>);
    /// Narrows the guard to a part of its part.
    map<V, F> -> MappedMutexGuard<'a, V>;
}

guard! {
    /// Holds a [`Mutex`] until dropped, keeps it alive, and gives access to its value.
    OwnedMutexGuard< => T>(Guard<Arc<Mutex<T>>, Locking, T>);
    /// Narrows the guard to a part of the value. The whole value stays locked.
    map<V, F> -> OwnedMappedMutexGuard<T, V>;
}

impl<T: ?Sized> OwnedMutexGuard<T> {
    /// Returns the mutex.
    #[inline]
    pub fn mutex(this: &Self) -> &Arc<Mutex<T>> {
        this.guard.owner()
    }
}

guard! {
    /// Holds a [`Mutex`] until dropped, keeps it alive, and gives access to a part of its value. See
    /// [`OwnedMutexGuard::map`].
    #[must_use = "if unused the Mutex will immediately unlock"]
    OwnedMappedMutexGuard<T, => U>(Guard<Arc<Mutex<T>>, Locking, U>);
    /// Narrows the guard to a part of its part.
    map<V, F> -> OwnedMappedMutexGuard<T, V>;
}
