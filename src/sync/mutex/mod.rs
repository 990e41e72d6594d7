//! The mutex.
//!
//! Always true: the value is reached only by who holds the lock beside it; who waits is tokio's own doing.
#![expect(unsafe_code, reason = "the guarded value lies beside the lock, not in it")]

mod guard;
mod owned_guard;

use std::cell::UnsafeCell;
use std::fmt;
use std::future::Future;
use std::ops::Deref;
use std::panic::Location;
use std::sync::Arc;

use tokio::sync::TryLockError;

use super::guard::{Guard, Lock, Locked, Locking};
use crate::engine::announce::ResourceId;

pub use guard::{MappedMutexGuard, MutexGuard};
pub use owned_guard::{OwnedMappedMutexGuard, OwnedMutexGuard};

/// A lock that a task may hold across an `.await`: tokio's own, which announces what is done to it.
///
/// Tasks get it in the order in which they ask for it. A panic while it is held lets go of it, and leaves no poison.
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
    lock: Lock,
    value: UnsafeCell<T>,
}

// SAFETY: the value goes to one thread at a time, to whoever holds the lock.
unsafe impl<T: ?Sized + Send> Sync for Mutex<T> {}

impl<T: ?Sized> Mutex<T> {
    /// A mutex that nobody holds.
    #[track_caller]
    pub fn new(t: T) -> Self
    where
        T: Sized,
    {
        Self { lock: Lock::new(ResourceId::new(), 1), value: UnsafeCell::new(t) }
    }

    /// The same at compile time, for a `static`.
    #[track_caller]
    pub const fn const_new(t: T) -> Self
    where
        T: Sized,
    {
        Self { lock: Lock::new(ResourceId::const_new(), 1), value: UnsafeCell::new(t) }
    }

    /// Waits until this task may have it.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a wait that is dropped loses its place in the queue, and nothing else.
    #[track_caller]
    pub fn lock(&self) -> impl Future<Output = MutexGuard<'_, T>> {
        self.lock.take::<Locking, _>(Location::caller(), move || MutexGuard::new(Self::guard(self)))
    }

    /// As [`lock`](Self::lock), with a guard that keeps the mutex alive.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe, as `lock` is.
    #[track_caller]
    pub fn lock_owned(self: Arc<Self>) -> impl Future<Output = OwnedMutexGuard<T>> {
        let at = Location::caller();
        async move {
            self.lock.take::<Locking, _>(at, || ()).await;
            OwnedMutexGuard::new(Self::guard(self))
        }
    }

    /// Takes it without waiting; outside of a run the thread may have to wait.
    ///
    /// # Panics
    /// In a run, if somebody holds it. Outside, in one of tokio's runtimes.
    #[track_caller]
    pub fn blocking_lock(&self) -> MutexGuard<'_, T> {
        self.lock.take_blocking::<Locking>("blocking_lock", "lock().await");
        MutexGuard::new(Self::guard(self))
    }

    /// As [`blocking_lock`](Self::blocking_lock), with a guard that keeps the mutex alive.
    ///
    /// # Panics
    /// As `blocking_lock` does.
    #[track_caller]
    pub fn blocking_lock_owned(self: Arc<Self>) -> OwnedMutexGuard<T> {
        self.lock.take_blocking::<Locking>("blocking_lock_owned", "lock_owned().await");
        OwnedMutexGuard::new(Self::guard(self))
    }

    /// Takes it if nobody holds it, nor is about to: one that was let go of belongs to who is first in the queue.
    #[track_caller]
    pub fn try_lock(&self) -> Result<MutexGuard<'_, T>, TryLockError> {
        self.lock.try_take::<Locking>(Location::caller())?;
        Ok(MutexGuard::new(Self::guard(self)))
    }

    /// As [`try_lock`](Self::try_lock), with a guard that keeps the mutex alive.
    #[track_caller]
    pub fn try_lock_owned(self: Arc<Self>) -> Result<OwnedMutexGuard<T>, TryLockError> {
        self.lock.try_take::<Locking>(Location::caller())?;
        Ok(OwnedMutexGuard::new(Self::guard(self)))
    }

    /// The value, which nobody else can reach: there is no need to lock it.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }

    /// Takes the mutex apart.
    pub fn into_inner(self) -> T
    where
        T: Sized,
    {
        self.value.into_inner()
    }

    /// A guard for who has just taken the lock.
    #[inline]
    fn guard<O: Deref<Target = Self>>(owner: O) -> Guard<O, Locking, T> {
        let value = owner.value.get();
        // SAFETY: the caller has taken the lock; the value is in the owner's target; the guards have a marker.
        unsafe { Guard::new(owner, value) }
    }
}

impl<T: ?Sized> Locked for Mutex<T> {
    #[inline]
    fn lock(&self) -> &Lock {
        &self.lock
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

/// To look at it this way is no operation.
impl<T: ?Sized + fmt::Debug> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Mutex");
        match self.lock.permits.inner.try_acquire() {
            // SAFETY: the lock is held as long as this arm.
            Ok(_taken) => shown.field("data", &unsafe { &*self.value.get() }),
            Err(_) => shown.field("data", &format_args!("<locked>")),
        };
        shown.finish()
    }
}
