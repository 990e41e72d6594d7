//! The timer queue: which wake target is woken at which instant.
//!
//! Most programs sleep for the same few durations, so most deadlines are set in ascending order. Those are appended to a
//! sorted queue; the others go into a heap.
//!
//! # Invariants
//! - Timers are due in order of deadline, then of registration.
//! - Cancelling a timer returns its wake target at once.
//! - The queue has at most twice as many entries as live timers, plus [`SLACK`].

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::num::NonZeroU64;

use super::waker::{RunId, WakeTarget};

/// How many entries may remain beyond twice the number of live timers.
const SLACK: usize = 64;

/// A registered timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimerRef {
    /// Counts up within a run. The highest bits are the run's number.
    number: NonZeroU64,
    index: u32,
}

impl TimerRef {
    /// Returns the run that the timer belongs to.
    #[inline]
    pub(crate) fn run(self) -> RunId {
        RunId::of_timer(self.number)
    }
}

/// How many bits of an entry hold the index of the timer.
const INDEX_BITS: u32 = 24;

/// A timer in the queue: its deadline, its number within the run and its index, from the highest bits to the lowest. One
/// comparison without a branch orders two of them. The index decides nothing, because numbers are unique.
#[derive(Clone, Copy, Debug)]
struct Entry(u128);

impl Entry {
    #[inline]
    fn new(deadline_ns: u64, number: NonZeroU64, index: u32) -> Self {
        let low = number.get() << INDEX_BITS | u64::from(index);
        Self(u128::from(deadline_ns) << 64 | u128::from(low))
    }

    #[inline]
    fn deadline_ns(self) -> u64 {
        (self.0 >> 64) as u64
    }

    #[inline]
    fn index(self) -> u32 {
        self.0 as u32 & ((1 << INDEX_BITS) - 1)
    }

    /// Returns whether the entry belongs to the timer with this number.
    #[inline]
    fn is(self, number: Option<NonZeroU64>) -> bool {
        number.is_some_and(|number| number.get() << INDEX_BITS == self.0 as u64 & !((1 << INDEX_BITS) - 1))
    }
}

#[derive(Debug)]
struct Timer {
    /// The number of the timer at this index; `None` when it is free.
    number: Option<NonZeroU64>,
    wake_target: Option<WakeTarget>,
}

/// The timers of a run.
#[derive(Debug)]
pub(super) struct TimerQueue {
    ascending: VecDeque<Entry>,
    /// Entries as bare numbers, which take fewer calls to compare in debug builds.
    heap: BinaryHeap<Reverse<u128>>,
    timers: Vec<Timer>,
    free: Vec<u32>,
    next_number: NonZeroU64,
    /// The clock that each timer follows, by the timer's index. The timers of the test's node are not included.
    owners: Vec<Owner>,
}

/// The node whose clock a timer follows.
#[derive(Clone, Copy, Debug, Default)]
struct Owner {
    /// The number of the timer, which may be an earlier one with this index.
    number: Option<NonZeroU64>,
    node: u16,
    /// When the timer is due, in the node's time.
    local_deadline_ns: u64,
}

impl TimerQueue {
    /// Creates an empty queue whose timers are numbered from `first_number`, which is not 0.
    pub(super) fn new(first_number: u64) -> Self {
        Self {
            ascending: VecDeque::new(),
            heap: BinaryHeap::new(),
            timers: Vec::new(),
            free: Vec::new(),
            owners: Vec::new(),
            next_number: NonZeroU64::new(first_number).expect("timers are not numbered from 0"),
        }
    }

    /// Registers a timer.
    #[inline]
    pub(super) fn insert(&mut self, deadline_ns: u64, wake_target: WakeTarget) -> TimerRef {
        let number = self.next_number;
        self.next_number = number.saturating_add(1);
        let index = match self.free.pop() {
            Some(index) => {
                let timer = &mut self.timers[index as usize];
                timer.number = Some(number);
                timer.wake_target = Some(wake_target);
                index
            }
            None => {
                self.timers.push(Timer { number: Some(number), wake_target: Some(wake_target) });
                let index = self.timers.len() - 1;
                assert!(index < 1 << INDEX_BITS, "more than 16,777,216 timers are set at one time");
                index as u32
            }
        };
        let entry = Entry::new(deadline_ns, number, index);
        if self.ascending.back().is_none_or(|last| last.deadline_ns() <= deadline_ns) {
            self.ascending.push_back(entry);
        } else {
            self.heap.push(Reverse(entry.0));
        }
        TimerRef { number, index }
    }

    /// Returns the wake target of a timer. Returns `None` when the timer has fired or was cancelled.
    #[inline]
    pub(super) fn wake_target(&mut self, timer: TimerRef) -> Option<&WakeTarget> {
        self.timers
            .get(timer.index as usize)
            .filter(|found| found.number == Some(timer.number))
            .and_then(|found| found.wake_target.as_ref())
    }

    /// Replaces the wake target of a timer. Returns the previous one, which the caller drops when nothing is borrowed.
    pub(super) fn set_wake_target(&mut self, timer: TimerRef, wake_target: WakeTarget) -> Option<WakeTarget> {
        match self.timers.get_mut(timer.index as usize) {
            Some(found) if found.number == Some(timer.number) => found.wake_target.replace(wake_target),
            _ => Some(wake_target),
        }
    }

    /// Cancels a timer. Returns its wake target, which the caller drops when nothing is borrowed.
    #[inline]
    pub(super) fn cancel(&mut self, timer: TimerRef) -> Option<WakeTarget> {
        let wake_target = self.take(timer.index, |number| number == Some(timer.number))?;
        while self.ascending.back().is_some_and(|&entry| !self.is_live(entry)) {
            self.ascending.pop_back();
        }
        self.sweep_if_due();
        Some(wake_target)
    }

    /// Makes a timer follow the clock of this node, where it is due at `local_deadline_ns`.
    pub(super) fn belongs_to(&mut self, timer: TimerRef, node: u16, local_deadline_ns: u64) {
        let index = timer.index as usize;
        if self.owners.len() <= index {
            self.owners.resize(index + 1, Owner::default());
        }
        self.owners[index] = Owner { number: Some(timer.number), node, local_deadline_ns };
    }

    /// Moves all timers that follow the clock of a node. `moved` converts their deadlines from the node's time to the run's.
    pub(super) fn move_all_of(&mut self, node: u16, moved: impl Fn(u64) -> u64) {
        let (timers, owners) = (&self.timers, &self.owners);
        let mut of_node = Vec::new();
        let mut stays = |entry: Entry| {
            let index = entry.index();
            let number = timers[index as usize].number;
            let owner =
                owners.get(index as usize).filter(|owner| owner.number == number && owner.node == node);
            if let (true, Some(owner), Some(number)) = (entry.is(number), owner, number) {
                of_node.push(Entry::new(moved(owner.local_deadline_ns), number, index));
                return false;
            }
            true
        };
        self.ascending.retain(|&entry| stays(entry));
        self.heap.retain(|&Reverse(entry)| stays(Entry(entry)));
        self.heap.extend(of_node.into_iter().map(|entry| Reverse(entry.0)));
    }

    /// Returns the earliest deadline.
    pub(super) fn next_deadline_ns(&mut self) -> Option<u64> {
        while self.ascending.front().is_some_and(|&entry| !self.is_live(entry)) {
            self.ascending.pop_front();
        }
        while self.heap.peek().is_some_and(|&Reverse(entry)| !self.is_live(Entry(entry))) {
            self.heap.pop();
        }
        self.first().map(|(entry, _)| entry.deadline_ns())
    }

    /// Takes the next timer that is due at this deadline, in order of registration.
    #[inline]
    pub(super) fn take_due(&mut self, deadline_ns: u64) -> Option<WakeTarget> {
        loop {
            let due = self.first().filter(|(entry, _)| entry.deadline_ns() == deadline_ns);
            let Some((entry, in_heap)) = due else {
                self.sweep_if_due();
                return None;
            };
            if in_heap {
                self.heap.pop();
            } else {
                self.ascending.pop_front();
            }
            let wake_target = self.take(entry.index(), |number| entry.is(number));
            if wake_target.is_some() {
                return wake_target;
            }
        }
    }

    /// Returns the number of entries, including those of cancelled timers.
    pub(super) fn entries(&self) -> usize {
        self.ascending.len() + self.heap.len()
    }

    /// Returns how many timers are set.
    pub(super) fn live(&self) -> usize {
        self.timers.len() - self.free.len()
    }

    /// Removes all timers.
    pub(super) fn clear(&mut self) -> Vec<WakeTarget> {
        if self.timers.is_empty() {
            return Vec::new();
        }
        self.ascending.clear();
        self.heap.clear();
        self.free.clear();
        self.timers.drain(..).filter_map(|timer| timer.wake_target).collect()
    }

    #[inline]
    fn take(&mut self, index: u32, is_it: impl FnOnce(Option<NonZeroU64>) -> bool) -> Option<WakeTarget> {
        let timer = self.timers.get_mut(index as usize).filter(|timer| is_it(timer.number))?;
        timer.number = None;
        self.free.push(index);
        timer.wake_target.take()
    }

    #[inline]
    fn is_live(&self, entry: Entry) -> bool {
        entry.is(self.timers[entry.index() as usize].number)
    }

    /// Returns the first entry, which may belong to a cancelled timer, and whether it is in the heap.
    #[inline]
    fn first(&self) -> Option<(Entry, bool)> {
        match (self.ascending.front(), self.heap.peek()) {
            (Some(&entry), None) => Some((entry, false)),
            (Some(&entry), Some(&Reverse(later))) if entry.0 < later => Some((entry, false)),
            (_, Some(&Reverse(entry))) => Some((Entry(entry), true)),
            (None, None) => None,
        }
    }

    fn sweep_if_due(&mut self) {
        if self.entries() <= 2 * self.live() + SLACK {
            return;
        }
        let timers = &self.timers;
        let live = |entry: Entry| entry.is(timers[entry.index() as usize].number);
        self.ascending.retain(|&entry| live(entry));
        self.heap.retain(|&Reverse(entry)| live(Entry(entry)));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Wake, Waker};

    use proptest::prelude::*;

    use super::super::waker::WakeTarget;
    use super::{SLACK, TimerQueue};

    /// A waker that stores its number when it is woken.
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
        /// Compares the queue with a sorted list.
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
                        refs.push(queue.insert(now + delay, WakeTarget::Other(waker)));
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
                        let due = next.into_iter().flat_map(std::iter::repeat);
                        let numbers: Vec<usize> = due
                            .map_while(|deadline_ns| queue.take_due(deadline_ns))
                            .map(|wake_target| {
                                let WakeTarget::Other(waker) = wake_target else { unreachable!("as it was inserted") };
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
