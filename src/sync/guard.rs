//! What all locks and their guards are made of: permits, and the place of the value that they guard.
//!
//! A lock of this room is tokio's own semaphore with the value beside it, which is what tokio's locks are. So whoever
//! waits, who is next and what a cancelled wait leaves behind is tokio's own doing, while a guard can be made over a part of
//! the value, and a guard that owns its lock can keep that alive.
//!
//! Always true: the value of a guard is reached only while the permits of its lock are held; a guard is dropped in the
//! order release announced, permits given back, owner let go of.
#![expect(unsafe_code, reason = "the guarded value lies beside the lock, not in it")]

use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::panic::Location;
use std::ptr::{self, NonNull};

use timeloop_sim::Access;
use tokio::sync::{Mutex as TokioMutex, TryLockError};

use super::permits::{Permits, Way};
use crate::engine::announce::ResourceId;

/// A lock without its value.
pub(super) struct Lock {
    pub(super) permits: Permits,
    /// How many permits there are.
    all: u32,
}

/// How a lock is held: by all permits, or by one.
pub(super) trait Hold: Way {
    /// Whether nobody else holds it at the same time.
    const IS_ALONE: bool;
}

/// The way to hold a mutex.
pub(super) struct Locking;
/// The way to hold a lock for reading.
pub(super) struct Reading;
/// The way to hold a lock for writing.
pub(super) struct Writing;

impl Way for Locking {
    const NAME: &'static str = "mutex";
    const ACCESS: Access = Access::Acquire;
}
impl Way for Reading {
    const NAME: &'static str = "rwlock";
    const ACCESS: Access = Access::Read;
}
impl Way for Writing {
    const NAME: &'static str = "rwlock";
    const ACCESS: Access = Access::Acquire;
}

impl Hold for Locking {
    const IS_ALONE: bool = true;
}
impl Hold for Reading {
    const IS_ALONE: bool = false;
}
impl Hold for Writing {
    const IS_ALONE: bool = true;
}

/// To hold a lock while nobody else does.
///
/// # Safety
/// It is held by all permits.
pub(super) unsafe trait Alone: Hold {}
// SAFETY: `IS_ALONE`.
unsafe impl Alone for Locking {}
// SAFETY: `IS_ALONE`.
unsafe impl Alone for Writing {}

impl Lock {
    /// A lock that as many may share.
    pub(super) const fn new(id: ResourceId, all: u32) -> Self {
        Self { permits: Permits::new(id, all as usize), all }
    }

    /// How many permits it takes to hold it.
    #[inline]
    fn needs<W: Hold>(&self) -> u32 {
        if W::IS_ALONE { self.all } else { 1 }
    }

    /// Waits until this task may hold it; then gives what `then` makes.
    #[inline]
    pub(super) fn take<W: Hold, T>(
        &self,
        at: &'static Location<'static>,
        then: impl Fn() -> T,
    ) -> impl Future<Output = T> {
        let then = move |taken: Result<(), _>| {
            taken.expect("a lock is never closed");
            then()
        };
        self.permits.take::<W, _>(self.needs::<W>(), at, then)
    }

    /// Takes it if it is free, and nobody waits for it.
    #[inline]
    pub(super) fn try_take<W: Hold>(&self, at: &'static Location<'static>) -> Result<(), TryLockError> {
        self.permits.try_take::<W>(self.needs::<W>(), at).map_err(|_| held())
    }

    /// Takes it without waiting; outside of a run the thread may have to wait.
    ///
    /// # Panics
    /// In a run, if it is not free. Outside, in one of tokio's runtimes.
    #[track_caller]
    pub(super) fn take_blocking<W: Hold>(&self, method: &str, instead: &str) {
        let words = [method, "a lock that is held", instead];
        let taken = self.permits.take_blocking::<W>(self.needs::<W>(), Location::caller(), words);
        taken.expect("a lock is never closed");
    }
}

/// The error of who finds a lock held: nobody can make one but tokio.
#[cold]
fn held() -> TryLockError {
    let lock = TokioMutex::const_new(());
    let _held = lock.try_lock();
    lock.try_lock().expect_err("it is held")
}

/// What has a lock in it.
pub(super) trait Locked {
    /// The lock.
    fn lock(&self) -> &Lock;
}

impl Locked for Lock {
    #[inline]
    fn lock(&self) -> &Lock {
        self
    }
}

/// A lock that is held the way `W`, the value `T` that it guards, and what the two are borrowed from or kept alive by.
// Two words, so that it comes and goes in registers: guards are moved about, and every move costs.
pub(super) struct Guard<O: Deref<Target: Locked>, W: Hold, T: ?Sized> {
    owner: O,
    value: Place<T>,
    way: PhantomData<fn() -> W>,
}

/// Where a guarded value lies.
struct Place<T: ?Sized>(NonNull<T>);

impl<T: ?Sized> Clone for Place<T> {
    #[inline]
    fn clone(&self) -> Self {
        *self
    }
}
impl<T: ?Sized> Copy for Place<T> {}

// SAFETY: a place alone gives no access. Every guard has a field of the type `PhantomData<the same guard of tokio's>`,
// which decides for the guard as a whole.
unsafe impl<T: ?Sized> Send for Place<T> {}
// SAFETY: as above.
unsafe impl<T: ?Sized> Sync for Place<T> {}

impl<O: Deref<Target: Locked>, W: Hold, T: ?Sized> Guard<O, W, T> {
    /// # Safety
    /// The lock of `owner` has been taken, the way `W`; `value` is valid for as long as `owner` lives, and reached only by
    /// who holds the same lock; the type that holds this guard has the auto traits of tokio's.
    #[inline]
    pub(super) unsafe fn new(owner: O, value: *mut T) -> Self {
        let value = Place(NonNull::new(value).expect("a value has a place"));
        Self { owner, value, way: PhantomData }
    }

    #[inline]
    pub(super) fn get(&self) -> &T {
        // SAFETY: the lock is held, and the caller of `new` has promised the rest.
        unsafe { self.value.0.as_ref() }
    }

    /// A guard of a part of what this one guards, for reading.
    #[inline]
    pub(super) fn map_shared<U: ?Sized>(self, f: impl FnOnce(&T) -> &U) -> Guard<O, W, U> {
        let value = Place(NonNull::from(f(self.get())));
        self.with(value)
    }

    /// The same, if there is such a part.
    #[inline]
    pub(super) fn try_map_shared<U: ?Sized>(
        self,
        f: impl FnOnce(&T) -> Option<&U>,
    ) -> Result<Guard<O, W, U>, Self> {
        match f(self.get()).map(NonNull::from) {
            Some(value) => Ok(self.with(Place(value))),
            None => Err(self),
        }
    }

    /// What the guard keeps alive, or borrows from.
    #[inline]
    pub(super) fn owner(&self) -> &O {
        &self.owner
    }

    #[inline]
    fn with<U: ?Sized>(self, value: Place<U>) -> Guard<O, W, U> {
        Guard { owner: self.into_owner(), value, way: PhantomData }
    }

    /// The owner, with the lock as it is: held by nobody any more who would give it back.
    #[inline]
    fn into_owner(self) -> O {
        let this = ManuallyDrop::new(self);
        // SAFETY: the guard is not dropped, so that its owner is taken out once.
        unsafe { ptr::read(&this.owner) }
    }
}

impl<O: Deref<Target: Locked>, W: Hold, T: ?Sized> Drop for Guard<O, W, T> {
    #[inline]
    fn drop(&mut self) {
        let lock = self.owner.lock();
        lock.permits.give_back::<W>(lock.needs::<W>() as usize);
    }
}

impl<'a, L: Locked + ?Sized, W: Hold, T: ?Sized> Guard<&'a L, W, T> {
    /// The same guard, which has forgotten what it borrows from but for the lock.
    #[inline]
    pub(super) fn forgetful(self) -> Guard<&'a Lock, W, T> {
        let value = self.value;
        Guard { owner: self.into_owner().lock(), value, way: PhantomData }
    }
}

impl<O: Deref<Target: Locked>, T: ?Sized> Guard<O, Writing, T> {
    /// Makes a reader of a writer: others may read from now on, an operation.
    #[inline]
    pub(super) fn downgrade(self) -> Guard<O, Reading, T> {
        let value = self.value;
        let owner = self.into_owner();
        let lock = owner.lock();
        lock.permits.id.touch(Writing::NAME, Access::Release, None);
        lock.permits.inner.add_permits(lock.all as usize - 1);
        Guard { owner, value, way: PhantomData }
    }
}

impl<O: Deref<Target: Locked>, W: Alone, T: ?Sized> Guard<O, W, T> {
    #[inline]
    pub(super) fn get_mut(&mut self) -> &mut T {
        // SAFETY: the lock is held, by nobody else; this borrows the only guard that there is.
        unsafe { self.value.0.as_mut() }
    }

    /// A guard of a part of what this one guards.
    #[inline]
    pub(super) fn map<U: ?Sized>(mut self, f: impl FnOnce(&mut T) -> &mut U) -> Guard<O, W, U> {
        let value = Place(NonNull::from(f(self.get_mut())));
        self.with(value)
    }

    /// The same, if there is such a part.
    #[inline]
    pub(super) fn try_map<U: ?Sized>(
        mut self,
        f: impl FnOnce(&mut T) -> Option<&mut U>,
    ) -> Result<Guard<O, W, U>, Self> {
        match f(self.get_mut()).map(NonNull::from) {
            Some(value) => Ok(self.with(Place(value))),
            None => Err(self),
        }
    }
}

/// What every guard can do: show itself as the value that it guards.
macro_rules! shows_value {
    ($guard:ident<$($lifetime:lifetime,)? $($other:ident,)* => $value:ident>) => {
        impl<$($lifetime,)? $($other: ?Sized,)* $value: ?Sized> std::ops::Deref
            for $guard<$($lifetime,)? $($other,)* $value>
        {
            type Target = $value;

            #[inline]
            fn deref(&self) -> &$value {
                self.guard.get()
            }
        }

        impl<$($lifetime,)? $($other: ?Sized,)* $value: ?Sized + std::fmt::Debug> std::fmt::Debug
            for $guard<$($lifetime,)? $($other,)* $value>
        {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                (**self).fmt(f)
            }
        }

        impl<$($lifetime,)? $($other: ?Sized,)* $value: ?Sized + std::fmt::Display> std::fmt::Display
            for $guard<$($lifetime,)? $($other,)* $value>
        {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                (**self).fmt(f)
            }
        }
    };
}

/// The same, and gives the value to be changed.
macro_rules! shows_value_mut {
    ($guard:ident<$($lifetime:lifetime,)? $($other:ident,)* => $value:ident>) => {
        $crate::sync::guard::shows_value!($guard<$($lifetime,)? $($other,)* => $value>);

        impl<$($lifetime,)? $($other: ?Sized,)* $value: ?Sized> std::ops::DerefMut
            for $guard<$($lifetime,)? $($other,)* $value>
        {
            #[inline]
            fn deref_mut(&mut self) -> &mut $value {
                self.guard.get_mut()
            }
        }
    };
}

pub(super) use {shows_value, shows_value_mut};
