//! What all locks and their guards are made of: permits, and the value that they guard.
//!
//! A lock is tokio's own semaphore with the value beside it, which is what tokio's locks are. So tokio decides who waits,
//! who is next and what a cancelled wait leaves behind, while a guard can be made over a part of the value, and a guard
//! that owns its lock can keep that alive. The main types are [`Guarded`], a lock with its value, and [`Guard`].
//!
//! # Invariants
//! - The value is reached only by a guard, and a guard exists only while its lock's permits are held.
//! - A guard is dropped in this order: release recorded, permits given back, owner dropped.
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

use super::permits::{Permits, Way};
use crate::engine::announce::ResourceId;

/// A lock without its value.
pub(super) struct Lock {
    permits: Permits,
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
    /// How many permits it takes to hold it.
    #[inline]
    fn needs<W: Hold>(&self) -> u32 {
        if W::IS_ALONE { self.all } else { 1 }
    }
}

/// The error of who finds a lock held: nobody can make one but tokio.
#[cold]
fn held() -> TryLockError {
    let lock = TokioMutex::const_new(());
    let _held = lock.try_lock();
    lock.try_lock().expect_err("it is held")
}

/// A lock with the value that it guards; `W` is the weakest way to hold it.
// The value comes last, and nothing else depends on its type: so a lock of a value becomes one of a trait object.
pub(super) struct Guarded<W: Hold, T: ?Sized> {
    lock: Lock,
    weakest: PhantomData<fn() -> W>,
    value: UnsafeCell<T>,
}

// SAFETY: the value goes to one thread at a time, to the holder of the lock.
unsafe impl<T: ?Sized + Send> Sync for Guarded<Locking, T> {}
// SAFETY: the value goes to one thread at a time to be changed, or to several to be read, under the lock.
unsafe impl<T: ?Sized + Send + Sync> Sync for Guarded<Reading, T> {}

impl<W: Hold, T> Guarded<W, T> {
    /// Makes a lock that at most `all` may hold at a time.
    pub(super) const fn new(id: ResourceId, all: u32, value: T) -> Self {
        let lock = Lock { permits: Permits::new(id, all as usize), all };
        Self { lock, weakest: PhantomData, value: UnsafeCell::new(value) }
    }

    /// Takes the lock apart.
    pub(super) fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<W: Hold, T: ?Sized> Guarded<W, T> {
    /// Returns the value, which nobody else can reach: there is no need to hold the lock.
    pub(super) fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }

    /// Formats the value as tokio does, if nobody keeps it from being read.
    pub(super) fn fmt(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result
    where
        T: fmt::Debug,
    {
        let mut shown = f.debug_struct(name);
        match self.lock.permits.inner.try_acquire() {
            // SAFETY: the lock is held for as long as this arm takes, the weakest way, which is enough to read.
            Ok(_taken) => shown.field("data", &unsafe { &*self.value.get() }),
            Err(_) => shown.field("data", &format_args!("<locked>")),
        };
        shown.finish()
    }
}

/// A type that has a lock in it.
pub(super) trait Locked {
    /// Returns the lock, always the same one.
    fn lock(&self) -> &Lock;
}

/// A type that is made of a lock and its value.
pub(super) trait Guarding {
    type Weakest: Hold;
    type Value: ?Sized;

    /// Returns the lock and its value, always the same ones.
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

/// Waits until the task may hold a lock; then returns what `then` makes of the guard.
#[inline]
pub(super) fn take<'a, L, W, G>(
    owner: &'a L,
    at: &'static Location<'static>,
    then: impl Fn(Guard<&'a L, W, L::Value>) -> G,
) -> impl Future<Output = G>
where
    L: Guarding + ?Sized,
    W: Hold,
{
    let lock = owner.lock();
    let guard = move |taken: Result<(), _>| {
        taken.expect("a lock is never closed");
        // SAFETY: the lock has just been taken.
        then(unsafe { Guard::new(owner) })
    };
    lock.permits.take::<W, _>(lock.needs::<W>(), at, guard)
}

/// Waits as [`take`] does, for a guard that keeps the lock alive.
#[inline]
pub(super) async fn take_owned<O, W, G>(
    owner: O,
    at: &'static Location<'static>,
    then: impl Fn(Guard<O, W, <O::Target as Guarding>::Value>) -> G,
) -> G
where
    O: Deref<Target: Guarding>,
    W: Hold,
{
    let lock = owner.lock();
    lock.permits.take::<W, _>(lock.needs::<W>(), at, |taken| taken).await.expect("a lock is never closed");
    // SAFETY: the lock has just been taken.
    then(unsafe { Guard::new(owner) })
}

/// Takes a lock if it is free and nobody waits for it.
#[inline]
pub(super) fn try_take<O, W>(
    owner: O,
    at: &'static Location<'static>,
) -> Result<Guard<O, W, <O::Target as Guarding>::Value>, TryLockError>
where
    O: Deref<Target: Guarding>,
    W: Hold,
{
    let lock = owner.lock();
    lock.permits.try_take::<W>(lock.needs::<W>(), at).map_err(|_| held())?;
    // SAFETY: the lock has just been taken.
    Ok(unsafe { Guard::new(owner) })
}

/// Takes a lock without waiting; outside of a run the thread may have to wait.
///
/// # Panics
/// In a run, if the lock is not free. Outside, in one of tokio's runtimes.
#[track_caller]
pub(super) fn take_blocking<O, W>(
    owner: O,
    method: &str,
    instead: &str,
) -> Guard<O, W, <O::Target as Guarding>::Value>
where
    O: Deref<Target: Guarding>,
    W: Hold,
{
    let words = [method, "a lock that is held", instead];
    let lock = owner.lock();
    let taken = lock.permits.take_blocking::<W>(lock.needs::<W>(), Location::caller(), words);
    taken.expect("a lock is never closed");
    // SAFETY: the lock has just been taken.
    unsafe { Guard::new(owner) }
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

// SAFETY: a place alone gives no access. Every guard that `guard!` defines has a field of the type
// `PhantomData<the same guard of tokio's>`, which decides for the guard as a whole.
unsafe impl<T: ?Sized> Send for Place<T> {}
// SAFETY: as above.
unsafe impl<T: ?Sized> Sync for Place<T> {}

impl<O: Deref<Target: Guarding>, W: Hold> Guard<O, W, <O::Target as Guarding>::Value> {
    /// Makes the guard of the whole value.
    ///
    /// # Safety
    /// The lock of `owner` has been taken, the way `W`.
    #[inline]
    unsafe fn new(owner: O) -> Self {
        let value = Place(NonNull::new(owner.guarded().value.get()).expect("a value has a place"));
        Self { owner, value, way: PhantomData }
    }
}

impl<O: Deref<Target: Locked>, W: Hold, T: ?Sized> Guard<O, W, T> {
    #[inline]
    pub(super) fn get(&self) -> &T {
        // SAFETY: the lock is held; the value lies in what the owner keeps in place.
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

/// Forgets which lock this is: a guard of a part of its value keeps only the permits.
impl<'a, L: Guarding + ?Sized, W: Hold, T: ?Sized> From<Guard<&'a L, W, T>> for Guard<&'a Lock, W, T> {
    #[inline]
    fn from(guard: Guard<&'a L, W, T>) -> Self {
        let value = guard.value;
        Self { owner: guard.into_owner().lock(), value, way: PhantomData }
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

/// Defines a guard by the name of tokio's: a [`Guard`] with tokio's auto traits, which shows itself as the guarded value.
///
/// The last line defines the methods `map` and `try_map`, with their parameters in tokio's order: by `map` for a guard
/// that gives the value to be changed, by `map_shared` for a reader's.
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

            /// As [`map`](Self::map), if there is such a part; otherwise returns the guard.
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

            /// As [`map`](Self::map), if there is such a part; otherwise returns the guard.
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
