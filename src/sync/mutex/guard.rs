//! What holds a [`Mutex`] by a borrow.
//!
//! Always true: the auto traits are those of tokio's own guard, which the marker stands for.

use std::marker::PhantomData;

use super::Mutex;
use crate::sync::guard::{Guard, Lock, Locking, shows_value_mut};

/// Holds a [`Mutex`], and gives access to its value, until it is dropped.
#[clippy::has_significant_drop]
#[must_use = "if unused the Mutex will immediately unlock"]
pub struct MutexGuard<'a, T: ?Sized> {
    guard: Guard<&'a Mutex<T>, Locking, T>,
    marker: PhantomData<tokio::sync::MutexGuard<'a, T>>,
}

shows_value_mut!(MutexGuard<'a, => T>);

impl<'a, T: ?Sized> MutexGuard<'a, T> {
    #[inline]
    pub(super) fn new(guard: Guard<&'a Mutex<T>, Locking, T>) -> Self {
        Self { guard, marker: PhantomData }
    }

    /// A guard of a part of the value, which keeps the whole of it locked.
    #[inline]
    pub fn map<U, F>(this: Self, f: F) -> MappedMutexGuard<'a, U>
    where
        U: ?Sized,
        F: FnOnce(&mut T) -> &mut U,
    {
        MappedMutexGuard { guard: this.guard.map(f).forgetful(), marker: PhantomData }
    }

    /// As [`map`](Self::map), if there is such a part; otherwise gives the guard back.
    #[inline]
    pub fn try_map<U, F>(this: Self, f: F) -> Result<MappedMutexGuard<'a, U>, Self>
    where
        U: ?Sized,
        F: FnOnce(&mut T) -> Option<&mut U>,
    {
        match this.guard.try_map(f) {
            Ok(guard) => Ok(MappedMutexGuard { guard: guard.forgetful(), marker: PhantomData }),
            Err(guard) => Err(Self::new(guard)),
        }
    }

    /// The mutex that it holds.
    #[inline]
    pub fn mutex(this: &Self) -> &'a Mutex<T> {
        this.guard.owner()
    }
}

/// Holds a [`Mutex`], and gives access to a part of its value: see [`MutexGuard::map`].
#[clippy::has_significant_drop]
#[must_use = "if unused the Mutex will immediately unlock"]
pub struct MappedMutexGuard<'a, T: ?Sized> {
    guard: Guard<&'a Lock, Locking, T>,
    marker: PhantomData<tokio::sync::MappedMutexGuard<'a, T>>,
}

shows_value_mut!(MappedMutexGuard<'a, => T>);

impl<'a, T: ?Sized> MappedMutexGuard<'a, T> {
    /// A guard of a part of this part.
    #[inline]
    pub fn map<U, F>(this: Self, f: F) -> MappedMutexGuard<'a, U>
    where
        F: FnOnce(&mut T) -> &mut U,
    {
        MappedMutexGuard { guard: this.guard.map(f), marker: PhantomData }
    }

    /// As [`map`](Self::map), if there is such a part; otherwise gives the guard back.
    #[inline]
    pub fn try_map<U, F>(this: Self, f: F) -> Result<MappedMutexGuard<'a, U>, Self>
    where
        F: FnOnce(&mut T) -> Option<&mut U>,
    {
        match this.guard.try_map(f) {
            Ok(guard) => Ok(MappedMutexGuard { guard, marker: PhantomData }),
            Err(guard) => Err(Self { guard, marker: PhantomData }),
        }
    }
}
