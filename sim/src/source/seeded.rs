//! The source for exploring: a seed, and a strategy that chooses among ready tasks.
//!
//! Always true: choices of different domains and tasks come from different streams, each made when first drawn from.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;
use std::thread::LocalKey;

use super::{Ready, Source};
use crate::strategy::{Draw, Strategy};
use crate::{DecisionKey, Domain, Operation, Seed, Stream, TaskKey};

/// A stream for each domain and entity.
type Streams = BTreeMap<(Domain, TaskKey), Box<Stream>>;

/// Decides by a seed and a strategy.
#[derive(Debug)]
pub struct Seeded<S> {
    seed: Seed,
    strategy: S,
    draw: Draw,
    /// `None` until something but an order of tasks is decided: most runs never come to it.
    streams: Option<Box<Streams>>,
}

impl<S: Strategy> Seeded<S> {
    /// A source that draws from `seed` and leaves the order of tasks to `strategy`.
    #[must_use]
    pub fn new(seed: Seed, strategy: S) -> Self {
        Self { seed, strategy, draw: Draw::new(seed), streams: None }
    }
}

impl<S: Strategy> Source for Seeded<S> {
    #[inline(always)]
    fn ready(&mut self, task: Ready) {
        self.strategy.ready(task, &mut self.draw);
    }

    #[inline(always)]
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
            .get_or_insert_default()
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

/// Where a thread keeps the source of its last run under a strategy: to make another would take as long as some steps.
pub(crate) type Spare<S> = Cell<Option<Box<Seeded<S>>>>;

/// A strategy whose source is kept for the thread's next run under it.
pub(crate) trait Kept: Strategy + Sized + 'static {
    /// Where it is kept.
    fn spare() -> &'static LocalKey<Spare<Self>>;
}

/// A source that goes back to where it is kept.
trait Keep: Source {
    fn keep(self: Box<Self>);
}

impl<S: Kept> Keep for Seeded<S> {
    fn keep(self: Box<Self>) {
        // Where the thread is being torn down there is no next run.
        let _ = S::spare().try_with(|spare| spare.set(Some(self)));
    }
}

/// A seed and a strategy, in the place of an earlier source of the same kind.
pub struct Lent(Option<Box<dyn Keep>>);

impl Lent {
    /// The thread's spare source, for another run; where there is none, a new one.
    pub(crate) fn new<S: Kept>(seed: Seed, new: impl FnOnce() -> S, renew: impl FnOnce(&mut S)) -> Self {
        Self(Some(match S::spare().try_with(Cell::take) {
            Ok(Some(mut source)) => {
                source.seed = seed;
                source.draw.renew(seed);
                source.streams = None;
                renew(&mut source.strategy);
                source
            }
            _ => Box::new(Seeded::new(seed, new())),
        }))
    }

    /// The source; it is taken out at the end alone.
    #[inline(always)]
    pub(super) fn source(&mut self) -> &mut dyn Source {
        self.0.as_deref_mut().expect("it is here until the end")
    }

    #[inline(always)]
    pub(super) fn source_ref(&self) -> &dyn Source {
        self.0.as_deref().expect("it is here until the end")
    }
}

impl fmt::Debug for Lent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(source) = self.0.take() {
            source.keep();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::AnySource;
    use crate::{Access, Announced, Profile, ResourceKey, StrategySpec};

    /// Who runs, step by step, of a few tasks that announce what they do; the run is left after so many steps.
    fn steps(mut source: AnySource, most: usize) -> Vec<u32> {
        let keys: Vec<_> = (1..6).map(|number| TaskKey::ROOT.child(number)).collect();
        let operation = |slot: u32, done: u32| {
            let access = if (slot + done).is_multiple_of(3) { Access::Read } else { Access::Write };
            Operation { resource: ResourceKey(u64::from(done % 2)), access }
        };
        let mut done = [0_u32; 5];
        for (slot, &task) in (0..).zip(&keys) {
            source.spawned(TaskKey::ROOT, task);
            source.ready(Ready { slot, resume: 0, task, announced: None });
        }
        let mut steps = Vec::new();
        while let Some(slot) = source.next() {
            steps.push(slot);
            if steps.len() == most {
                break;
            }
            let task = keys[slot as usize];
            let done = &mut done[slot as usize];
            loop {
                if *done > 0 {
                    source.performed(task, operation(slot, *done));
                }
                *done += 1;
                if *done > 8 {
                    source.finished(task);
                    break;
                }
                let operation = operation(slot, *done);
                let key = DecisionKey { domain: Domain::Operation, task, resume: 0, index: *done };
                if source.gives_way(key, operation) {
                    let announced = Some(Announced { index: *done, operation });
                    source.ready(Ready { slot, resume: 0, task, announced });
                    break;
                }
            }
        }
        steps
    }

    /// A source that has served before decides as a new one: on a thread of its own there is none.
    #[test]
    fn a_source_that_serves_again_is_as_new() {
        let (mut watching, watched) = Profile::watching();
        watching.ready(Ready { slot: 9, resume: 0, task: TaskKey::ROOT, announced: None });
        watching.next();
        steps(watching, usize::MAX);
        let profile = watched.into_profile();
        for strategy in
            [StrategySpec::Surw, StrategySpec::Pos, StrategySpec::Urw, StrategySpec::Pct { depth: 3 }]
        {
            for seed in (0..64).map(Seed) {
                let source = || profile.source(strategy, seed);
                let new =
                    std::thread::scope(|scope| scope.spawn(|| steps(source(), usize::MAX)).join().unwrap());
                assert!(new.len() >= 5, "{strategy}, {seed}: {new:?}");
                // Left in the midst of it, and with nothing told.
                steps(source(), seed.0 as usize % new.len());
                steps(strategy.source(Seed(seed.0 + 1)), 7);
                assert_eq!(steps(source(), usize::MAX), new, "{strategy}, {seed}");
            }
        }
    }
}
