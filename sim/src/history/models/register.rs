//! One value that clients read and write.

use std::fmt::Debug;
use std::hash::Hash;

use crate::history::Model;

/// A register: it is read, written, and compared and swapped.
#[derive(Clone, Debug, Default)]
pub struct Register<V> {
    initial: V,
}

impl<V> Register<V> {
    /// A register that holds this value at first.
    pub const fn new(initial: V) -> Self {
        Self { initial }
    }
}

/// What a [`Register`] is asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RegisterOperation<V> {
    /// What the value is.
    Read,
    /// To take this value.
    Write(V),
    /// To take the value `new` if it holds `expected`.
    CompareAndSwap {
        /// What it has to hold.
        expected: V,
        /// What it holds then.
        new: V,
    },
}

/// What a [`Register`] answers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RegisterReturned<V> {
    /// To a read: the value.
    Value(V),
    /// To a write.
    Written,
    /// To a compare-and-swap: whether it held what was expected, and so was written.
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
            // An answer to another question.
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
