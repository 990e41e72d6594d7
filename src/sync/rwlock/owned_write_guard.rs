//! What holds a [`RwLock`] for writing, and keeps it alive.
//!
//! Always true: the auto traits are those of tokio's own guard, which the marker stands for.

use std::marker::PhantomData;
use std::sync::Arc;

use super::{OwnedRwLockReadGuard, RwLock};
use crate::sync::guard::{Guard, Writing, shows_value_mut};

/// Holds a [`RwLock`], which it keeps alive, for writing, until it is dropped.
#[clippy::has_significant_drop]
pub struct OwnedRwLockWriteGuard<T: ?Sized> {
    guard: Guard<Arc<RwLock<T>>, Writing, T>,
    marker: PhantomData<tokio::sync::OwnedRwLockWriteGuard<T>>,
}

shows_value_mut!(OwnedRwLockWriteGuard< => T>);

impl<T: ?Sized> OwnedRwLockWriteGuard<T> {
    #[inline]
    pub(super) fn new(guard: Guard<Arc<RwLock<T>>, Writing, T>) -> Self {
        Self { guard, marker: PhantomData }
    }

    /// A guard of a part of the value, which keeps the whole of it locked.
    #[inline]
    pub fn map<F, U: ?Sized>(this: Self, f: F) -> OwnedRwLockMappedWriteGuard<T, U>
    where
        F: FnOnce(&mut T) -> &mut U,
    {
        OwnedRwLockMappedWriteGuard::new(this.guard.map(f))
    }

    /// As [`map`](Self::map), if there is such a part; otherwise gives the guard back.
    #[inline]
    pub fn try_map<F, U: ?Sized>(this: Self, f: F) -> Result<OwnedRwLockMappedWriteGuard<T, U>, Self>
    where
        F: FnOnce(&mut T) -> Option<&mut U>,
    {
        this.guard.try_map(f).map(OwnedRwLockMappedWriteGuard::new).map_err(Self::new)
    }

    /// The same guard, as one of a part that is all of the value.
    #[inline]
    pub fn into_mapped(this: Self) -> OwnedRwLockMappedWriteGuard<T> {
        OwnedRwLockMappedWriteGuard::new(this.guard)
    }

    /// Lets others read too, and never a writer in between.
    #[inline]
    pub fn downgrade(self) -> OwnedRwLockReadGuard<T> {
        OwnedRwLockReadGuard::new(self.guard.downgrade())
    }

    /// As [`downgrade`](Self::downgrade), with a guard of a part of the value.
    #[inline]
    pub fn downgrade_map<F, U: ?Sized>(this: Self, f: F) -> OwnedRwLockReadGuard<T, U>
    where
        F: FnOnce(&T) -> &U,
    {
        OwnedRwLockReadGuard::new(this.guard.map_shared(f).downgrade())
    }

    /// As [`downgrade_map`](Self::downgrade_map), if there is such a part; otherwise gives the guard back.
    #[inline]
    pub fn try_downgrade_map<F, U: ?Sized>(this: Self, f: F) -> Result<OwnedRwLockReadGuard<T, U>, Self>
    where
        F: FnOnce(&T) -> Option<&U>,
    {
        let guard = this.guard.try_map_shared(f).map_err(Self::new)?;
        Ok(OwnedRwLockReadGuard::new(guard.downgrade()))
    }

    /// The lock that it holds.
    #[inline]
    pub fn rwlock(this: &Self) -> &Arc<RwLock<T>> {
        this.guard.owner()
    }
}

/// Holds a [`RwLock`], which it keeps alive, for writing, and gives access to a part of its value: see
/// [`OwnedRwLockWriteGuard::map`].
#[clippy::has_significant_drop]
pub struct OwnedRwLockMappedWriteGuard<T: ?Sized, U: ?Sized = T> {
    guard: Guard<Arc<RwLock<T>>, Writing, U>,
    marker: PhantomData<tokio::sync::OwnedRwLockMappedWriteGuard<T, U>>,
}

shows_value_mut!(OwnedRwLockMappedWriteGuard<T, => U>);

impl<T: ?Sized, U: ?Sized> OwnedRwLockMappedWriteGuard<T, U> {
    #[inline]
    fn new(guard: Guard<Arc<RwLock<T>>, Writing, U>) -> Self {
        Self { guard, marker: PhantomData }
    }

    /// A guard of a part of this part.
    #[inline]
    pub fn map<F, V: ?Sized>(this: Self, f: F) -> OwnedRwLockMappedWriteGuard<T, V>
    where
        F: FnOnce(&mut U) -> &mut V,
    {
        OwnedRwLockMappedWriteGuard::new(this.guard.map(f))
    }

    /// As [`map`](Self::map), if there is such a part; otherwise gives the guard back.
    #[inline]
    pub fn try_map<F, V: ?Sized>(this: Self, f: F) -> Result<OwnedRwLockMappedWriteGuard<T, V>, Self>
    where
        F: FnOnce(&mut U) -> Option<&mut V>,
    {
        this.guard.try_map(f).map(OwnedRwLockMappedWriteGuard::new).map_err(Self::new)
    }

    /// The lock that it holds.
    #[inline]
    pub fn rwlock(this: &Self) -> &Arc<RwLock<T>> {
        this.guard.owner()
    }
}
