//! [`Counter`]: a number that clients read and add to.

use crate::history::Model;

/// A counter, 0 at first. Sums wrap around.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counter;

/// An operation on a [`Counter`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum CounterOperation {
    /// Returns the sum.
    Read,
    /// Adds a number.
    Add(i64),
    /// Adds a number and returns the sum before.
    FetchAdd(i64),
}

/// The answer of a [`Counter`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum CounterReturned {
    /// The answer to `Read`: the sum. The answer to `FetchAdd`: the sum before.
    Value(i64),
    /// The answer to `Add`.
    Added,
}

impl Model for Counter {
    type State = i64;
    type Operation = CounterOperation;
    type Returned = CounterReturned;
    type Key = ();

    fn key(&self, _: &CounterOperation) {}

    fn init(&self) -> i64 {
        0
    }

    fn step(
        &self,
        sum: &i64,
        operation: &CounterOperation,
        returned: Option<&CounterReturned>,
    ) -> Option<i64> {
        use CounterOperation::{Add, FetchAdd, Read};
        use CounterReturned::{Added, Value};
        let fits = match (operation, returned) {
            (_, None) | (Add(_), Some(Added)) => true,
            (Read | FetchAdd(_), Some(Value(value))) => value == sum,
            // The answer to another operation.
            _ => false,
        };
        fits.then_some(match operation {
            Read => *sum,
            Add(amount) | FetchAdd(amount) => sum.wrapping_add(*amount),
        })
    }

    fn only_reads(&self, operation: &CounterOperation, _: Option<&CounterReturned>) -> bool {
        matches!(operation, CounterOperation::Read)
    }
}
