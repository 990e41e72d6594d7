//! [`KeyValue`]: a key-value store.

use std::fmt::Debug;
use std::hash::Hash;
use std::marker::PhantomData;

use crate::history::Model;

/// A key-value store with compare-and-swap, empty at first. Each key is checked alone.
pub struct KeyValue<K, V> {
    _types: PhantomData<fn(K, V)>,
}

impl<K, V> KeyValue<K, V> {
    /// Creates a store that is empty at first.
    #[must_use]
    pub const fn new() -> Self {
        Self { _types: PhantomData }
    }
}

impl<K, V> Default for KeyValue<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K, V> Clone for KeyValue<K, V> {
    fn clone(&self) -> Self {
        Self::new()
    }
}

impl<K, V> Debug for KeyValue<K, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyValue")
    }
}

/// An operation on a [`KeyValue`] store.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum KeyValueOperation<K, V> {
    /// Returns the value of this key.
    Get(K),
    /// Sets the value of this key.
    Put(K, V),
    /// Removes this key.
    Delete(K),
    /// Replaces the value of the key with `new` if it equals `expected`.
    CompareAndSwap {
        /// The key.
        key: K,
        /// The expected value; `None` if the key must be absent.
        expected: Option<V>,
        /// The new value; `None` removes the key.
        new: Option<V>,
    },
}

/// The answer of a [`KeyValue`] store.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum KeyValueReturned<V> {
    /// The answer to `Get`: the value. The answer to `Put` and `Delete`, for stores that return it: the value before.
    Value(Option<V>),
    /// The answer to `Put` and `Delete`, for stores that return no value.
    Done,
    /// The answer to `CompareAndSwap`: whether the expected value was found.
    Swapped(bool),
}

impl<K: Ord + Clone + Debug, V: Clone + Eq + Hash + Debug> Model for KeyValue<K, V> {
    /// The value of one key.
    type State = Option<V>;
    type Operation = KeyValueOperation<K, V>;
    type Returned = KeyValueReturned<V>;
    type Key = K;

    fn key(&self, operation: &Self::Operation) -> K {
        use KeyValueOperation::{CompareAndSwap, Delete, Get, Put};
        match operation {
            Get(key) | Put(key, _) | Delete(key) | CompareAndSwap { key, .. } => key.clone(),
        }
    }

    fn init(&self) -> Option<V> {
        None
    }

    fn step(
        &self,
        value: &Option<V>,
        operation: &Self::Operation,
        returned: Option<&Self::Returned>,
    ) -> Option<Option<V>> {
        use KeyValueOperation::{CompareAndSwap, Delete, Get, Put};
        use KeyValueReturned::{Done, Swapped, Value};
        let fits = match (operation, returned) {
            (_, None) | (Put(..) | Delete(_), Some(Done)) => true,
            (Get(_) | Put(..) | Delete(_), Some(Value(returned))) => returned == value,
            (CompareAndSwap { expected, .. }, Some(Swapped(swapped))) => *swapped == (expected == value),
            // The answer to another operation.
            _ => false,
        };
        fits.then(|| match operation {
            Get(_) => value.clone(),
            Put(_, new) => Some(new.clone()),
            Delete(_) => None,
            CompareAndSwap { expected, new, .. } if expected == value => new.clone(),
            CompareAndSwap { .. } => value.clone(),
        })
    }

    fn only_reads(&self, operation: &Self::Operation, returned: Option<&Self::Returned>) -> bool {
        matches!(operation, KeyValueOperation::Get(_))
            || matches!(returned, Some(KeyValueReturned::Swapped(false)))
    }

    fn overwrites(&self, operation: &Self::Operation, returned: Option<&Self::Returned>) -> bool {
        use KeyValueOperation::{Delete, Put};
        matches!((operation, returned), (Put(..) | Delete(_), None | Some(KeyValueReturned::Done)))
    }
}
