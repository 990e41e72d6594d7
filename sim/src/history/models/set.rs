//! [`Set`]: a set of items.

use std::fmt::Debug;
use std::marker::PhantomData;

use crate::history::Model;

/// A set, empty at first. Each item is a key of its own and is checked alone.
///
/// `Insert` and `Remove` return whether they changed the set. `Contains` returns whether the item is in the set.
pub struct Set<T> {
    _type: PhantomData<fn(T)>,
}

impl<T> Set<T> {
    /// Creates a set that is empty at first.
    #[must_use]
    pub const fn new() -> Self {
        Self { _type: PhantomData }
    }
}

impl<T> Default for Set<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Clone for Set<T> {
    fn clone(&self) -> Self {
        Self::new()
    }
}

impl<T> Debug for Set<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Set")
    }
}

/// An operation on a [`Set`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SetOperation<T> {
    /// Adds an item. Returns `true` if it was not in the set.
    Insert(T),
    /// Removes an item. Returns `true` if it was in the set.
    Remove(T),
    /// Returns whether the item is in the set.
    Contains(T),
}

impl<T: Ord + Clone + Debug> Model for Set<T> {
    /// Whether one item is in the set.
    type State = bool;
    type Operation = SetOperation<T>;
    type Returned = bool;
    type Key = T;

    fn key(&self, operation: &SetOperation<T>) -> T {
        use SetOperation::{Contains, Insert, Remove};
        match operation {
            Insert(item) | Remove(item) | Contains(item) => item.clone(),
        }
    }

    fn init(&self) -> bool {
        false
    }

    fn step(&self, is_in: &bool, operation: &SetOperation<T>, returned: Option<&bool>) -> Option<bool> {
        use SetOperation::{Contains, Insert, Remove};
        let (answer, after) = match operation {
            Insert(_) => (!is_in, true),
            Remove(_) => (*is_in, false),
            Contains(_) => (*is_in, *is_in),
        };
        returned.is_none_or(|returned| *returned == answer).then_some(after)
    }

    fn only_reads(&self, operation: &SetOperation<T>, returned: Option<&bool>) -> bool {
        matches!(operation, SetOperation::Contains(_)) || returned == Some(&false)
    }

    fn overwrites(&self, operation: &SetOperation<T>, returned: Option<&bool>) -> bool {
        matches!((operation, returned), (SetOperation::Insert(_) | SetOperation::Remove(_), None))
    }
}
