//! What holds a [`RwLock`](super::RwLock) for writing, by a borrow.
//!
//! Always true: the auto traits are those of tokio's own guard, which the marker stands for.

use std::marker::PhantomData;

use super::RwLockReadGuard;
use crate::sync::guard::{Guard, Lock, Writing, shows_value_mut};

/// Holds a [`RwLock`](super::RwLock) for writing, until it is dropped.
#[clippy::has_significant_drop]
#[must_use = "if unused the RwLock will immediately unlock"]
pub struct RwLockWriteGuard<'a, T: ?Sized> {
    guard: Guard<&'a Lock, Writing, T>,
    marker: PhantomData<tokio::sync::RwLockWriteGuard<'a, T>>,
}

shows_value_mut!(RwLockWriteGuard<'a, => T>);

impl<'a, T: ?Sized> RwLockWriteGuard<'a, T> {
    #[inline]
    pub(super) fn new(guard: Guard<&'a Lock, Writing, T>) -> Self {
        Self { guard, marker: PhantomData }
    }

    /// A guard of a part of the value, which keeps the whole of it locked.
    #[inline]
    pub fn map<F, U: ?Sized>(this: Self, f: F) -> RwLockMappedWriteGuard<'a, U>
    where
        F: FnOnce(&mut T) -> &mut U,
    {
        RwLockMappedWriteGuard::new(this.guard.map(f))
    }

    /// As [`map`](Self::map), if there is such a part; otherwise gives the guard back.
    #[inline]
    pub fn try_map<F, U: ?Sized>(this: Self, f: F) -> Result<RwLockMappedWriteGuard<'a, U>, Self>
    where
        F: FnOnce(&mut T) -> Option<&mut U>,
    {
        this.guard.try_map(f).map(RwLockMappedWriteGuard::new).map_err(Self::new)
    }

    /// The same guard, as one of a part that is all of the value.
    #[inline]
    pub fn into_mapped(this: Self) -> RwLockMappedWriteGuard<'a, T> {
        RwLockMappedWriteGuard::new(this.guard)
    }

    /// Lets others read too, and never a writer in between.
    #[inline]
    pub fn downgrade(self) -> RwLockReadGuard<'a, T> {
        RwLockReadGuard::new(self.guard.downgrade())
    }

    /// As [`downgrade`](Self::downgrade), with a guard of a part of the value.
    #[inline]
    pub fn downgrade_map<F, U: ?Sized>(this: Self, f: F) -> RwLockReadGuard<'a, U>
    where
        F: FnOnce(&T) -> &U,
    {
        RwLockReadGuard::new(this.guard.map_shared(f).downgrade())
    }

    /// As [`downgrade_map`](Self::downgrade_map), if there is such a part; otherwise gives the guard back.
    #[inline]
    pub fn try_downgrade_map<F, U: ?Sized>(this: Self, f: F) -> Result<RwLockReadGuard<'a, U>, Self>
    where
        F: FnOnce(&T) -> Option<&U>,
    {
        let guard = this.guard.try_map_shared(f).map_err(Self::new)?;
        Ok(RwLockReadGuard::new(guard.downgrade()))
    }
}

/// Holds a [`RwLock`](super::RwLock) for writing, and gives access to a part of its value: see
/// [`RwLockWriteGuard::map`].
#[clippy::has_significant_drop]
pub struct RwLockMappedWriteGuard<'a, T: ?Sized> {
    guard: Guard<&'a Lock, Writing, T>,
    marker: PhantomData<tokio::sync::RwLockMappedWriteGuard<'a, T>>,
}

shows_value_mut!(RwLockMappedWriteGuard<'a, => T>);

impl<'a, T: ?Sized> RwLockMappedWriteGuard<'a, T> {
    #[inline]
    fn new(guard: Guard<&'a Lock, Writing, T>) -> Self {
        Self { guard, marker: PhantomData }
    }

    /// A guard of a part of this part.
    #[inline]
    pub fn map<F, U: ?Sized>(this: Self, f: F) -> RwLockMappedWriteGuard<'a, U>
    where
        F: FnOnce(&mut T) -> &mut U,
    {
        RwLockMappedWriteGuard::new(this.guard.map(f))
    }

    /// As [`map`](Self::map), if there is such a part; otherwise gives the guard back.
    #[inline]
    pub fn try_map<F, U: ?Sized>(this: Self, f: F) -> Result<RwLockMappedWriteGuard<'a, U>, Self>
    where
        F: FnOnce(&mut T) -> Option<&mut U>,
    {
        this.guard.try_map(f).map(RwLockMappedWriteGuard::new).map_err(Self::new)
    }
}
