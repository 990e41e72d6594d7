//! What holds a [`RwLock`] for reading, and keeps it alive.
//!
//! Always true: the auto traits are those of tokio's own guard, which the marker stands for.

use std::marker::PhantomData;
use std::sync::Arc;

use super::RwLock;
use crate::sync::guard::{Guard, Reading, shows_value};

/// Holds a [`RwLock`], which it keeps alive, for reading, as others may too, until it is dropped.
#[clippy::has_significant_drop]
pub struct OwnedRwLockReadGuard<T: ?Sized, U: ?Sized = T> {
    guard: Guard<Arc<RwLock<T>>, Reading, U>,
    marker: PhantomData<tokio::sync::OwnedRwLockReadGuard<T, U>>,
}

shows_value!(OwnedRwLockReadGuard<T, => U>);

impl<T: ?Sized, U: ?Sized> OwnedRwLockReadGuard<T, U> {
    #[inline]
    pub(super) fn new(guard: Guard<Arc<RwLock<T>>, Reading, U>) -> Self {
        Self { guard, marker: PhantomData }
    }

    /// A guard of a part of the value, which keeps the whole of it locked.
    #[inline]
    pub fn map<F, V: ?Sized>(this: Self, f: F) -> OwnedRwLockReadGuard<T, V>
    where
        F: FnOnce(&U) -> &V,
    {
        OwnedRwLockReadGuard::new(this.guard.map_shared(f))
    }

    /// As [`map`](Self::map), if there is such a part; otherwise gives the guard back.
    #[inline]
    pub fn try_map<F, V: ?Sized>(this: Self, f: F) -> Result<OwnedRwLockReadGuard<T, V>, Self>
    where
        F: FnOnce(&U) -> Option<&V>,
    {
        this.guard.try_map_shared(f).map(OwnedRwLockReadGuard::new).map_err(Self::new)
    }

    /// The lock that it holds.
    #[inline]
    pub fn rwlock(this: &Self) -> &Arc<RwLock<T>> {
        this.guard.owner()
    }
}
