//! First in, first out.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::hash::Hash;
use std::marker::PhantomData;

use crate::history::Model;

/// A queue, empty at first, without a bound on its length.
pub struct Queue<T> {
    _type: PhantomData<fn(T)>,
}

impl<T> Queue<T> {
    /// A queue that is empty at first.
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

/// What a [`Queue`] is asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum QueueOperation<T> {
    /// To put this at the end.
    Enqueue(T),
    /// To take what is at the front.
    Dequeue,
}

/// What a [`Queue`] answers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum QueueReturned<T> {
    /// To `Enqueue`.
    Enqueued,
    /// To `Dequeue`: what was at the front, `None` if the queue was empty.
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
            (Dequeue, Some(Dequeued(told))) => told.as_ref() == queue.front(),
            // An answer to another question.
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
}
