//! [`Queue`]: first in, first out.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::hash::{BuildHasherDefault, Hash};
use std::marker::PhantomData;

use crate::history::visited::Mixer;
use crate::history::{Invocation, Model};

/// An unbounded queue, empty at first.
///
/// Checking is fast if all items differ, since it is then known which call took out which item.
pub struct Queue<T> {
    _type: PhantomData<fn(T)>,
}

impl<T> Queue<T> {
    /// Creates a queue that is empty at first.
    #[must_use]
    pub const fn new() -> Self {
        Self { _type: PhantomData }
    }
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Clone for Queue<T> {
    fn clone(&self) -> Self {
        Self::new()
    }
}

impl<T> Debug for Queue<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Queue")
    }
}

/// An operation on a [`Queue`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum QueueOperation<T> {
    /// Adds an item at the end.
    Enqueue(T),
    /// Takes the item at the front.
    Dequeue,
}

/// The answer of a [`Queue`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum QueueReturned<T> {
    /// The answer to `Enqueue`.
    Enqueued,
    /// The answer to `Dequeue`: the item at the front, or `None` if the queue was empty.
    Dequeued(Option<T>),
}

impl<T: Clone + Eq + Hash + Debug> Model for Queue<T> {
    type State = VecDeque<T>;
    type Operation = QueueOperation<T>;
    type Returned = QueueReturned<T>;
    type Key = ();

    fn key(&self, _: &Self::Operation) {}

    fn init(&self) -> VecDeque<T> {
        VecDeque::new()
    }

    fn step(
        &self,
        queue: &VecDeque<T>,
        operation: &Self::Operation,
        returned: Option<&Self::Returned>,
    ) -> Option<VecDeque<T>> {
        use QueueOperation::{Dequeue, Enqueue};
        use QueueReturned::{Dequeued, Enqueued};
        let fits = match (operation, returned) {
            (_, None) | (Enqueue(_), Some(Enqueued)) => true,
            (Dequeue, Some(Dequeued(item))) => item.as_ref() == queue.front(),
            // The answer to another operation.
            _ => false,
        };
        fits.then(|| {
            let mut queue = queue.clone();
            match operation {
                Enqueue(item) => queue.push_back(item.clone()),
                Dequeue => drop(queue.pop_front()),
            }
            queue
        })
    }

    fn only_reads(&self, _: &Self::Operation, returned: Option<&Self::Returned>) -> bool {
        matches!(returned, Some(QueueReturned::Dequeued(None)))
    }

    /// Items are put in in the order in which they are taken out. An item that was put in or taken out twice has no span.
    fn spans(&self, operations: &[Invocation<'_, Self::Operation, Self::Returned>]) -> Vec<(u64, u64)> {
        #[expect(clippy::disallowed_types, reason = "asked for members, never iterated")]
        type Taken<'a, T> = std::collections::HashMap<&'a T, Option<(u64, u64)>, BuildHasherDefault<Mixer>>;

        let mut taken = Taken::<'_, T>::default();
        // A dequeue that never returned may have taken any item that no other dequeue returned. This is the first call of
        // one.
        let mut first_lost = u64::MAX;
        let mut put = Taken::<'_, T>::default();
        for Invocation { operation, returned, called, ended } in operations {
            match (operation, returned) {
                (QueueOperation::Enqueue(item), _) => {
                    put.entry(item).and_modify(|put| *put = None).or_insert(Some((*called, *ended)));
                }
                (QueueOperation::Dequeue, Some(QueueReturned::Dequeued(Some(item)))) => {
                    taken.entry(item).and_modify(|taken| *taken = None).or_insert(Some((*called, *ended)));
                }
                (QueueOperation::Dequeue, None) => first_lost = first_lost.min(*called),
                (QueueOperation::Dequeue, Some(_)) => {}
            }
        }
        let span = |operation: &QueueOperation<T>| match operation {
            QueueOperation::Enqueue(item) if put[item].is_some() => match taken.get(item) {
                Some(taken) => taken.unwrap_or((0, u64::MAX)),
                None => (first_lost, u64::MAX),
            },
            _ => (0, u64::MAX),
        };
        operations.iter().map(|invocation| span(invocation.operation)).collect()
    }
}
