//! The source for replaying, [`Replay`]: the baseline run plus a sparse set of deviations.
//!
//! A schedule deviation moves one resumption. With value `v`, the resumption runs after `v - 1` other steps have run
//! since it became ready, instead of in FIFO order. So one deviation can delay a task for long or move it ahead of many
//! others. An operation deviation preempts a task before an operation, and its value says in the same way when the task
//! continues. A stall deviation of value `v` holds a ready task back until virtual time has advanced `v` times; only
//! then does its place in FIFO order begin.
//!
//! # Invariants
//! - Without deviations, tasks run first in, first out, and every choice is 0.
//! - A deviation applies to the one decision with its key and moves no other.

use std::collections::VecDeque;

use super::Source;
use crate::sorting::pair;
use crate::{DecisionKey, Deviation, Domain, IntMap, Numbers, Operation, Ready, Seed, Stream};

/// Makes decisions from a stored set of deviations.
#[derive(Debug)]
pub struct Replay {
    randomness: Seed,
    deviations: Deviations,
    /// The number of deviations that move ready tasks. Without any, the common path is a plain queue.
    moved: usize,
    /// The number of deviations that preempt a task before an operation.
    preemptions: usize,
    /// The slots of the tasks that run in FIFO order.
    queue: VecDeque<u32>,
    /// The resumptions that a deviation has moved, by the [`pair`] of the step at which they run and their arrival.
    parked: Numbers,
    /// The tasks held back by a stall, by the [`pair`] of the instant at which it ends and their arrival.
    stalled: IntMap<Stalled>,
    step: u64,
    arrivals: u64,
    /// The number of times that virtual time has advanced.
    instants: u64,
    /// The virtual time that has passed, as far as it was announced.
    now_ns: u64,
    /// The longest virtual time for which a task was held back.
    held_ns: u64,
}

/// A task held back by a stall.
#[derive(Debug)]
struct Stalled {
    task: Ready,
    since_ns: u64,
}

/// The value of each deviation, and whether it has been applied, by decision.
#[derive(Debug, Default)]
struct Deviations {
    by_domain: [IntMap<(u32, bool)>; Domain::ALL.len()],
}

impl Deviations {
    fn new(all: &[Deviation]) -> Self {
        let mut deviations = Self::default();
        for deviation in all {
            let (domain, key) = Self::place(deviation.key());
            deviations.by_domain[domain].insert(key, (deviation.value, false));
        }
        deviations
    }

    /// Returns the domain's index, and the key within the domain.
    fn place(key: DecisionKey) -> (usize, u128) {
        let (domain, subject, number, index) = key.parts();
        (domain.code().into(), pair(subject, u64::from(number) << 32 | u64::from(index)))
    }

    fn of(&self, domain: Domain) -> &IntMap<(u32, bool)> {
        &self.by_domain[usize::from(domain.code())]
    }

    fn has(&self, key: DecisionKey) -> bool {
        let (domain, key) = Self::place(key);
        self.by_domain[domain].contains_key(key)
    }

    fn get_mut(&mut self, key: DecisionKey) -> Option<&mut (u32, bool)> {
        let (domain, key) = Self::place(key);
        self.by_domain[domain].get_mut(key)
    }
}

impl Replay {
    /// Creates a source for the baseline run with `deviations`; the code under test draws its random numbers from
    /// `randomness`.
    #[must_use]
    pub fn new(randomness: Seed, deviations: &[Deviation]) -> Self {
        let deviations = Deviations::new(deviations);
        let count =
            |domains: &[Domain]| -> usize { domains.iter().map(|domain| deviations.of(*domain).len()).sum() };
        let moved = count(&Domain::MOVING);
        let preemptions = count(&[Domain::Operation]);
        Self {
            randomness,
            deviations,
            moved,
            preemptions,
            queue: VecDeque::new(),
            parked: Numbers::new(),
            stalled: IntMap::new(),
            step: 0,
            arrivals: 0,
            instants: 0,
            now_ns: 0,
            held_ns: 0,
        }
    }

    /// Begins the place of a ready task in FIFO order.
    fn begin_turn(&mut self, task: Ready, arrival: u64) {
        let value = if self.moved == 0 { 0 } else { self.value(task.key()) };
        if value == 0 {
            self.queue.push_back(task.slot);
        } else {
            self.parked.insert(pair(self.step + u64::from(value) - 1, arrival), task.slot);
        }
    }

    fn value(&mut self, key: DecisionKey) -> u32 {
        self.deviations.get_mut(key).map_or(0, |(value, applied)| {
            *applied = true;
            *value
        })
    }
}

impl Source for Replay {
    fn ready(&mut self, task: Ready) {
        let arrival = self.arrivals;
        self.arrivals += 1;
        let stall = if self.moved == 0 { 0 } else { self.value(task.stall_key()) };
        if stall == 0 {
            self.begin_turn(task, arrival);
        } else {
            let stalled = Stalled { task, since_ns: self.now_ns };
            self.stalled.insert(pair(self.instants + u64::from(stall), arrival), stalled);
        }
    }

    fn wants_operations(&self) -> bool {
        self.preemptions > 0
    }

    fn varies_io(&self) -> bool {
        !self.deviations.of(Domain::Io).is_empty()
    }

    fn should_preempt(&mut self, key: DecisionKey, _operation: Operation) -> bool {
        self.preemptions > 0 && self.deviations.has(key)
    }

    fn lets_time_pass(&mut self, by_ns: u64) -> bool {
        self.now_ns = self.now_ns.saturating_add(by_ns);
        for (_, stalled) in self.stalled.iter() {
            self.held_ns = self.held_ns.max(self.now_ns - stalled.since_ns);
        }
        true
    }

    fn time_passed(&mut self) {
        self.instants += 1;
        while self.stalled.first_key().is_some_and(|first| first < pair(self.instants + 1, 0)) {
            self.release_held();
        }
    }

    fn release_held(&mut self) -> bool {
        let Some((key, Stalled { task, .. })) = self.stalled.pop_first() else { return false };
        self.begin_turn(task, key as u64);
        true
    }

    fn next(&mut self) -> Option<u32> {
        let due = match self.parked.first_key_value() {
            // A parked task also runs early when no other task is ready, because time does not advance while a task can
            // run.
            Some((&first, _)) => first < pair(self.step + 1, 0) || self.queue.is_empty(),
            None => false,
        };
        let next = if due { self.parked.pop_first().map(|(_, slot)| slot) } else { self.queue.pop_front() };
        self.step += u64::from(next.is_some());
        next
    }

    fn choose(&mut self, key: DecisionKey, arity: u32) -> u32 {
        // After an edit of the code, a value may be out of range: use the baseline choice.
        let value = self.value(key);
        if value < arity { value } else { 0 }
    }

    fn user_stream(&mut self, entity: u64) -> Stream {
        Stream::new(self.randomness, Domain::User, entity)
    }

    fn held_ns(&self) -> u64 {
        self.held_ns
    }

    fn unapplied(&self) -> usize {
        self.deviations.by_domain.iter().flat_map(IntMap::iter).filter(|(_, (_, applied))| !applied).count()
    }
}
