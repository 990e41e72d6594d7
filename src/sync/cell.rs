//! Shared definition of [`OnceCell`](super::OnceCell) and [`SetOnce`](super::SetOnce).

/// Defines the cell type `$Cell` over tokio's type of the same name: constructors, accessors, `set`, and the common
/// traits.
macro_rules! cell {
    ($(#[$attribute:meta])* $Cell:ident, $Error:ident, #[doc = $set:literal]) => {
        $(#[$attribute])*
        pub struct $Cell<T> {
            id: ResourceId,
            cell: tokio::sync::$Cell<T>,
        }

        impl<T> $Cell<T> {
            /// Creates an unset cell.
            #[track_caller]
            pub fn new() -> Self {
                Self { id: ResourceId::new(), cell: tokio::sync::$Cell::new() }
            }

            /// Creates an unset cell at compile time, for a `static`.
            #[track_caller]
            pub const fn const_new() -> Self {
                Self { id: ResourceId::const_new(), cell: tokio::sync::$Cell::const_new() }
            }

            /// Creates a cell that holds `value`, or an unset cell for `None`.
            #[track_caller]
            pub fn new_with(value: Option<T>) -> Self {
                Self { id: ResourceId::new(), cell: tokio::sync::$Cell::new_with(value) }
            }

            /// Creates a set cell at compile time.
            #[track_caller]
            pub const fn const_new_with(value: T) -> Self {
                Self { id: ResourceId::const_new(), cell: tokio::sync::$Cell::const_new_with(value) }
            }

            /// Returns whether the cell is set.
            #[track_caller]
            pub fn initialized(&self) -> bool {
                self.id.action(NAME, Access::Read).touch();
                self.cell.initialized()
            }

            /// Returns the value, or `None` if the cell is not set.
            #[track_caller]
            pub fn get(&self) -> Option<&T> {
                self.id.action(NAME, Access::Read).touch();
                self.cell.get()
            }

            #[doc = $set]
            #[track_caller]
            pub fn set(&self, value: T) -> Result<(), $Error<T>> {
                self.id.action(NAME, Access::Write).touch();
                self.cell.set(value)
            }

            /// Returns the value, or `None` if the cell is not set.
            pub fn into_inner(self) -> Option<T> {
                self.cell.into_inner()
            }
        }

        impl<T> Default for $Cell<T> {
            #[track_caller]
            fn default() -> Self {
                Self::new()
            }
        }

        impl<T> From<T> for $Cell<T> {
            #[track_caller]
            fn from(value: T) -> Self {
                Self { id: ResourceId::new(), cell: tokio::sync::$Cell::from(value) }
            }
        }

        impl<T: Clone> Clone for $Cell<T> {
            #[track_caller]
            fn clone(&self) -> Self {
                Self::new_with(self.get().cloned())
            }
        }

        impl<T: PartialEq> PartialEq for $Cell<T> {
            #[track_caller]
            fn eq(&self, other: &Self) -> bool {
                self.get() == other.get()
            }
        }

        impl<T: Eq> Eq for $Cell<T> {}

        /// Formatting is not recorded as an operation.
        impl<T: fmt::Debug> fmt::Debug for $Cell<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.cell.fmt(f)
            }
        }
    };
}

pub(super) use cell;
