//! Locks and their guards: a [`Guarded`] is a lock with its value, and a [`Guard`] gives access to the value.
//!
//! A lock is tokio's semaphore with the value beside it, which is how tokio builds its locks. tokio decides which task
//! waits, which is next, and what a cancelled wait leaves behind. A guard can cover a part of the value, and a guard
//! that owns its lock keeps the lock alive.
//!
//! # Invariants
//! - The value is reached only through a guard, and a guard exists only while it holds the lock's permits.
//! - Dropping a guard happens in this order: record the release, return the permits, drop the owner.
#![expect(unsafe_code, reason = "the guarded value lies beside the permits, not in them")]

use std::cell::UnsafeCell;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::panic::Location;
use std::ptr::{self, NonNull};

use timeloop_sim::Access;
use tokio::sync::{Mutex as TokioMutex, TryLockError};

use super::permits::{AcquireKind, Permits};
use crate::engine::announce::ResourceId;

/// A lock without its value.
pub(super) struct Lock {
    permits: Permits,
    /// The total number of permits.
    all: u32,
}

/// A mode in which a lock is held: with all permits, or with one.
pub(super) trait LockMode: AcquireKind {
    /// Whether the holder excludes all other holders.
    const IS_EXCLUSIVE: bool;
}

/// Holds a mutex.
pub(super) struct Locking;
/// Holds a read-write lock for reading.
pub(super) struct Reading;
/// Holds a read-write lock for writing.
pub(super) struct Writing;

impl AcquireKind for Locking {
    const NAME: &'static str = "mutex";
    const ACCESS: Access = Access::Acquire;
}
impl AcquireKind for Reading {
    const NAME: &'static str = "rwlock";
    const ACCESS: Access = Access::Read;
}
impl AcquireKind for Writing {
    const NAME: &'static str = "rwlock";
    const ACCESS: Access = Access::Acquire;
}

impl LockMode for Locking {
    const IS_EXCLUSIVE: bool = true;
}
impl LockMode for Reading {
    const IS_EXCLUSIVE: bool = false;
}
impl LockMode for Writing {
    const IS_EXCLUSIVE: bool = true;
}

/// A mode that excludes all other holders.
///
/// # Safety
/// The mode takes all permits.
pub(super) unsafe trait Exclusive: LockMode {}
// SAFETY: `IS_EXCLUSIVE`.
unsafe impl Exclusive for Locking {}
// SAFETY: `IS_EXCLUSIVE`.
unsafe impl Exclusive for Writing {}

impl Lock {
    /// Returns the number of permits that this mode takes.
    #[inline]
    fn needs<W: LockMode>(&self) -> u32 {
        if W::IS_EXCLUSIVE { self.all } else { 1 }
    }
}

/// Returns the error for a lock that is held. Only tokio can construct it.
#[cold]
fn held() -> TryLockError {
    let lock = TokioMutex::const_new(());
    let _held = lock.try_lock();
    lock.try_lock().expect_err("it is held")
}

/// A lock with the value that it guards. `W` is the weakest mode in which it can be held.
pub(super) struct Guarded<W: LockMode, T: ?Sized> {
    lock: Lock,
    weakest: PhantomData<fn() -> W>,
    value: UnsafeCell<T>,
}

// SAFETY: only the holder of the lock reaches the value, so one thread at a time does.
unsafe impl<T: ?Sized + Send> Sync for Guarded<Locking, T> {}
// SAFETY: under the lock, either one thread may change the value, or several may read it.
unsafe impl<T: ?Sized + Send + Sync> Sync for Guarded<Reading, T> {}

impl<W: LockMode, T> Guarded<W, T> {
    /// Creates a lock with `all` permits: the maximum number of simultaneous holders.
    pub(super) const fn new(id: ResourceId, all: u32, value: T) -> Self {
        let lock = Lock { permits: Permits::new(id, all as usize), all };
        Self { lock, weakest: PhantomData, value: UnsafeCell::new(value) }
    }

    /// Returns the value.
    pub(super) fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<W: LockMode, T: ?Sized> Guarded<W, T> {
    /// Returns the value without locking: the exclusive borrow rules out other holders.
    pub(super) fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }

    /// Formats the value as tokio does: `<locked>` if the value cannot be read now.
    pub(super) fn fmt(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result
    where
        T: fmt::Debug,
    {
        let mut shown = f.debug_struct(name);
        match self.lock.permits.inner.try_acquire() {
            // SAFETY: this arm holds the lock in its weakest mode, which is enough to read.
            Ok(_taken) => shown.field("data", &unsafe { &*self.value.get() }),
            Err(_) => shown.field("data", &format_args!("<locked>")),
        };
        shown.finish()
    }
}

/// A type that contains a lock.
pub(super) trait Locked {
    /// Returns the lock. Every call returns the same one.
    fn lock(&self) -> &Lock;
}

/// A type that consists of a lock and its value.
pub(super) trait Guarding {
    type Weakest: LockMode;
    type Value: ?Sized;

    /// Returns the lock and its value. Every call returns the same ones.
    fn guarded(&self) -> &Guarded<Self::Weakest, Self::Value>;
}

impl Locked for Lock {
    #[inline]
    fn lock(&self) -> &Lock {
        self
    }
}

impl<L: Guarding + ?Sized> Locked for L {
    #[inline]
    fn lock(&self) -> &Lock {
        &self.guarded().lock
    }
}

/// Waits for the lock, then returns `then(guard)`.
#[inline]
pub(super) fn take<'a, L, W, G>(
    owner: &'a L,
    at: &'static Location<'static>,
    then: impl Fn(Guard<&'a L, W, L::Value>) -> G,
) -> impl Future<Output = G>
where
    L: Guarding + ?Sized,
    W: LockMode,
{
    let lock = owner.lock();
    let guard = move |taken: Result<(), _>| {
        taken.expect("a lock is never closed");
        // SAFETY: the lock has just been taken.
        then(unsafe { Guard::new(owner) })
    };
    lock.permits.take::<W, _>(lock.needs::<W>(), at, guard)
}

/// Waits as [`take`] does, and returns a guard that keeps the lock alive.
#[inline]
pub(super) async fn take_owned<O, W, G>(
    owner: O,
    at: &'static Location<'static>,
    then: impl Fn(Guard<O, W, <O::Target as Guarding>::Value>) -> G,
) -> G
where
    O: Deref<Target: Guarding>,
    W: LockMode,
{
    let lock = owner.lock();
    lock.permits.take::<W, _>(lock.needs::<W>(), at, |taken| taken).await.expect("a lock is never closed");
    // SAFETY: the lock has just been taken.
    then(unsafe { Guard::new(owner) })
}

/// Takes the lock if it is free and no task waits for it.
#[inline]
pub(super) fn try_take<O, W>(
    owner: O,
    at: &'static Location<'static>,
) -> Result<Guard<O, W, <O::Target as Guarding>::Value>, TryLockError>
where
    O: Deref<Target: Guarding>,
    W: LockMode,
{
    let lock = owner.lock();
    lock.permits.try_take::<W>(lock.needs::<W>(), at).map_err(|_| held())?;
    // SAFETY: the lock has just been taken.
    Ok(unsafe { Guard::new(owner) })
}

/// Takes the lock from synchronous code. Outside a run, blocks the thread until the lock is free.
///
/// # Panics
/// In a task, unless it is in `spawn_blocking` or `block_in_place`. Outside a run, if called within a tokio runtime.
#[track_caller]
pub(super) fn take_blocking<O, W>(
    owner: O,
    method: &str,
    instead: &str,
) -> Guard<O, W, <O::Target as Guarding>::Value>
where
    O: Deref<Target: Guarding>,
    W: LockMode,
{
    let words = [method, "a lock that is held", instead];
    let lock = owner.lock();
    let taken = lock.permits.take_blocking::<W>(lock.needs::<W>(), Location::caller(), words);
    taken.expect("a lock is never closed");
    // SAFETY: the lock has just been taken.
    unsafe { Guard::new(owner) }
}

/// A lock held in mode `W`, with access to a value `T`. The owner is what the lock is borrowed from or kept alive by.
pub(super) struct Guard<O: Deref<Target: Locked>, W: LockMode, T: ?Sized> {
    owner: O,
    value: ValuePtr<T>,
    mode: PhantomData<fn() -> W>,
}

/// A pointer to a guarded value.
struct ValuePtr<T: ?Sized>(NonNull<T>);

impl<T: ?Sized> Clone for ValuePtr<T> {
    #[inline]
    fn clone(&self) -> Self {
        *self
    }
}
impl<T: ?Sized> Copy for ValuePtr<T> {}

// SAFETY: a place alone gives no access. Every guard that `guard!` defines has a field of the type
// `PhantomData<the same guard of tokio's>`, which decides for the guard as a whole.
unsafe impl<T: ?Sized> Send for ValuePtr<T> {}
// SAFETY: as above.
unsafe impl<T: ?Sized> Sync for ValuePtr<T> {}

impl<O: Deref<Target: Guarding>, W: LockMode> Guard<O, W, <O::Target as Guarding>::Value> {
    /// Creates a guard of the whole value.
    ///
    /// # Safety
    /// The caller has taken the lock of `owner` in mode `W`.
    #[inline]
    unsafe fn new(owner: O) -> Self {
        let value =
            ValuePtr(NonNull::new(owner.guarded().value.get()).expect("a cell is never at address zero"));
        Self { owner, value, mode: PhantomData }
    }
}

impl<O: Deref<Target: Locked>, W: LockMode, T: ?Sized> Guard<O, W, T> {
    #[inline]
    pub(super) fn get(&self) -> &T {
        // SAFETY: the lock is held, and the owner keeps the value in place.
        unsafe { self.value.0.as_ref() }
    }

    /// Narrows the guard to a part of its value, for reading.
    #[inline]
    pub(super) fn map_shared<U: ?Sized>(self, f: impl FnOnce(&T) -> &U) -> Guard<O, W, U> {
        let value = ValuePtr(NonNull::from(f(self.get())));
        self.with(value)
    }

    /// Narrows the guard to a part of its value, for reading, if `f` returns one. Otherwise returns the guard.
    #[inline]
    pub(super) fn try_map_shared<U: ?Sized>(
        self,
        f: impl FnOnce(&T) -> Option<&U>,
    ) -> Result<Guard<O, W, U>, Self> {
        match f(self.get()).map(NonNull::from) {
            Some(value) => Ok(self.with(ValuePtr(value))),
            None => Err(self),
        }
    }

    /// Returns what the guard borrows the lock from or keeps it alive by.
    #[inline]
    pub(super) fn owner(&self) -> &O {
        &self.owner
    }

    #[inline]
    fn with<U: ?Sized>(self, value: ValuePtr<U>) -> Guard<O, W, U> {
        Guard { owner: self.into_owner(), value, mode: PhantomData }
    }

    /// Returns the owner without releasing the lock.
    #[inline]
    fn into_owner(self) -> O {
        let this = ManuallyDrop::new(self);
        // SAFETY: the guard is not dropped, so the owner is moved out only once.
        unsafe { ptr::read(&this.owner) }
    }
}

impl<O: Deref<Target: Locked>, W: LockMode, T: ?Sized> Drop for Guard<O, W, T> {
    #[inline]
    fn drop(&mut self) {
        let lock = self.owner.lock();
        lock.permits.release::<W>(lock.needs::<W>() as usize);
    }
}

/// Erases the type of the lock: a guard of a part of the value keeps only the permits.
impl<'a, L: Guarding + ?Sized, W: LockMode, T: ?Sized> From<Guard<&'a L, W, T>> for Guard<&'a Lock, W, T> {
    #[inline]
    fn from(guard: Guard<&'a L, W, T>) -> Self {
        let value = guard.value;
        Self { owner: guard.into_owner().lock(), value, mode: PhantomData }
    }
}

impl<O: Deref<Target: Locked>, T: ?Sized> Guard<O, Writing, T> {
    /// Turns a write guard into a read guard, and records the release that admits other readers.
    #[inline]
    pub(super) fn downgrade(self) -> Guard<O, Reading, T> {
        let value = self.value;
        let owner = self.into_owner();
        let lock = owner.lock();
        lock.permits.id.touch(Writing::NAME, Access::Release, None);
        lock.permits.id.forgotten(lock.all as usize - 1);
        lock.permits.inner.add_permits(lock.all as usize - 1);
        Guard { owner, value, mode: PhantomData }
    }
}

impl<O: Deref<Target: Locked>, W: Exclusive, T: ?Sized> Guard<O, W, T> {
    #[inline]
    pub(super) fn get_mut(&mut self) -> &mut T {
        // SAFETY: this is the only holder of the lock, and `self` is its only guard.
        unsafe { self.value.0.as_mut() }
    }

    /// Narrows the guard to a part of its value.
    #[inline]
    pub(super) fn map<U: ?Sized>(mut self, f: impl FnOnce(&mut T) -> &mut U) -> Guard<O, W, U> {
        let value = ValuePtr(NonNull::from(f(self.get_mut())));
        self.with(value)
    }

    /// Narrows the guard to a part of its value, if `f` returns one. Otherwise returns the guard.
    #[inline]
    pub(super) fn try_map<U: ?Sized>(
        mut self,
        f: impl FnOnce(&mut T) -> Option<&mut U>,
    ) -> Result<Guard<O, W, U>, Self> {
        match f(self.get_mut()).map(NonNull::from) {
            Some(value) => Ok(self.with(ValuePtr(value))),
            None => Err(self),
        }
    }
}

/// Defines a guard with the name and the auto traits of tokio's guard. It formats as the guarded value.
///
/// The last line defines the methods `map` and `try_map` with their parameters in tokio's order. Write `map` for a
/// guard that gives mutable access, and `map_shared` for a read guard.
macro_rules! guard {
    (
        $(#[$attribute:meta])*
        $guard:ident<$($lifetime:lifetime,)? $($of:ident,)? => $value:ident>($inner:ty);
        $(#[$map_doc:meta])*
        $map:ident<$($parameter:ident),+> -> $mapped:ty;
    ) => {
        $(#[$attribute])*
        #[clippy::has_significant_drop]
        pub struct $guard<$($lifetime,)? $($of: ?Sized,)? $value: ?Sized $(= $of)?> {
            guard: $inner,
            auto_traits: std::marker::PhantomData<tokio::sync::$guard<$($lifetime,)? $($of,)? $value>>,
        }

        impl<$($lifetime,)? $($of: ?Sized,)? $value: ?Sized> $guard<$($lifetime,)? $($of,)? $value> {
            #[inline]
            fn new(guard: $inner) -> Self {
                Self { guard, auto_traits: std::marker::PhantomData }
            }
        }

        impl<$($lifetime,)? $($of: ?Sized,)? $value: ?Sized> std::ops::Deref
            for $guard<$($lifetime,)? $($of,)? $value>
        {
            type Target = $value;

            #[inline]
            fn deref(&self) -> &$value {
                self.guard.get()
            }
        }

        impl<$($lifetime,)? $($of: ?Sized,)? $value: ?Sized + std::fmt::Debug> std::fmt::Debug
            for $guard<$($lifetime,)? $($of,)? $value>
        {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                (**self).fmt(f)
            }
        }

        impl<$($lifetime,)? $($of: ?Sized,)? $value: ?Sized + std::fmt::Display> std::fmt::Display
            for $guard<$($lifetime,)? $($of,)? $value>
        {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                (**self).fmt(f)
            }
        }

        $crate::sync::lock::guard! {
            @$map [$($lifetime,)? $($of: ?Sized,)? $value: ?Sized] [$guard<$($lifetime,)? $($of,)? $value>] $value
            [$(#[$map_doc])*] <$($parameter),+> -> $mapped
        }
    };
    (
        @map [$($generics:tt)*] [$($guard:tt)*] $value:ident
        [$($map_doc:tt)*] <$($parameter:ident),+> -> $mapped:ty
    ) => {
        impl<$($generics)*> std::ops::DerefMut for $($guard)* {
            #[inline]
            fn deref_mut(&mut self) -> &mut $value {
                self.guard.get_mut()
            }
        }

        impl<$($generics)*> $($guard)* {
            $($map_doc)*
            #[inline]
            pub fn map<$($parameter),+>(this: Self, f: F) -> $mapped
            where
                F: FnOnce(&mut $value) -> &mut V,
                V: ?Sized,
            {
                <$mapped>::new(this.guard.map(f).into())
            }

            /// Narrows the guard as [`map`](Self::map) does, if `f` returns a part. Otherwise returns the guard.
            #[inline]
            pub fn try_map<$($parameter),+>(this: Self, f: F) -> Result<$mapped, Self>
            where
                F: FnOnce(&mut $value) -> Option<&mut V>,
                V: ?Sized,
            {
                this.guard.try_map(f).map(|guard| <$mapped>::new(guard.into())).map_err(Self::new)
            }
        }
    };
    (
        @map_shared [$($generics:tt)*] [$($guard:tt)*] $value:ident
        [$($map_doc:tt)*] <$($parameter:ident),+> -> $mapped:ty
    ) => {
        impl<$($generics)*> $($guard)* {
            $($map_doc)*
            #[inline]
            pub fn map<$($parameter),+>(this: Self, f: F) -> $mapped
            where
                F: FnOnce(&$value) -> &V,
                V: ?Sized,
            {
                <$mapped>::new(this.guard.map_shared(f))
            }

            /// Narrows the guard as [`map`](Self::map) does, if `f` returns a part. Otherwise returns the guard.
            #[inline]
            pub fn try_map<$($parameter),+>(this: Self, f: F) -> Result<$mapped, Self>
            where
                F: FnOnce(&$value) -> Option<&V>,
                V: ?Sized,
            {
                this.guard.try_map_shared(f).map(<$mapped>::new).map_err(Self::new)
            }
        }
    };
}

pub(super) use guard;
