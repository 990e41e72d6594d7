//! The source for replaying: the quiet run plus a sparse set of deviations.
//!
//! Always true: without deviations tasks run first in, first out and every choice is 0; a deviation applies to the one
//! decision that its key names and leaves the others where they were.
//!
//! A schedule deviation fixes when one resumption runs: value `v` says "after `v - 1` other steps have run since it
//! became ready" instead of "in its turn". So one deviation can make a task wait for long or go ahead of many.

use std::collections::{BTreeMap, VecDeque};

use super::{Ready, Source};
use crate::{DecisionKey, Deviation, Domain, Seed, Stream};

/// Decides by a stored set of deviations.
#[derive(Debug)]
pub struct Replay {
    randomness: Seed,
    /// Value and whether it has been applied, by decision.
    deviations: BTreeMap<DecisionKey, (u32, bool)>,
    /// How many of the deviations move a resumption: without any, the common path is a plain queue.
    moved: usize,
    /// The slots of the tasks that run in their turn.
    queue: VecDeque<u32>,
    /// Resumptions that a deviation has moved, by the step at which they run and then by arrival.
    parked: BTreeMap<(u64, u64), u32>,
    step: u64,
    arrivals: u64,
}

impl Replay {
    /// The quiet run of `randomness` with `deviations`.
    #[must_use]
    pub fn new(randomness: Seed, deviations: &[Deviation]) -> Self {
        let deviations: BTreeMap<_, _> =
            deviations.iter().map(|deviation| (deviation.key(), (deviation.value, false))).collect();
        let moved = deviations.keys().filter(|key| key.domain == Domain::Schedule).count();
        Self {
            randomness,
            deviations,
            moved,
            queue: VecDeque::new(),
            parked: BTreeMap::new(),
            step: 0,
            arrivals: 0,
        }
    }

    fn value(&mut self, key: DecisionKey) -> u32 {
        self.deviations.get_mut(&key).map_or(0, |(value, applied)| {
            *applied = true;
            *value
        })
    }
}

impl Source for Replay {
    fn ready(&mut self, task: Ready) {
        let key = DecisionKey { domain: Domain::Schedule, task: task.task, resume: task.resume, index: 0 };
        let value = if self.moved == 0 { 0 } else { self.value(key) };
        if value == 0 {
            self.queue.push_back(task.slot);
        } else {
            self.parked.insert((self.step + u64::from(value) - 1, self.arrivals), task.slot);
        }
        self.arrivals += 1;
    }

    fn next(&mut self) -> Option<u32> {
        let due = match self.parked.first_key_value() {
            // A parked task also runs early when nothing else is ready: time does not pass while a task can run.
            Some((&(step, _), _)) => step <= self.step || self.queue.is_empty(),
            None => false,
        };
        let next = if due { self.parked.pop_first().map(|(_, slot)| slot) } else { self.queue.pop_front() };
        self.step += u64::from(next.is_some());
        next
    }

    fn choose(&mut self, key: DecisionKey, arity: u32) -> u32 {
        // A value from before an edit of the code may be out of range now: the quiet choice then.
        let value = self.value(key);
        if value < arity { value } else { 0 }
    }

    fn user_stream(&mut self, entity: u64) -> Stream {
        Stream::new(self.randomness, Domain::User, entity)
    }

    fn unapplied(&self) -> usize {
        self.deviations.values().filter(|(_, applied)| !applied).count()
    }
}
