//! What all guards are made of: the lock that is held, and the place of the value that it guards.
//!
//! A lock of this room is tokio's own lock over nothing, with the value beside it. So whoever waits, who is next and
//! what a cancelled wait leaves behind is tokio's own doing, while a guard can be made over a part of the value, and
//! a guard that owns its lock can keep that alive.
//!
//! Always true: the value of a guard is reached only while the lock beside it is held; a guard is dropped in the order
//! release announced, lock given back, owner let go of.
#![expect(unsafe_code, reason = "the guarded value lies beside the lock, not in it")]

use std::mem;
use std::ptr::NonNull;

use tokio::sync::{
    MutexGuard as TokioMutexGuard, RwLockReadGuard as TokioReadGuard, RwLockWriteGuard as TokioWriteGuard,
    SemaphorePermit as TokioPermit,
};

use super::announcing::{Held, Named};

/// A held lock `L`, the value `T` that it guards, and `O`, which the two borrow from.
pub(super) struct Guard<'a, L: Named, O, T: ?Sized> {
    held: Held<'a, L>,
    lock: L,
    value: Place<T>,
    owner: O,
}

/// Where a guarded value lies.
struct Place<T: ?Sized>(NonNull<T>);

// SAFETY: a place alone gives no access. Every guard has a field of the type `PhantomData<the same guard of tokio's>`,
// which decides for the guard as a whole.
unsafe impl<T: ?Sized> Send for Place<T> {}
// SAFETY: as above.
unsafe impl<T: ?Sized> Sync for Place<T> {}

impl Named for TokioMutexGuard<'_, ()> {
    const NAME: &'static str = "mutex";
}
impl Named for TokioReadGuard<'_, ()> {
    const NAME: &'static str = "rwlock";
}
impl Named for TokioWriteGuard<'_, ()> {
    const NAME: &'static str = "rwlock";
}
impl Named for TokioPermit<'_> {
    const NAME: &'static str = "semaphore";
}

/// A held lock that nobody else holds at the same time.
///
/// # Safety
/// While one lives there is no other, nor one of another kind, of the same lock.
pub(super) unsafe trait Exclusive {}
// SAFETY: a mutex excludes all others.
unsafe impl Exclusive for TokioMutexGuard<'_, ()> {}
// SAFETY: a writer excludes all others.
unsafe impl Exclusive for TokioWriteGuard<'_, ()> {}

impl<'a, L: Named, O, T: ?Sized> Guard<'a, L, O, T> {
    /// # Safety
    /// `value` is valid for as long as `lock` or `owner` lives, and reached only by who holds a lock of the same
    /// primitive; the type that holds this one has the auto traits of tokio's guard.
    #[inline]
    pub(super) unsafe fn new(held: Held<'a, L>, lock: L, value: *mut T, owner: O) -> Self {
        let value = Place(NonNull::new(value).expect("a value has a place"));
        Self { held, lock, value, owner }
    }

    #[inline]
    pub(super) fn get(&self) -> &T {
        // SAFETY: the lock is held, and the caller of `new` has promised the rest.
        unsafe { self.value.0.as_ref() }
    }

    /// A guard of a part of what this one guards, for reading.
    #[inline]
    pub(super) fn map_shared<U: ?Sized>(self, f: impl FnOnce(&T) -> &U) -> Guard<'a, L, O, U> {
        let value = Place(NonNull::from(f(self.get())));
        self.with(value)
    }

    /// The same, if there is such a part.
    #[inline]
    pub(super) fn try_map_shared<U: ?Sized>(
        self,
        f: impl FnOnce(&T) -> Option<&U>,
    ) -> Result<Guard<'a, L, O, U>, Self> {
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
    fn with<U: ?Sized>(self, value: Place<U>) -> Guard<'a, L, O, U> {
        let Self { held, lock, owner, .. } = self;
        Guard { held, lock, value, owner }
    }
}

impl<'a, L: Named, O: ?Sized, T: ?Sized> Guard<'a, L, &O, T> {
    /// The same guard, which has forgotten what it borrows from.
    #[inline]
    pub(super) fn forgetful(self) -> Guard<'a, L, (), T> {
        let Self { held, lock, value, .. } = self;
        Guard { held, lock, value, owner: () }
    }
}

impl<'a, O, T: ?Sized> Guard<'a, TokioWriteGuard<'a, ()>, O, T> {
    /// Makes a reader of a writer: others may read from now on, an operation.
    #[inline]
    pub(super) fn downgrade(self) -> Guard<'a, TokioReadGuard<'a, ()>, O, T> {
        let Self { held, lock, value, owner } = self;
        let held = held.shrink();
        Guard { held, lock: lock.downgrade(), value, owner }
    }
}

impl<'a, L: Exclusive + Named, O, T: ?Sized> Guard<'a, L, O, T> {
    #[inline]
    pub(super) fn get_mut(&mut self) -> &mut T {
        // SAFETY: the lock is held, by nobody else; this borrows the only guard that there is.
        unsafe { self.value.0.as_mut() }
    }

    /// A guard of a part of what this one guards.
    #[inline]
    pub(super) fn map<U: ?Sized>(mut self, f: impl FnOnce(&mut T) -> &mut U) -> Guard<'a, L, O, U> {
        let value = Place(NonNull::from(f(self.get_mut())));
        self.with(value)
    }

    /// The same, if there is such a part.
    #[inline]
    pub(super) fn try_map<U: ?Sized>(
        mut self,
        f: impl FnOnce(&mut T) -> Option<&mut U>,
    ) -> Result<Guard<'a, L, O, U>, Self> {
        match f(self.get_mut()).map(NonNull::from) {
            Some(value) => Ok(self.with(Place(value))),
            None => Err(self),
        }
    }
}

/// A lock held that forgets what it borrows from.
pub(super) trait Unborrow {
    /// The same type without its lifetime.
    type Owned;

    /// # Safety
    /// What it borrows from stays where it is for as long as the result lives.
    unsafe fn unborrow(self) -> Self::Owned;
}

macro_rules! unborrow {
    ($($guard:ident $(<$value:ty>)?;)*) => {
        $(
            impl<'a> Unborrow for $guard<'a $(, $value)?> {
                type Owned = $guard<'static $(, $value)?>;

                #[inline]
                unsafe fn unborrow(self) -> Self::Owned {
                    // SAFETY: the two differ in a lifetime only, for which the caller answers.
                    unsafe { mem::transmute::<$guard<'a $(, $value)?>, Self::Owned>(self) }
                }
            }
        )*
    };
}

unborrow! {
    TokioMutexGuard<()>;
    TokioReadGuard<()>;
    TokioWriteGuard<()>;
    TokioPermit;
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
