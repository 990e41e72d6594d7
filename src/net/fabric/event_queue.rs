//! The queue of future events of the fabric.
//!
//! # Invariants
//! Events come out in order of time, then of registration. Most links have a constant latency, so most events are
//! registered in ascending order of time. Those are appended to a deque; the others go into a heap.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, VecDeque};

/// An event and its time.
#[derive(Clone, Copy, Debug)]
struct Entry<T> {
    at_ns: u64,
    number: u64,
    event: T,
}

impl<T> Entry<T> {
    fn key(&self) -> (u64, u64) {
        (self.at_ns, self.number)
    }
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl<T> Eq for Entry<T> {}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The earliest entry is the greatest, because `BinaryHeap` pops the greatest.
impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        other.key().cmp(&self.key())
    }
}

/// Events that are scheduled.
#[derive(Debug)]
pub(super) struct EventQueue<T> {
    ascending: VecDeque<Entry<T>>,
    heap: BinaryHeap<Entry<T>>,
    next_number: u64,
}

impl<T> Default for EventQueue<T> {
    fn default() -> Self {
        Self { ascending: VecDeque::new(), heap: BinaryHeap::new(), next_number: 0 }
    }
}

impl<T> EventQueue<T> {
    /// Schedules an event.
    #[inline]
    pub(super) fn push(&mut self, at_ns: u64, event: T) {
        let entry = Entry { at_ns, number: self.next_number, event };
        self.next_number += 1;
        if self.ascending.back().is_none_or(|last| last.at_ns <= at_ns) {
            self.ascending.push_back(entry);
        } else {
            self.heap.push(entry);
        }
    }

    /// Returns the time of the next event.
    #[inline]
    pub(super) fn next_ns(&self) -> Option<u64> {
        let ascending = self.ascending.front().map(|entry| entry.at_ns);
        let heap = self.heap.peek().map(|entry| entry.at_ns);
        match (ascending, heap) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        }
    }

    /// Removes and returns the next event if it is due.
    #[inline]
    pub(super) fn take_due(&mut self, now_ns: u64) -> Option<T> {
        let in_heap = match (self.ascending.front(), self.heap.peek()) {
            (Some(one), Some(other)) => other.key() < one.key(),
            (None, Some(_)) => true,
            (Some(_), None) => false,
            (None, None) => return None,
        };
        if in_heap {
            self.heap.peek().filter(|entry| entry.at_ns <= now_ns)?;
            self.heap.pop().map(|entry| entry.event)
        } else {
            self.ascending.front().filter(|entry| entry.at_ns <= now_ns)?;
            self.ascending.pop_front().map(|entry| entry.event)
        }
    }

    /// Returns all scheduled events, in no particular order.
    #[cfg(test)]
    pub(super) fn events(&self) -> impl Iterator<Item = &T> {
        self.ascending.iter().chain(self.heap.iter()).map(|entry| &entry.event)
    }
}

#[cfg(test)]
mod tests {
    use super::EventQueue;

    #[test]
    fn events_come_in_order_of_time_then_of_registration() {
        let mut queue = EventQueue::default();
        for (number, at_ns) in [5, 7, 3, 7, 3, 9, 0].into_iter().enumerate() {
            queue.push(at_ns, number);
        }
        assert_eq!(queue.next_ns(), Some(0));
        let due = |queue: &mut EventQueue<usize>, now| {
            std::iter::from_fn(|| queue.take_due(now)).collect::<Vec<_>>()
        };
        assert_eq!(due(&mut queue, 6), [6, 2, 4, 0]);
        assert_eq!(due(&mut queue, 6), []);
        assert_eq!(due(&mut queue, 9), [1, 3, 5]);
        assert_eq!(queue.next_ns(), None);
    }
}
