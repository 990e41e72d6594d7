//! The mutex.
//!
//! Always true: the value is reached only by who holds tokio's lock beside it; who waits is tokio's own doing.
#![expect(unsafe_code, reason = "the guarded value lies beside the lock, not in it")]

mod guard;
mod owned_guard;

use std::cell::UnsafeCell;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::ptr;
use std::sync::Arc;

use timeloop_sim::Access;
use tokio::sync::{Mutex as Lock, MutexGuard as Locked, TryLockError};

use super::announcing::{Held, Named, inside_run, queue, would_wait};
use super::guard::{Guard, Unborrow};
use crate::engine::announce::ResourceId;

pub use guard::{MappedMutexGuard, MutexGuard};
pub use owned_guard::{OwnedMappedMutexGuard, OwnedMutexGuard};

/// What reports call it.
const NAME: &str = <Locked<'static, ()> as Named>::NAME;

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
    id: ResourceId,
    lock: Lock<()>,
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
        Self { id: ResourceId::new(), lock: Lock::new(()), value: UnsafeCell::new(t) }
    }

    /// The same at compile time, for a `static`.
    #[track_caller]
    pub const fn const_new(t: T) -> Self
    where
        T: Sized,
    {
        Self { id: ResourceId::const_new(), lock: Lock::const_new(()), value: UnsafeCell::new(t) }
    }

    /// Waits until this task may have it.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a wait that is dropped loses its place in the queue, and nothing else.
    #[track_caller]
    pub fn lock(&self) -> impl Future<Output = MutexGuard<'_, T>> {
        let at = Location::caller();
        async move {
            let locked = queue!(&self.id, NAME, Access::Acquire, at, self.lock.lock());
            MutexGuard::new(self.guard(locked, at))
        }
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
            let locked = queue!(&self.id, NAME, Access::Acquire, at, self.lock.lock());
            // SAFETY: the guard owns the mutex.
            let locked = unsafe { locked.unborrow() };
            OwnedMutexGuard::new(self.owned_guard(locked, at))
        }
    }

    /// Takes it without waiting; outside of a run the thread may have to wait.
    ///
    /// # Panics
    /// In a run, if somebody holds it. Outside, in one of tokio's runtimes.
    #[track_caller]
    pub fn blocking_lock(&self) -> MutexGuard<'_, T> {
        let at = Location::caller();
        let locked = self.acquire_blocking("blocking_lock", "lock().await", at);
        MutexGuard::new(self.guard(locked, at))
    }

    /// As [`blocking_lock`](Self::blocking_lock), with a guard that keeps the mutex alive.
    ///
    /// # Panics
    /// As `blocking_lock` does.
    #[track_caller]
    pub fn blocking_lock_owned(self: Arc<Self>) -> OwnedMutexGuard<T> {
        let at = Location::caller();
        let locked = self.acquire_blocking("blocking_lock_owned", "lock_owned().await", at);
        // SAFETY: the guard owns the mutex.
        let locked = unsafe { locked.unborrow() };
        OwnedMutexGuard::new(self.owned_guard(locked, at))
    }

    /// Takes it if nobody holds it, nor is about to: one that was let go of belongs to who is first in the queue.
    #[track_caller]
    pub fn try_lock(&self) -> Result<MutexGuard<'_, T>, TryLockError> {
        let at = Location::caller();
        let locked = self.try_acquire(at)?;
        Ok(MutexGuard::new(self.guard(locked, at)))
    }

    /// As [`try_lock`](Self::try_lock), with a guard that keeps the mutex alive.
    #[track_caller]
    pub fn try_lock_owned(self: Arc<Self>) -> Result<OwnedMutexGuard<T>, TryLockError> {
        let at = Location::caller();
        let locked = self.try_acquire(at)?;
        // SAFETY: the guard owns the mutex.
        let locked = unsafe { locked.unborrow() };
        Ok(OwnedMutexGuard::new(self.owned_guard(locked, at)))
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

    #[inline]
    fn try_acquire(&self, at: &'static Location<'static>) -> Result<Locked<'_, ()>, TryLockError> {
        self.id.touch(NAME, Access::Acquire, Some(at));
        self.lock.try_lock()
    }

    #[track_caller]
    fn acquire_blocking(
        &self,
        method: &str,
        instead: &str,
        at: &'static Location<'static>,
    ) -> Locked<'_, ()> {
        if inside_run() {
            self.try_acquire(at).unwrap_or_else(|_| would_wait(method, "a lock that is held", instead))
        } else {
            self.lock.blocking_lock()
        }
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
        match self.lock.try_lock() {
            // SAFETY: the lock is held as long as this arm.
            Ok(_locked) => shown.field("data", &unsafe { &*self.value.get() }),
            Err(_) => shown.field("data", &format_args!("<locked>")),
        };
        shown.finish()
    }
}
