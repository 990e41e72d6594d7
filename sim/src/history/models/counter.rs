//! A number that clients add to.

use crate::history::Model;

/// A counter, 0 at first. Sums wrap around.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counter;

/// What a [`Counter`] is asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum CounterOperation {
    /// What the sum is.
    Read,
    /// To add this.
    Add(i64),
    /// To add this, and say what the sum was before.
    FetchAdd(i64),
}

/// What a [`Counter`] answers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum CounterReturned {
    /// To a read: the sum. To a `FetchAdd`: the sum before.
    Value(i64),
    /// To an `Add`.
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
            (Read | FetchAdd(_), Some(Value(told))) => told == sum,
            // An answer to another question.
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
