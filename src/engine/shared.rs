//! What the loop shares with the code that it runs: cells that cost next to nothing in a debug build, too.
//!
//! Tests run in debug builds, where nothing is inlined but what must be. There a use of the standard library's `Cell` is some
//! ten calls, and one of its `RefCell` some forty; each step has a dozen of the one and several of the other.
//!
//! Always true: no reference to what a [`Plain`] holds leaves its methods; what a [`Sole`] holds is borrowed by one alone
//! or read by several, and never both.
#![expect(unsafe_code, reason = "cells")]

use std::cell::UnsafeCell;
use std::fmt;
use std::mem;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

/// A value that is copied in and out.
#[derive(Default)]
pub(super) struct Plain<T: Copy>(UnsafeCell<T>);

impl<T: Copy> Plain<T> {
    #[inline(always)]
    pub(super) const fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    #[inline(always)]
    pub(super) fn get(&self) -> T {
        // SAFETY: an `UnsafeCell` is not `Sync`, so this thread alone is here; and nobody has a reference to the value.
        unsafe { *self.0.get() }
    }

    #[inline(always)]
    pub(super) fn set(&self, value: T) {
        // SAFETY: as in `get`. What stood there is `Copy`, so that no destructor runs.
        unsafe { *self.0.get() = value };
    }

    #[inline(always)]
    pub(super) fn replace(&self, value: T) -> T {
        let previous = self.get();
        self.set(value);
        previous
    }
}

impl<T: Copy + fmt::Debug> fmt::Debug for Plain<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

/// A value that one at a time may change.
pub(super) struct Sole<T> {
    /// How many read it; [`CHANGED`] while it may be changed.
    readers: Plain<u32>,
    value: UnsafeCell<T>,
}

/// Somebody may change it.
const CHANGED: u32 = u32::MAX;

/// What the loop never does, whatever its users' code does.
#[cold]
#[inline(never)]
#[track_caller]
fn in_use() -> ! {
    panic!("the loop's own state is in use: this is a defect of timeloop")
}

impl<T> Sole<T> {
    pub(super) const fn new(value: T) -> Self {
        Self { readers: Plain::new(0), value: UnsafeCell::new(value) }
    }

    /// To change it.
    #[inline(always)]
    #[track_caller]
    pub(super) fn borrow_mut(&self) -> SoleMut<'_, T> {
        if self.readers.get() != 0 {
            in_use();
        }
        self.readers.set(CHANGED);
        SoleMut(self)
    }

    /// To look at it.
    #[inline(always)]
    #[track_caller]
    pub(super) fn borrow(&self) -> SoleRef<'_, T> {
        let readers = self.readers.get();
        if readers >= CHANGED - 1 {
            in_use();
        }
        self.readers.set(readers + 1);
        // SAFETY: the pointer of a cell is not null.
        let value = unsafe { NonNull::new_unchecked(self.value.get()) };
        SoleRef { value, readers: &self.readers }
    }
}

/// A value that may be changed until this is dropped.
pub(super) struct SoleMut<'a, T>(&'a Sole<T>);

impl<T> Deref for SoleMut<'_, T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: until this is dropped nobody else gets at the value, as the count of its readers says.
        unsafe { &*self.0.value.get() }
    }
}

impl<T> DerefMut for SoleMut<'_, T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as in `deref`; and this is borrowed for as long as the reference lives.
        unsafe { &mut *self.0.value.get() }
    }
}

impl<T> Drop for SoleMut<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        self.0.readers.set(0);
    }
}

/// A value, or a part of one, that nobody changes until this is dropped.
// A pointer: a reference would have to be valid until the function returns that this is dropped in.
pub(crate) struct SoleRef<'a, T: ?Sized> {
    value: NonNull<T>,
    readers: &'a Plain<u32>,
}

impl<'a, T: ?Sized> SoleRef<'a, T> {
    /// A part of it.
    pub(super) fn map<U: ?Sized>(self, part: impl FnOnce(&T) -> &U) -> SoleRef<'a, U> {
        let mapped = SoleRef { value: NonNull::from(part(&self)), readers: self.readers };
        mem::forget(self);
        mapped
    }
}

impl<T: ?Sized> Deref for SoleRef<'_, T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: until this is dropped nobody may change the value, as the count of its readers says.
        unsafe { self.value.as_ref() }
    }
}

impl<T: ?Sized> Drop for SoleRef<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        self.readers.set(self.readers.get() - 1);
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::{Plain, Sole};

    #[test]
    fn a_plain_value_is_copied_in_and_out() {
        let value = Plain::new(1);
        value.set(value.get() + 1);
        assert_eq!((value.replace(7), value.get()), (2, 7));
        assert_eq!(format!("{value:?}"), "7");
    }

    #[test]
    fn one_changes_or_several_read() {
        let value = Sole::new(vec![1]);
        value.borrow_mut().push(2);
        let (all, last) = (value.borrow(), value.borrow().map(|value| &value[1]));
        assert_eq!((all.len(), *last), (2, 2));
        let refused = |f: &dyn Fn()| catch_unwind(AssertUnwindSafe(f)).is_err();
        let change = || value.borrow_mut().push(3);
        assert!(refused(&change), "two read it");
        drop(all);
        assert!(refused(&change), "one reads it");
        drop(last);
        change();
        let mut changed = value.borrow_mut();
        assert!(refused(&|| _ = value.borrow().len()) && refused(&change), "one changes it");
        changed.clear();
        drop(changed);
        assert!(refused(&|| {
            let _changed = value.borrow_mut();
            panic!("while it may be changed");
        }));
        assert_eq!(value.borrow().len(), 0, "it was let go of all the same");
    }
}
