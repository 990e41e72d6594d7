//! Models for random histories, each with a few operations and all answers to them.

use std::fmt::Debug;

use timeloop_sim::history::Model;
use timeloop_sim::history::models::{
    Counter, CounterOperation, CounterReturned, KeyValue, KeyValueOperation, KeyValueReturned, PerKey, Queue,
    QueueOperation, QueueReturned, Register, RegisterOperation, RegisterReturned, Set, SetOperation,
};

/// A model for random histories.
pub(super) trait Object:
    Model<State: Send, Operation: Clone + Send + 'static, Returned: Clone + PartialEq + Send + 'static>
    + Default
    + 'static
{
    /// Returns the operation with this number.
    fn operation(number: u8) -> Self::Operation;

    /// Returns all answers that a history may contain, and possibly others.
    fn answers() -> Vec<Self::Returned>;
}

impl Object for Register<u8> {
    fn operation(number: u8) -> RegisterOperation<u8> {
        let value = number / 8 % 3;
        match number % 8 {
            0..4 => RegisterOperation::Read,
            4..7 => RegisterOperation::Write(value),
            _ => RegisterOperation::CompareAndSwap { expected: value, new: number / 24 % 3 },
        }
    }

    fn answers() -> Vec<RegisterReturned<u8>> {
        use RegisterReturned::{Swapped, Value, Written};
        vec![Value(0), Value(1), Value(2), Written, Swapped(false), Swapped(true)]
    }
}

impl Object for PerKey<u8, Register<u8>> {
    fn operation(number: u8) -> (u8, RegisterOperation<u8>) {
        (number % 2, Register::operation(number / 2))
    }

    fn answers() -> Vec<RegisterReturned<u8>> {
        Register::answers()
    }
}

impl Object for KeyValue<u8, u8> {
    fn operation(number: u8) -> KeyValueOperation<u8, u8> {
        let (key, value) = (number / 8 % 2, number / 16 % 3);
        match number % 8 {
            0..3 => KeyValueOperation::Get(key),
            3..5 => KeyValueOperation::Put(key, value),
            5 => KeyValueOperation::Delete(key),
            _ => KeyValueOperation::CompareAndSwap {
                key,
                expected: Some(value).filter(|value| *value < 2),
                new: Some(number / 48 % 3).filter(|value| *value < 2),
            },
        }
    }

    fn answers() -> Vec<KeyValueReturned<u8>> {
        use KeyValueReturned::{Done, Swapped, Value};
        vec![Done, Value(None), Value(Some(0)), Value(Some(1)), Value(Some(2)), Swapped(false), Swapped(true)]
    }
}

impl Object for Counter {
    fn operation(number: u8) -> CounterOperation {
        match number % 4 {
            0 => CounterOperation::Read,
            1 => CounterOperation::Add(1),
            2 => CounterOperation::FetchAdd(1),
            _ => CounterOperation::FetchAdd(-2),
        }
    }

    fn answers() -> Vec<CounterReturned> {
        [CounterReturned::Added].into_iter().chain((-40..=40).map(CounterReturned::Value)).collect()
    }
}

impl Object for Queue<u8> {
    fn operation(number: u8) -> QueueOperation<u8> {
        if number.is_multiple_of(2) {
            QueueOperation::Dequeue
        } else {
            QueueOperation::Enqueue(number / 2 % 4)
        }
    }

    fn answers() -> Vec<QueueReturned<u8>> {
        use QueueReturned::{Dequeued, Enqueued};
        [Enqueued, Dequeued(None)].into_iter().chain((0..16).map(|item| Dequeued(Some(item)))).collect()
    }
}

impl Object for Set<u8> {
    fn operation(number: u8) -> SetOperation<u8> {
        let item = number / 3 % 2;
        match number % 3 {
            0 => SetOperation::Insert(item),
            1 => SetOperation::Remove(item),
            _ => SetOperation::Contains(item),
        }
    }

    fn answers() -> Vec<bool> {
        vec![false, true]
    }
}

/// A nondeterministic object: shaking a bag may drop any item.
#[derive(Debug, Default)]
pub(super) struct Bag;

/// An operation on a [`Bag`].
#[derive(Clone, Debug, PartialEq)]
pub(super) enum BagOperation {
    Put(u8),
    /// Shakes the bag: an item may drop out; the answer does not say which.
    Shake,
    Count,
}

impl Model for Bag {
    type State = Vec<u8>;
    type Operation = BagOperation;
    type Returned = usize;
    type Key = ();

    fn key(&self, _: &BagOperation) {}

    fn init(&self) -> Vec<u8> {
        Vec::new()
    }

    fn step(&self, bag: &Vec<u8>, operation: &BagOperation, returned: Option<&usize>) -> Option<Vec<u8>> {
        let mut after = bag.clone();
        if let BagOperation::Put(item) = operation {
            after.push(*item);
            after.sort_unstable();
        }
        // The answer to `Shake` is always 0.
        let answer = if *operation == BagOperation::Shake { 0 } else { after.len() };
        returned.is_none_or(|returned| *returned == answer).then_some(after)
    }

    fn other_steps(
        &self,
        bag: &Vec<u8>,
        operation: &BagOperation,
        returned: Option<&usize>,
        states: &mut Vec<Vec<u8>>,
    ) {
        if *operation == BagOperation::Shake && returned.is_none_or(|returned| *returned == 0) {
            for dropped in 0..bag.len() {
                let mut after = bag.clone();
                after.remove(dropped);
                states.push(after);
            }
        }
    }

    fn only_reads(&self, operation: &BagOperation, _: Option<&usize>) -> bool {
        *operation == BagOperation::Count
    }
}

impl Object for Bag {
    fn operation(number: u8) -> BagOperation {
        match number % 4 {
            0 => BagOperation::Put(number / 4 % 2),
            1 => BagOperation::Shake,
            _ => BagOperation::Count,
        }
    }

    fn answers() -> Vec<usize> {
        (0..20).collect()
    }
}
