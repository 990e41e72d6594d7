//! The source for exploring, [`Seeded`]: a seed, and a strategy that chooses among ready tasks.
//!
//! # Invariants
//! - Choices of different domains and entities come from different streams, each created by its first draw.

use super::{AnySource, Source};
use crate::estimates::KeyedEstimates;
use crate::sorting::pair;
use crate::strategy::{Draw, Scratch, Strategy, StrategyState, for_strategy};
use crate::{
    DecisionKey, Domain, IntMap, Operation, Random, Ready, Seed, SeedVersion, StrategySpec, Stream, TaskKey,
};

/// A stream for each domain and entity.
type Streams = IntMap<Box<Stream>>;

/// Makes decisions from a seed and a strategy.
#[derive(Debug)]
pub struct Seeded {
    pub(super) strategy: StrategyState,
    pub(super) draw: Draw,
    /// `None` until the first decision other than the order of tasks; most runs have none.
    streams: Option<Box<Streams>>,
    version: SeedVersion,
    varied_io: bool,
}

impl Seeded {
    /// Creates a source that draws from `seed` and leaves the order of tasks to `strategy`.
    #[must_use]
    pub fn new(seed: Seed, strategy: impl Strategy + 'static) -> Self {
        Self::of_state(StrategyState::Other(Box::new(strategy)), Draw::new(seed), false)
    }

    #[inline]
    fn of_state(strategy: StrategyState, draw: Draw, varied_io: bool) -> Self {
        Self { strategy, draw, streams: None, version: SeedVersion::V2, varied_io }
    }

    /// Creates a source for a strategy by name, with its estimates of the run.
    pub(crate) fn with_estimates(seed: Seed, strategy: StrategySpec, estimates: &KeyedEstimates<'_>) -> Self {
        Self::of_state(StrategyState::new(strategy, seed, estimates), Draw::new(seed), estimates.varied_io)
    }

    /// The same in the memory of an earlier source.
    pub(crate) fn with_estimates_in(
        scratch: &Scratch,
        seed: Seed,
        strategy: StrategySpec,
        estimates: &KeyedEstimates<'_>,
    ) -> Self {
        let state = scratch.state(strategy, seed, estimates);
        Self::of_state(state, Draw::within(scratch, seed), estimates.varied_io)
    }

    /// Makes only the decisions of this version.
    pub(crate) fn of_version(mut self, version: SeedVersion) -> Self {
        self.version = version;
        self
    }

    /// Creates a source with the random strategy.
    #[inline]
    pub(crate) fn random(seed: Seed) -> Self {
        Self::of_state(StrategyState::Random(Random::default()), Draw::new(seed), false)
    }

    /// The same in the memory of an earlier source.
    #[inline]
    pub(crate) fn random_in(scratch: &Scratch, seed: Seed, varied_io: bool) -> Self {
        Self::of_state(scratch.random(), Draw::within(scratch, seed), varied_io)
    }
}

impl StrategySpec {
    /// Creates the source of decisions of a run with `seed` under this strategy, without estimates of the run.
    /// Strategies that depend on estimates are at their weakest then. [`explore`](crate::explore) makes a baseline run
    /// first, and [`Profile::source`](crate::Profile::source) passes them the estimates from it.
    #[must_use]
    #[inline]
    pub fn source(self, seed: Seed) -> AnySource {
        AnySource::Seeded(match self {
            Self::Random => Seeded::random(seed),
            _ => Seeded::with_estimates(seed, self, &KeyedEstimates::default()),
        })
    }
}

impl Drop for Seeded {
    #[inline]
    fn drop(&mut self) {
        self.draw.end(&mut self.strategy);
    }
}

impl Source for Seeded {
    fn ready(&mut self, task: Ready) {
        for_strategy!(&mut self.strategy, strategy => strategy.ready(task, &mut self.draw));
    }

    fn next(&mut self) -> Option<u32> {
        for_strategy!(&mut self.strategy, strategy => strategy.next(&mut self.draw))
    }

    fn wants_operations(&self) -> bool {
        for_strategy!(&self.strategy, strategy => strategy.wants_operations())
    }

    fn version(&self) -> SeedVersion {
        self.version
    }

    #[inline]
    fn varies_io(&self) -> bool {
        self.varied_io
    }

    #[inline]
    fn should_preempt(&mut self, key: DecisionKey, operation: Operation) -> bool {
        let DecisionKey::Operation { task, .. } = key else { return false };
        self.strategy.as_dyn().should_preempt(task, operation, &mut self.draw)
    }

    #[inline]
    fn performed(&mut self, task: TaskKey, operation: Operation) {
        self.strategy.as_dyn().performed(task, operation, &mut self.draw);
    }

    #[inline]
    fn lets_time_pass(&mut self, by_ns: u64) -> bool {
        for_strategy!(&mut self.strategy, strategy => strategy.lets_time_pass(by_ns))
    }

    #[inline]
    fn time_passed(&mut self) {
        for_strategy!(&mut self.strategy, strategy => strategy.time_passed());
    }

    fn release_held(&mut self) -> bool {
        for_strategy!(&mut self.strategy, strategy => strategy.release_held())
    }

    fn choose(&mut self, key: DecisionKey, arity: u32) -> u32 {
        let seed = self.draw.seed();
        let (domain, entity, ..) = key.parts();
        let key = pair(domain.code().into(), entity);
        self.streams
            .get_or_insert_default()
            .get_or_insert_with(key, || Box::new(Stream::new(seed, domain, entity)))
            .below(arity)
    }

    fn user_stream(&mut self, entity: u64) -> Stream {
        Stream::new(self.draw.seed(), Domain::User, entity)
    }

    fn spawned(&mut self, parent: TaskKey, child: TaskKey) {
        for_strategy!(&mut self.strategy, strategy => strategy.spawned(parent, child));
    }

    fn finished(&mut self, task: TaskKey) {
        for_strategy!(&mut self.strategy, strategy => strategy.finished(task));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Access, Announced, Profile, ResourceKey};

    /// Returns the slots that run, step by step, of a few tasks that announce their operations. Stops after `most`
    /// steps.
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
                let key = DecisionKey::Operation { task, resume: 0, index: *done };
                if source.should_preempt(key, operation) {
                    let announced = Some(Announced { index: *done, operation });
                    source.ready(Ready { slot, resume: 0, task, announced });
                    break;
                }
            }
        }
        steps
    }

    /// Memory that a run leaves to the next does not affect its decisions.
    #[test]
    fn a_source_in_used_memory_decides_as_a_new_one() {
        let scratch = Scratch::default();
        let (mut watching, watched) = Profile::watching();
        watching.ready(Ready { slot: 9, resume: 0, task: TaskKey::ROOT, announced: None });
        watching.next();
        steps(watching, usize::MAX);
        let profile = watched.into_profile();
        for strategy in StrategySpec::ALL {
            for seed in (0..64).map(Seed) {
                let source = || profile.source_in(&scratch, strategy, seed);
                let new = steps(profile.source(strategy, seed), usize::MAX);
                // Tasks that are held back wait for time to advance, which it does not here.
                let holds_back =
                    matches!(strategy, StrategySpec::Starve | StrategySpec::Stall | StrategySpec::Portfolio);
                assert!(holds_back || new.len() >= 5, "{strategy}, {seed}: {new:?}");
                // A run abandoned half way, and one without estimates.
                steps(source(), seed.0 as usize % new.len().max(1));
                steps(Profile::default().source_in(&scratch, strategy, Seed(seed.0 + 1)), 7);
                assert_eq!(steps(source(), usize::MAX), new, "{strategy}, {seed}");
            }
        }
    }
}
