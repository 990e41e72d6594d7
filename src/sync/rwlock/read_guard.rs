//! What holds a [`RwLock`](super::RwLock) for reading, by a borrow.
//!
//! Always true: the auto traits are those of tokio's own guard, which the marker stands for.

use std::marker::PhantomData;

use crate::sync::guard::{Guard, Lock, Reading, shows_value};

/// Holds a [`RwLock`](super::RwLock) for reading, as others may too, until it is dropped.
#[clippy::has_significant_drop]
#[must_use = "if unused the RwLock will immediately unlock"]
pub struct RwLockReadGuard<'a, T: ?Sized> {
    guard: Guard<&'a Lock, Reading, T>,
    marker: PhantomData<tokio::sync::RwLockReadGuard<'a, T>>,
}

shows_value!(RwLockReadGuard<'a, => T>);

impl<'a, T: ?Sized> RwLockReadGuard<'a, T> {
    #[inline]
    pub(super) fn new(guard: Guard<&'a Lock, Reading, T>) -> Self {
        Self { guard, marker: PhantomData }
    }

    /// A guard of a part of the value, which keeps the whole of it locked.
    #[inline]
    pub fn map<F, U: ?Sized>(this: Self, f: F) -> RwLockReadGuard<'a, U>
    where
        F: FnOnce(&T) -> &U,
    {
        RwLockReadGuard::new(this.guard.map_shared(f))
    }

    /// As [`map`](Self::map), if there is such a part; otherwise gives the guard back.
    #[inline]
    pub fn try_map<F, U: ?Sized>(this: Self, f: F) -> Result<RwLockReadGuard<'a, U>, Self>
    where
        F: FnOnce(&T) -> Option<&U>,
    {
        this.guard.try_map_shared(f).map(RwLockReadGuard::new).map_err(Self::new)
    }
}
