//! What holds a [`Mutex`] and keeps it alive.
//!
//! Always true: the auto traits are those of tokio's own guard, which the marker stands for.

use std::marker::PhantomData;
use std::sync::Arc;

use super::Mutex;
use crate::sync::guard::{Guard, Locking, shows_value_mut};

/// Holds a [`Mutex`], which it keeps alive, and gives access to its value, until it is dropped.
#[clippy::has_significant_drop]
pub struct OwnedMutexGuard<T: ?Sized> {
    guard: Guard<Arc<Mutex<T>>, Locking, T>,
    marker: PhantomData<tokio::sync::OwnedMutexGuard<T>>,
}

shows_value_mut!(OwnedMutexGuard< => T>);

impl<T: ?Sized> OwnedMutexGuard<T> {
    #[inline]
    pub(super) fn new(guard: Guard<Arc<Mutex<T>>, Locking, T>) -> Self {
        Self { guard, marker: PhantomData }
    }

    /// A guard of a part of the value, which keeps the whole of it locked.
    #[inline]
    pub fn map<U, F>(this: Self, f: F) -> OwnedMappedMutexGuard<T, U>
    where
        U: ?Sized,
        F: FnOnce(&mut T) -> &mut U,
    {
        OwnedMappedMutexGuard { guard: this.guard.map(f), marker: PhantomData }
    }

    /// As [`map`](Self::map), if there is such a part; otherwise gives the guard back.
    #[inline]
    pub fn try_map<U, F>(this: Self, f: F) -> Result<OwnedMappedMutexGuard<T, U>, Self>
    where
        U: ?Sized,
        F: FnOnce(&mut T) -> Option<&mut U>,
    {
        match this.guard.try_map(f) {
            Ok(guard) => Ok(OwnedMappedMutexGuard { guard, marker: PhantomData }),
            Err(guard) => Err(Self::new(guard)),
        }
    }

    /// The mutex that it holds.
    #[inline]
    pub fn mutex(this: &Self) -> &Arc<Mutex<T>> {
        this.guard.owner()
    }
}

/// Holds a [`Mutex`], which it keeps alive, and gives access to a part of its value: see [`OwnedMutexGuard::map`].
#[clippy::has_significant_drop]
#[must_use = "if unused the Mutex will immediately unlock"]
pub struct OwnedMappedMutexGuard<T: ?Sized, U: ?Sized = T> {
    guard: Guard<Arc<Mutex<T>>, Locking, U>,
    marker: PhantomData<tokio::sync::OwnedMappedMutexGuard<T, U>>,
}

shows_value_mut!(OwnedMappedMutexGuard<T, => U>);

impl<T: ?Sized, U: ?Sized> OwnedMappedMutexGuard<T, U> {
    /// A guard of a part of this part.
    #[inline]
    pub fn map<S, F>(this: Self, f: F) -> OwnedMappedMutexGuard<T, S>
    where
        F: FnOnce(&mut U) -> &mut S,
    {
        OwnedMappedMutexGuard { guard: this.guard.map(f), marker: PhantomData }
    }

    /// As [`map`](Self::map), if there is such a part; otherwise gives the guard back.
    #[inline]
    pub fn try_map<S, F>(this: Self, f: F) -> Result<OwnedMappedMutexGuard<T, S>, Self>
    where
        F: FnOnce(&mut U) -> Option<&mut S>,
    {
        match this.guard.try_map(f) {
            Ok(guard) => Ok(OwnedMappedMutexGuard { guard, marker: PhantomData }),
            Err(guard) => Err(Self { guard, marker: PhantomData }),
        }
    }
}
