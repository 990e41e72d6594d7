//! A table of keys and values.

use std::fmt::Debug;
use std::hash::Hash;
use std::marker::PhantomData;

use crate::history::Model;

/// A key-value store with compare-and-swap, empty at first. Each key is checked alone.
pub struct KeyValue<K, V> {
    _types: PhantomData<fn(K, V)>,
}

impl<K, V> KeyValue<K, V> {
    /// A store that is empty at first.
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

/// What a [`KeyValue`] store is asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum KeyValueOperation<K, V> {
    /// The value under this key.
    Get(K),
    /// To put a value under this key.
    Put(K, V),
    /// To leave nothing under this key.
    Delete(K),
    /// To put `new` under the key (`None`: nothing) if `expected` is there.
    CompareAndSwap {
        /// Under which key.
        key: K,
        /// What has to be there; `None` for nothing.
        expected: Option<V>,
        /// What is there then; `None` for nothing.
        new: Option<V>,
    },
}

/// What a [`KeyValue`] store answers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum KeyValueReturned<V> {
    /// To `Get`: what is there. To `Put` and `Delete`, of stores that tell: what was there before.
    Value(Option<V>),
    /// To `Put` and `Delete`, of stores that tell no more.
    Done,
    /// To `CompareAndSwap`: whether what was expected was there.
    Swapped(bool),
}

impl<K: Ord + Clone + Debug, V: Clone + Eq + Hash + Debug> Model for KeyValue<K, V> {
    /// What is under one key.
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
            (Get(_) | Put(..) | Delete(_), Some(Value(told))) => told == value,
            (CompareAndSwap { expected, .. }, Some(Swapped(swapped))) => *swapped == (expected == value),
            // An answer to another question.
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
