//! Cells over `UnsafeCell` for the state that each step uses: [`InlinedCell`] and [`InlinedRefCell`].
//!
//! They behave as `Cell` and `RefCell`, but are also inlined in debug builds, in which tests run. With those of the standard
//! library, a step of the loop takes 3 % more instructions there.
//!
//! # Invariants
//! - No reference to the value of an `InlinedCell` leaves its methods.
//! - The value of an `InlinedRefCell` has either one [`InlinedRefMut`] or any number of [`InlinedRef`]s. A borrow that breaks
//!   this panics, in release builds too.
#![expect(unsafe_code, reason = "cells that are inlined in debug builds")]

use std::cell::UnsafeCell;
use std::fmt;
use std::mem;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

/// A `Cell` of a `Copy` value.
#[derive(Default)]
pub(super) struct InlinedCell<T: Copy>(UnsafeCell<T>);

impl<T: Copy> InlinedCell<T> {
    #[inline(always)]
    pub(super) const fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    #[inline(always)]
    pub(super) fn get(&self) -> T {
        // SAFETY: the type is not `Sync`, so no other thread accesses the value, and no reference to it exists.
        unsafe { *self.0.get() }
    }

    #[inline(always)]
    pub(super) fn set(&self, value: T) {
        // SAFETY: as in `get`. The previous value is `Copy`, so no destructor runs.
        unsafe { *self.0.get() = value };
    }

    #[inline(always)]
    pub(super) fn replace(&self, value: T) -> T {
        let previous = self.get();
        self.set(value);
        previous
    }
}

impl<T: Copy + fmt::Debug> fmt::Debug for InlinedCell<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

/// A `RefCell`.
pub(super) struct InlinedRefCell<T> {
    /// The number of shared borrows, or [`EXCLUSIVE`].
    borrows: InlinedCell<u32>,
    value: UnsafeCell<T>,
}

/// The value is borrowed exclusively.
const EXCLUSIVE: u32 = u32::MAX;

/// Panics because of a conflicting borrow.
#[cold]
#[inline(never)]
#[track_caller]
fn already_borrowed() -> ! {
    panic!("the loop's own state is borrowed already: this is a defect of timeloop")
}

impl<T> InlinedRefCell<T> {
    #[inline(always)]
    pub(super) const fn new(value: T) -> Self {
        Self { borrows: InlinedCell::new(0), value: UnsafeCell::new(value) }
    }

    #[inline(always)]
    #[track_caller]
    pub(super) fn borrow_mut(&self) -> InlinedRefMut<'_, T> {
        if self.borrows.get() != 0 {
            already_borrowed();
        }
        self.borrows.set(EXCLUSIVE);
        InlinedRefMut(self)
    }

    /// Borrows the value exclusively, unless it is borrowed.
    pub(super) fn try_borrow_mut(&self) -> Option<InlinedRefMut<'_, T>> {
        (self.borrows.get() == 0).then(|| self.borrow_mut())
    }

    #[inline(always)]
    #[track_caller]
    pub(super) fn borrow(&self) -> InlinedRef<'_, T> {
        let borrows = self.borrows.get();
        if borrows >= EXCLUSIVE - 1 {
            already_borrowed();
        }
        self.borrows.set(borrows + 1);
        // SAFETY: the pointer of a cell is not null.
        let value = unsafe { NonNull::new_unchecked(self.value.get()) };
        InlinedRef { value, borrows: &self.borrows }
    }
}

/// An exclusive borrow.
pub(super) struct InlinedRefMut<'a, T>(&'a InlinedRefCell<T>);

impl<T> Deref for InlinedRefMut<'_, T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: until this is dropped, `borrows` keeps everyone else from the value.
        unsafe { &*self.0.value.get() }
    }
}

impl<T> DerefMut for InlinedRefMut<'_, T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as in `deref`, and `self` is borrowed exclusively as long as the reference lives.
        unsafe { &mut *self.0.value.get() }
    }
}

impl<T> Drop for InlinedRefMut<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        self.0.borrows.set(0);
    }
}

/// A shared borrow of a value or of a part of it.
// A pointer: a reference would have to stay valid until the end of a function that drops this.
pub(crate) struct InlinedRef<'a, T: ?Sized> {
    value: NonNull<T>,
    borrows: &'a InlinedCell<u32>,
}

impl<'a, T: ?Sized> InlinedRef<'a, T> {
    /// Narrows the borrow to a part of the value.
    pub(super) fn map<U: ?Sized>(self, part: impl FnOnce(&T) -> &U) -> InlinedRef<'a, U> {
        let mapped = InlinedRef { value: NonNull::from(part(&self)), borrows: self.borrows };
        mem::forget(self);
        mapped
    }
}

impl<T: ?Sized> Deref for InlinedRef<'_, T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: until this is dropped, `borrows` excludes exclusive borrows.
        unsafe { self.value.as_ref() }
    }
}

impl<T: ?Sized> Drop for InlinedRef<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        self.borrows.set(self.borrows.get() - 1);
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::{InlinedCell, InlinedRefCell};

    #[test]
    fn a_cell_is_read_and_written_by_copying() {
        let value = InlinedCell::new(1);
        value.set(value.get() + 1);
        assert_eq!((value.replace(7), value.get()), (2, 7));
        assert_eq!(format!("{value:?}"), "7");
    }

    #[test]
    fn conflicting_borrows_panic() {
        let value = InlinedRefCell::new(vec![1]);
        value.borrow_mut().push(2);
        let (all, last) = (value.borrow(), value.borrow().map(|value| &value[1]));
        assert_eq!((all.len(), *last), (2, 2));
        let panics = |f: &dyn Fn()| catch_unwind(AssertUnwindSafe(f)).is_err();
        let push = || value.borrow_mut().push(3);
        assert!(panics(&push), "two shared borrows");
        drop(all);
        assert!(panics(&push), "a shared borrow of a part");
        drop(last);
        push();
        let mut exclusive = value.borrow_mut();
        assert!(panics(&|| _ = value.borrow().len()) && panics(&push), "an exclusive borrow");
        exclusive.clear();
        drop(exclusive);
        assert!(panics(&|| {
            let _exclusive = value.borrow_mut();
            panic!("unwinds through the borrow");
        }));
        assert_eq!(value.borrow().len(), 0, "unwinding ends the borrow");
    }
}
