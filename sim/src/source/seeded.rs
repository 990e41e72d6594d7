//! The source for exploring: a seed, and a strategy that chooses among ready tasks.
//!
//! Always true: choices of different domains and tasks come from different streams, each made when first drawn from.

use std::collections::BTreeMap;

use super::{Ready, Source};
use crate::strategy::{Draw, Strategy};
use crate::{DecisionKey, Domain, Operation, Seed, Stream, TaskKey};

/// Decides by a seed and a strategy.
#[derive(Debug)]
pub struct Seeded<S> {
    seed: Seed,
    strategy: S,
    draw: Draw,
    streams: BTreeMap<(Domain, TaskKey), Box<Stream>>,
}

impl<S: Strategy> Seeded<S> {
    /// A source that draws from `seed` and leaves the order of tasks to `strategy`.
    #[must_use]
    pub fn new(seed: Seed, strategy: S) -> Self {
        Self { seed, strategy, draw: Draw::new(seed), streams: BTreeMap::new() }
    }
}

impl<S: Strategy> Source for Seeded<S> {
    #[inline]
    fn ready(&mut self, task: Ready) {
        self.strategy.ready(task, &mut self.draw);
    }

    #[inline]
    fn next(&mut self) -> Option<u32> {
        self.strategy.next(&mut self.draw)
    }

    fn wants_operations(&self) -> bool {
        self.strategy.wants_operations()
    }

    fn gives_way(&mut self, key: DecisionKey, operation: Operation) -> bool {
        self.strategy.gives_way(key.task, operation, &mut self.draw)
    }

    fn performed(&mut self, task: TaskKey, operation: Operation) {
        self.strategy.performed(task, operation, &mut self.draw);
    }

    #[inline]
    fn lets_time_pass(&mut self, by_ns: u64) -> bool {
        self.strategy.lets_time_pass(by_ns)
    }

    #[inline]
    fn time_passed(&mut self) {
        self.strategy.time_passed();
    }

    fn let_go(&mut self) -> bool {
        self.strategy.let_go()
    }

    fn choose(&mut self, key: DecisionKey, arity: u32) -> u32 {
        let seed = self.seed;
        self.streams
            .entry((key.domain, key.task))
            .or_insert_with(|| Box::new(Stream::new(seed, key.domain, key.task.0)))
            .below(arity)
    }

    fn user_stream(&mut self, entity: u64) -> Stream {
        Stream::new(self.seed, Domain::User, entity)
    }

    #[inline]
    fn spawned(&mut self, parent: TaskKey, child: TaskKey) {
        self.strategy.spawned(parent, child);
    }

    #[inline]
    fn finished(&mut self, task: TaskKey) {
        self.strategy.finished(task);
    }
}
