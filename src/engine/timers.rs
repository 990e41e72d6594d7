//! The timer queue: which wakers are called at which instant.
//!
//! Always true: timers come due in order of deadline, then of registration; a cancelled timer gives its waker back at
//! once, and the entries that cancelled timers leave behind never outnumber the live ones by more than [`SLACK`].
//!
//! Most programs sleep for the same few durations, so deadlines mostly come in ascending order. Those go to the end of
//! a sorted run at no cost; only the others pay for a heap.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::task::Waker;

/// How many entries of cancelled timers may lie about beyond the number of live ones.
const SLACK: usize = 64;

/// A registered timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimerRef {
    number: u64,
    index: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    deadline_ns: u64,
    number: u64,
    index: u32,
}

#[derive(Debug)]
struct Timer {
    /// The number of the timer that has this place; 0 when it is free.
    number: u64,
    waker: Option<Waker>,
}

/// The timers of a run.
#[derive(Debug)]
pub(super) struct TimerQueue {
    ascending: VecDeque<Entry>,
    heap: BinaryHeap<Reverse<Entry>>,
    timers: Vec<Timer>,
    free: Vec<u32>,
    next_number: u64,
}

impl TimerQueue {
    /// An empty queue whose timers are numbered from `first_number`, which is not 0.
    pub(super) fn new(first_number: u64) -> Self {
        debug_assert!(first_number > 0);
        Self {
            ascending: VecDeque::new(),
            heap: BinaryHeap::new(),
            timers: Vec::new(),
            free: Vec::new(),
            next_number: first_number,
        }
    }

    /// Registers a timer.
    pub(super) fn insert(&mut self, deadline_ns: u64, waker: Waker) -> TimerRef {
        let number = self.next_number;
        self.next_number += 1;
        let timer = Timer { number, waker: Some(waker) };
        let index = match self.free.pop() {
            Some(index) => {
                self.timers[index as usize] = timer;
                index
            }
            None => {
                self.timers.push(timer);
                u32::try_from(self.timers.len() - 1).expect("fewer than 2^32 timers are set")
            }
        };
        let entry = Entry { deadline_ns, number, index };
        if self.ascending.back().is_none_or(|last| last.deadline_ns <= deadline_ns) {
            self.ascending.push_back(entry);
        } else {
            self.heap.push(Reverse(entry));
        }
        TimerRef { number, index }
    }

    /// The place of the timer's waker; `None` when the timer has fired or was cancelled.
    pub(super) fn waker(&mut self, timer: TimerRef) -> Option<&mut Waker> {
        self.timers
            .get_mut(timer.index as usize)
            .filter(|found| found.number == timer.number)
            .and_then(|found| found.waker.as_mut())
    }

    /// Takes a timer out; gives its waker back, to be dropped where no lock is held.
    pub(super) fn cancel(&mut self, timer: TimerRef) -> Option<Waker> {
        let waker = self.take(timer.number, timer.index)?;
        while self.ascending.back().is_some_and(|entry| !self.is_live(entry)) {
            self.ascending.pop_back();
        }
        self.sweep_if_due();
        Some(waker)
    }

    /// The earliest deadline.
    pub(super) fn next_deadline_ns(&mut self) -> Option<u64> {
        self.earliest().map(|entry| entry.deadline_ns)
    }

    /// Takes out the next of the timers due at this deadline, in order of registration, and gives its waker.
    #[inline]
    pub(super) fn take_due(&mut self, deadline_ns: u64) -> Option<Waker> {
        let Some(entry) = self.earliest().filter(|entry| entry.deadline_ns == deadline_ns) else {
            self.sweep_if_due();
            return None;
        };
        if self.ascending.front() == Some(&entry) {
            self.ascending.pop_front();
        } else {
            self.heap.pop();
        }
        self.take(entry.number, entry.index)
    }

    /// How many entries there are, those of cancelled timers included.
    pub(super) fn entries(&self) -> usize {
        self.ascending.len() + self.heap.len()
    }

    /// How many timers are set.
    pub(super) fn live(&self) -> usize {
        self.timers.len() - self.free.len()
    }

    /// Takes all timers out.
    pub(super) fn clear(&mut self) -> Vec<Waker> {
        self.ascending.clear();
        self.heap.clear();
        self.free.clear();
        self.timers.drain(..).filter_map(|timer| timer.waker).collect()
    }

    fn take(&mut self, number: u64, index: u32) -> Option<Waker> {
        let timer = self.timers.get_mut(index as usize).filter(|timer| timer.number == number)?;
        timer.number = 0;
        self.free.push(index);
        timer.waker.take()
    }

    #[inline]
    fn is_live(&self, entry: &Entry) -> bool {
        self.timers[entry.index as usize].number == entry.number
    }

    /// The first live entry; drops cancelled ones on the way.
    #[inline]
    fn earliest(&mut self) -> Option<Entry> {
        while self.ascending.front().is_some_and(|entry| !self.is_live(entry)) {
            self.ascending.pop_front();
        }
        while self.heap.peek().is_some_and(|Reverse(entry)| !self.is_live(entry)) {
            self.heap.pop();
        }
        match (self.ascending.front(), self.heap.peek()) {
            (Some(first), Some(Reverse(second))) => Some(*first.min(second)),
            (Some(entry), None) | (None, Some(Reverse(entry))) => Some(*entry),
            (None, None) => None,
        }
    }

    fn sweep_if_due(&mut self) {
        if self.entries() <= 2 * self.live() + SLACK {
            return;
        }
        let timers = &self.timers;
        let live = |entry: &Entry| timers[entry.index as usize].number == entry.number;
        self.ascending.retain(live);
        self.heap.retain(|Reverse(entry)| live(entry));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Wake, Waker};

    use proptest::prelude::*;

    use super::{SLACK, TimerQueue};

    /// A waker that stands for a number.
    struct Number(usize, Arc<AtomicUsize>);

    impl Wake for Number {
        fn wake(self: Arc<Self>) {
            self.1.store(self.0, Ordering::Relaxed);
        }
    }

    #[derive(Clone, Debug)]
    enum Operation {
        Insert(u64),
        Cancel(usize),
        Advance,
    }

    fn operation() -> impl Strategy<Value = Operation> {
        prop_oneof![
            4 => (0_u64..20).prop_map(Operation::Insert),
            2 => any::<usize>().prop_map(Operation::Cancel),
            1 => Just(Operation::Advance),
        ]
    }

    proptest! {
        /// Against a plain sorted list.
        #[test]
        fn comes_due_in_order_of_deadline_then_registration(
            operations in prop::collection::vec(operation(), 0..400),
        ) {
            let woken = Arc::new(AtomicUsize::new(usize::MAX));
            let mut queue = TimerQueue::new(1);
            let mut model: Vec<(u64, usize)> = Vec::new();
            let mut refs = Vec::new();
            let mut now = 0;
            for operation in operations {
                match operation {
                    Operation::Insert(delay) => {
                        let number = refs.len();
                        let waker = Waker::from(Arc::new(Number(number, Arc::clone(&woken))));
                        refs.push(queue.insert(now + delay, waker));
                        model.push((now + delay, number));
                    }
                    Operation::Cancel(which) if !refs.is_empty() => {
                        let number = which % refs.len();
                        let known = model.iter().position(|entry| entry.1 == number);
                        prop_assert_eq!(queue.cancel(refs[number]).is_some(), known.is_some());
                        known.map(|position| model.remove(position));
                    }
                    Operation::Cancel(_) => {}
                    Operation::Advance => {
                        let next = model.iter().map(|entry| entry.0).min();
                        prop_assert_eq!(queue.next_deadline_ns(), next);
                        let due = next.into_iter().flat_map(|next| std::iter::repeat(next));
                        let numbers: Vec<usize> = due
                            .map_while(|deadline_ns| queue.take_due(deadline_ns))
                            .map(|waker| {
                                waker.wake();
                                woken.load(Ordering::Relaxed)
                            })
                            .collect();
                        let (expected, rest): (Vec<(u64, usize)>, Vec<_>) =
                            model.iter().partition(|entry| Some(entry.0) == next);
                        prop_assert_eq!(numbers, expected.iter().map(|entry| entry.1).collect::<Vec<_>>());
                        model = rest;
                        now = next.unwrap_or(now);
                    }
                }
                prop_assert_eq!(queue.live(), model.len());
                prop_assert!(queue.entries() <= 2 * queue.live() + SLACK);
            }
        }
    }
}
