//! [`Register`]: one value that clients read and write.

use std::fmt::Debug;
use std::hash::Hash;

use crate::history::Model;

/// A register with read, write and compare-and-swap.
#[derive(Clone, Debug, Default)]
pub struct Register<V> {
    initial: V,
}

impl<V> Register<V> {
    /// Creates a register with an initial value.
    pub const fn new(initial: V) -> Self {
        Self { initial }
    }
}

/// An operation on a [`Register`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RegisterOperation<V> {
    /// Returns the value.
    Read,
    /// Sets the value.
    Write(V),
    /// Sets the value to `new` if it equals `expected`.
    CompareAndSwap {
        /// The expected value.
        expected: V,
        /// The new value.
        new: V,
    },
}

/// The answer of a [`Register`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RegisterReturned<V> {
    /// The answer to `Read`: the value.
    Value(V),
    /// The answer to `Write`.
    Written,
    /// The answer to `CompareAndSwap`: whether the value equaled `expected` and was replaced.
    Swapped(bool),
}

impl<V: Clone + Eq + Hash + Debug> Model for Register<V> {
    type State = V;
    type Operation = RegisterOperation<V>;
    type Returned = RegisterReturned<V>;
    type Key = ();

    fn key(&self, _: &Self::Operation) {}

    fn init(&self) -> V {
        self.initial.clone()
    }

    fn step(&self, value: &V, operation: &Self::Operation, returned: Option<&Self::Returned>) -> Option<V> {
        use RegisterOperation::{CompareAndSwap, Read, Write};
        use RegisterReturned::{Swapped, Value, Written};
        match (operation, returned) {
            (Read, None) => Some(value.clone()),
            (Read, Some(Value(read))) => (read == value).then(|| value.clone()),
            (Write(new), None | Some(Written)) => Some(new.clone()),
            (CompareAndSwap { expected, new }, None | Some(Swapped(_))) => {
                let swaps = expected == value;
                let fits = matches!(returned, Some(Swapped(swapped)) if *swapped == swaps);
                (fits || returned.is_none()).then(|| if swaps { new.clone() } else { value.clone() })
            }
            // The answer to another operation.
            _ => None,
        }
    }

    fn only_reads(&self, operation: &Self::Operation, returned: Option<&Self::Returned>) -> bool {
        matches!(operation, RegisterOperation::Read)
            || matches!(returned, Some(RegisterReturned::Swapped(false)))
    }

    fn overwrites(&self, operation: &Self::Operation, returned: Option<&Self::Returned>) -> bool {
        matches!((operation, returned), (RegisterOperation::Write(_), None | Some(RegisterReturned::Written)))
    }
}
