//! First in, first out.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::hash::{BuildHasherDefault, Hash};
use std::marker::PhantomData;

use crate::history::memory::Mixer;
use crate::history::{Asked, Model};

/// A queue, empty at first, without a bound on its length.
///
/// Checking is fast where items differ from each other: then it is known which call took out which item.
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

    /// What was taken out first was put in first. An item that was put in twice, or taken out twice, says nothing.
    fn spans(&self, operations: &[Asked<'_, Self::Operation, Self::Returned>]) -> Vec<(u64, u64)> {
        #[expect(clippy::disallowed_types, reason = "asked for members, never iterated")]
        type Taken<'a, T> = std::collections::HashMap<&'a T, Option<(u64, u64)>, BuildHasherDefault<Mixer>>;

        let mut taken = Taken::<'_, T>::default();
        // Whoever never heard what they took may have taken any item that nobody else did.
        let mut unheard = u64::MAX;
        let mut put = Taken::<'_, T>::default();
        for Asked { operation, returned, called, ended } in operations {
            match (operation, returned) {
                (QueueOperation::Enqueue(item), _) => {
                    put.entry(item).and_modify(|put| *put = None).or_insert(Some((*called, *ended)));
                }
                (QueueOperation::Dequeue, Some(QueueReturned::Dequeued(Some(item)))) => {
                    taken.entry(item).and_modify(|taken| *taken = None).or_insert(Some((*called, *ended)));
                }
                (QueueOperation::Dequeue, None) => unheard = unheard.min(*called),
                (QueueOperation::Dequeue, Some(_)) => {}
            }
        }
        let span = |operation: &QueueOperation<T>| match operation {
            QueueOperation::Enqueue(item) if put[item].is_some() => match taken.get(item) {
                Some(taken) => taken.unwrap_or((0, u64::MAX)),
                None => (unheard, u64::MAX),
            },
            _ => (0, u64::MAX),
        };
        operations.iter().map(|asked| span(asked.operation)).collect()
    }
}
